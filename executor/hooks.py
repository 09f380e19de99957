# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The steps of an execution that other add-ons may wrap.

``RunJobController`` inherits them; a subclass of it takes effect, for the steps are
class methods that are called through the class.
"""

from __future__ import annotations

import functools

from .claiming import acquire
from .performing import failure_values, perform
from .recording import record_failure, release_dependents
from .server_limits import from_signal


class JobHooks:
    """Acquire, perform, record, release: one class method a step."""

    @classmethod
    def _acquire_job(cls, env, job_uuid):
        """The started job as a ``Job`` on the cursor of ``env``, or None."""
        return acquire(env, job_uuid)

    @classmethod
    def _runjob(cls, env, job):
        """Execute the job, write what becomes of it, release who waits for it.

        :raises Exception: the job's own, when it has failed for good: it is written
            then, and whoever wraps this step sees it
        """
        try:
            cls._try_perform_job(env, job)
        except BaseException as error:
            ended = record_failure(job, error, cls._get_failure_values)
            # An exit that a body asked for is its failure, and ends no worker.
            if (ended and isinstance(error, Exception)) or from_signal(error):
                raise
        else:
            cls._enqueue_dependent_jobs(env, job)

    @classmethod
    def _try_perform_job(cls, env, job):
        """Perform the job and set it done, both in one transaction."""
        perform(job)

    @classmethod
    def _enqueue_dependent_jobs(cls, env, job):
        """Let the jobs into the queue that waited only for this one."""
        release_dependents(job)

    @classmethod
    def _get_failure_values(cls, job, traceback_txt, orig_exception):
        """What a failed job keeps: ``exc_info``, ``exc_name``, ``exc_message``."""
        return failure_values(job, traceback_txt, orig_exception)


def hooks_of(registry) -> type[JobHooks]:
    """The class with the hooks of all add-ons that a database has installed."""
    leaves = dict.fromkeys(_leaves(JobHooks, registry._init_modules))
    return _combined(tuple(reversed(leaves)))


@functools.cache
def _combined(leaves: tuple[type[JobHooks], ...]) -> type[JobHooks]:
    if len(leaves) == 1:
        return leaves[0]
    # Outside of all add-ons, so that nobody takes it for one of their classes.
    return type("RunJobController", leaves, {"__module__": "odoo"})


def _leaves(klass: type, modules) -> list[type]:
    heirs = [each for each in klass.__subclasses__() if _addon(each) in modules]
    return [leaf for each in heirs for leaf in _leaves(each, modules)] or [klass]


def _addon(klass: type) -> str:
    # odoo.addons.<name>...
    return (klass.__module__.split(".") + ["", ""])[2]
