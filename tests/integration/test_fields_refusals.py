# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from collections import namedtuple
from datetime import time
from pathlib import PurePath
from unittest import mock
from uuid import uuid4

from lxml import etree
from markupsafe import Markup

from odoo import fields
from odoo.tests import tagged

from odoo.addons.queue_job.fields import encode, encode_args, encode_kwargs

from .codec_case import CodecCase, Colour

Point = namedtuple("Point", "x y")
MAX_TEXT = "odoo.addons.queue_job.fields.walk.MAX_TEXT"


@tagged("post_install", "-at_install")
class TestRefusals(CodecCase):
    def test_the_place_of_an_argument_that_cannot_be_stored_is_named(self):
        with self.assertRaises(TypeError) as caught:
            encode_args((1, {"partner": [object()]}))
        self.assertEqual(
            str(caught.exception),
            "argument 2['partner'][0]: object of type object cannot be stored; pass"
            " JSON values, records, dates, timedelta, Decimal, bytes, sets, tuples or"
            " XML elements",
        )
        with self.assertRaisesRegex(TypeError, r"^argument 'lines'\[1\]\[0\]: object"):
            encode_kwargs({"other": 1, "lines": [1, (self,)]})

    def test_a_key_or_an_element_of_a_set_is_named_as_such(self):
        self.assertRefused([{(1, Colour.RED): 1}], r"\[0\] key <tuple>\[1\]: object")
        self.assertRefused({1, Colour.RED}, "the value element: object of type")
        self.assertRefused({"a\0": 1}, r"the value key 'a\\x00': text with a NUL")

    def test_a_value_is_never_part_of_the_message(self):
        for secret in ("secret\0", "secret\ud800", type("T", (), {"a": "secret"})()):
            with self.assertRaises(TypeError) as caught:
                encode({"password": secret})
            self.assertIn("the value['password']: ", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))

    def test_the_message_says_what_to_pass_instead(self):
        for value, advice in [
            (Colour.RED, r"Colour cannot be stored; pass its \.value"),
            (Point(1, 2), r"Point cannot .* tuple\(\) of it, or its \._asdict\(\)"),
            (uuid4(), r"uuid\.UUID cannot be stored; pass str\(\)"),
            (PurePath("a"), r"pass str\(\)"),
            (time(1, 2), r"datetime\.time cannot be stored; pass str\(\)"),
            (bytearray(b"a"), r"type bytearray cannot be stored; pass bytes\(\)"),
            (memoryview(b"a"), r"pass bytes\(\)"),
            ((x for x in "ab"), r"type generator cannot be stored; pass list\(\)"),
            (self.env, r"Environment cannot .* pass ids or values: .* self\.env "),
            (range(3), r"pass list\(\)"),
            ({}.keys(), r"pass list\(\)"),
            (fields.Domain("id", "=", 1), r"pass list\(\)"),
            (self.env, r"api\.Environment|environments\.Environment"),
            (etree.ElementTree(etree.Element("a")), r"pass its \.getroot\(\)"),
            (etree.Comment("a"), r"\(_Comment\) would not be read back"),
            (self.env.cr, "Cursor cannot be stored; pass ids or values"),
            (print, "type builtin_function_or_method cannot be stored; pass JSON"),
            (self.env.user.write, "type method cannot be stored; pass JSON"),
            (Colour, "EnumType cannot be stored|EnumMeta cannot be stored"),
            (ValueError("a"), "type ValueError cannot be stored; pass JSON"),
            (1j, "type complex cannot be stored"),
        ]:
            with self.subTest(value=repr(value)):
                self.assertRefused([value], rf"the value\[0\]: .*(?:{advice})")

    def test_text_that_postgresql_cannot_hold_is_refused_at_the_call(self):
        for value in ("a\0b", "\\\0", {"\0": 1}, Markup("\0"), ["\0"]):
            self.assertRefused(value, "text with a NUL character cannot be stored")
        for value in ("\ud800", "é\udfff", {"\udc80": 1}):
            self.assertRefused(value, "text with a lone surrogate")
        for value in ("\\u0000", "\\\\u0000", "\\\\\\u0000", "€ 😀"):
            self.assertEqual(self.round_trip(value), value)

    def test_a_value_that_contains_itself_is_refused(self):
        circle = [1]
        circle.append({"a": (circle,)})
        with self.assertRaisesRegex(TypeError, "^argument 2: .*contains itself"):
            encode_args((1, circle))

    def test_nesting_is_refused_past_its_limit_and_read_back_below(self):
        def nested(levels, wrap):
            value = 1
            for _level in range(levels):
                value = wrap(value)
            return value

        wraps = (lambda v: [v], lambda v: (v,), lambda v: {1: v}, lambda v: {"a": v})
        for wrap in wraps:
            self.assertRefused(nested(105, wrap), "more than 100 levels deep")
            value = nested(48, wrap)
            self.assertEqual(self.round_trip(value), value)
        value = nested(100, lambda v: (v,))
        self.assertEqual(self.round_trip(value), value)

    def test_an_integer_of_too_many_digits_is_refused(self):
        self.assertRefused({"a": 10**5000}, r"the value\['a'\]: an integer of so many")
        self.assertRefused({10**5000}, "the value element: an integer of so many")

    def test_more_text_than_jsonb_holds_is_refused(self):
        with mock.patch(MAX_TEXT, 100):
            self.assertRefused([1, "x" * 101], r"\[1\]: more than 100 characters")
            with self.assertRaisesRegex(TypeError, "^more than 100 characters"):
                encode_args(["x" * 60, "x" * 60])
            self.assertEqual(encode(["x" * 90]), json.dumps(["x" * 90]))
