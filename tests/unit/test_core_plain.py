# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import unittest

from odoo.addons.queue_job.core import plain


class Mute:
    def __str__(self):
        raise ValueError("not to be shown")

    __repr__ = __str__


class MuteError(Exception):
    def __str__(self):
        raise SystemExit("not to be shown")

    __repr__ = __str__


class NoArguments(Exception):
    @property
    def args(self):
        raise ValueError("none")


class Lazy:
    def _translate(self, lang=""):
        return "translated"


class ShyStr(Exception):
    """One whose text cannot be had, with an argument that can."""

    def __str__(self):
        raise ValueError


class TestText(unittest.TestCase):
    def test_any_value_becomes_a_text_that_can_be_stored(self):
        for value, expected in (
            ("a\0b", "a\\x00b"),
            ("bad \udc80", "bad \\udc80"),
            (3, "3"),
        ):
            with self.subTest(expected):
                self.assertEqual(plain.text(value), expected)
        self.assertIn("Mute that cannot be shown", plain.text(Mute()))

    def test_a_long_text_says_what_is_left_out(self):
        found = plain.text("x" * 100, 10)
        self.assertEqual(found, "xxxxx\n[... 90 characters left out ...]\nxxxxx")

    def test_no_text_begins_a_line_of_the_log(self):
        self.assertEqual(plain.one_line("a\nb\x1b[31m"), "a\\nb\\x1b[31m")
        self.assertEqual(plain.block("a\nb\rc"), "    a\n    b\\rc")

    def test_no_text_commands_a_terminal(self):
        for sign in "\x1b\x9b\r\x08\x7f\u202e":
            with self.subTest(repr(sign)):
                self.assertNotIn(sign, plain.screen(f"a{sign}[2Jb"))
        self.assertEqual(plain.screen("a\n\tb"), "a\n\tb")


class TestErrors(unittest.TestCase):
    def test_what_an_error_says_is_told_whatever_it_does(self):
        for error, expected in (
            (ValueError("plain"), "plain"),
            (ValueError(), ""),
            (KeyError("sku"), "sku"),
            (OSError(2, "No such file"), "[Errno 2] No such file"),
            (ValueError(3), "3"),
            (ShyStr("its argument"), "its argument"),
            (ShyStr(4), "4"),
        ):
            with self.subTest(repr(expected)):
                self.assertEqual(plain.message_of(error), expected)
        self.assertIsInstance(plain.message_of(MuteError()), str)
        self.assertIsInstance(plain.message_of(NoArguments("x")), str)

    def test_a_lazy_text_is_said_in_the_language_that_is_asked_for(self):
        error = Exception(Lazy())
        self.assertEqual(
            plain.message_of(error, lambda lazy: lazy._translate()), "translated"
        )

    def test_a_class_is_known_by_its_dotted_name(self):
        self.assertEqual(plain.name_of(ValueError), "ValueError")
        self.assertTrue(plain.name_of(Mute).endswith(".Mute"))
        odd = type("Odd", (Exception,), {"__module__": 7})
        self.assertEqual(plain.name_of(odd), "Odd")

    def test_a_traceback_is_shown_though_its_error_cannot_be(self):
        try:
            raise MuteError
        except MuteError as error:
            found = plain.traceback_of(error)
        self.assertIn("MuteError", found)

        class Unformatted(Exception):
            @property
            def __cause__(self):
                raise ValueError("none of your business")

        try:
            raise Unformatted("told")
        except Unformatted as error:
            found = plain.traceback_of(error)
        self.assertIn("told", found)
