# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people and monitors want to know of runners and of what ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ..core import histogram
from ..core.histogram import SIZE
from .rollup import OUTCOMES, TOTAL

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
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
       coalesce(passes, 0), coalesce(dispatched, 0), coalesce(rescued, 0),
       configuration
  FROM queue_job_runner WHERE seen_at > {_UTC} - interval '15 seconds'
 ORDER BY node, pid, number
"""
_CRON = """
SELECT cron.active, cron.nextcall
  FROM ir_model_data AS name JOIN ir_cron AS cron ON cron.id = name.res_id
 WHERE name.module = 'queue_job' AND name.name = 'ir_cron_queue_job_run'
   AND name.model = 'ir.cron'
"""
_MOST_WAIT = """
SELECT value FROM ir_config_parameter WHERE key = 'queue_job.health_max_wait'
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

_HISTOGRAMS = """
SELECT id, wait_histogram, run_histogram FROM queue_job_stat WHERE id = ANY(%s)
"""


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
    configuration: str | None


class Cron(NamedTuple):
    """The scheduled action that executes jobs where no runner does."""

    active: bool
    nextcall: datetime


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


def cron(cr) -> Cron | None:
    """The scheduled action; None when it was deleted."""
    cr.execute(_CRON)
    row = cr.fetchone()
    return Cron._make(row) if row else None


def most_wait(cr) -> int:
    """After how many seconds a waiting job is late; 0: never."""
    cr.execute(_MOST_WAIT)
    row = cr.fetchone()
    return int(row[0]) if row and (row[0] or "").isdecimal() else 0


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


def histograms(cr, ids: list[int]) -> dict[int, tuple[list[int], list[int]]]:
    """``{row: (its waits, its runs)}``"""
    cr.execute(_HISTOGRAMS, (list(ids),))
    return {id_: (waits, runs) for id_, waits, runs in cr.fetchall()}


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
