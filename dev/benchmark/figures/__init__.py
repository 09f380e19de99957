# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The figures in the order in which a session measures them.

First those without a server, then those that share one, then those that start
their own.
"""

from .backlog import BacklogScheduled, MillionPending
from .base import Figure, Metric
from .costs import Costs
from .drain import CpuPerJob, Drain, DrainChannels
from .enqueue import EnqueueCommitEach, EnqueueIdentity, EnqueueOneTransaction
from .graph import Graph
from .latency import Latency
from .steady import Steady

FIGURES: dict[str, type[Figure]] = {
    figure.name: figure
    for figure in (
        EnqueueOneTransaction,
        EnqueueCommitEach,
        EnqueueIdentity,
        Latency,
        Drain,
        DrainChannels,
        CpuPerJob,
        Costs,
        Graph,
        Steady,
        BacklogScheduled,
        MillionPending,
    )
}

__all__ = ["FIGURES", "Figure", "Metric"]
