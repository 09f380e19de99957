# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, models

from ..core import states


class QueueJobsToDone(models.TransientModel):
    """Set the selected jobs done without executing them."""

    _name = "queue.jobs.to.done"
    _inherit = ["queue.requeue.job"]
    _description = "Set Jobs to Done"

    @api.model
    def _movable_states(self):
        return states.sources("set_done")

    def set_done(self):
        self.job_ids.button_done()
        return {"type": "ir.actions.act_window_close"}
