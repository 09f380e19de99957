# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The call of a job in a form that people can read."""

from __future__ import annotations

import functools
import inspect
import json
from pprint import pformat

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..exception import JobDecodeError
from ..fields import HIDDEN, MaskedNames, decode, mask
from ..sentinel import EDIT_SENTINEL

#: names of arguments whose values are nobody's business, unless the setting says other
MASKED_ARGUMENTS = "password, passwd, secret, token, api_key"

_WIDTH = 78
#: the fields that may hold them
_CALLED_WITH = frozenset({"args", "kwargs"})
#: more arguments than a call can have
_EVERY = range(10_000)
#: context key: a record is read, by its id; no client can give its value
_READING = "_queue_job_reading"


class QueueJob(models.Model):
    _inherit = "queue.job"

    records_display = fields.Text("Called on", compute="_compute_call_display")
    arguments_display = fields.Text("Called with", compute="_compute_call_display")

    has_related_action = fields.Boolean(compute="_compute_has_related_action")

    @api.depends("records", "model_name", "method_name")
    def _compute_has_related_action(self):
        functions = self.env["queue.job.function"]
        for job in self:
            config = functions.job_config(job.channel_method_name)
            stored = job._fields["records"].convert_to_read(job.records, job)
            job.has_related_action = config.related_action_enable and bool(
                config.related_action_func_name or (stored and stored.get("ids"))
            )

    @api.depends("records", "args", "kwargs")
    def _compute_call_display(self):
        for job in self:
            stored = {
                field: job._fields[field].convert_to_read(job[field], job)
                for field in ("records", "args", "kwargs")
            }
            job.records_display = job._readable(stored["records"])
            lines = job._argument_lines(stored["args"] or [], stored["kwargs"] or {})
            job.arguments_display = "\n".join(lines)

    def _argument_lines(self, args, kwargs):
        """A line an argument; one for all of them where they cannot be read back."""
        if isinstance(args, list):
            yield from map(self._readable, args)
        else:
            yield self._readable(args)
        if isinstance(kwargs, dict):
            for name, value in kwargs.items():
                yield f"{name} = {self._readable(value)}"
        else:
            yield self._readable(kwargs)

    def _positions(self, names):
        """Which positional arguments of the call have one of the names."""
        # As stored, not as a client that edits the job says.
        job = self._origin or self
        return self._places_of(job.model_name, job.method_name, names)

    @api.model
    def _places_of(self, model_name, method_name, names):
        """The places of a method's parameters that have one of the names.

        All of them when the method has gone: nobody knows which argument is which. An
        override may take them as they come, and name none: all in its line are asked.
        """
        model = self.env.registry.get(model_name)
        if not callable(getattr(model, method_name or "", None)):
            return _EVERY
        own = [vars(each) for each in model.__mro__]
        ways = [each[method_name] for each in own if method_name in each]
        return sorted({place for way in ways for place in _hidden_places(way, names)})

    def _hide_arguments(self, field, stored):
        """The stored JSON of a field as the field may be read, by whatever way.

        Only the code that executes jobs, or corrects them, has the key to all of it.
        """
        if field not in _CALLED_WITH or not stored or self._is_machine():
            return stored
        names = self._masked_argument_names()
        hidden = self._positions(names) if field == "args" else ()
        stored = _unwrapped(stored)
        return HIDDEN if isinstance(stored, str) else mask(stored, names, hidden)

    def _fetch_query(self, query, fields):
        reading = self.with_context(**{_READING: EDIT_SENTINEL})
        fetched = super(QueueJob, reading)._fetch_query(query, fields)
        return fetched.with_env(self.env)

    def _field_to_sql(self, alias, fname, query=None):
        """Refuse to find, sort or group jobs by what is hidden when it is read."""
        if fname.partition(".")[0] in _CALLED_WITH and not (
            self.env.su or self.env.context.get(_READING) is EDIT_SENTINEL
        ):
            raise AccessError(
                self.env._("Jobs cannot be searched or grouped by their arguments.")
            )
        return super()._field_to_sql(alias, fname, query)

    def _readable(self, stored):
        """Text for a value of the stored JSON."""
        if not stored:
            return json.dumps(stored) if stored is not False else ""
        try:
            value = decode(json.dumps(stored), self.env)
        except JobDecodeError as error:
            return f"{json.dumps(stored)}  # {error}"
        return pformat(value, width=_WIDTH, sort_dicts=False)

    @api.model
    def _masked_argument_names(self):
        """Names of the arguments that are shown as ``***``."""
        parameters = self.env["ir.config_parameter"].sudo()
        setting = parameters.get_param("queue_job.masked_arguments", MASKED_ARGUMENTS)
        return _names_of(setting)


def _hidden_places(way, names):
    """The places of a function's parameters that have one of the names."""
    try:
        parameters = [*inspect.signature(way).parameters.values()][1:]
    except (TypeError, ValueError):
        return  # it is none
    for place, parameter in enumerate(parameters):
        if parameter.name in names:
            rest = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            yield from _EVERY[place:] if rest else (place,)


def _unwrapped(stored):
    """JSON in a JSON text, as earlier versions wrote it, as the decoder reads it."""
    while isinstance(stored, str) and stored[:1] in ("{", "["):
        try:
            stored = json.loads(stored)
        except (ValueError, RecursionError):
            break
    return stored


@functools.lru_cache(maxsize=16)
def _names_of(setting):
    return MaskedNames(setting)
