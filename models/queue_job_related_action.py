# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The button that opens what a job is about."""

from __future__ import annotations

from odoo import models
from odoo.exceptions import UserError

from ..declared_names import is_related_action
from ..exception import JobError
from ..sentinel import AS_CALLER, EDIT_SENTINEL


class QueueJob(models.Model):
    _inherit = "queue.job"

    def open_related_action(self):
        """Open what the job is about, as far as whoever looks may.

        :raises UserError: there is nothing to open
        """
        self.ensure_one()
        self.check_access("read")
        try:
            action = self._related_action(self._function_config())
        except JobError as error:  # what it is called with cannot be read back
            raise UserError(self.env._("No action available for this job")) from error
        if action is None:
            raise UserError(self.env._("No action available for this job"))
        return action

    def _function_config(self):
        return self.env["queue.job.function"].job_config(self.channel_method_name)

    def _related_action(self, config):
        """The action of the job's function; None when there is none.

        It is made with the rights of whoever looks, not of whom the job runs for, and
        by a method that code has made for it: its name comes from a record.
        """
        name = config.related_action_func_name or "related_action_open_record"
        if not config.related_action_enable or not is_related_action(type(self), name):
            return None
        method = getattr(self._as_caller(), name)
        return method(**(config.related_action_kwargs or {}))

    def _as_caller(self):
        caller = self.with_user(self.env.uid)
        return caller.with_context(**{AS_CALLER: EDIT_SENTINEL})

    def related_action_open_record(self):
        """Open the records that the job works on.

        The related action of functions that name no other one.

        :return: the action; None when there is no record, or none any more
        """
        self.ensure_one()
        if self.env.context.get(AS_CALLER) is not EDIT_SENTINEL:
            self.check_access("read")
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
        self.check_access("read")
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
