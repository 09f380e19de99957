# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

from odoo.addons.queue_job.job import job


class TestQueueRecord(models.Model):
    """Records whose forms show their jobs."""

    _name = "test.queue.record"
    _description = "Record with Jobs"
    _inherit = ["queue.job.record.mixin"]

    name = fields.Char(required=True)

    @job
    def work(self, steps=1):
        """Say how far it is"""
        for step in range(1, steps + 1):
            self.env.job.progress(step, steps, f"step {step}")
        return f"{steps} steps"

    def end_for_tour(self):
        """End the running job of the user, as its executor would."""
        jobs = self.env["queue.job"].sudo()
        running = jobs.search(
            [("state", "=", "started"), ("user_id", "=", self.env.uid)]
        )
        running.write({"state": "done", "result": "It is over."})
