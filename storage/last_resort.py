# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of a try in one statement, when it could not be written in the usual way."""

from __future__ import annotations

from collections.abc import Mapping

from ..core import states
from ..core.outcome import Cancelled, Failed, Retry
from .untold import noted

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
# Nobody waits for a row here: who has it has decided otherwise, or lets go of it.
_LIMITS = "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s';"
_OURS = "id = %(id)s AND coalesce(attempt, 0) = %(attempt)s AND state = 'started'"
_RETRY = f"""
UPDATE queue_job
   SET state = 'pending', retry = %(retry)s, ready = %(seconds)s <= 0,
       eta = {_UTC} + %(seconds)s * interval '1 second',
       identity_twin = identity_key IS NOT NULL, date_enqueued = NULL,
       date_started = NULL, worker = NULL, worker_pid = NULL,
       exc_name = %(exc_name)s, exc_message = %(exc_message)s, exc_info = NULL
 WHERE {_OURS}
RETURNING id
"""
_FAIL = noted(f"""
UPDATE queue_job
   SET state = 'failed', retry = %(retry)s, exc_name = %(exc_name)s,
       exc_message = %(exc_message)s, exc_info = NULL
 WHERE {_OURS}
RETURNING id, state
""")
_CANCEL = noted(f"""
UPDATE queue_job
   SET state = 'cancelled', retry = %(retry)s, date_cancelled = {_UTC},
       result = %(reason)s
 WHERE {_OURS}
RETURNING id, state
""")
_WRITTEN = {
    Retry: (_RETRY, states.PENDING),
    Failed: (_FAIL, states.FAILED),
    Cancelled: (_CANCEL, states.CANCELLED),
}


def write(
    cr,
    kind: type[Retry] | type[Failed] | type[Cancelled],
    job_id: int,
    attempt: int,
    retry: int,
    seconds: float,
    texts: Mapping[str, str | None],
) -> str | None:
    """Write what becomes of the started job; return its state, None: it is not ours.

    :param texts: ``exc_name``, ``exc_message`` and ``reason``
    """
    statement, state = _WRITTEN[kind]
    params = {
        "id": job_id,
        "attempt": attempt,
        "retry": retry,
        "seconds": seconds,
        **texts,
    }
    cr.execute(_LIMITS)
    cr.execute(statement, params)
    return state if cr.rowcount else None
