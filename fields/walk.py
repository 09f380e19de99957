# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The walk from a Python value to plain JSON, and its text.

Containers of nothing but scalars are left to one test in C and given to the JSON
encoder as they are: what the walk returns may share them, so it is written out at
once and never kept.
"""

import json
import re
from base64 import b64encode
from datetime import date, datetime, timedelta
from decimal import Decimal
from json.encoder import c_make_encoder, encode_basestring
from math import copysign

from lxml import etree
from markupsafe import Markup

from odoo.models import BaseModel
from odoo.tools.translate import LazyGettext

from .elements import parse_element
from .refusal import Unstorable, refuse

MAX_DEPTH = 100
# jsonb holds no value of 256 MiB or more
MAX_TEXT = 255 * 2**20

SCALARS = frozenset({str, int, bool, type(None)})
_all_scalars = SCALARS.issuperset
_all_text = frozenset({str}).issuperset
all_int = frozenset({int}).issuperset
# A NUL as JSON writes it: not the six characters after an escaped backslash.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _make_dump():
    encoder = json.JSONEncoder(
        ensure_ascii=False,
        check_circular=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    if c_make_encoder is None:
        return encoder.encode
    # What JSONEncoder.encode() builds for each call, built once.
    chunks = c_make_encoder(
        None, encoder.default, encode_basestring, None, ":", ",", False, False, False
    )
    join = "".join
    return lambda plain: join(chunks(plain, 0))


_dump = _make_dump()


def _dumps(plain):
    try:
        return _dump(plain)
    except ValueError:
        raise Unstorable(
            "an integer of so many digits cannot be stored; pass it as bytes"
        ) from None


def text_of(obj, cache=None):
    return write_out(obj if type(obj) in SCALARS else to_plain(obj, 0, cache))


def write_out(plain):
    """Write out plain JSON, if PostgreSQL can hold it."""
    text = _dumps(plain)
    if "\\u0000" in text or not text.isascii():
        _check_characters(text)
    if len(text) > MAX_TEXT:
        raise Unstorable(
            f"more than {MAX_TEXT} characters of JSON cannot be stored;"
            " pass a record that holds the data"
        )
    return text


def _check_characters(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unstorable(
            "text with a lone surrogate (half a character) cannot be stored; pass bytes"
        ) from None
    if _ESCAPED_NUL.search(text):
        raise Unstorable("text with a NUL character cannot be stored; pass bytes")


def to_plain(obj, depth, cache):
    kind = type(obj)
    if kind in SCALARS:
        return obj
    handler = _HANDLERS.get(kind) or _handler_of_base(obj)
    return handler(obj, depth, cache)


def list_to_plain(values, depth, cache):
    if _all_scalars(map(type, values)):
        return values
    depth = _deeper(depth)
    return [
        value if type(value) in SCALARS else to_plain(value, depth, cache)
        for value in values
    ]


def _deeper(depth):
    if depth >= MAX_DEPTH:
        raise Unstorable(
            f"a value nested more than {MAX_DEPTH} levels deep, or one that"
            " contains itself, cannot be stored",
            deep=True,
        )
    return depth + 1


def dict_to_plain(values, depth, cache):
    if not _all_text(map(type, values)) or "_type" in values:
        depth = _deeper(depth)
        pairs = [list_to_plain(pair, depth, cache) for pair in values.items()]
        return _tagged("dict", pairs)
    if _all_scalars(map(type, values.values())):
        return values
    depth = _deeper(depth)
    return {
        key: value if type(value) in SCALARS else to_plain(value, depth, cache)
        for key, value in values.items()
    }


def _tagged(tag, value):
    return {"_type": tag, "value": value}


def _tuple(values, depth, cache):
    return _tagged("tuple", list_to_plain(values, depth, cache))


def _set(tag):
    def handler(values, depth, cache):
        return _tagged(tag, sorted(list_to_plain([*values], depth, cache), key=_dumps))

    return handler


def _float(value, depth, cache):
    # jsonb's numbers have no nan, infinity or negative zero, and from 1e16 on
    # (where Python writes an exponent) they come back without a fraction.
    if -1e16 < value < 1e16 and (value or copysign(1, value) > 0):
        return value
    return _tagged("float", repr(value))


def _timedelta(value, depth, cache):
    return _tagged("timedelta", [value.days, value.seconds, value.microseconds])


def _lazy_gettext(value, depth, cache):
    args = to_plain(value._args, _deeper(depth), cache)
    content = [value._module, value._source, args, value._default_lang]
    return _tagged("lazy_gettext", content)


def _element(value, depth, cache):
    text = etree.tostring(value, encoding="unicode", with_tail=False)
    try:
        parse_element(text)
    except (ValueError, SyntaxError):
        raise Unstorable(
            f"this XML ({type(value).__name__}) would not be read back;"
            " pass the element that contains it, or text"
        ) from None
    return _tagged("etree_element", text)


# -- recordsets --------------------------------------------------------------


def _recordset(records, depth, cache):
    if not all_int(map(type, records._ids)):
        refuse_ids(records)
    head = {"_type": "odoo_recordset", "model": records._name, "ids": records._ids}
    return head | env_parts(records, cache)[1]


def refuse_ids(records):
    raise Unstorable(
        f"unsaved records ({records._name}) cannot be stored; save them first"
    )


def env_parts(records, cache):
    """Return what comes from the records' environment, as text and as JSON."""
    env = records.env
    # By model too: a model may say which context keys its jobs keep.
    key = (env, records._name)
    if cache and (parts := cache.get(key)):
        return parts
    values = {
        "uid": env.uid,
        "su": env.su,
        "context": to_plain(records._job_prepare_context_before_enqueue(), 0, cache),
    }
    parts = (write_out(values)[1:-1], values)
    if cache is not None:
        cache[key] = parts
    return parts


