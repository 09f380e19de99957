# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import time

from odoo import models

from odoo.addons.queue_job.job import job


class TestQueueEffect(models.Model):
    _inherit = "test.queue.effect"

    @job
    def leave_from_hook(self, name):
        """Leave an effect, with what only this add-on has"""
        self._leave(f"{name} of the hooks")

    def _register_hook(self):
        # An installation takes its time: who looks for jobs meanwhile finds them.
        super()._register_hook()
        time.sleep(0.5)
