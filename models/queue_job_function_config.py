# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the queue asks of a function: its settings, and whether it is declared."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors

from odoo import api, models, tools
from odoo.tools import mute_logger

from ..core import options
from ..core.channels import ROOT
from ..core.retry import RetryPolicy, parse_policy, validate_pattern
from ..declaration import declaration_of
from ..fields import MaskedNames
from ..jobrunner import config as runner_config
from ..log_lines import get_logger
from .queue_job_function import parse_name
from .queue_job_function_code import code_values

_logger = get_logger(__name__)

#: unless the system parameter queue_job.max_argument_bytes says otherwise
MAX_ARGUMENT_BYTES = 10 * 2**20
DELAY_POLICIES = ("declared", "any")
_LOST_RACE = (
    psycopg2.errors.UniqueViolation,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
)


#: options of a call that only a decorator has other values for
DEFAULTS = ("priority", "max_retries", "identity_key", "description")


class JobConfig(NamedTuple):
    """The settings of a method's jobs. ``declared``: the method may be delayed."""

    channel: str
    retry_pattern: Mapping
    related_action_enable: bool
    related_action_func_name: str | None
    related_action_kwargs: Mapping
    job_function_id: int | None
    allow_commit: bool = False
    on_fail_method_name: str | None = None
    timeout: float = 0.0
    retry_policy: RetryPolicy | None = None
    removal_interval: int = 0
    declared: bool = False
    # of calls that say nothing else; no record has them
    priority: int = options.DEFAULT_PRIORITY
    max_retries: int = options.DEFAULT_MAX_RETRIES
    identity_key: str | Callable | None = None
    description: Any = None


class Terms(NamedTuple):
    """The settings of a method's jobs, and what depends on other records.

    allowed: the method may be delayed, by declaration or by policy.
    channels: the complete names of all channels.
    masked: the names of arguments that nobody may read, and a pattern that finds
        them in small letters.
    hidden: the places of the method's parameters with one of these names.
    max_bytes: what a stored call may take at the most.
    """

    config: JobConfig
    allowed: bool
    channels: frozenset
    masked: MaskedNames
    masked_pattern: re.Pattern | None
    hidden: tuple
    max_bytes: int


