# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channel of a job as a record, and what is edited on a channel's card."""

from __future__ import annotations

from odoo import api, fields, models

from ..core.channels import ROOT


class QueueJob(models.Model):
    _inherit = "queue.job"

    channel_id = fields.Many2one(
        "queue.job.channel",
        "Channel Settings",
        compute="_compute_channel_id",
        search="_search_channel_id",
        compute_sudo=True,
    )

    @api.depends("channel")
    def _compute_channel_id(self):
        channels = self.env["queue.job.channel"].search(
            [("complete_name", "in", list(set(self.mapped("channel"))))]
        )
        by_name = {each.complete_name: each for each in channels}
        for job in self:
            job.channel_id = by_name.get(job.channel or ROOT, False)

    def _search_channel_id(self, operator, value):
        channels = self.env["queue.job.channel"]._search([("id", operator, value)])
        names = self.env["queue.job.channel"].browse(channels).mapped("complete_name")
        return [("channel", "in", names)]


class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    def button_more(self):
        """Let one job more run at the same time."""
        for channel in self:
            channel.capacity += 1

    def button_less(self):
        """Let one job less run; down to one, the last one is paused."""
        for channel in self:
            channel.capacity = max(1, channel.capacity - 1)

    def button_sequential(self):
        """Have the jobs run strictly one after the other."""
        self.write({"sequential": True, "capacity": 1})

    def button_parallel(self):
        """Let jobs run side by side again, as many as the capacity says."""
        self.write({"sequential": False})
