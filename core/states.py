# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The states of a job and the verbs that move it from one to another.

The only place that knows which move is allowed: every statement that writes a
state takes its sources from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WAIT_DEPENDENCIES = "wait_dependencies"
PENDING = "pending"
ENQUEUED = "enqueued"
STARTED = "started"
DONE = "done"
CANCELLED = "cancelled"
FAILED = "failed"

# A selection: other add-ons rely on the values and on their order.
STATES: list[tuple[str, str]] = [
    (WAIT_DEPENDENCIES, "Wait Dependencies"),
    (PENDING, "Pending"),
    (ENQUEUED, "Enqueued"),
    (STARTED, "Started"),
    (DONE, "Done"),
    (CANCELLED, "Cancelled"),
    (FAILED, "Failed"),
]

# No body has begun: an identity key is unique among these.
NOT_STARTED = (WAIT_DEPENDENCIES, PENDING, ENQUEUED)
# They take up capacity of their channel.
RUNNING = (ENQUEUED, STARTED)
# The machine still has something to do for them.
UNFINISHED = (WAIT_DEPENDENCIES, PENDING, ENQUEUED, STARTED)
# The machine is through with them, one way or another.
ENDED = (DONE, CANCELLED, FAILED)
# Nobody owes them anything; a failed job still waits for somebody's decision.
FINAL = (DONE, CANCELLED)


@dataclass(frozen=True)
class Verb:
    """One allowed kind of move: from any of `sources` to one of `targets`."""

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def target(self) -> str:
        """The usual target, the first one."""
        return self.targets[0]


def _table(*verbs: Verb) -> Mapping[str, Verb]:
    return MappingProxyType({verb.name: verb for verb in verbs})


VERBS: Mapping[str, Verb] = _table(
    Verb("enqueue", (PENDING,), (ENQUEUED,)),
    # A lease starts the next job of its channel without enqueuing it first.
    Verb("start", (ENQUEUED, PENDING), (STARTED,)),
    Verb("finish", (STARTED,), (DONE,)),
    Verb("retry", (STARTED,), (PENDING,)),
    Verb("fail", (STARTED,), (FAILED,)),
    Verb("release", (WAIT_DEPENDENCIES,), (PENDING,)),
    # Lost with its runner or its worker; cancelled when it had been asked to stop.
    Verb("rescue", (ENQUEUED, STARTED), (PENDING, FAILED, CANCELLED)),
    # It cannot be started: its channel is gone, or no request can be made for it.
    Verb("refuse", (PENDING, ENQUEUED), (FAILED,)),
    # A started job is asked to stop; it is its executor that ends it.
    Verb("stop", (STARTED,), (CANCELLED,)),
    Verb("cancel", (WAIT_DEPENDENCIES, PENDING, ENQUEUED, FAILED), (CANCELLED,)),
    Verb(
        "requeue",
        (FAILED, DONE, CANCELLED, ENQUEUED),
        (PENDING, WAIT_DEPENDENCIES),
    ),
    # Requeued is what it waits for.
    Verb("hold", (PENDING,), (WAIT_DEPENDENCIES,)),
    Verb("set_done", (WAIT_DEPENDENCIES, PENDING, ENQUEUED, FAILED), (DONE,)),
)


def sources(verb: str) -> list[str]:
    """The states `verb` may start from, as a list for `state = ANY(%s)`.

    Raises KeyError for an unknown verb.
    """
    return list(VERBS[verb].sources)


def can(verb: str, state: str) -> bool:
    """Whether `verb` applies to a job in `state`.

    Raises KeyError for an unknown verb.
    """
    return state in VERBS[verb].sources
