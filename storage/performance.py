# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the jobs of functions went, from the roll-up."""

from __future__ import annotations

from typing import NamedTuple

from ..core.histogram import SIZE
from .rollup import HOUR

_SUMS = f"""
SELECT function, sum(done), sum(failed), sum(died), sum(retry), sum(run_seconds)
  FROM queue_job_stat
 WHERE grain = '{HOUR}' AND at >= %(since)s AND function = ANY(%(names)s)
 GROUP BY function
"""
_HISTOGRAM = f"""
SELECT function, place, sum(number)
  FROM queue_job_stat, unnest(run_histogram) WITH ORDINALITY AS bar (number, place)
 WHERE grain = '{HOUR}' AND at >= %(since)s AND function = ANY(%(names)s)
 GROUP BY function, place
"""


class Performance(NamedTuple):
    """What ended, and how long tries took."""

    done: int = 0
    failed: int = 0
    died: int = 0
    retry: int = 0
    run_seconds: float = 0.0
    run_histogram: list[int] | tuple[int, ...] = ()


def of_functions(cr, names: list[str], since) -> dict[str, Performance]:
    """``{name of a function: its performance}`` since then."""
    params = {"names": list(names), "since": since}
    cr.execute(_HISTOGRAM, params)
    histograms: dict[str, list[int]] = {}
    for name, place, number in cr.fetchall():
        histograms.setdefault(name, [0] * SIZE)[place - 1] = int(number)
    cr.execute(_SUMS, params)
    return {
        name: Performance(
            int(done),
            int(failed),
            int(died),
            int(retry),
            float(seconds or 0.0),
            histograms.get(name, ()),
        )
        for name, done, failed, died, retry, seconds in cr.fetchall()
    }
