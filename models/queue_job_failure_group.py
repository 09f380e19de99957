# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Failed jobs that failed in the same way, as one line."""

from __future__ import annotations

from odoo import fields, models
from odoo.fields import Domain

from ..core import states

#: steps of the history: hours of each, and how many
_STEP_HOURS, _STEPS = 6, 28
_NOW = "(now() AT TIME ZONE 'UTC')"
_SINCE = "ago <= %s"
_HISTORY = ", ".join(
    f"count(*) FILTER (WHERE ago > {(step - 1) * _STEP_HOURS if step > 1 else -1}"
    f" AND ago <= {step * _STEP_HOURS})"
    for step in range(_STEPS, 0, -1)
)
# The number of a group stays the same while jobs come and go.
_QUERY = f"""
SELECT ('x' || substr(md5(concat_ws('/', model_name, method_name, exc_name,
           company_id)), 1, 8))::bit(32)::int & 2147483647 AS id,
       model_name, method_name, exc_name, company_id,
       '<' || model_name || '>.' || method_name AS function,
       (array_agg(exc_message ORDER BY at DESC))[1] AS exc_message,
       (array_agg(job_function_id ORDER BY at DESC))[1] AS job_function_id,
       max(at) AS last_at, count(*) AS count,
       count(*) FILTER (WHERE {_SINCE % 1}) AS count_hour,
       count(*) FILTER (WHERE {_SINCE % 24}) AS count_day,
       count(*) FILTER (WHERE {_SINCE % 48} AND NOT {_SINCE % 24}) AS count_before,
       count(*) FILTER (WHERE {_SINCE % 168}) AS count_week,
       to_jsonb(ARRAY[{_HISTORY}]) AS history
  FROM (
    SELECT job.*, at, extract(epoch FROM {_NOW} - at) / 3600 AS ago
      FROM queue_job AS job CROSS JOIN LATERAL (
        SELECT coalesce(date_started, date_created)
               + coalesce(exec_time, 0) * interval '1 second'
      ) AS ended (at)
     WHERE state = 'failed'
  ) AS job
 GROUP BY model_name, method_name, exc_name, company_id
"""


class QueueJobFailureGroup(models.Model):
    """What is broken: failed jobs by function and error."""

    _name = "queue.job.failure.group"
    _description = "Failures"
    _auto = False
    _order = "last_at desc, id"
    _rec_name = "function"
    _table_query = _QUERY

    function = fields.Char(readonly=True)
    model_name = fields.Char("Model", readonly=True)
    method_name = fields.Char("Method", readonly=True)
    job_function_id = fields.Many2one("queue.job.function", "Settings", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    exc_name = fields.Char("Error", readonly=True)
    exc_message = fields.Char("Last Message", readonly=True)
    last_at = fields.Datetime("Last", readonly=True)
    count = fields.Integer("Failed Jobs", readonly=True)
    count_hour = fields.Integer("Last Hour", readonly=True)
    count_day = fields.Integer("Last 24 Hours", readonly=True)
    count_before = fields.Integer("24 Hours Before", readonly=True)
    count_week = fields.Integer("Last 7 Days", readonly=True)
    history = fields.Json(readonly=True)
    trend = fields.Selection(
        [("up", "Rising"), ("same", "Steady"), ("down", "Falling")],
        compute="_compute_trend",
    )

    def _compute_trend(self):
        for group in self:
            change = group.count_day - group.count_before
            group.trend = "up" if change > 0 else "down" if change < 0 else "same"

    def _jobs_domain(self):
        """The failed jobs of the groups."""
        return Domain("state", "=", states.FAILED) & Domain.OR(
            Domain("model_name", "=", group.model_name)
            & Domain("method_name", "=", group.method_name)
            & Domain("exc_name", "=", group.exc_name)
            & Domain("company_id", "=", group.company_id.id)
            for group in self
        )

    def open_jobs(self):
        """List the jobs of the groups."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        action.update(
            display_name=self.env._("Failures: %s", ", ".join(self.mapped("function"))),
            domain=list(self._jobs_domain()),
            context={},
        )
        return action

    def button_requeue(self):
        """Have all the jobs of the groups executed again."""
        return self._to_all(states.PENDING)

    def button_discard(self):
        """Cancel all the jobs of the groups."""
        return self._to_all(states.CANCELLED)

    def _to_all(self, operation):
        wizard = self.env["queue.job.bulk"].create(
            {"operation": operation, "domain": list(self._jobs_domain())}
        )
        action = wizard.apply()
        action["params"]["next"] = {"type": "ir.actions.client", "tag": "soft_reload"}
        return action
