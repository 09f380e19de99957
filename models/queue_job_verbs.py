# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people do to jobs: requeue, cancel, stop, set done."""

from __future__ import annotations

import random
import time

from odoo import api, models
from odoo.exceptions import AccessError, UserError

from .. import buffer, job_handle, moves, storage
from ..core import states
from ..exception import JobError, RetryableJobError


class QueueJob(models.Model):
    _inherit = "queue.job"

    def requeue(self):
        """Put the jobs back into the queue, with their tries counted anew."""
        self._change_job_state(states.PENDING)
        return True

    def button_done(self):
        """Set the jobs done without running them."""
        result = self.env._("Manually set to done by %s", self.env.user.name)
        self._change_job_state(states.DONE, result=result)
        return True

    def button_cancelled(self):
        """Cancel the jobs and what waits for them; ask the running ones to stop."""
        result = self.env._("Cancelled by %s", self.env.user.name)
        self._change_job_state(states.CANCELLED, result=result)
        return True

    def button_stop(self):
        """Ask the running jobs to stop."""
        return self.button_cancelled()

    def _change_job_state(self, state, result=None):
        """Move the jobs that may go there; leave the others.

        :param state: ``pending`` (requeue), ``done`` or ``cancelled``
        :param result: text for people, kept on the job
        :return: the jobs that moved
        :raises UserError: another state
        """
        self._check_may_steer()
        buffer.flush(self.env)
        if state == states.PENDING:
            moved = moves.requeue(self.env, self.ids, result)
        elif state == states.DONE:
            moved = moves.set_done(self.env, self.ids, result)
        elif state == states.CANCELLED:
            return self._cancel_or_stop(result)
        else:
            raise UserError(self.env._("Jobs cannot be set to the state %s.", state))
        return self.browse(moved)

    def _check_may_steer(self):
        """The list is open to viewers, its buttons are not."""
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(
            "queue_job.group_queue_job_operator"
        ):
            raise AccessError(
                self.env._(
                    "Only operators of the job queue can change the state of jobs."
                )
            )

    def _cancel_or_stop(self, reason=None):
        """Cancel what does not run, ask the rest to stop; return what is affected."""
        reason = reason or self.env._("Cancelled by %s", self.env.user.name)
        moved = moves.cancel(self.env, self.ids, reason)
        asked = storage.transition.ask_to_stop(
            self.env.cr, self.ids, self.env.uid, reason
        )
        # Race: a job that ran when the others were cancelled waits for another try.
        late = moves.cancel(self.env, asked, reason)
        storage.transition.forget_stops(self.env.cr, late)
        stopping = [id_ for id_ in asked if id_ not in set(late)]
        return self.browse(moved + late + stopping)

    # ---------------------------------------------------------------- test jobs

    def _test_job(
        self,
        failure_rate=0,
        job_duration=0,
        commit_within_job=False,
        failure_retry_seconds=0,
    ):
        """Do nothing, for some time, with some failures: to see the queue at work."""
        if random.random() <= failure_rate:
            if failure_retry_seconds:
                raise RetryableJobError(
                    f"Retryable job failed, will be retried in {failure_retry_seconds}"
                    " seconds",
                    seconds=failure_retry_seconds,
                )
            raise JobError("Job failed")
        if job_duration:
            time.sleep(job_duration)
        if commit_within_job:
            self.env.cr.commit()  # pylint: disable=invalid-commit

    # ------------------------------------------------------------- running jobs

    def _register_hook(self):
        job_handle.install()
        return super()._register_hook()

    @api.model
    def _tell_progress(self, job_id, done, total, message):
        """Tell whoever asked for the job how far it is."""
        self.env.user._bus_send(
            "queue_job.progress",
            {"id": job_id, "done": done, "total": total, "message": message or ""},
        )
