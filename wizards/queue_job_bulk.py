# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..core import states
from ..models.queue_job_bulk import MANY

OPERATIONS = [
    (states.PENDING, "Requeue"),
    (states.CANCELLED, "Cancel"),
    (states.DONE, "Set to Done"),
    ("change", "Change"),
]

ALL, NONE = [(1, "=", 1)], [(0, "=", 1)]


class QueueJobBulk(models.TransientModel):
    """Do the same to the selected jobs, or to all that match."""

    _name = "queue.job.bulk"
    _description = "Change Many Jobs"

    operation = fields.Selection(OPERATIONS, required=True, default="change")
    domain = fields.Json(default=lambda self: self._default_domain(), readonly=True)
    matching_count = fields.Integer("Jobs", compute="_compute_counts")
    count = fields.Integer("Jobs That It Is Done To", compute="_compute_counts")
    skipped_count = fields.Integer(compute="_compute_counts")
    in_background = fields.Boolean(compute="_compute_counts")
    change_channel = fields.Boolean()
    channel_id = fields.Many2one("queue.job.channel")
    change_priority = fields.Boolean()
    priority = fields.Integer(default=10)
    change_eta = fields.Boolean("Change Execute Only After")
    eta = fields.Datetime("Execute only after", help="Empty: at once.")

    def _default_domain(self):
        context = self.env.context
        if context.get("active_model") != "queue.job":
            return NONE
        if context.get("queue_job_all"):
            return context.get("active_domain") or ALL
        return [("id", "in", context.get("active_ids") or [])]

    @api.depends("operation", "domain")
    def _compute_counts(self):
        jobs = self.env["queue.job"]
        for wizard in self:
            domain = wizard.domain or NONE
            movable = jobs._bulk_domain(wizard.operation or "change", domain)
            wizard.matching_count = jobs.search_count(domain)
            wizard.count = jobs.search_count(movable)
            wizard.skipped_count = wizard.matching_count - wizard.count
            wizard.in_background = wizard.count > MANY

    def apply(self):
        """Do it, in the background when they are many."""
        self.ensure_one()
        jobs = self.env["queue.job"]
        jobs._check_may_steer()
        domain, values = self.domain or NONE, self._values()
        if self.in_background:
            description = self.env._(
                "%(operation)s %(count)s jobs",
                operation=dict(
                    self._fields["operation"]._description_selection(self.env)
                )[self.operation],
                count=self.count,
            )
            delayed = jobs.with_delay(priority=0, description=description)
            delayed._bulk_later(self.operation, domain, values)
            return self._told(
                self.env._("%s jobs: it is being done in the background.", self.count)
            )
        number = jobs._bulk(self.operation, domain, values)
        return self._told(self.env._("Done to %s jobs.", number))

    def _values(self):
        if self.operation != "change":
            return {}
        values = {}
        if self.change_channel:
            if not self.channel_id:
                raise UserError(self.env._("Choose the channel."))
            values["channel"] = self.channel_id.complete_name
        if self.change_priority:
            values["priority"] = self.priority
        if self.change_eta:
            values["eta"] = fields.Datetime.to_string(self.eta) or False
        if not values:
            raise UserError(self.env._("Choose what to change."))
        return values

    def _told(self, message):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": "success",
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
