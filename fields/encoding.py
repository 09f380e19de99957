# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From Python values to the JSON text that a job's columns keep.

Plain JSON stays as it is.  Everything else is an object tagged by ``_type``:

================== ====================================================
odoo_recordset     model, ids, uid, su, context
datetime_isoformat value: ISO text, with the offset of an aware one
date_isoformat     value: ISO text
etree_element      value: the element as XML
timedelta          value: [days, seconds, microseconds]
decimal            value: its text
bytes              value: base64
tuple              value: list of the elements
set, frozenset     value: list of the elements, in the order of their JSON
dict               value: list of [key, value]; for dictionaries with keys
                   that are not text, or with a key ``_type``
float              value: text; for what jsonb has no number for, or would
                   give back as an integer (nan, inf, -0.0, 1e+16, ...)
markup             value: text that is safe HTML
lazy_gettext       value: [module, source, arguments, default language]
================== ====================================================

Instances of subclasses are kept as their base when that is equal to them (an
``IntEnum`` as an int, an ``OrderedDict`` as a dict).  jsonb keeps no order of keys.
"""

import json

from .refusal import Unstorable, explain, refuse
from .walk import (
    all_int,
    dict_to_plain,
    env_parts,
    list_to_plain,
    refuse_ids,
    text_of,
    to_plain,
    write_out,
)


def encode(obj, cache=None):
    """Return the JSON text of a value.

    :param obj: the value
    :param cache: a dictionary of the caller's, best one per transaction: what
        depends only on an environment is then computed once for it
    :raise TypeError: the value cannot be stored; says where and what to do
    """
    try:
        return text_of(obj, cache)
    except Unstorable as error:
        raise explain(error, [("the value", obj)], text_of, cache) from None


def encode_args(args, cache=None):
    """Return the JSON text, a plain list, of a call's positional arguments."""
    if not args:
        return "[]"
    try:
        return write_out(list_to_plain(args, 0, cache))
    except Unstorable as error:
        named = [(f"argument {place}", arg) for place, arg in enumerate(args, 1)]
        raise explain(error, named, text_of, cache) from None


def encode_kwargs(kwargs, cache=None):
    """Return the JSON text of a call's keyword arguments."""
    if not kwargs:
        return "{}"
    try:
        return write_out(dict_to_plain(kwargs, 0, cache))
    except Unstorable as error:
        named = [(f"argument {name!r}", arg) for name, arg in kwargs.items()]
        raise explain(error, named, text_of, cache) from None


def encode_recordset(records, cache=None):
    """Return the JSON text of a recordset with its user, su flag and context."""
    try:
        ids = records._ids
        if not all_int(map(type, ids)):
            refuse_ids(records)
        part = env_parts(records, cache)[0]
    except Unstorable as error:
        raise explain(error, [("the records", records)], text_of, cache) from None
    return recordset_json(records._name, ids, part)


def env_part(records):
    """Return the text of a stored recordset's members that come from its env.

    Records of one model and environment share it; see :func:`recordset_json`.
    """
    return env_parts(records, None)[0]


def recordset_json(model, ids, part):
    """Return a recordset's JSON text from the text of :func:`env_part`.

    :param model: a model's name
    :param ids: integers
    """
    listed = ids[0] if len(ids) == 1 else ",".join(map(str, ids))
    return f'{{"_type":"odoo_recordset","model":"{model}","ids":[{listed}],{part}}}'


class JobEncoder(json.JSONEncoder):
    """``json.dumps(value, cls=JobEncoder)``: the stored form of a value.

    A subclass may override ``default(obj)``, as with any encoder of the standard
    library, to replace objects that are refused otherwise.
    """

    def iterencode(self, o, _one_shot=False):
        hooked = type(self).default is not JobEncoder.default
        cache = _Hooked(self.default) if hooked else None
        try:
            plain = to_plain(o, 0, cache)
            write_out(plain)
        except Unstorable as error:
            raise explain(error, [("the value", o)], text_of, cache) from None
        return super().iterencode(plain, _one_shot)

    def encode(self, o):
        return "".join(self.iterencode(o, _one_shot=True))

    def default(self, o):
        refuse(o)


class _Hooked(dict):
    """A cache that also carries the ``default`` of an overridden encoder."""

    def __init__(self, default):
        super().__init__()
        self.default = default
