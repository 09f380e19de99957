# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job in the hands of its executor: started, finished, the next one taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

_UTC = "clock_timestamp() AT TIME ZONE 'UTC'"
_COLUMNS = """
          job.id, job.uuid, job.model_name, job.method_name, job.records::text, job.args::text,
          job.kwargs::text, job.user_id, job.company_id, job.retry, job.max_retries,
          job.priority, job.eta, job.channel, job.attempt, job.timeout,
          job.date_created, job.date_started, job.name, job.identity_key,
          job.graph_uuid, job.barrier_id, job.deaths, job.job_function_id,
          job.date_enqueued
"""
_RETURNING = f"RETURNING {_COLUMNS}"
# start: the job that the request names, in the attempt that its proof is for
# A throttled channel, its own or one above it, counts its gap from here: one statement,
# since a pass between the start and a later stamp would see the gap as over.
_START = f"""
WITH started AS (
    UPDATE queue_job AS job
       SET state = 'started', date_started = {_UTC},
           worker = %(worker)s, worker_pid = %(pid)s
     WHERE uuid = %(uuid)s AND state = 'enqueued' AND attempt = %(attempt)s
    {_RETURNING}
), stamped AS (
    UPDATE queue_job_throttle AS throttle SET last_start = {_UTC} FROM started
     WHERE started.channel = throttle.channel
        OR started.channel LIKE throttle.channel || '.%%'
    RETURNING 1
)
SELECT started.*, EXISTS (SELECT 1 FROM stamped) FROM started
"""
# start: the next ready job of the channel; others look elsewhere meanwhile
_START_NEXT = f"""
UPDATE queue_job AS job
   SET state = 'started', date_started = {_UTC}, date_enqueued = {_UTC},
       attempt = attempt + 1, worker = %(worker)s, worker_pid = %(pid)s
 WHERE id = (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND ready AND channel = %(channel)s
       AND (eta IS NULL OR eta <= {_UTC})
     ORDER BY channel, priority, date_created, id
     LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
 )
{_RETURNING}, false
"""
_STAMP_THROTTLE = f"""
UPDATE queue_job_throttle SET last_start = {_UTC} WHERE channel = ANY(%s)
"""
# the same two starts, told apart from the write that follows
_FIND_STARTABLE = """
SELECT id FROM queue_job
 WHERE {condition} AND state IN ('enqueued', 'pending')
   FOR NO KEY UPDATE SKIP LOCKED
"""
_FIND_NEXT = f"""
SELECT id FROM queue_job
 WHERE state = 'pending' AND ready AND channel = %s
   AND (eta IS NULL OR eta <= {_UTC})
 ORDER BY channel, priority, date_created, id
 LIMIT 1
"""
_READ = f"""
SELECT {_COLUMNS}, %s FROM queue_job job WHERE id = %s
"""
# finish: in the body's own transaction, so that effects and state commit together
_FINISH = """
UPDATE queue_job
   SET state = 'done', retry = %(retry)s, date_done = %(date_done)s,
       exec_time = %(exec_time)s, result = %(result)s,
       exc_name = NULL, exc_message = NULL, exc_info = NULL,
       release_due = EXISTS (
           SELECT 1 FROM queue_job_edge WHERE parent_id = %(id)s AND NOT met
       )
 WHERE id = %(id)s AND state = 'started' AND attempt = %(attempt)s
RETURNING release_due
"""


class Started(NamedTuple):
    """The row of a job that was just started."""

    id: int
    uuid: str
    model_name: str
    method_name: str
    records: Any
    args: Any
    kwargs: Any
    user_id: int
    company_id: int | None
    retry: int
    max_retries: int
    priority: int
    eta: Any
    channel: str
    attempt: int
    timeout: float | None
    date_created: Any
    date_started: Any
    name: str
    identity_key: str | None
    graph_uuid: str | None
    barrier_id: int | None
    deaths: int
    job_function_id: int | None
    date_enqueued: Any
    #: one of the job's channels is throttled
    throttled: bool


def start(cr, uuid: str, attempt: int, worker: str, pid: int) -> Started | None:
    """Start the enqueued job; None when it is not there in this attempt any more."""
    params = {"uuid": uuid, "attempt": attempt, "worker": worker, "pid": pid}
    cr.execute(_START, params)
    return _started(cr.fetchone())


def start_next(cr, channel: str, worker: str, pid: int) -> Started | None:
    """Start the first ready job of the channel; None when there is none.

    The caller gives back the slot of a job that ended, in a transaction that holds
    :func:`locks.hold_slot` since before that end.
    """
    cr.execute(_START_NEXT, {"channel": channel, "worker": worker, "pid": pid})
    return _started(cr.fetchone())


def stamp_throttle(cr, channels: Iterable[str]) -> bool:
    """Note that a job of these channels (one and its ancestors) starts now.

    :return: whether one of them is throttled
    """
    cr.execute(_STAMP_THROTTLE, (list(channels),))
    return bool(cr.rowcount)


def find_startable(cr, condition: str, params: tuple) -> int | None:
    """Lock and return the id of a job that may start; None when there is none.

    :param condition: SQL of the caller's own, with ``params`` for its values
    """
    cr.execute(_FIND_STARTABLE.format(condition=condition), params)
    row = cr.fetchone()
    return row[0] if row else None


def find_next(cr, channel: str) -> int | None:
    """The id of the channel's first ready job."""
    cr.execute(_FIND_NEXT, (channel,))
    row = cr.fetchone()
    return row[0] if row else None


def read_started(cr, job_id: int, throttled: bool) -> Started:
    """The row of a started job."""
    cr.execute(_READ, (throttled, job_id))
    return Started._make(cr.fetchone())


def finish(cr, job_id: int, attempt: int, values: dict) -> bool | None:
    """Set the started job done.

    :param values: ``retry``, ``date_done``, ``exec_time``, ``result``
    :return: whether jobs wait for it; None when the job is not ours any more
    """
    cr.execute(_FINISH, {**values, "id": job_id, "attempt": attempt})
    row = cr.fetchone()
    return row[0] if row else None


def _started(row) -> Started | None:
    return Started._make(row) if row else None
