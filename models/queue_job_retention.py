# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs removed, a bounded number at a time."""

from __future__ import annotations

from odoo import api, models

from .. import storage


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def autovacuum(self):
        """Delete the jobs that are over for longer than their channel keeps them."""
        cron = self.env["ir.cron"]
        for channel, days in self._retentions():
            while removed := storage.retention.remove(self.env.cr, channel, days):
                cron._commit_progress(removed)
        return True

    def _retentions(self):
        """``(channel, days)`` of each channel."""
        channels = self.env["queue.job.channel"].sudo().search([])
        return [(each.complete_name, each.removal_interval) for each in channels]
