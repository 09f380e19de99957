# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, models

from ..core import states


class QueueJobsToCancelled(models.TransientModel):
    """Cancel the selected jobs; those that run are asked to stop."""

    _name = "queue.jobs.to.cancelled"
    _inherit = ["queue.requeue.job"]
    _description = "Cancel Jobs"

    @api.model
    def _movable_states(self):
        return states.sources("cancel") + [states.STARTED]

    def set_cancelled(self):
        self.job_ids.button_cancelled()
        return {"type": "ir.actions.act_window_close"}
