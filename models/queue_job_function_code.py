# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Functions that the code declares: what it says now, and what somebody changed."""

from __future__ import annotations

import json

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import declared_names
from ..core.retry import parse_policy, validate_pattern
from ..declaration import Declaration
from ..fields import JobSerialized
from ..log_lines import get_logger

_logger = get_logger(__name__)


class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    # What the code said when the add-on was installed or updated last: what differs
    # from it in the record was changed by somebody.
    code_values = JobSerialized("Values of the Code", base_type=dict, copy=False)
    code_note = fields.Text("What the Code Says", compute="_compute_code")
    decorator_missing = fields.Boolean(compute="_compute_code")
    code_defaults = fields.Text(
        "Defaults of the Code",
        compute="_compute_code",
        help="What calls get that say nothing else: given to the decorator @job.",
    )

    @api.depends("declared_by", "code_values", "name")
    def _compute_code(self):
        for function in self:
            by_code = function.declared_by == "decorator" and function.name
            declaration = function.name and self._declaration(function.name)
            function.code_defaults = declaration and function._note_of_defaults(
                declaration
            )
            declaration = by_code and declaration
            function.decorator_missing = bool(by_code and not declaration)
            function.code_note = declaration and function._note_of_code(declaration)

    def _note_of_code(self, declaration):
        """The code's values that the record has others than; False without any."""
        code = code_values(declaration)
        own = self._values_here()
        return "\n".join(
            f"{self._label(key)}: {_shown(code[key])}"
            for key in code
            if code[key] != own[key]
        )

    def _note_of_defaults(self, declaration):
        """What the decorator says for calls that say nothing else."""
        jobs, usual = self.env["queue.job"], Declaration()
        labels = {
            "priority": jobs._fields["priority"],
            "max_retries": jobs._fields["max_retries"],
            "identity_key": jobs._fields["identity_key"],
            "description": jobs._fields["name"],
        }
        said = [
            (field._description_string(self.env), getattr(declaration, name))
            for name, field in labels.items()
            if getattr(declaration, name) != getattr(usual, name)
        ]
        return "\n".join(f"{label}: {_said(value)}" for label, value in said)

    def _label(self, key):
        name = {"channel": "channel_id", "on_fail": "on_fail_method"}.get(key, key)
        return self._fields[name]._description_string(self.env)

    def reset_to_code(self):
        """Give the functions the values of their decorators again."""
        for function in self:
            declaration = function.declared_by == "decorator" and self._declaration(
                function.name
            )
            if not declaration:
                raise UserError(
                    self.env._("The code does not declare %s.", function.name)
                )
            code = code_values(declaration)
            function.write(self._written(declaration, code))
            # What the code says is not for people to write.
            function.sudo().code_values = code

    # ------------------------------------------------------------------- at -u

    def _register_hook(self):
        super()._register_hook()
        if self.env.registry.updated_modules:
            by_code = self.sudo().search([("declared_by", "=", "decorator")])
            by_code.filtered("decorator_missing")._tell_undeclared()

    @api.model
    def _check_code(self, declarations):
        """Look whether there is what the decorators of a model's methods name.

        A mistake stops the installation or update that brings it. At an ordinary start
        the log has it: the server serves others as well.

        :raises ValueError: when an add-on is installed or updated
        """
        jobs = type(self.env["queue.job"])
        for (model_name, method), declaration in declarations.items():
            model = type(self.env[model_name])
            said = declared_names.mistakes(declaration, model, jobs)
            text = f"@job of {model_name}.{method}(): {'; '.join(said)}"
            if said and self.env.registry.updated_modules:
                raise ValueError(text)
            if said:
                _logger.error("%s", text)

    def _follow_code(self, declaration):
        """Take over what the code says now, but for what somebody changed."""
        self.ensure_one()
        code, own = code_values(declaration), self._values_here()
        # A record of an earlier version: nobody knows who wrote what.
        before = self.code_values or code
        if before == code and self.code_values:
            return
        changed = [key for key in code if code[key] != before.get(key)]
        taken = [key for key in changed if own[key] == before.get(key)]
        kept = [key for key in changed if key not in taken and own[key] != code[key]]
        self.write({**self._written(declaration, taken), "code_values": code})
        for key in taken:
            _logger.info(
                "Job function %s: %s is %s now, as the code says (it was %s)",
                self.name, key, _shown(code[key]), _shown(own[key]),
            )  # fmt: skip
        for key in kept:
            _logger.warning(
                "Job function %s: %s stays %s, as somebody changed it; the code says"
                " %s",
                self.name, key, _shown(own[key]), _shown(code[key]),
            )  # fmt: skip

    def _tell_undeclared(self):
        for function in self:
            _logger.warning(
                "Job function %s: the code does not declare it any more, it cannot be"
                " delayed; delete the record, or decorate the method again",
                function.name,
            )

    def _written(self, declaration, keys):
        """The values of these keys as the record stores them."""
        values = self._values_of(declaration)
        names = {"channel": "channel_id", "on_fail": "on_fail_method"}
        return {names.get(key, key): values[names.get(key, key)] for key in keys}

    @api.model
    def _values_of(self, declaration):
        """What a declaration says, as a record stores it."""
        policy = declaration.retry_policy
        channel = self.env["queue.job.channel"]._ensure(declaration.channel)
        return {
            "channel_id": channel.id,
            "retry_pattern": dict(declaration.retry_pattern),
            "related_action": dict(declaration.related_action or {}),
            "timeout": declaration.timeout,
            "allow_commit": declaration.allow_commit,
            "retry_policy": json.dumps(dict(policy)) if policy else False,
            "on_fail_method": declaration.on_fail or False,
        }

    def _values_here(self):
        """What the record says, to be compared with :func:`code_values`."""
        return _plain(
            channel=self.channel_id.complete_name,
            retry_pattern=self.retry_pattern,
            related_action=self.related_action,
            timeout=self.timeout,
            allow_commit=self.allow_commit,
            retry_policy=self.retry_policy,
            on_fail=self.on_fail_method,
        )


def code_values(declaration):
    """What the code says, in a form that can be stored and compared."""
    return _plain(
        channel=declaration.channel,
        retry_pattern=declaration.retry_pattern,
        related_action=declaration.related_action,
        timeout=declaration.timeout,
        allow_commit=declaration.allow_commit,
        retry_policy=declaration.retry_policy,
        on_fail=declaration.on_fail,
    )


def _plain(retry_pattern, related_action, retry_policy, on_fail, **values):
    policy = parse_policy(retry_policy)
    values.update(
        retry_pattern=sorted(validate_pattern(retry_pattern).items()),
        related_action=sorted((related_action or {}).items()),
        retry_policy=policy and repr(policy),
        on_fail=on_fail or "",
        timeout=float(values["timeout"] or 0),
        allow_commit=bool(values["allow_commit"]),
    )
    # Lists and tuples, numbers as keys: as they come back from the table.
    return json.loads(json.dumps(values, default=str))


def _said(value):
    return getattr(value, "__name__", None) or str(value)


def _shown(value):
    if isinstance(value, list):
        value = dict(value)
    return str(value) if value or value is False else "-"
