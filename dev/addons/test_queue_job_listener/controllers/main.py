# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.api import SUPERUSER_ID, Environment
from odoo.modules import module as odoo_module

from odoo.addons.queue_job.controllers.main import RunJobController


class ListeningController(RunJobController):
    """Wraps each step of an execution."""

    @classmethod
    def _acquire_job(cls, env, job_uuid):
        job = super()._acquire_job(env, job_uuid)
        _note(env, "acquire", job_uuid, job and job.state)
        return job

    @classmethod
    def _runjob(cls, env, job):
        _note(env, "run", job.uuid, job.state)
        return super()._runjob(env, job)

    @classmethod
    def _try_perform_job(cls, env, job):
        _note(env, "perform", job.uuid, env.cr is job.env.cr)
        return super()._try_perform_job(env, job)

    @classmethod
    def _enqueue_dependent_jobs(cls, env, job):
        _note(env, "dependents", job.uuid, job.state)
        return super()._enqueue_dependent_jobs(env, job)

    @classmethod
    def _get_failure_values(cls, job, traceback_text, error):
        _note(job.env, "failure", job.uuid, type(error).__name__)
        values = super()._get_failure_values(job, traceback_text, error)
        return {**values, "exc_message": f"heard: {values['exc_message']}"}


def _note(env, kind, uuid, detail):
    """Keep the event whatever becomes of the job's transaction."""
    if odoo_module.current_test:
        _seen_in_test.append((uuid, f"{kind} {detail}"))
        return
    with env.registry.cursor() as cr:
        events = Environment(cr, SUPERUSER_ID, {})["test.queue.event"]
        events._note(kind, uuid, detail)


#: pairs (uuid, event); a test has one transaction only
_seen_in_test: list[tuple[str, str]] = []
