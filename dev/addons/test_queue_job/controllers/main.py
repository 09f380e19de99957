# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os

from odoo.addons.queue_job.controllers.main import RunJobController


class DyingController(RunJobController):
    """Dies where a test wants it to: after the job is done, before its dependants."""

    @classmethod
    def _enqueue_dependent_jobs(cls, env, job):
        if job.args[:1] == ("die before the release",):
            os._exit(1)
        return super()._enqueue_dependent_jobs(env, job)
