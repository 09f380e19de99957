# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people and monitors want to know of the queue, at a million jobs.

What waits and runs is counted in the partial indexes that hold nothing else; what has
ended is read from the roll-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..core import histogram
from ..core.histogram import SIZE
from .rollup import OUTCOMES, TOTAL

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
# An index that holds the very rows is read alone, never the table: whatever the
# planner believes about a table that changes all the time.
_PLANS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL jit = off;
"""
_USUAL_PLANS = """
SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT;
SET LOCAL jit TO DEFAULT;
"""
_BACKLOG = """
SELECT coalesce(channel, 'root'), sum(enqueued), sum(started), sum(pending),
       sum(scheduled), sum(failed)
  FROM (
    SELECT channel, count(*) FILTER (WHERE state = 'enqueued') AS enqueued,
           count(*) FILTER (WHERE state = 'started') AS started,
           0 AS pending, 0 AS scheduled, 0 AS failed
      FROM queue_job WHERE state IN ('enqueued', 'started') GROUP BY channel
    UNION ALL
    SELECT channel, 0, 0, count(*), 0, 0
      FROM queue_job WHERE state = 'pending' AND ready GROUP BY channel
    UNION ALL
    SELECT channel, 0, 0, 0, count(*), 0
      FROM queue_job WHERE state = 'pending' AND NOT ready GROUP BY channel
    UNION ALL
    SELECT channel, 0, 0, 0, 0, count(*)
      FROM queue_job WHERE state = 'failed' GROUP BY channel
  ) AS part
 GROUP BY 1
"""
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
_LAST_END = f"""
SELECT extract(epoch FROM {_UTC} - greatest(
           (SELECT max(date_done) FROM queue_job
             WHERE state = 'done' AND channel = %(channel)s),
           (SELECT max(date_ended) FROM queue_job_try)))::float8
"""
_BUSY = """
SELECT EXISTS (SELECT FROM ir_module_module
                WHERE state IN ('to install', 'to upgrade', 'to remove'))
"""
_RUNNERS = f"""
SELECT number, node, pid, version, kind, started_at, seen_at,
       coalesce(passes, 0), coalesce(dispatched, 0), coalesce(rescued, 0)
  FROM queue_job_runner WHERE seen_at > {_UTC} - interval '15 seconds'
 ORDER BY node, pid, number
"""
_COUNTS = ", ".join(f"sum({each})::int8" for each in OUTCOMES)
_WAITS = ", ".join(f"sum(wait_histogram[{n}])::int8" for n in range(1, SIZE + 1))
_RUNS = ", ".join(f"sum(run_histogram[{n}])::int8" for n in range(1, SIZE + 1))
_SUMS = f"""
       {_COUNTS},
       sum(wait_seconds), ARRAY[{_WAITS}], sum(run_seconds), ARRAY[{_RUNS}]
"""
_SERIES = f"""
SELECT (floor(extract(epoch FROM at) / %(step)s) * %(step)s)::int8, {_SUMS}
  FROM queue_job_stat
 WHERE grain = %(grain)s AND at >= %(since)s
   AND (%(channel)s IS NULL OR channel = %(channel)s
        OR starts_with(channel, %(channel)s || '.'))
 GROUP BY 1 ORDER BY 1
"""
_TOTALS = f"""
SELECT channel, {_SUMS} FROM queue_job_stat WHERE grain = '{TOTAL}'
 GROUP BY 1 ORDER BY 1
"""


class Backlog(NamedTuple):
    """The jobs of one channel that are not over, and those that failed.

    pending: those that may run now; scheduled: those that wait for their date.
    """

    enqueued: int = 0
    started: int = 0
    pending: int = 0
    scheduled: int = 0
    failed: int = 0


class Runner(NamedTuple):
    """A runner that was seen some seconds ago."""

    number: int
    node: str
    pid: int
    version: str
    kind: str
    started_at: Any
    seen_at: Any
    passes: int
    dispatched: int
    rescued: int


class Ended(NamedTuple):
    """What ended in a time or a channel, by outcome, and how long it took."""

    done: int = 0
    failed: int = 0
    retry: int = 0
    cancelled: int = 0
    died: int = 0
    wait_seconds: float = 0.0
    wait_histogram: list[int] | tuple[int, ...] = ()
    run_seconds: float = 0.0
    run_histogram: list[int] | tuple[int, ...] = ()


def backlog(cr) -> dict[str, Backlog]:
    """What waits, runs and failed, by the complete name of the channel."""
    with _by_index(cr):
        cr.execute(_BACKLOG)
        return {name: Backlog(*map(int, row)) for name, *row in cr.fetchall()}


def oldest(cr) -> dict[str, float]:
    """``{channel: seconds}`` that the job that waits longest could have been run."""
    with _by_index(cr):
        cr.execute(_OLDEST)
        return {name: max(0.0, age) for name, age in cr.fetchall()}


def last_end(cr, channel: str) -> float | None:
    """Seconds since a job of the channel was done, or a try failed anywhere."""
    cr.execute(_LAST_END, {"channel": channel})
    return cr.fetchone()[0]


def is_busy(cr) -> bool:
    """Whether modules are marked to be installed, updated or removed."""
    cr.execute(_BUSY)
    return cr.fetchone()[0]


def runners(cr) -> list[Runner]:
    """The runners that are alive."""
    cr.execute(_RUNNERS)
    return [Runner._make(row) for row in cr.fetchall()]


def series(
    cr, grain: str, step: int, since, channel: str | None = None
) -> dict[int, Ended]:
    """What ended since then, by the beginning of each step (seconds of the epoch).

    :param grain: of the figures that are read
    :param step: seconds
    :param channel: of this one and those below it alone
    """
    params = {"grain": grain, "step": step, "since": since, "channel": channel}
    cr.execute(_SERIES, params)
    return {begin: Ended._make(row) for begin, *row in cr.fetchall()}


def totals(cr) -> dict[str, Ended]:
    """What ended since the counting began, by channel."""
    cr.execute(_TOTALS)
    return {name: Ended._make(row) for name, *row in cr.fetchall()}


def add(parts: Iterable[Ended]) -> Ended:
    """What ended in all of these together."""
    parts = list(parts)
    sums = {
        name: sum(getattr(part, name) for part in parts)
        for name in (*OUTCOMES, "wait_seconds", "run_seconds")
    }
    return Ended(
        **sums,
        wait_histogram=histogram.add(part.wait_histogram for part in parts),
        run_histogram=histogram.add(part.run_histogram for part in parts),
    )


@contextmanager
def _by_index(cr) -> Iterator[None]:
    cr.execute(_PLANS)
    yield
    cr.execute(_USUAL_PLANS)
