# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from datetime import datetime, timedelta

from odoo import api, fields, models

from .. import clock, storage
from ..core import histogram
from ..storage.rollup import HOUR, MINUTE, OUTCOMES

#: for each period: how many buckets of how many seconds, of which figures
PERIODS = {
    "hour": (60, 60, MINUTE),
    "day": (96, 900, MINUTE),
    "week": (168, 3600, HOUR),
}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_EPOCH = datetime(1970, 1, 1)
_COUNT = {"digits": (20, 0), "readonly": True}


class QueueJobStat(models.Model):
    """What ended in a minute or an hour, by channel and function.

    The rows are written by SQL (``storage.rollup``), which adds what ended to them
    every few seconds; they also have the histograms ``wait_histogram`` and
    ``run_histogram``.
    """

    _name = "queue.job.stat"
    _description = "Queue Job Statistics"
    _log_access = False
    _order = "at desc, channel, function"
    _rec_name = "function"

    grain = fields.Selection(
        [("minute", "Minute"), ("hour", "Hour"), ("total", "Since Ever")],
        readonly=True,
        required=True,
    )
    at = fields.Datetime("From", readonly=True, required=True)
    channel = fields.Char(readonly=True, required=True)
    function = fields.Char(readonly=True, required=True)
    done = fields.Float(**_COUNT)
    failed = fields.Float(**_COUNT)
    retry = fields.Float("Retried", **_COUNT)
    cancelled = fields.Float(**_COUNT)
    died = fields.Float(
        **_COUNT,
        help="Attempts whose worker died, with their jobs rescued.",
    )
    wait_count = fields.Float("Waits", **_COUNT)
    wait_seconds = fields.Float(
        "Waited (s)",
        readonly=True,
        help="How long jobs waited that could be executed.",
    )
    run_count = fields.Float("Tries", **_COUNT)
    run_seconds = fields.Float(
        "Execution Time (s)", readonly=True, help="Of all tries, however they ended."
    )
    wait_mean = fields.Float("Mean Wait (s)", compute="_compute_times")
    wait_p95 = fields.Float("Wait p95 (s)", compute="_compute_times")
    run_mean = fields.Float("Mean Run Time (s)", compute="_compute_times")
    run_p50 = fields.Float("Run Time p50 (s)", compute="_compute_times")
    run_p95 = fields.Float("Run Time p95 (s)", compute="_compute_times")
    run_p99 = fields.Float("Run Time p99 (s)", compute="_compute_times")

    _place_uniq = models.UniqueIndex("(grain, at, channel, function)")

    def init(self):
        storage.rollup.prepare(self.env.cr)
        storage.ids.widen(self.env.cr)

    def _compute_times(self):
        found = storage.figures.histograms(self.env.cr, self.ids)
        for stat in self:
            waits, runs = found.get(stat.id, ((), ()))
            wait = times(waits or (), stat.wait_seconds)
            run = times(runs or (), stat.run_seconds)
            stat.wait_mean, stat.wait_p95 = wait["mean"] or 0.0, wait["p95"] or 0.0
            stat.run_mean = run["mean"] or 0.0
            for name in SHARES:
                stat[f"run_{name}"] = run[name] or 0.0

    @api.model
    def _roll_up(self):
        """Add up all that ended up to some seconds ago, in transactions of its own."""
        more = True
        while more:
            with self.env.registry.cursor() as cr:
                storage.rollup.begin(cr)
                more = storage.rollup.add_up(cr)
        with self.env.registry.cursor() as cr:
            storage.rollup.prune(cr)

    @api.model
    def _series(self, period, channel=None):
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
        now = int((clock.now(self.env.cr) - _EPOCH).total_seconds())
        first = now // step * step - (number - 1) * step
        found = storage.figures.series(
            self.env.cr, grain, step, _moment(first), channel or None
        )
        begins = range(first, first + number * step, step)
        buckets = [_bucket(begin, now, step, found.get(begin)) for begin in begins]
        total = _bucket(first, now, number * step, storage.figures.add(found.values()))
        return {
            "period": period,
            "step": step,
            "channel": channel or None,
            "buckets": buckets,
            "total": total,
        }


def _bucket(begin, now, step, ended):
    ended = ended or storage.figures.Ended()
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
