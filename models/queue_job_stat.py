# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models

from .. import storage

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
        **_COUNT, help="Tries that ended with the death of their worker."
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

    _place_uniq = models.UniqueIndex("(grain, at, channel, function)")

    def init(self):
        storage.rollup.prepare(self.env.cr)

    @api.model
    def _roll_up(self):
        """Add up all that ended up to some seconds ago, in transactions of its own."""
        more = True
        while more:
            with self.env.registry.cursor() as cr:
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                more = storage.rollup.add_up(cr)
        with self.env.registry.cursor() as cr:
            storage.rollup.prune(cr)
