# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What whoever asked for a job sees of it, without any right on the queue."""

from __future__ import annotations

from contextlib import suppress

from odoo import api, models
from odoo.exceptions import AccessError, UserError

from .. import storage
from ..core import states

#: what a job calls: large, and read only when it is asked for
_CALL = ("records", "args", "kwargs")
#: as many as a browser asks for at a time
_MOST = 100


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def asked_jobs(self, ids=()):
        """The user's own jobs that tell their progress, for the bar above the page.

        :param ids: those that the browser shows already; also told when they ended
        """
        if self.env.user._is_public():
            raise AccessError(self.env._("Log in to see your jobs."))
        self.env["queue.job"].sudo().flush_model()
        ids = [int(each) for each in ids[:_MOST]]
        jobs = storage.asker.asked(self.env.cr, self.env.uid, ids)
        return [
            dict(each._asdict(), over=each.state not in states.UNFINISHED)
            for each in jobs
        ]

    @api.model
    def open_asked_job(self, job_id):
        """What the user's own job was about: its records, or the job itself.

        :return: an action, or False when there is nothing to open
        """
        job = self.sudo().browse(int(job_id)).exists()
        if job.user_id != self.env.user:
            raise AccessError(self.env._("This is not a job of yours."))
        # His own: what the job is about he may know, whatever he may not see besides.
        job.fetch()
        job.fetch(_CALL)
        mine = job.sudo(False)
        with suppress(UserError):
            action = mine._related_action(job._function_config())
            if action is not None:
                return action
        if not self.has_access("read"):
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": "queue.job",
            "res_id": job.id,
            "views": [[False, "form"]],
        }

    @api.model
    def failed_count(self):
        """How many failed jobs wait for somebody to look at them."""
        self.check_access("read")
        return self.search_count([("state", "=", states.FAILED)])
