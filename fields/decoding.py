# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From the JSON of a job's columns back to Python values.

Whatever the JSON holds, the result is a value or a :class:`JobDecodeError`: a tag
leads to one of the functions below or nowhere, and none of them calls what the
data names.
"""

import json
from base64 import b64decode
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from markupsafe import Markup

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.tools.translate import LazyGettext

from ..exception import JobDecodeError
from ..sentinel import AS_CALLER, EDIT_SENTINEL
from .elements import parse_element

# Context keys of the environment that decodes which its recordsets get too.
JOB_CONTEXT_KEYS = ("job_uuid",)

_plain_loads = json.JSONDecoder().decode
_INVALID = (TypeError, ValueError, ArithmeticError, LookupError, SyntaxError)


def decode(stored, env, expect=None):
    """Return the value of stored JSON.

    :param stored: JSON text; anything but ``str`` is JSON that was parsed already
    :param env: recordsets are of its transaction, and get its ``job_uuid``
    :param expect: the type, or tuple of types, that the value must have
    :raise JobDecodeError: the JSON has no meaning here; says why
    """
    try:
        text = stored if isinstance(stored, str) else json.dumps(stored)
        if "_type" in text or "\\u00" in text:  # the tag may be written in escapes
            hook = partial(_untag, env=env)
            value = json.JSONDecoder(object_hook=hook).decode(text)
        else:
            value = _plain_loads(text)
    except RecursionError:
        raise JobDecodeError("the stored JSON is nested too deep") from None
    except (TypeError, ValueError) as error:
        raise JobDecodeError(f"not JSON: {error}") from error
    if expect is not None and not isinstance(value, expect):
        if isinstance(value, str) and value[:1] in ("{", "["):
            # JSON in a JSON text, as earlier versions of the add-on wrote it
            return decode(value, env, expect)
        raise JobDecodeError(
            f"the stored JSON holds a {type(value).__name__}, not {_names(expect)}"
        )
    return value


def _names(types):
    types = types if isinstance(types, tuple) else (types,)
    return " or ".join(kind.__name__ for kind in types)


class JobDecoder(json.JSONDecoder):
    """``json.loads(text, cls=JobDecoder, env=env)``: the value of stored JSON.

    :param env: the environment of the recordsets; without it they are refused
    :param object_hook: called with each dictionary that has no tag
    """

    def __init__(self, *, env=None, object_hook=None, **options):
        def hook(members):
            if object_hook and "_type" not in members:
                return object_hook(members)
            return _untag(members, env)

        super().__init__(object_hook=hook, **options)


def _untag(members, env):
    """Return the value of a JSON object; what is in it has its value already."""
    if "_type" not in members:
        return members
    tag = members["_type"]
    reader = _READERS.get(tag) if isinstance(tag, str) else None
    if reader is None:
        raise JobDecodeError(f"unknown _type {str(tag)[:60]!r} in the stored JSON")
    try:
        return reader(members, env)
    except _INVALID as error:
        reason = f"{type(error).__name__}: {error}"
        raise JobDecodeError(f"the stored {tag} cannot be read ({reason})") from error


def _of_value(kind, read):
    """Return the reader of a tag that has just a ``value``, of one JSON type."""

    def reader(members, env):
        value = members["value"]
        if type(value) is not kind:
            raise TypeError(f"value is not a {kind.__name__}")
        return read(value)

    return reader


def _timedelta(value):
    days, seconds, microseconds = map(_int, value)
    return timedelta(days, seconds, microseconds)


def _int(value):
    if type(value) is not int:
        raise TypeError("not an integer")
    return value


def _dict(value):
    if not all(type(pair) is list for pair in value):
        raise TypeError("not a list of pairs")
    return dict(value)


def _lazy_gettext(value):
    module, source, args, default_lang = value
    if not all(isinstance(part, str) for part in (module, source, default_lang)):
        raise TypeError("not text")
    names = {"_module": module, "_default_lang": default_lang}
    if isinstance(args, dict):
        if names.keys() & args.keys():
            raise ValueError("a reserved name among the arguments")
        return LazyGettext(source, **names, **args)
    return LazyGettext(source, *args, **names)


def _recordset(members, env):
    model, ids, uid = members["model"], members["ids"], members["uid"]
    su, context = members.get("su", False), members.get("context", {})
    if env is None:
        raise ValueError("records need an environment")
    if not isinstance(model, str) or model not in env:
        raise ValueError(f"there is no model {str(model)[:60]!r}")
    if type(ids) is not list:
        raise TypeError("ids is not a list")
    if uid is not None:
        _int(uid)
    if type(su) is not bool:
        raise TypeError("su is not a boolean")
    if type(context) is not dict or not all(isinstance(key, str) for key in context):
        raise TypeError("context is not a dictionary with text keys")
    for key in JOB_CONTEXT_KEYS:
        if key in env.context:
            context[key] = env.context[key]
    if env.context.get(AS_CALLER) is EDIT_SENTINEL:
        uid, su = env.uid, env.uid == SUPERUSER_ID
    # Not env(user=...), for which no user at all means the one who decodes.
    restored = Environment(env.cr, uid, context, su)
    return restored[model].browse(map(_int, ids))


_READERS = {
    "odoo_recordset": _recordset,
    "datetime_isoformat": _of_value(str, datetime.fromisoformat),
    "date_isoformat": _of_value(str, date.fromisoformat),
    "etree_element": _of_value(str, parse_element),
    "timedelta": _of_value(list, _timedelta),
    "decimal": _of_value(str, Decimal),
    "bytes": _of_value(str, partial(b64decode, validate=True)),
    "tuple": _of_value(list, tuple),
    "set": _of_value(list, set),
    "frozenset": _of_value(list, frozenset),
    "dict": _of_value(list, _dict),
    "float": _of_value(str, float),
    "markup": _of_value(str, Markup),
    "lazy_gettext": _of_value(list, _lazy_gettext),
}
