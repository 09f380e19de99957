# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Guarded moves of jobs from one state to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import sql

from ..core import states

# Every write of a state is this statement: it moves the jobs that are where the verb
# starts from, and tells which those were.
_MOVE = """
UPDATE queue_job SET {assignments}
 WHERE id = ANY(%(ids)s) AND state = ANY(%(sources)s)
RETURNING id
"""
# The jobs that may make the move, kept still until the transaction ends.
_GUARD = """
SELECT id FROM queue_job
 WHERE id = ANY(%(ids)s) AND state = ANY(%(sources)s)
 ORDER BY id
   FOR NO KEY UPDATE
"""
# A job goes back to where it waits: behind the jobs it depends on, when those are not
# done, else to the queue.
# Race: the last of them may have ended after our snapshot, and nobody releases a job
# twice. So the barrier is written: who counts it down after us sees the jobs that we
# put behind it, and who looks at it with an old snapshot gets a serialization failure.
_WAITING = """
WITH back AS (
    SELECT id, barrier_id FROM queue_job
     WHERE id = ANY(%(ids)s) AND state = ANY(%(sources)s) AND barrier_id IS NOT NULL
), locked AS (
    SELECT id FROM queue_job_barrier WHERE id IN (SELECT barrier_id FROM back)
     ORDER BY id FOR NO KEY UPDATE
), held AS (
    UPDATE queue_job_barrier AS barrier SET remaining = barrier.remaining
      FROM locked WHERE barrier.id = locked.id
    RETURNING barrier.id, barrier.remaining
)
SELECT back.id FROM back JOIN held ON held.id = back.barrier_id
 WHERE held.remaining > 0
"""
# Ask the jobs that have not ended to stop; who asked first is who is told.
_ASK_TO_STOP = """
INSERT INTO queue_job_stop (job_id, user_id, reason)
SELECT id, %(user_id)s, %(reason)s FROM queue_job
 WHERE id = ANY(%(ids)s) AND state = ANY(%(unfinished)s)
    ON CONFLICT (job_id) DO NOTHING
RETURNING job_id
"""
#: why a job stops when whoever asked for it gave no reason
STOPPED = "Stopped"
_REASON = f"coalesce(nullif(reason, ''), '{STOPPED}')"
_TAKE_STOP = f"DELETE FROM queue_job_stop WHERE job_id = %s RETURNING {_REASON}"
_FORGET_STOPS = "DELETE FROM queue_job_stop WHERE job_id = ANY(%s)"
_ADD_TO_INFO = """
UPDATE queue_job SET exc_info = concat(exc_info, %s) WHERE id = %s
"""
_STOPS = f"SELECT job_id, {_REASON} FROM queue_job_stop WHERE job_id = ANY(%s)"
# Within a transaction that lasts as long as a body: it keeps no lock on the table, and
# goes on when somebody else does.
_STOP_REASON = f"""
SAVEPOINT queue_job_stop; SET LOCAL lock_timeout = '250ms';
SELECT {_REASON} FROM queue_job_stop WHERE job_id = %s
"""
_LOOKED = "ROLLBACK TO SAVEPOINT queue_job_stop; RELEASE SAVEPOINT queue_job_stop"


def move(cr, verb: str, ids: list[int], values: Mapping[str, Any]) -> list[int]:
    """Write ``values`` on the jobs that may make the move; return their ids.

    :param values: ``state`` among them; column names are the callers' own words
    """
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in values
    )
    query = sql.SQL(_MOVE).format(assignments=assignments)
    params = {**values, "ids": list(ids), "sources": states.sources(verb)}
    cr.execute(query, params)
    return [row[0] for row in cr.fetchall()]


def guard(cr, verb: str, ids: list[int]) -> list[int]:
    """Lock and return the ids of the jobs that may make the move."""
    cr.execute(_GUARD, {"ids": list(ids), "sources": states.sources(verb)})
    return [row[0] for row in cr.fetchall()]


def hold_back(cr, ids: list[int]) -> list[int]:
    """Those of the jobs that may be requeued whose dependencies are not done, and stay
    so until the transaction ends."""
    cr.execute(_WAITING, {"ids": list(ids), "sources": states.sources("requeue")})
    return [row[0] for row in cr.fetchall()]


def ask_to_stop(cr, ids: list[int], user_id: int | None, reason: str) -> list[int]:
    """Leave a request to stop for the jobs that have not ended; return their ids.

    Race: one that ran a moment ago may wait for another try by now. The request stays
    with the job until it ends, whatever it does.
    """
    params = {
        "ids": list(ids),
        "user_id": user_id,
        "reason": reason,
        "unfinished": list(states.UNFINISHED),
    }
    cr.execute(_ASK_TO_STOP, params)
    return [row[0] for row in cr.fetchall()]


def take_stop(cr, job_id: int) -> str | None:
    """Remove the request to stop the job; return its reason, None: there was none."""
    cr.execute(_TAKE_STOP, (job_id,))
    row = cr.fetchone()
    return row[0] if row else None


def forget_stops(cr, ids: list[int]) -> None:
    """Remove what requests to stop these jobs there are."""
    cr.execute(_FORGET_STOPS, (list(ids),))


def add_to_info(cr, job_id: int, text: str) -> None:
    """Keep something more below the traceback of a failed job."""
    cr.execute(_ADD_TO_INFO, (text, job_id))


def stops(cr, ids: list[int]) -> dict[int, str]:
    """``{job id: reason}`` of the requests to stop these jobs."""
    cr.execute(_STOPS, (list(ids),))
    return dict(cr.fetchall())


def stop_reason(cr, job_id: int) -> str | None:
    """Why the job is asked to stop, None: it is not; nothing stays locked.

    :param cr: of a lease, in the transaction that holds a running job
    """
    try:
        cr.execute(_STOP_REASON, (job_id,))
        row = cr.fetchone()
    finally:
        cr.execute(_LOOKED)
    return row[0] if row else None
