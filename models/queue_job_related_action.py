# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The button that opens what a job is about."""

from __future__ import annotations

from odoo import models
from odoo.exceptions import UserError

from ..exception import JobError
from ..job import Job


class QueueJob(models.Model):
    _inherit = "queue.job"

    def open_related_action(self):
        """Open what the job is about.

        :raises UserError: there is nothing to open
        """
        self.ensure_one()
        try:
            action = Job._load_from_db_record(self).related_action()
        except (JobError, AttributeError) as error:
            raise UserError(self.env._("No action available for this job")) from error
        if action is None:
            raise UserError(self.env._("No action available for this job"))
        return action

    def related_action_open_record(self):
        """Open the records that the job works on.

        The related action of functions that name no other one.

        :return: the action; None when there is no record, or none any more
        """
        self.ensure_one()
        records = self.records
        if not isinstance(records, models.BaseModel):
            return None
        # As whoever looks, not as whom the job runs for.
        records = self.env[records._name].browse(records.ids).exists()
        if not records:
            return None
        action = {
            "name": self.env._("Related Record"),
            "type": "ir.actions.act_window",
            "view_mode": "form",
            "res_model": records._name,
        }
        if len(records) == 1:
            action["res_id"] = records.id
        else:
            action.update(
                name=self.env._("Related Records"),
                view_mode="list,form",
                domain=[("id", "in", records.ids)],
            )
        return action

    def open_graph_jobs(self):
        """List the jobs of the graph."""
        self.ensure_one()
        jobs = self.env["queue.job"].search([("graph_uuid", "=", self.graph_uuid)])
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        action.update(
            name=self.env._("Jobs for graph %s", self.graph_uuid),
            context={},
            domain=[("id", "in", jobs.ids)],
        )
        return action
