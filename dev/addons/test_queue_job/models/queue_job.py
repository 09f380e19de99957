# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models


class QueueJob(models.Model):
    _inherit = "queue.job"

    # of no interest to anybody: nothing but a column that we do not know
    test_note = fields.Char()

    def related_action_effects(self, extra_arg=1):
        """A related action with an argument of its own."""
        self.ensure_one()
        return {
            "name": "Effects",
            "type": "ir.actions.act_window",
            "res_model": self.model_name,
            "view_mode": "list",
            "context": {"extra_arg": extra_arg},
        }
