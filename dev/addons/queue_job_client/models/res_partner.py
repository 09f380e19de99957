# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models

from odoo.addons.queue_job.job import job


class ResPartner(models.Model):
    _inherit = "res.partner"

    def action_export(self):
        for partner in self:
            partner.with_delay(description=f"Export {partner.name}").export()

    @job(default_channel="root.export")
    def export(self):
        """Export a partner"""
        self.ref = f"exported in {self.env.lang} {self.env.user.tz}"
        return self.ref

    def announce(self, words):
        for partner in self:
            partner.message_post(body=words)
