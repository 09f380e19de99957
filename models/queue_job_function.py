# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

import ast
import re

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ..core.retry import parse_policy, validate_pattern
from ..core.wording import Refusal, _lt, worded
from ..declared_names import is_related_action
from ..fields import JobSerialized

#: who made the record of a function
DECLARED_BY = [("record", "A Record"), ("decorator", "The Code (@job)")]

_NAME = re.compile(r"<([\w.]+)>\.(\w+)")
_RELATED_ACTION_KEYS = {"enable": bool, "func_name": str, "kwargs": dict}
_NOT_A_LITERAL = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)


def parse_name(name):
    """Model and method of ``<model.name>.method``; None when it is not a name."""
    match = _NAME.fullmatch((name or "").strip())
    return match.groups() if match else None


class QueueJobFunction(models.Model):
    """A method that may be delayed, and the settings of its jobs."""

    _name = "queue.job.function"
    _description = "Job Function"
    _order = "name, id"

    name = fields.Char(
        compute="_compute_name",
        inverse="_inverse_name",
        store=True,
        index=True,
        help="<model.name>.method",
    )
    # Two records of the same method are tolerated, the first one counts.
    model_id = fields.Many2one(
        "ir.model", required=True, index=True, ondelete="cascade"
    )
    method = fields.Char(required=True)
    method_missing = fields.Boolean(
        compute="_compute_method_missing", compute_sudo=True
    )
    description = fields.Text(help="What it is for, for those who look after it.")
    declared_by = fields.Selection(
        DECLARED_BY, default="record", required=True, readonly=True
    )
    channel_id = fields.Many2one(
        "queue.job.channel",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self._default_channel(),
    )
    channel = fields.Char(
        "Channel Name", related="channel_id.complete_name", store=True
    )
    retry_pattern = JobSerialized("Retry Pattern (Value)", base_type=dict)
    edit_retry_pattern = fields.Text(
        "Retry Pattern",
        compute="_compute_edit_retry_pattern",
        inverse="_inverse_edit_retry_pattern",
        help="Seconds before the next try, by the number of the retry from which on "
        "they hold: {1: 60, 5: 300, 10: (600, 1200)}. A pair: at random between "
        "the two. Without a pattern: 600 seconds.",
    )
    retry_policy = fields.Text(
        help="Errors that lead to another try though the method does not ask for it: "
        '{"exceptions": ["ConnectionError"], "max_tries": 5, "base_seconds": 60, '
        '"factor": 2, "max_seconds": 3600, "jitter": 0.1}'
    )
    related_action = JobSerialized("Related Action (Value)", base_type=dict)
    edit_related_action = fields.Text(
        "Related Action",
        compute="_compute_edit_related_action",
        inverse="_inverse_edit_related_action",
        help="The button that opens what a job is about, a method of queue.job: "
        '{"enable": True, "func_name": "related_action_open", "kwargs": {"limit": 5}}. '
        "Without: the records of the job are opened.",
    )
    on_fail_method = fields.Char(
        "Method on Failure",
        help="Called on the job's records when a job has failed for good, with the "
        "keywords exc_info, exc_name and exc_message.",
    )
    allow_commit = fields.Boolean(
        help="The method may commit while it runs as a job: what it has done up to "
        "there stays, even when it fails or is executed again."
    )
    timeout = fields.Float(
        "Time Limit (s)",
        aggregator=False,
        help="A try that takes longer is stopped. 0: no limit.",
    )
    removal_interval = fields.Integer(
        "Retention (days)",
        aggregator=False,
        help="Jobs of this function that are done or cancelled are deleted after this "
        "number of days. 0: as the channel says.",
    )

    # Processes that start together declare a decorated method once.
    _decorator_uniq = models.UniqueIndex(
        "(model_id, method) WHERE declared_by = 'decorator'"
    )

    def _default_channel(self):
        return self.env.ref("queue_job.channel_root", raise_if_not_found=False)

    # --------------------------------------------------------------------- name

    @api.model
    @api.private
    def job_function_name(self, model_name, method_name):
        """The name of a method's function: ``<model.name>.method``."""
        return f"<{model_name}>.{method_name}"

    @api.depends("model_id.model", "method")
    def _compute_name(self):
        for function in self:
            model, method = function.model_id.model, function.method
            function.name = (
                self.job_function_name(model, method) if model and method else False
            )

    def _inverse_name(self):
        for function in self:
            function.update(self._place(function.name))

    @api.model
    def _place(self, name):
        """The values ``model_id`` and ``method`` of a function's name."""
        parts = parse_name(name)
        if not parts:
            raise UserError(
                self.env._(
                    "%s is not the name of a job function: write it like "
                    "<res.partner>.export",
                    name,
                )
            )
        model = self.env["ir.model"]._get(parts[0])
        if not model:
            raise UserError(
                self.env._("The model of the job function %s does not exist.", name)
            )
        return {"model_id": model.id, "method": parts[1]}

    @api.depends("model_id.model", "method")
    def _compute_method_missing(self):
        for function in self:
            model = self.env.get(function.model_id.model)
            function.method_missing = bool(
                function.method
                and (model is None or not hasattr(type(model), function.method))
            )

    # --------------------------------------------------------------- text twins

    @api.depends("retry_pattern")
    def _compute_edit_retry_pattern(self):
        for function in self:
            function.edit_retry_pattern = _as_text(function.retry_pattern)

    def _inverse_edit_retry_pattern(self):
        for function in self:
            function.retry_pattern = self._from_text(
                function.edit_retry_pattern, "{1: 60, 5: 300, 10: (600, 1200)}"
            )

    @api.depends("related_action")
    def _compute_edit_related_action(self):
        for function in self:
            function.edit_related_action = _as_text(function.related_action)

    def _inverse_edit_related_action(self):
        example = '{"func_name": "related_action_open", "kwargs": {"limit": 5}}'
        for function in self:
            action = self._from_text(function.edit_related_action, example)
            function.related_action = action
            name = action.get("func_name")
            if name and not is_related_action(type(self.env["queue.job"]), name):
                raise ValidationError(
                    self.env._(
                        "Related action: queue.job has no method %s that is made for it"
                        " (its name begins with related_action_).",
                        name,
                    )
                )

    @api.model
    def _from_text(self, text, example):
        if not (text or "").strip():
            return {}
        try:
            value = ast.literal_eval(text.strip())
        except _NOT_A_LITERAL:
            value = None
        if not isinstance(value, dict):
            raise ValidationError(
                self.env._(
                    "%(text)s is not a dictionary. Write it like %(example)s",
                    text=text,
                    example=example,
                )
            )
        return value

    # -------------------------------------------------------------- constraints

    @api.constrains("retry_pattern")
    def _check_retry_pattern(self):
        what = self.env._("Retry pattern")
        for function in self:
            function._explain(what, validate_pattern, function.retry_pattern)

    @api.constrains("retry_policy")
    def _check_retry_policy(self):
        what = self.env._("Retry policy")
        for function in self:
            function._explain(what, parse_policy, function.retry_policy)

    @api.constrains("related_action")
    def _check_related_action(self):
        what = self.env._("Related action")
        for function in self:
            function._explain(what, _check_action, function.related_action)

    def _explain(self, what, check, value):
        try:
            check(value)
        except ValueError as error:
            raise ValidationError(
                self.env._(
                    "%(function)s: %(what)s: %(error)s",
                    function=self.name,
                    what=what,
                    error=worded(error, self.env._),
                )
            ) from error

    @api.constrains("timeout", "removal_interval")
    def _check_numbers(self):
        for function in self:
            if function.timeout < 0 or function.removal_interval < 0:
                raise ValidationError(
                    self.env._(
                        "%s: time limit and retention are 0 or more.", function.name
                    )
                )

    # --------------------------------------------------------------------- CRUD

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._with_place(vals) for vals in vals_list]
        for vals in vals_list:
            self._check_declared_by(vals)
        # A client's context may hold another default.
        record = {"declared_by": "record"}
        functions = super().create([{**record, **vals} for vals in vals_list])
        self.env.registry.clear_cache()
        return functions

    @api.model
    def _with_place(self, vals):
        """A data record may name its function instead of model and method."""
        name = vals.get("name")
        if not name:
            return vals
        rest = {key: value for key, value in vals.items() if key != "name"}
        return {**rest, **self._place(name)}

    def _check_declared_by(self, vals):
        """Who made the record is not said by people."""
        if "declared_by" in vals and not self.env.su:
            raise AccessError(self.env._("Only code declares a function by itself."))

    def write(self, vals):
        self._check_declared_by(vals)
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    # ------------------------------------------------------------------ buttons

    def open_jobs(self):
        """The jobs of the function."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        action.update(
            display_name=self.name,
            domain=[("job_function_id", "=", self.id)],
            context={},
        )
        return action


def _as_text(value):
    return str(value) if isinstance(value, dict) and value else False


def _check_action(action):
    """:raises ValueError: ``action`` is not the dictionary of a related action"""
    for key, value in action.items():
        wanted = _RELATED_ACTION_KEYS.get(key)
        if wanted is None:
            known = ", ".join(_RELATED_ACTION_KEYS)
            text = _lt(
                "unknown key %(key)s; known: %(known)s", key=repr(key), known=known
            )
            raise Refusal(text)
        if value is not None and not isinstance(value, wanted):
            raise Refusal(
                _lt(
                    "%(key)s is %(value)s, not of type %(type)s",
                    key=key,
                    value=repr(value),
                    type=wanted.__name__,
                )
            )
