# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is said of a job, and the call that it makes, checked where they are said.

What has nothing to do with Odoo of it is in ``core/options.py`` and ``core/calls.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from odoo.fields import Datetime, Field
from odoo.models import BaseModel
from odoo.tools.translate import LazyGettext

from . import clock
from .core import calls, options

if TYPE_CHECKING:
    from .job import Job

#: what may be said of a job beside its call
PROPERTIES = (
    "priority",
    "eta",
    "max_retries",
    "description",
    "channel",
    "identity_key",
    "timeout",
)


def refuse_unknown(call: str, given: Mapping) -> None:
    """:raises TypeError: of the first of the options that do not exist"""
    if given:
        raise options.unknown(call, given, PROPERTIES)


def check_option(env, name: str, value: Any) -> None:
    """Refuse what the job would refuse.

    :raises TypeError: naming the option and what is possible
    :raises ValueError: the same
    """
    if value is None:
        return
    check = _PLAIN.get(name)
    if check is not None:
        check(value)
    elif name == "eta":
        moment(value, env.cr)
    elif value and name == "description":
        described(env, value)
    elif value and name == "channel":
        channel_name(value)
    elif name == "identity_key":
        accepted_key(value)
        if callable(value):
            check_key_function(value)


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "priority": options.priority,
    "max_retries": options.max_retries,
    "timeout": options.timeout,
}


def check_method(recordset, name: str) -> None:
    """Refuse a name of which the model has no method.

    :raises AttributeError: naming what was meant
    """
    model = type(recordset)
    found = None if name.startswith("__") else getattr(model, name, None)
    if callable(found):
        return
    if isinstance(found, Field):
        raise AttributeError(
            f"{recordset._name}.{name} is a field: only methods can be delayed. Call a"
            " method that reads or writes it."
        )
    raise AttributeError(
        f"Only methods of {recordset._name} can be delayed, and it has no {name!r}."
        + _near(model, name)
    )


def _near(model: type, name: str) -> str:
    if name.startswith("__"):
        return ""
    known = [each for each in dir(model) if not each.startswith("__")]
    methods = [each for each in known if callable(getattr(model, each, None))]
    return options.did_you_mean(name, methods)


def check_call(recordset, name: str, args: tuple, kwargs: Mapping) -> None:
    """Refuse arguments that the method does not take.

    :raises TypeError: showing its signature
    """
    function = getattr(type(recordset), name, None)
    if function is not None:
        calls.check(function, name, args, kwargs, PROPERTIES)


def accepted_key(value: object) -> str | Callable[[Job], str] | None:
    if not value or callable(value):
        return value or None  # type: ignore[return-value]
    if not isinstance(value, str):
        raise TypeError(
            f"identity_key is {options.shown(value)}: a text is needed, or a function"
            " of the job that returns one"
        )
    return options.identity_key(value)


def key_of(job_: Job, function: Callable[[Job], object]) -> str | None:
    """What a function says is the key of the job.

    :raises TypeError: it does not take just the job
    """
    try:
        key = function(job_)
    except TypeError:
        check_key_function(function)  # it is cheaper to ask only now
        raise
    return options.identity_key(str(key)) if key else None


def check_key_function(function: Callable) -> None:
    """:raises TypeError: it does not take just a job"""
    try:
        with suppress(ValueError):  # one written in C cannot tell
            inspect.signature(function).bind(None)
    except TypeError as error:
        raise TypeError(
            f"identity_key is the function {options.name_of(function)}, which cannot be"
            f" called with the job ({error}): write it like lambda job: ..."
        ) from None


def said_description(value: object) -> object:
    """A description that is given where nobody knows yet who reads it."""
    return value if isinstance(value, LazyGettext) else options.description(value)


def described(env, value: object) -> str:
    if isinstance(value, LazyGettext):
        value = env._(value)
    return options.description(value)


def channel_name(value: object) -> str:
    if isinstance(value, BaseModel) and value._name == "queue.job.channel":
        # of whoever names it, whatever his rights on channels are
        value = value.ensure_one().sudo().complete_name
    return options.text("channel", value)


def moment(eta: object, cr) -> datetime | None:
    """A naive UTC moment of what ``eta`` accepts."""
    if eta is None or eta is False or eta == 0:
        return None
    said = eta
    if isinstance(eta, (int, float)) and not isinstance(eta, bool):
        eta = options.seconds(eta)
    try:
        if isinstance(eta, timedelta):
            return clock.now(cr) + eta
        if isinstance(eta, datetime):
            if eta.tzinfo is None:
                return eta
            return eta.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:
        raise options.too_far(said) from None
    if isinstance(eta, (str, date)):
        # the value of a field, as texts and dates are taken by the ORM
        with suppress(ValueError):
            return Datetime.to_datetime(eta)
    raise TypeError(
        f"eta is {options.shown(eta)}: seconds from now, a timedelta or a datetime is"
        " needed"
    )
