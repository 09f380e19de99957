# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the dashboard shows."""

from __future__ import annotations

from odoo import api, models
from odoo.exceptions import AccessError, UserError

from .. import storage

#: the periods that it knows
PERIODS = ("hour", "day", "week")
_MANAGER = "queue_job.group_queue_job_manager"


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
            "may_release": self.env.user.has_group(_MANAGER),
        }

    @api.model
    def release_copy(self):
        """Have the jobs of this database executed, although it is a copy."""
        if not self.env.user.has_group(_MANAGER):
            raise AccessError(
                self.env._("Only managers of the job queue may release a copy.")
            )
        storage.home.release(self.env.cr)
        # Others read the parameters from their caches.
        self.env.registry.clear_cache("stable")
        storage.insertion.notify(self.env.cr)
        return True
