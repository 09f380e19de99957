# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whom a failed job is told to."""

from __future__ import annotations

from odoo import models

from ..log_lines import get_logger

_logger = get_logger(__name__)

#: so many records are named in a message
_NAMED = 3


class QueueJob(models.Model):
    _inherit = "queue.job"

    def _message_post_on_failure(self):
        """Post the failure of the jobs to their followers."""
        # The failure of a job is told by the machine, whoever the job ran for.
        for job in self.sudo():
            job._subscribe_on_failure()
            message = job._message_failed_job()
            if message:
                job.message_post(body=message, subtype_xmlid="queue_job.mt_job_failed")

    def _message_failed_job(self):
        """The text that is posted for a failed job; nothing is posted without one."""
        self.ensure_one()
        values = {
            "job": self.name or self.func_string,
            "record": self._names_of_records() or self.model_name,
            "error": self._error_line(),
            "attempts": max(1, self.retry),
        }
        return self.env._(
            "The job “%(job)s” on %(record)s failed: %(error)s."
            " Attempts: %(attempts)s. It is not retried by itself: requeue it when the"
            " cause is removed.",
            **values,
        )

    def _error_line(self):
        """The name of the error without its package, and the first line of its text."""
        name = (self.exc_name or "").rpartition(".")[2]
        lines = (self.exc_message or "").strip().splitlines()
        return ": ".join(filter(None, (name, lines[0][:300] if lines else "")))

    def _names_of_records(self):
        """What the records of the job are called, the first few of them."""
        try:
            # Whatever their reading does, the failure is told.
            with self.env.cr.savepoint():
                # Those that the job's user may read: they are told to him as well.
                records = self.records.exists().sudo(False)._filtered_access("read")
                names = records[:_NAMED].mapped("display_name")
        except Exception as error:
            _logger.info("job %s: its records have no names: %r", self.uuid, error)
            return ""
        more = len(records) - len(names)
        text = ", ".join(filter(None, names))
        return (
            self.env._("%(names)s and %(more)s more", names=text, more=more)
            if (text and more)
            else text
        )

    def _subscribe_on_failure(self):
        domain = self._subscribe_users_domain()
        base_users = self.env["res.users"].search(domain)
        # What fails inside is nobody's business outside, whoever it was done for.
        suscribers = base_users | self.user_id.filtered(lambda user: not user.share)
        self.message_subscribe(partner_ids=suscribers.partner_id.ids)

    def _subscribe_users_domain(self):
        """Which users follow failed jobs: managers of the job's company.

        :return: a list, to be extended by overrides
        """
        group = self.env.ref("queue_job.group_queue_job_manager")
        companies = self.mapped("company_id")
        domain = [("all_group_ids", "in", group.ids), ("active", "=", True)]
        if companies:
            domain.append(("company_ids", "in", companies.ids))
        return domain
