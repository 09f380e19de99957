# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Say which part of a value cannot be stored, and what to pass instead."""

from collections.abc import Iterable, Mapping
from datetime import time
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from lxml import etree

from odoo.api import Environment
from odoo.fields import Domain
from odoo.models import BaseModel
from odoo.sql_db import BaseCursor

_STORABLE = (
    "JSON values, records, dates, timedelta, Decimal, bytes, sets, tuples or XML"
    " elements"
)


class Unstorable(TypeError):
    """A value has no stored form.

    :param deep: the reason is the depth of the nesting
    """

    def __init__(self, reason, deep=False):
        super().__init__(reason)
        self.deep = deep


def refuse(obj):
    """Raise the error for an object of a type that is not stored."""
    kind = type(obj)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    raise Unstorable(
        f"object of type {module}{kind.__qualname__} cannot be stored;"
        f" pass {_instead_of(obj)}"
    )


def _instead_of(obj):
    match obj:
        case Enum():
            return "its .value"
        case UUID() | PurePath() | time():
            return "str() of it"
        case bytearray() | memoryview():
            return "bytes() of it"
        case tuple():
            return "tuple() of it, or its ._asdict()"
        case etree._ElementTree():
            return "its .getroot()"
        case Domain():
            return "list() of it"
        case Environment() | BaseCursor():
            return "ids or values: the job has self.env and self.env.cr of its own"
        case Mapping():
            return "dict() of it"
        case Iterable() if not isinstance(obj, type):
            return "list() of it"
    return _STORABLE


def explain(error, labelled, text_of, cache):
    """Return the TypeError that names the part which has no stored form.

    :param error: the :class:`Unstorable` met in the whole
    :param labelled: the label and value of each part of the whole
    :param text_of: function(value, cache) that raised ``error``
    """
    for label, part in labelled:
        try:
            text_of(part, cache)
        except Unstorable as refused:
            path, reason = _locate(part, refused, text_of, cache)
            return TypeError(f"{label}{path}: {reason}")
    return TypeError(str(error))


def _locate(value, error, text_of, cache):
    # Each level is tried anew: errors are rare, so the walk itself keeps no path.
    if not error.deep:
        for label, part in _parts(value):
            try:
                text_of(part, cache)
            except Unstorable as refused:
                path, reason = _locate(part, refused, text_of, cache)
                return label + path, reason
    return "", str(error)


def _parts(value):
    match value:
        case dict():
            for key in value:
                yield f" key {_short(key)}", key
            for key, part in value.items():
                yield f"[{_short(key)}]", part
        case list() | tuple():
            for place, part in enumerate(value):
                yield f"[{place}]", part
        case set() | frozenset():
            for part in value:
                yield " element", part
        case BaseModel():
            yield ".env.context", value._job_prepare_context_before_enqueue()


def _short(key):
    if type(key) not in (str, int, bool, float, type(None)):
        return f"<{type(key).__name__}>"
    text = ascii(key)
    return text if len(text) <= 60 else text[:57] + "..."
