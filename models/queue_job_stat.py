# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models

from .. import storage
from ..overview import series

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
            wait = series.times(waits or (), stat.wait_seconds)
            run = series.times(runs or (), stat.run_seconds)
            stat.wait_mean, stat.wait_p95 = wait["mean"] or 0.0, wait["p95"] or 0.0
            stat.run_mean = run["mean"] or 0.0
            for name in series.SHARES:
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
        """See ``overview.series.series``."""
        return series.series(self.env.cr, period, channel)
