# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Retry patterns and policies."""

import json
import random
import unittest
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core import retry

MINUTE = 60
DOCUMENTED = {1: 10 * MINUTE, 5: 20 * MINUTE, 10: 30 * MINUTE, 15: 12 * 60 * MINUTE}
PROPERTY = settings(deadline=None, database=None)

seconds = st.integers(0, retry.MOST_SECONDS)
pairs = st.tuples(seconds, seconds).map(lambda pair: tuple(sorted(pair)))
patterns = st.dictionaries(st.integers(0, 50), seconds | pairs, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


class TestPattern(unittest.TestCase):
    def test_the_documented_pattern_gives_the_documented_delays(self):
        for number, minutes in (
            [(number, 10) for number in range(1, 5)]
            + [(number, 20) for number in range(5, 10)]
            + [(number, 30) for number in range(10, 15)]
            + [(number, 720) for number in (15, 16, 100)]
        ):
            with self.subTest(number=number):
                delay = retry.seconds_for(DOCUMENTED, number)
                self.assertEqual(delay, minutes * MINUTE)

    def test_without_a_pattern_the_usual_interval_is_waited(self):
        self.assertEqual(retry.seconds_for(None, 1), 600)
        self.assertEqual(retry.seconds_for({}, 99), 600)

    def test_before_the_first_key_the_usual_interval_is_waited(self):
        self.assertEqual(retry.seconds_for({3: 5}, 2), 600)
        self.assertEqual(retry.seconds_for({3: 5}, 3), 5)

    def test_a_delay_of_zero_is_a_delay(self):
        self.assertEqual(retry.seconds_for({1: 0}, 1), 0)

    def test_a_pair_is_drawn_from_both_ends_included(self):
        rng = random.Random(0)
        drawn = {retry.seconds_for({1: (3, 5)}, 1, rng) for _ in range(200)}
        self.assertEqual(drawn, {3, 4, 5})

    def test_what_json_makes_of_a_pattern_is_the_same_pattern(self):
        stored = json.loads(json.dumps({1: 10, 5: (20, 30)}))
        self.assertEqual(retry.validate_pattern(stored), {1: 10, 5: (20, 30)})

    def test_numbers_as_text_are_numbers(self):
        self.assertEqual(
            retry.validate_pattern({"2": "10", " 1 ": ["1", "2"]}), {1: (1, 2), 2: 10}
        )

    def test_none_is_the_empty_pattern(self):
        self.assertEqual(retry.validate_pattern(None), {})

    def test_a_validated_pattern_is_ordered(self):
        self.assertEqual(list(retry.validate_pattern({9: 1, 1: 2, 10: 3})), [1, 9, 10])

    def test_a_wrong_pattern_is_refused_naming_what_is_wrong(self):
        for wrong, named in (
            ([1, 2], "[1, 2]"),
            ("{1: 2}", "'{1: 2}'"),
            (5, "5"),
            ({"x": 1}, "'x'"),
            ({-1: 1}, "-1"),
            ({1.5: 1}, "1.5"),
            ({True: 1}, "True"),
            ({None: 1}, "None"),
            ({1: 1, "1": 2}, "'1' is twice"),
            ({7: "soon"}, "'soon' for key 7"),
            ({7: None}, "None for key 7"),
            ({7: -3}, "-3 for key 7"),
            ({7: 1.5}, "1.5 for key 7"),
            ({7: False}, "False for key 7"),
            ({7: (1,)}, "(1,) for key 7"),
            ({7: (1, 2, 3)}, "(1, 2, 3) for key 7"),
            ({7: (5, 2)}, "(5, 2) for key 7"),
            ({7: ("a", 2)}, "('a', 2) for key 7"),
            ({7: 2**31}, str(2**31)),
            ({"9" * 5000: 1}, "9999"),
        ):
            with self.subTest(wrong=named):
                with self.assertRaises(ValueError) as caught:
                    retry.validate_pattern(wrong)
                self.assertIn(named, str(caught.exception))
                self.assertIn("{1: 60, 5: (300, 600)}", str(caught.exception))

    @PROPERTY
    @given(patterns, st.integers(1, 60))
    def test_the_largest_key_reached_decides(self, pattern, number):
        delay = retry.seconds_for(retry.validate_pattern(pattern), number)
        key = number
        while key >= 0 and key not in pattern:
            key -= 1
        expected = pattern[key] if key >= 0 else retry.RETRY_INTERVAL
        low, high = expected if isinstance(expected, tuple) else (expected, expected)
        self.assertTrue(low <= delay <= high)

    @PROPERTY
    @given(patterns)
    def test_validating_changes_nothing_in_a_valid_pattern(self, pattern):
        self.assertEqual(retry.validate_pattern(pattern), pattern)
        stored = json.loads(json.dumps(pattern))
        self.assertEqual(retry.validate_pattern(stored), pattern)

    @PROPERTY
    @given(anything)
    def test_anything_at_all_gives_a_pattern_or_a_value_error(self, obj):
        try:
            pattern = retry.validate_pattern(obj)
        except ValueError:
            return
        self.assertTrue(all(isinstance(key, int) for key in pattern))


class TestPolicy(unittest.TestCase):
    def test_nothing_is_no_policy(self):
        for nothing in (None, False, "", "  \n", "null", "{}", {}):
            with self.subTest(nothing=nothing):
                self.assertIsNone(retry.parse_policy(nothing))

    def test_a_policy_is_read_from_json_and_from_a_dictionary(self):
        values = {
            "exceptions": ["ConnectionError", "requests.exceptions.Timeout"],
            "max_tries": 7,
            "base_seconds": 2,
            "factor": 3,
            "max_seconds": 100,
            "jitter": 0.5,
        }
        expected = retry.RetryPolicy(
            ("ConnectionError", "requests.exceptions.Timeout"), 7, 2.0, 3.0, 100.0, 0.5
        )
        self.assertEqual(retry.parse_policy(values), expected)
        self.assertEqual(retry.parse_policy(json.dumps(values)), expected)

    def test_what_a_policy_leaves_unsaid_is_usual(self):
        policy = retry.parse_policy({"exceptions": ["OSError"]})
        self.assertEqual(policy, retry.RetryPolicy(("OSError",), 0, 60, 2, 3600, 0.1))

    def test_the_bounds_themselves_are_accepted(self):
        bounds = {"base_seconds": 0, "factor": 1, "max_seconds": 2**31 - 1, "jitter": 1}
        policy = retry.parse_policy({"exceptions": "OSError", **bounds})
        self.assertEqual((policy.factor, policy.jitter), (1, 1))

    def test_names_may_be_one_text(self):
        policy = retry.parse_policy({"exceptions": "OSError, app.errors.Busy"})
        self.assertEqual(policy.exceptions, ("OSError", "app.errors.Busy"))

    def test_a_wrong_policy_is_refused_naming_what_is_wrong(self):
        good = {"exceptions": ["OSError"]}
        for wrong, named in (
            ("{", "must be JSON"),
            ("[" * 100_000, "must be JSON"),
            ("[1]", "[1] is not a retry policy"),
            (7, "7 is not a retry policy"),
            ({"max_tries": 3}, "'exceptions'"),
            ({"exceptions": []}, "'exceptions'"),
            ({"exceptions": "OSError,"}, "'exceptions'"),
            ({"exceptions": ["OSError", 3]}, "'exceptions'"),
            ({"exceptions": ["os error"]}, "'os error'"),
            ({"exceptions": ["a..b"]}, "'a..b'"),
            ({**good, "tries": 3}, "'tries'"),
            ({**good, "max_tries": -1}, "'max_tries'"),
            ({**good, "max_tries": 1.5}, "'max_tries'"),
            ({**good, "base_seconds": -1}, "'base_seconds'"),
            ({**good, "base_seconds": "1"}, "'base_seconds'"),
            ({**good, "base_seconds": 2**31}, "'base_seconds'"),
            ({**good, "factor": 0.5}, "'factor'"),
            ({**good, "factor": 1000.5}, "'factor'"),
            ({**good, "max_seconds": -0.5}, "'max_seconds'"),
            ({**good, "max_seconds": float("inf")}, "'max_seconds'"),
            ('{"exceptions": ["A"], "max_seconds": NaN}', "'max_seconds'"),
            ({**good, "jitter": 1.1}, "'jitter'"),
            ({**good, "jitter": True}, "'jitter'"),
        ):
            with self.subTest(wrong=str(wrong)[:60]):
                with self.assertRaises(ValueError) as caught:
                    retry.parse_policy(wrong)
                self.assertIn(named, str(caught.exception))

    @PROPERTY
    @given(
        anything | st.dictionaries(st.sampled_from(["exceptions", "factor"]), anything)
    )
    def test_anything_at_all_gives_a_policy_or_a_value_error(self, source):
        try:
            policy = retry.parse_policy(source)
        except ValueError:
            return
        self.assertTrue(policy is None or policy.exceptions)

    def test_the_wait_grows_by_the_factor_up_to_the_most(self):
        policy = retry.RetryPolicy(("E",), 0, 10, 3, 200, 0)
        waits = [policy.delay(tries) for tries in (1, 2, 3, 4, 5)]
        self.assertEqual(waits, [10, 30, 90, 200, 200])

    def test_a_wait_after_very_many_tries_is_the_most(self):
        policy = retry.RetryPolicy(("E",), 0, 10.0, 1000.0, 200.0, 0.0)
        self.assertEqual(policy.delay(10**6), 200)

    def test_chance_shortens_the_wait_by_no_more_than_its_part(self):
        policy = retry.RetryPolicy(("E",), 0, 100, 2, 1000, 0.25)
        rng = random.Random(0)
        waits = [policy.delay(1, rng) for _ in range(500)]
        self.assertTrue(all(75 <= wait <= 100 for wait in waits))
        self.assertLess(min(waits), 77)
        self.assertGreater(max(waits), 98)

    def test_an_heir_of_a_named_class_is_matched(self):
        names = retry.class_names(ConnectionResetError)
        for exceptions, matched in (
            (("ConnectionResetError",), True),
            (("ConnectionError",), True),
            (("builtins.OSError",), True),
            (("OSError",), True),
            (("Exception",), True),
            (("BrokenPipeError",), False),
            (("socket.OSError",), False),
            (("Error",), False),
        ):
            with self.subTest(exceptions=exceptions):
                policy = retry.RetryPolicy(exceptions)
                self.assertIs(policy.matches(names), matched)

    def test_a_bare_name_is_that_of_the_class_in_any_package(self):
        policy = retry.RetryPolicy(("Timeout",))
        self.assertTrue(policy.matches(["requests.exceptions.Timeout"]))
        self.assertFalse(policy.matches(["requests.Timeout.exceptions"]))

    def test_a_dotted_name_is_matched_by_the_very_class_only(self):
        policy = retry.RetryPolicy(("shop.Timeout",))
        self.assertTrue(policy.matches(["shop.Timeout", "builtins.Exception"]))
        self.assertFalse(policy.matches(["bank.Timeout", "Timeout"]))


class TestAskedSeconds(unittest.TestCase):
    NOW = datetime(2026, 1, 1, 12)

    def asked(self, value):
        return retry.asked_seconds(value, lambda: self.NOW)

    def test_numbers_durations_and_headers_are_waits(self):
        for value, seconds in (
            (0, 0),
            (5, 5),
            (0.5, 0.5),
            (Decimal("2.5"), 2.5),
            ("120", 120),
            (" 1.5 ", 1.5),
            (timedelta(minutes=2), 120),
            ("Thu, 01 Jan 2026 12:01:30 GMT", 90),
            ("Thu, 01 Jan 2026 14:01:30 +0200", 90),
            ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
            ("Thu, 01 Jan 2026 12:01:30 -0000", 90),
        ):
            with self.subTest(value=value):
                self.assertEqual(self.asked(value), seconds)

    def test_what_is_no_wait_is_refused(self):
        inf, nan = float("inf"), float("nan")
        refused = (-1, -0.5, inf, -inf, nan, "", "soon", "-5", "inf", "1e3", "٣")
        for value in (*refused, timedelta(seconds=-1), Decimal("NaN")):
            with self.subTest(value=value), self.assertRaisesRegex(ValueError, "sec"):
                self.asked(value)
        for value in (True, [], {}, b"5", object()):
            with self.subTest(value=value), self.assertRaisesRegex(TypeError, "sec"):
                self.asked(value)
