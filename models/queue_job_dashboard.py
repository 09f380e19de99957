# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the dashboard shows."""

from __future__ import annotations

from odoo import api, models
from odoo.exceptions import UserError

#: the periods that it knows
PERIODS = ("hour", "day", "week")


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def dashboard(self, period="hour", channel=None):
        """How the queue is doing now, and what ended in a period.

        :param period: ``hour``, ``day`` or ``week``
        :param channel: of this channel and those below it alone
        """
        self.check_access("read")
        if period not in PERIODS:
            raise UserError(self.env._("The dashboard has no period %s.", period))
        self.env["queue.job"].flush_model()
        stat = self.env["queue.job.stat"]
        return {
            "now": stat._overview(),
            "ended": stat._series(period, channel or None),
        }
