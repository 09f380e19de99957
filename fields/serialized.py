# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A field of Python values, kept as the codec's JSON in a jsonb column."""

import json
import operator

from psycopg2.extras import Json

from odoo import fields
from odoo.models import BaseModel

from ..exception import JobDecodeError
from .decoding import decode
from .encoding import encode


class Undecodable:
    """What a :class:`JobSerialized` field reads as when its JSON has no meaning.

    A view can show it (``stored`` is the JSON, ``reason`` what is wrong with it);
    each attempt to work with it raises :class:`JobDecodeError`.
    """

    def __init__(self, stored, reason):
        self.stored = stored
        self.reason = reason

    def __repr__(self):
        return f"<not readable: {self.reason}>"

    def _fail(self, *args):
        raise JobDecodeError(self.reason)

    # Not even a truth value: ``args or ()`` must not turn it into no arguments.
    __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __call__ = _fail

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self._fail()


class JobSerialized(fields.Field):
    """Values of any type that a job can carry.

    Reading gives a value of its own each time, with recordsets in the transaction
    of the record; to change the field, write it.

    :param base_type: the type of the values, or a tuple of types.  Other values
        are refused with a ``TypeError``, but lists and tuples are taken for each
        other: both are stored as a list.  A field that is not set reads as an
        empty value of the (first) type: for ``models.BaseModel`` an empty
        recordset of ``base``; without ``base_type``, False.
    """

    type = "job_serialized"
    _column_type = ("jsonb", "jsonb")
    base_type = None

    _related_base_type = property(operator.attrgetter("base_type"))

    def convert_to_cache(self, value, record, validate=True):
        text = self._to_text(value)
        return None if text is None else json.loads(text)

    def convert_to_record(self, value, record):
        if value is None:
            return self._empty(record.env)
        # A record may hide some of it from all but the code that executes jobs.
        hide = getattr(record, "_hide_arguments", None)
        if hide is not None:
            value = hide(self.name, value)
        sequence = self._sequence_type()
        expect = (list, tuple) if sequence else self.base_type
        try:
            value = decode(json.dumps(value), record.env, expect=expect)
        except JobDecodeError as error:
            return Undecodable(value, str(error))
        return sequence(value) if sequence else value

    def convert_to_column(self, value, record, values=None, validate=True):
        text = self._to_text(value) if validate else self._cached_to_text(value)
        return None if text is None else Json(text, dumps=str)

    def convert_to_read(self, value, record, use_display_name=True):
        cached = self.convert_to_cache(value, record)
        return False if cached is None else cached

    def convert_to_write(self, value, record):
        return value

    def convert_to_export(self, value, record):
        return self._to_text(value) or ""

    def convert_to_display_name(self, value, record):
        return self._to_text(value) or False

    def _to_text(self, value):
        """Return the JSON text of a value, None of one that means "not set"."""
        if isinstance(value, Undecodable):
            return json.dumps(value.stored, ensure_ascii=False)
        if value is None or value is False:
            return None
        if self.base_type:
            value = self._as_base_type(value)
        try:
            return encode(value)
        except TypeError as error:
            raise TypeError(f"field {self}: {error}") from None

    def _cached_to_text(self, value):
        try:
            return None if value is None else json.dumps(value, ensure_ascii=False)
        except TypeError:  # a value of a search domain
            return self._to_text(value)

    def _as_base_type(self, value):
        if self._sequence_type() and isinstance(value, list | tuple):
            return list(value)
        if isinstance(value, self.base_type):
            return value
        names = " or ".join(kind.__name__ for kind in self._base_types())
        raise TypeError(f"field {self}: expected {names}, not {type(value).__name__}")

    def _sequence_type(self):
        """Return list or tuple if the field is one of just that type."""
        return self.base_type if self.base_type in (list, tuple) else None

    def _base_types(self):
        base = self.base_type
        return base if isinstance(base, tuple) else (base,)

    def _empty(self, env):
        first = self._base_types()[0]
        if first is None:
            return False
        return env["base"] if issubclass(first, BaseModel) else first()
