# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The field of identity keys, of which long ones are stored by their hash."""

from __future__ import annotations

from collections.abc import Set
from contextlib import suppress

from odoo import fields

from ..core import options

_COLLECTIONS = (list, tuple, Set)


class IdentityKey(fields.Char):
    """A text that is searched for as it was given, whatever is stored of it."""

    def condition_to_sql(self, field_expr, operator, value, model, alias, query):
        value = _stored(operator, value)
        return super().condition_to_sql(
            field_expr, operator, value, model, alias, query
        )

    def filter_function(self, records, field_expr, operator, value):
        return super().filter_function(
            records, field_expr, operator, _stored(operator, value)
        )


def _stored(operator: str, value):
    if operator not in ("in", "not in") or not isinstance(value, _COLLECTIONS):
        return value  # patterns find the beginning, which is stored of any key
    return type(value)(_stored_key(each) for each in value)


def _stored_key(key):
    if isinstance(key, str):
        with suppress(ValueError):  # one that no job can have
            return options.identity_key(key)
    return key
