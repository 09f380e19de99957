# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models

from ..core import states


class QueueRequeueJob(models.TransientModel):
    """Put the selected jobs back into the queue."""

    _name = "queue.requeue.job"
    _description = "Requeue Jobs"

    job_ids = fields.Many2many(
        "queue.job", string="Jobs", default=lambda self: self._default_job_ids()
    )
    skipped_count = fields.Integer(compute="_compute_skipped_count")

    def _default_job_ids(self):
        if self.env.context.get("active_model") != "queue.job":
            return False
        return self.env.context.get("active_ids") or False

    @api.depends("job_ids.state")
    def _compute_skipped_count(self):
        movable = self._movable_states()
        for wizard in self:
            staying = wizard.job_ids.filtered(lambda job: job.state not in movable)
            wizard.skipped_count = len(staying)

    @api.model
    def _movable_states(self):
        """The states of the jobs that the wizard does something with."""
        return states.sources("requeue")

    def requeue(self):
        self.job_ids.requeue()
        return {"type": "ir.actions.act_window_close"}
