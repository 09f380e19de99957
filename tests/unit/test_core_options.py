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
            (lambda: options.size(1), 1),
            (lambda: options.name_of(len), "len"),
            (lambda: options.name_of(5), "5"),
            (lambda: options.flag("allow", True), True),
            (lambda: options.method_name("on_fail", "tell"), "tell"),
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
            (lambda: options.priority(" 7"), TypeError, "Did you mean 7 without quot"),
            (lambda: options.priority("x7"), TypeError, "the usual one$"),
            (lambda: options.priority(True), TypeError, "a whole number"),
            (
                lambda: options.size("2"),
                TypeError,
                "The size of a part is '2'.* mean 2",
            ),
            (lambda: options.size(0), ValueError, "The size of a part is 0: 1 to"),
            (lambda: options.timeout("60"), TypeError, "timeout is '60'.* mean 60"),
            (lambda: options.priority(2**31), ValueError, "is possible"),
            (lambda: options.max_retries(-1), ValueError, "0 for no limit"),
            (lambda: options.max_retries(2**31), ValueError, "max_retries"),
            (lambda: options.timeout("abc"), TypeError, "a timedelta is needed"),
            (lambda: options.timeout(True), TypeError, "timeout is True"),
            (lambda: options.flag("allow", 1), TypeError, "allow is 1: True or False"),
            (
                lambda: options.method_name("on_fail", 5),
                TypeError,
                "on_fail is 5.*text$",
            ),
            (lambda: options.method_name("on_fail", len), TypeError, "mean 'len'"),
            (lambda: options.method_name("on_fail", "a b"), ValueError, "no name of a"),
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


class TestUnknown(unittest.TestCase):
    KNOWN = ("priority", "eta", "channel", "max_retries", "description", "timeout")

    def test_an_unknown_option_is_told_with_the_one_that_was_meant(self):
        for name, meant in (
            ("prio", "priority"),
            ("priorty", "priority"),
            ("queue", "channel"),
            ("countdown", "eta"),
            ("retries", "max_retries"),
            ("max_retry", "max_retries"),
            ("desc", "description"),
            ("name", "description"),
            ("time_limit", "timeout"),
        ):
            with self.subTest(name):
                error = options.unknown("with_delay()", [name], self.KNOWN)
                self.assertIsInstance(error, TypeError)
                self.assertEqual(
                    str(error),
                    f"with_delay() has no option {name!r}. Did you mean {meant!r}? Its"
                    " options: priority, eta, channel, max_retries, description,"
                    " timeout.",
                )

    def test_nothing_is_meant_by_a_name_that_is_far_from_all(self):
        for name in ("bogus", "", "x"):
            with self.subTest(name):
                error = options.unknown("set()", [name], self.KNOWN)
                self.assertNotIn("mean", str(error))

    def test_the_name_that_a_call_has_for_it_is_meant(self):
        for name in ("channel", "queue"):
            error = options.unknown("@job", [name], ("default_channel", "timeout"))
            self.assertIn("Did you mean 'default_channel'?", str(error))

    def test_what_another_queue_has_is_not_meant_where_it_does_not_exist(self):
        error = options.unknown("x()", ["queue"], ("priority",))
        self.assertNotIn("mean", str(error))