class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    JobConfig = JobConfig

    @api.model
    @api.private
    def job_config(self, name):
        """The settings of the jobs of a method.

        :param name: ``<model.name>.method``
        :return: namedtuple: the values of the method's record, else those of its
            decorator, else :meth:`job_default_config`
        """
        return self._known_config(name) or self.job_default_config()

    @api.model
    @tools.ormcache("model_name", "method")
    def _terms(self, model_name, method):
        """All that an enqueued call asks of its function, in one look-up."""
        config = self.job_config(self.job_function_name(model_name, method))
        jobs = self.env["queue.job"]
        masked = jobs._masked_argument_names()
        return Terms(
            config,
            config.declared or self._delay_policy() == "any",
            self.env["queue.job.channel"]._known_names(),
            masked,
            masked.pattern(),
            tuple(jobs._places_of(model_name, method, masked)),
            self._max_argument_bytes(),
        )

    @api.model
    def _max_argument_bytes(self):
        parameters = self.env["ir.config_parameter"].sudo()
        given = parameters.get_param("queue_job.max_argument_bytes") or ""
        return int(given) if given.isdecimal() else MAX_ARGUMENT_BYTES

    @api.private
    def job_default_config(self):
        """The settings of the jobs of a method that nothing is known of.

        To override, call super and use ``_replace()`` on the result.
        """
        return JobConfig(
            channel=ROOT,
            retry_pattern={},
            related_action_enable=True,
            related_action_func_name=None,
            related_action_kwargs={},
            job_function_id=None,
        )

    @api.model
    @tools.ormcache("name")
    def _known_config(self, name):
        function = self.sudo().search([("name", "=", name)], limit=1, order="id")
        if function:
            return function._config()
        # Not registered (yet), or inherited by a model of a later module.
        declaration = self._declaration(name)
        return declaration and _config_of(declaration)

    def _config(self):
        action = self.related_action
        return JobConfig(
            channel=self.channel_id.complete_name,
            retry_pattern=validate_pattern(self.retry_pattern),
            related_action_enable=action.get("enable", True),
            related_action_func_name=action.get("func_name"),
            related_action_kwargs=action.get("kwargs") or {},
            job_function_id=self.id,
            allow_commit=self.allow_commit,
            on_fail_method_name=self.on_fail_method or None,
            timeout=self.timeout,
            retry_policy=parse_policy(self.retry_policy),
            removal_interval=self.removal_interval,
            declared=self._is_declared(),
            **_defaults_of(self._declaration(self.name)),
        )

    def _is_declared(self):
        """A record that the code made declares nothing once the decorator has gone."""
        return self.declared_by != "decorator" or bool(self._declaration(self.name))

    @api.model
    def _declaration(self, name):
        """What the decorators say of a method, None without any."""
        model_name, method = parse_name(name) or ("", "")
        if model_name not in self.env:
            return None
        return declaration_of(type(self.env[model_name]), method)

    # ------------------------------------------------------------- registration

    @api.model
    def _register_declared(self, declarations):
        """Make the missing records of decorated methods, and their channels (D8).

        What is there follows the code when an add-on is installed or updated, but for
        what somebody changed: nothing is written at an ordinary start of the server.

        :param declarations: ``{(model name, method name): Declaration}``
        """
        names = {self.job_function_name(*place): place for place in declarations}
        known = self.sudo().search_fetch(
            [("name", "in", list(names))], ["name", "declared_by"]
        )
        if self.env.registry.updated_modules:
            for function in known.filtered(
                lambda each: each.declared_by == "decorator"
            ):
                function._follow_code(declarations[names[function.name]])
        # In order, so that servers which start together wait for each other
        # instead of standing in each other's way.
        for name in sorted(names.keys() - set(known.mapped("name"))):
            self._register_one(name, declarations[names[name]])

    @api.model
    def _register_early(self, model_name, method):
        """Register a decorated method that the loading registry has not come to yet.

        An add-on that is being installed delays calls in its hooks, data, migrations
        and tests, before it is whole: the channel of its method is needed then.

        :return: whether the method is decorated
        """
        name = self.job_function_name(model_name, method)
        declaration = self._declaration(name)
        if declaration is None:
            return False
        self._register_declared({(model_name, method): declaration})
        return True

    def _register_one(self, name, declaration):
        functions = self.sudo().with_context(tracking_disable=True)
        try:
            # A server that starts at the same time may have been faster: that is
            # no error, and for what it wrote this transaction began too early.
            with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
                functions._declare(name, declaration)
        except psycopg2.Error as error:
            self.env.invalidate_all(flush=False)
            level = logging.INFO if isinstance(error, _LOST_RACE) else logging.WARNING
            # Until the next start, the decorator itself tells the settings.
            _logger.log(level, "Job function %s was not registered: %s", name, error)

    def _declare(self, name, declaration):
        model_name, method = parse_name(name)
        self.create(
            {
                "model_id": self.env["ir.model"]._get(model_name).id,
                "method": method,
                "declared_by": "decorator",
                "code_values": code_values(declaration),
                **self._values_of(declaration),
            }
        )
        _logger.info("Registered the job function %s", name)

    # ------------------------------------------------------------------- policy

    @api.model
    def _delay_policy(self):
        """``declared``, or ``any``: what nothing declares may be delayed as well.

        What the server's configuration says wins over the system parameter.
        """
        return self._server_delay_policy() or self._database_delay_policy()

    @api.model
    def _server_delay_policy(self):
        return runner_config.get().delay_policy

    @api.model
    def _database_delay_policy(self):
        parameters = self.env["ir.config_parameter"].sudo()
        policy = parameters.get_param("queue_job.delay_policy")
        return policy if policy in DELAY_POLICIES else "declared"


def _config_of(declaration):
    action = declaration.related_action or {}
    return JobConfig(
        channel=declaration.channel,
        retry_pattern=declaration.retry_pattern,
        related_action_enable=action.get("enable", True),
        related_action_func_name=action.get("func_name"),
        related_action_kwargs=action.get("kwargs") or {},
        job_function_id=None,
        allow_commit=declaration.allow_commit,
        on_fail_method_name=declaration.on_fail,
        timeout=declaration.timeout,
        retry_policy=parse_policy(declaration.retry_policy),
        declared=True,
        **_defaults_of(declaration),
    )


def _defaults_of(declaration):
    """What the decorator says for calls that say nothing else."""
    if declaration is None:
        return {}
    return {name: getattr(declaration, name) for name in DEFAULTS}
