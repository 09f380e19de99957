# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models


class QueueJob(models.Model):
    """Overridden as other add-ons do it."""

    _inherit = "queue.job"

    note = fields.Char(help="Stored with the job by the model that it works on.")

    @api.model_create_multi
    def create(self, vals_list):
        jobs = super().create(vals_list)
        for job in jobs:
            self.env["test.queue.event"]._note("create", job.uuid, job.state)
        return jobs

    def write(self, vals):
        result = super().write(vals)
        if "state" in vals:
            for job in self:
                self.env["test.queue.event"]._note("write", job.uuid, vals["state"])
        return result

    def _message_post_on_failure(self):
        for job in self:
            self.env["test.queue.event"]._note("message", job.uuid, job.state)
        return super()._message_post_on_failure()
