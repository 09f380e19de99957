# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many jobs wait, run and failed, and for how long: at a million jobs as well.

They are counted in the partial indexes that hold nothing else.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from psycopg2.errors import QueryCanceled

from .planning import by_index

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
_RUNNING = """
SELECT coalesce(channel, 'root'), count(*) FILTER (WHERE state = 'enqueued'),
       count(*) FILTER (WHERE state = 'started')
  FROM queue_job WHERE state IN ('enqueued', 'started') GROUP BY 1
"""
_SETS = {
    "pending": "state = 'pending' AND ready",
    "scheduled": "state = 'pending' AND NOT ready",
    "failed": "state = 'failed'",
}
_COUNT = """
SELECT coalesce(channel, 'root'), count(*), false FROM queue_job WHERE {set} GROUP BY 1
"""
# Shortly after very many jobs came in, PostgreSQL has to look at each of them to count
# them: then of each channel a part alone is counted.
_COUNT_SOME = """
WITH RECURSIVE name AS (
    (SELECT channel FROM queue_job WHERE {set} ORDER BY channel LIMIT 1)
     UNION ALL
    SELECT (SELECT channel FROM queue_job WHERE {set} AND channel > name.channel
             ORDER BY channel LIMIT 1)
      FROM name WHERE name.channel IS NOT NULL
), most AS (
    SELECT greatest(100, %(most)s / greatest(1, count(*))) AS number FROM name
)
SELECT name.channel, counted.number, counted.number >= most.number
  FROM name CROSS JOIN most CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM queue_job WHERE {set} AND queue_job.channel = name.channel
         LIMIT (SELECT most.number FROM most)) AS part
  ) AS counted
 WHERE name.channel IS NOT NULL
"""
_HURRY = "SET LOCAL statement_timeout = %s"
_NO_HURRY = "SET LOCAL statement_timeout TO DEFAULT"
_RELEASED = """
(SELECT max(parent.date_done)
   FROM (SELECT parent_id FROM queue_job_edge WHERE barrier_id = {} LIMIT 100) AS edge
   JOIN queue_job AS parent ON parent.id = edge.parent_id)
"""
# The first jobs of each priority: by the order of the index the oldest is among them,
# unless many older ones were given a date that has come just now.  One that depended
# on others waits since those were done.  Since when a requeued one waits is not known.
_OLDEST = f"""
WITH RECURSIVE line AS (
    (SELECT channel, priority FROM queue_job WHERE state = 'pending' AND ready
      ORDER BY channel, priority LIMIT 1)
     UNION ALL
    SELECT next.channel, next.priority FROM line CROSS JOIN LATERAL (
        SELECT channel, priority FROM queue_job
         WHERE state = 'pending' AND ready
           AND (channel, priority) > (line.channel, line.priority)
         ORDER BY channel, priority LIMIT 1
    ) AS next
)
SELECT channel, extract(epoch FROM {_UTC} - min(since))::float8
  FROM (SELECT * FROM line LIMIT 1000) AS line CROSS JOIN LATERAL (
    SELECT CASE WHEN identity_twin AND exc_name IS NULL THEN NULL
                ELSE greatest(date_created, eta, CASE WHEN barrier_id IS NOT NULL
                              THEN {_RELEASED.format("job.barrier_id")} END)
            END AS since
      FROM queue_job AS job
     WHERE state = 'pending' AND ready
       AND channel = line.channel AND priority = line.priority
     ORDER BY channel, priority, date_created, id LIMIT 20
  ) AS job
 GROUP BY channel HAVING min(since) IS NOT NULL
"""

#: milliseconds in which all jobs must be counted, seconds until that is tried again
PATIENCE = 300
_PAUSE = 30.0
#: jobs that are counted of each kind when there is no time for all
MOST = 100_000
_in_parts_until: dict[str, float] = {}


class Backlog(NamedTuple):
    """The jobs of one channel that are not over, and those that failed.

    pending: those that may run now; scheduled: those that wait for their date.
    capped: there are more than that, which would have taken too long to count.
    """

    enqueued: int = 0
    started: int = 0
    pending: int = 0
    scheduled: int = 0
    failed: int = 0
    capped: bool = False


def backlog(cr) -> dict[str, Backlog]:
    """What waits, runs and failed, by the complete name of the channel."""
    found: dict[str, Backlog] = {}
    with by_index(cr):
        cr.execute(_RUNNING)
        for name, enqueued, started in cr.fetchall():
            found[name] = Backlog(enqueued, started)
        for kind, rows in _counts(cr).items():
            for name, number, capped in rows:
                before = found.get(name, Backlog())
                values: dict[str, Any] = {kind: number}
                values["capped"] = capped or before.capped
                found[name] = before._replace(**values)
    return found


def oldest(cr) -> dict[str, float]:
    """``{channel: seconds}`` that the job that waits longest could have been run."""
    with by_index(cr):
        cr.execute(_OLDEST)
        return {name: max(0.0, age) for name, age in cr.fetchall()}


def _counts(cr) -> dict[str, list[tuple[str, int, bool]]]:
    now = time.monotonic()
    if now >= _in_parts_until.get(cr.dbname, 0.0):
        try:
            with cr.savepoint(flush=False):
                cr.execute(_HURRY, (PATIENCE,))
                counts = {kind: _count(cr, _COUNT, kind) for kind in _SETS}
                cr.execute(_NO_HURRY)
                return counts
        except QueryCanceled:
            _in_parts_until[cr.dbname] = now + _PAUSE
    return {kind: _count(cr, _COUNT_SOME, kind) for kind in _SETS}


def _count(cr, query: str, kind: str) -> list[tuple[str, int, bool]]:
    cr.execute(query.format(set=_SETS[kind]), {"most": MOST}, log_exceptions=False)
    return cr.fetchall()
