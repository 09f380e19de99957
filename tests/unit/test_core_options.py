# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import unittest
from datetime import timedelta

from odoo.addons.queue_job.core import options


class TestAccepted(unittest.TestCase):
    def test_what_is_accepted_is_kept_in_one_form(self):
        long_key = "é" * 2000
        for call, expected in (
            (lambda: options.priority(-3), -3),
            (lambda: options.max_retries(0), 0),
            (lambda: options.timeout(timedelta(minutes=1)), 60.0),
            (lambda: options.timeout(2.5), 2.5),
            (lambda: options.seconds(90), timedelta(seconds=90)),
            (lambda: options.description("Größe"), "Größe"),
            (lambda: options.identity_key("k"), "k"),
            (lambda: options.identity_key("é" * 400), "é" * 400),
            (lambda: options.identity_key("é" * 1300), "é" * 1300),
            (lambda: len(options.identity_key(long_key)) < 250, True),
            (lambda: options.identity_key("k" * 2600), "k" * 2600),
            (lambda: len(options.identity_key("k" * 2601)) < 250, True),
            (
                lambda: options.did_you_mean("root.fare", ["root.fair"]),
                " Did you mean 'root.fair'?",
            ),
            (lambda: options.did_you_mean("x", ["root.fair"]), ""),
            (lambda: options.cut("abc", 3), "abc"),
            (
                lambda: options.cut("a" * 100, 50),
                "a" * 23 + "... [100 characters in all]",
            ),
        ):
            with self.subTest(expected=expected):
                self.assertEqual(call(), expected)

    def test_long_keys_that_differ_at_their_ends_differ(self):
        one, two = (options.identity_key("k" * 3000 + end) for end in "ab")
        self.assertNotEqual(one, two)


class TestRefused(unittest.TestCase):
    def test_what_is_not_accepted_is_named_with_what_is_possible(self):
        for call, error, words in (
            (lambda: options.priority("1"), TypeError, "priority is '1'"),
            (lambda: options.priority(True), TypeError, "a whole number"),
            (lambda: options.priority(2**31), ValueError, "is possible"),
            (lambda: options.max_retries(-1), ValueError, "0 for no limit"),
            (lambda: options.max_retries(2**31), ValueError, "max_retries"),
            (lambda: options.timeout("abc"), TypeError, "a timedelta is needed"),
            (lambda: options.timeout(True), TypeError, "timeout is True"),
            (lambda: options.timeout(-1), ValueError, "no limit"),
            (lambda: options.timeout(float("nan")), ValueError, "timeout is nan"),
            (lambda: options.timeout(float("inf")), ValueError, "timeout is inf"),
            (lambda: options.seconds(float("nan")), ValueError, "finite"),
            (lambda: options.seconds(1e300), ValueError, "1 to 9999"),
            (lambda: options.description({"a": 1}), TypeError, "a text is needed"),
            (lambda: options.description("a\0b"), ValueError, "NUL"),
            (lambda: options.identity_key("\udc80"), ValueError, "surrogate"),
        ):
            with self.subTest(words=words), self.assertRaisesRegex(error, words):
                call()
