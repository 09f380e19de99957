# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..jobrunner import config as runner_config
from ..storage import rollup
from .queue_job_display import MASKED_ARGUMENTS

_MAX_DEATHS = "queue_job.max_deaths"
_METRICS_TOKEN = "queue_job.metrics_token"
#: what stands for a secret that is there
HIDDEN = "********"


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    queue_job_delay_policy = fields.Selection(
        [
            ("declared", "Declared methods only"),
            ("any", "Any method"),
        ],
        "Delay Policy",
        default="declared",
        config_parameter="queue_job.delay_policy",
    )
    # What the server's configuration says, and wins with.
    queue_job_server_delay_policy = fields.Char(compute="_compute_queue_job_server")
    queue_job_server_max_deaths = fields.Char(compute="_compute_queue_job_server")
    queue_job_is_served = fields.Boolean(compute="_compute_queue_job_server")
    queue_job_max_deaths = fields.Integer("Deaths at Most", default=3)
    queue_job_masked_arguments = fields.Char(
        "Masked Arguments",
        default=MASKED_ARGUMENTS,
        config_parameter="queue_job.masked_arguments",
    )

    # No config_parameter of the field: what such a one holds, whoever asks is told.
    queue_job_metrics_token = fields.Char(
        "Token for Monitors", groups="base.group_system"
    )
    queue_job_server_metrics_token = fields.Boolean(compute="_compute_queue_job_server")
    queue_job_health_max_wait = fields.Integer(
        "Longest Wait (s)", config_parameter="queue_job.health_max_wait"
    )
    queue_job_stat_minute_days = fields.Integer(
        "Figures by the Minute (days)",
        default=rollup.USUAL_DAYS[rollup.MINUTE],
        config_parameter="queue_job.stat_minute_days",
    )
    queue_job_stat_hour_days = fields.Integer(
        "Figures by the Hour (days)",
        default=rollup.USUAL_DAYS[rollup.HOUR],
        config_parameter="queue_job.stat_hour_days",
    )

    def _compute_queue_job_server(self):
        config = runner_config.get()
        deaths = config.max_deaths
        self.queue_job_is_served = self.env["queue.job"]._is_served()
        self.queue_job_server_delay_policy = config.delay_policy or False
        self.queue_job_server_max_deaths = False if deaths is None else str(deaths)
        self.queue_job_server_metrics_token = bool(config.metrics_token)

    @api.constrains("queue_job_max_deaths")
    def _check_queue_job_max_deaths(self):
        for settings in self:
            if settings.queue_job_max_deaths < 0:
                raise ValidationError(self.env._("Deaths at most: 0 or more."))

    @api.constrains(
        "queue_job_health_max_wait",
        "queue_job_stat_minute_days",
        "queue_job_stat_hour_days",
    )
    def _check_queue_job_monitoring(self):
        for settings in self:
            if settings.queue_job_health_max_wait < 0:
                raise ValidationError(self.env._("Longest wait: 0 seconds or more."))
            days = (
                settings.queue_job_stat_minute_days,
                settings.queue_job_stat_hour_days,
            )
            if min(days) < 1:
                raise ValidationError(self.env._("Figures are kept for 1 day or more."))

    # Not a config_parameter of the field: such a field cannot keep a 0.
    @api.model
    def get_values(self):
        stored = self.env["ir.config_parameter"].sudo().get_param(_MAX_DEATHS)
        deaths = int(stored) if stored and stored.isdigit() else 3
        found = {**super().get_values(), "queue_job_max_deaths": deaths}
        if self.env.user.has_group("base.group_system"):
            found["queue_job_metrics_token"] = HIDDEN if self._has_token() else False
        return found

    @api.model
    def _has_token(self):
        # Whether there is one is all that is told.
        parameters = self.env["ir.config_parameter"].sudo()
        return bool(parameters.get_param(_METRICS_TOKEN, "").strip())

    def set_values(self):
        # Odoo asks where its button is, not here, where requests come as well.
        if not self.env.is_admin():
            raise AccessError(self.env._("Only administrators can change settings."))
        result = super().set_values()
        self.env["ir.config_parameter"].sudo().set_param(
            _MAX_DEATHS, str(self.queue_job_max_deaths)
        )
        self._set_token((self.queue_job_metrics_token or "").strip())
        return result

    def _set_token(self, token):
        """Written, never read: what is shown stands for the one that is there."""
        if token != HIDDEN and (token or self._has_token()):
            # Whoever may apply the settings may set what is in them.
            self.env["ir.config_parameter"].sudo().set_param(
                _METRICS_TOKEN, token or False
            )
