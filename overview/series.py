# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ended in the last hour, day or week, and how long it took."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .. import clock
from ..core import histogram
from ..storage import figures
from ..storage.rollup import HOUR, MINUTE, OUTCOMES

#: for each period: how many buckets of how many seconds, of which figures
PERIODS = {
    "hour": (60, 60, MINUTE),
    "day": (96, 900, MINUTE),
    "week": (168, 3600, HOUR),
}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_EPOCH = datetime(1970, 1, 1)


def series(cr, period: str, channel: str | None = None) -> dict[str, Any]:
    """What ended in the last hour, day or week, and how long it took.

    :param period: ``hour`` (by minutes), ``day`` (by quarters of an hour) or
        ``week`` (by hours)
    :param channel: complete name; of this channel and those below it alone
    :return: ``period``, ``step`` (seconds), ``buckets`` (the oldest first, the
        empty ones too) and ``total``.  Of each: ``at`` (UTC, ISO 8601), the counts
        ``done failed retry cancelled died``, ``throughput`` (jobs done per minute)
        and ``wait`` and ``run`` with ``mean p50 p95 p99`` in seconds, None
        when nothing is known.
    """
    number, step, grain = PERIODS[period]
    now = int((clock.now(cr) - _EPOCH).total_seconds())
    first = now // step * step - (number - 1) * step
    found = figures.series(cr, grain, step, _moment(first), channel or None)
    begins = range(first, first + number * step, step)
    buckets = [_bucket(begin, now, step, found.get(begin)) for begin in begins]
    total = _bucket(first, now, number * step, figures.add(found.values()))
    return {
        "period": period,
        "step": step,
        "channel": channel or None,
        "buckets": buckets,
        "total": total,
    }


def _bucket(begin, now, step, ended):
    ended = ended or figures.Ended()
    # the last one is not over yet
    minutes = max(1, min(step, now - begin)) / 60
    return {
        "at": _moment(begin).isoformat(),
        **{name: getattr(ended, name) for name in OUTCOMES},
        "throughput": ended.done / minutes,
        "wait": times(ended.wait_histogram, ended.wait_seconds),
        "run": times(ended.run_histogram, ended.run_seconds),
    }


def times(counts, seconds):
    """Mean and shares of a histogram of times, in seconds; None when it is empty.

    :param seconds: all those times together
    """
    number = sum(counts)
    return {
        "mean": seconds / number if number else None,
        **{name: histogram.quantile(counts, share) for name, share in SHARES.items()},
    }


def _moment(seconds):
    return _EPOCH + timedelta(seconds=seconds)
