# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the tests of the codec share."""

from datetime import datetime
from decimal import Decimal
from enum import Enum

from odoo.tests import TransactionCase

from odoo.addons.queue_job.fields import decode, encode


class Colour(Enum):
    RED = "red"


def typed(value):
    """A hashable twin of a value that is equal only with equal types inside."""
    kind = type(value)
    if kind is dict:
        return kind, frozenset((typed(key), typed(part)) for key, part in value.items())
    if kind in (set, frozenset):
        return kind, frozenset(map(typed, value))
    if kind in (list, tuple):
        return kind, tuple(map(typed, value))
    if kind in (float, Decimal):
        return kind, repr(value)
    if kind is datetime:
        return kind, value.isoformat()
    return kind, value


class CodecCase(TransactionCase):
    def through_jsonb(self, json_text):
        """The text as a jsonb column gives it back."""
        self.env.cr.execute("SELECT %s::jsonb::text", [json_text])
        return self.env.cr.fetchone()[0]

    def round_trip(self, value):
        return decode(self.through_jsonb(encode(value)), self.env)

    def assertRefused(self, value, pattern):
        with self.assertRaisesRegex(TypeError, pattern):
            encode(value)
