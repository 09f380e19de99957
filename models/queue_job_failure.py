# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whom a failed job is told to."""

from __future__ import annotations

from odoo import models


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
        return self.env._(
            "Something bad happened during the execution of job %s. "
            "More details in the 'Exception Information' section.",
            self.uuid,
        )

    def _subscribe_on_failure(self):
        domain = self._subscribe_users_domain()
        base_users = self.env["res.users"].search(domain)
        suscribers = base_users | self.user_id
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
