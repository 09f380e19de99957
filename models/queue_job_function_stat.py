# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the jobs of a function went in the last week."""

from __future__ import annotations

from datetime import timedelta

from odoo import fields, models

from .. import clock, storage
from ..overview.series import times

_PERIOD = timedelta(days=7)


class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    week_done = fields.Integer("Done in 7 Days", compute="_compute_week")
    week_failed = fields.Integer("Failed in 7 Days", compute="_compute_week")
    week_died = fields.Integer("Rescued in 7 Days", compute="_compute_week")
    week_retry = fields.Integer("Tried Again in 7 Days", compute="_compute_week")
    week_mean = fields.Float("Mean Run Time (s)", compute="_compute_week")
    week_p50 = fields.Float("Run Time p50 (s)", compute="_compute_week")
    week_p95 = fields.Float("Run Time p95 (s)", compute="_compute_week")
    failed_count = fields.Integer("Failed Now", compute="_compute_failed_count")

    def _compute_week(self):
        names = [name for name in self.mapped("name") if name]
        since = clock.now(self.env.cr) - _PERIOD
        found = storage.performance.of_functions(self.env.cr, names, since)
        for function in self:
            figures = found.get(function.name, storage.performance.Performance())
            run = times(figures.run_histogram, figures.run_seconds)
            function.week_done = figures.done
            function.week_failed = figures.failed
            function.week_died = figures.died
            function.week_retry = figures.retry
            function.week_mean = run["mean"] or 0.0
            function.week_p50 = run["p50"] or 0.0
            function.week_p95 = run["p95"] or 0.0

    def _compute_failed_count(self):
        counts = dict(
            self.env["queue.job"]._read_group(
                [("state", "=", "failed"), ("job_function_id", "in", self.ids)],
                ["job_function_id"],
                ["__count"],
            )
        )
        for function in self:
            function.failed_count = counts.get(function._origin, 0)

    def open_failed_jobs(self):
        """The failed jobs of the function."""
        action = self.open_jobs()
        action["domain"] = [*action["domain"], ("state", "=", "failed")]
        return action
