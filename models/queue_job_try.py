# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import fields, models

from .. import clock, storage
from ..fields import BigMany2one

#: how a try that did not finish the job ended
OUTCOMES = [
    ("retry", "To Retry"),
    ("failed", "Failed"),
    ("cancelled", "Stopped"),
    ("died", "Worker Died"),
]


class QueueJobTry(models.Model):
    """One unsuccessful try of a job: the log that explains a failure."""

    _name = "queue.job.try"
    _description = "Queue Job Try"
    _log_access = False
    _order = "id desc"
    _rec_name = "attempt"

    job_id = BigMany2one(
        "queue.job", required=True, readonly=True, index=True, ondelete="cascade"
    )
    attempt = fields.Integer("Try", readonly=True, aggregator=False)
    outcome = fields.Selection(OUTCOMES, readonly=True, required=True, default="retry")
    date_started = fields.Datetime("Started on", readonly=True)
    date_ended = fields.Datetime(
        "Ended on",
        readonly=True,
        default=lambda self: clock.now(self.env.cr),
        index=True,
    )
    exec_time = fields.Float("Execution Time (s)", readonly=True, aggregator="avg")
    seconds = fields.Float(
        "Next Try After (s)",
        readonly=True,
        aggregator=False,
        help="The delay before the next try.",
    )
    worker = fields.Char(readonly=True, help="Host and process that executed the job.")
    exc_name = fields.Char("Exception", readonly=True)
    exc_message = fields.Char("Exception Message", readonly=True)
    exc_info = fields.Text("Exception Information", readonly=True)

    def init(self):
        storage.ids.widen(self.env.cr)
