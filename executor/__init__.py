# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Execution of jobs: claim -> perform -> outcome -> record. No HTTP here.

``serve``
    a lease of a slot: the job that a request names, then the next ones of its channel
``claiming``
    jobs taken from the table, one lease's connection and locks
``performing``
    the body in its transaction, its error as a value
``recording``
    the outcome written, whoever waited for it released
"""

from .claiming import Lease, acquire
from .performing import failure_values, perform, traceback_of
from .recording import record_failure, release_dependents
from .serving import run_once, serve
from .watching import Interrupted

__all__ = [
    "Interrupted",
    "Lease",
    "acquire",
    "failure_values",
    "perform",
    "record_failure",
    "release_dependents",
    "run_once",
    "serve",
    "traceback_of",
]