# -- which handler for which type --------------------------------------------

_HANDLERS = {
    list: list_to_plain,
    dict: dict_to_plain,
    tuple: _tuple,
    set: _set("set"),
    frozenset: _set("frozenset"),
    float: _float,
    datetime: lambda v, d, c: _tagged("datetime_isoformat", v.isoformat()),
    date: lambda v, d, c: _tagged("date_isoformat", v.isoformat()),
    timedelta: _timedelta,
    Decimal: lambda v, d, c: _tagged("decimal", str(v)),
    bytes: lambda v, d, c: _tagged("bytes", b64encode(v).decode()),
    Markup: lambda v, d, c: _tagged("markup", str.__str__(v)),
    LazyGettext: _lazy_gettext,
    etree._Element: _element,
}
# Of subclasses: turned into the base, then handled as such.  datetime is a date.
_BASES = {
    Markup: Markup,
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    datetime: None,
    date: None,
    timedelta: None,
    Decimal: Decimal,
    bytes: bytes,
    dict: dict,
    list: list,
    tuple: tuple,
    set: None,
    frozenset: None,
    etree._Element: None,
}
_BASE_TYPES = tuple(_BASES)


def _handler_of_base(obj):
    if isinstance(obj, BaseModel):
        return _recordset
    is_namedtuple = isinstance(obj, tuple) and hasattr(obj, "_fields")
    if isinstance(obj, _BASE_TYPES) and not is_namedtuple:
        return _as_base
    return _as_default


def _as_base(obj, depth, cache):
    base = next(base for base in _BASES if isinstance(obj, base))
    convert = _BASES[base]
    if convert:
        return to_plain(convert(obj), depth, cache)
    return _HANDLERS[base](obj, depth, cache)


def _as_default(obj, depth, cache):
    default = getattr(cache, "default", None)
    if default is None:
        refuse(obj)
    return to_plain(default(obj), _deeper(depth), cache)
