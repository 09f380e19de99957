# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class TestQueueEffect(models.Model):
    _inherit = "test.queue.effect"

    def _job_store_values(self, job):
        values = {"note": f"{job.method_name} {job.state}", "state": "done"}
        return {**super()._job_store_values(job), **values}
