# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs as a shell shows them: few, without their large columns."""

from __future__ import annotations

from typing import Any

# A channel is meant with those below it.
_LIST = """
SELECT uuid, state, channel, model_name || '.' || method_name AS method, name,
       priority, retry, date_created, eta, date_done, exc_name,
       left(exc_message, 200) AS exc_message
  FROM queue_job AS job
 WHERE (%(uuids)s = '{}' OR uuid = ANY(%(uuids)s))
   AND (%(states)s = '{}' OR state = ANY(%(states)s))
   AND (%(channels)s = '{}' OR EXISTS (
           SELECT FROM unnest(%(channels)s::varchar[]) AS name
            WHERE channel = name OR starts_with(channel, name || '.')))
   AND (%(methods)s = '{}' OR model_name || '.' || method_name = ANY(%(methods)s))
 ORDER BY id DESC LIMIT %(limit)s
"""
_SHOW = """
SELECT uuid, state, channel, model_name || '.' || method_name AS method, name,
       left(func_string, 2000) AS call, priority, retry, max_retries, identity_key,
       graph_uuid, date_created, eta, date_enqueued, date_started, date_done,
       date_cancelled, worker, exec_time, left(result, 2000) AS result, exc_name,
       left(exc_message, 2000) AS exc_message, left(exc_info, 20000) AS exc_info
  FROM queue_job WHERE uuid = %s
"""
_ATTEMPTS = """
SELECT attempt, outcome, date_started, date_ended, exec_time, worker, exc_name,
       left(exc_message, 200) AS exc_message
  FROM queue_job_try
 WHERE job_id = (SELECT id FROM queue_job WHERE uuid = %s) ORDER BY id
"""
# Which jobs that will not be done by themselves a waiting job is behind, however far.
_HOLDERS = """
WITH RECURSIVE above AS (
    SELECT edge.parent_id FROM queue_job AS job
      JOIN queue_job_edge AS edge ON edge.barrier_id = job.barrier_id AND NOT edge.met
     WHERE job.uuid = %s AND job.state = 'wait_dependencies'
     UNION
    SELECT edge.parent_id FROM above
      JOIN queue_job AS job ON job.id = above.parent_id
       AND job.state = 'wait_dependencies'
      JOIN queue_job_edge AS edge ON edge.barrier_id = job.barrier_id AND NOT edge.met
)
SELECT uuid, state, model_name || '.' || method_name AS method,
       left(exc_message, 200) AS exc_message
  FROM queue_job
 WHERE id IN (SELECT parent_id FROM above) AND state IN ('failed', 'cancelled')
 ORDER BY id LIMIT 10
"""
# Whose jobs are not over: a model or method that has gone is found by that.
_WAITING_METHODS = """
SELECT model_name, method_name, count(*) FROM queue_job
 WHERE state IN ('wait_dependencies', 'pending', 'enqueued') GROUP BY 1, 2
"""
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"


def jobs(cr, uuids, states, channels, methods, limit: int) -> list[dict[str, Any]]:
    """The jobs that all of the conditions hold for, the latest first."""
    wanted = {
        "uuids": list(uuids),
        "states": list(states),
        "channels": list(channels),
        "methods": list(methods),
    }
    cr.execute(_LIST, {**wanted, "limit": limit})
    return _rows(cr)


def job(cr, uuid: str) -> dict[str, Any] | None:
    """A job with its ``attempts`` and those it is ``held_by``; None without the job."""
    cr.execute(_SHOW, (uuid,))
    found = _rows(cr)
    if not found:
        return None
    cr.execute(_ATTEMPTS, (uuid,))
    attempts = _rows(cr)
    return {**found[0], "attempts": attempts, "held_by": holders(cr, uuid)}


def holders(cr, uuid: str) -> list[dict[str, Any]]:
    """The jobs that keep a waiting one from ever being released by itself."""
    cr.execute(_HOLDERS, (uuid,))
    return _rows(cr)


def waiting_methods(cr) -> list[tuple[str, str, int]]:
    """Model, method and number of the jobs that have not started."""
    cr.execute(_WAITING_METHODS)
    return cr.fetchall()


def clock(cr) -> float:
    """The database's clock, in seconds since 1970."""
    cr.execute(_CLOCK)
    return cr.fetchone()[0]


def _rows(cr) -> list[dict[str, Any]]:
    names = [column.name for column in cr.description]
    return [dict(zip(names, row)) for row in cr.fetchall()]
