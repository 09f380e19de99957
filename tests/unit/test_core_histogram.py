# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Times counted in buckets, and the percentiles that are read from them."""

import math
import random
import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.queue_job.core import histogram

TIMES = st.floats(min_value=0, max_value=histogram.BOUNDS[-1], exclude_max=True)


class TestBuckets(unittest.TestCase):
    def test_the_buckets_double_from_a_millisecond_to_a_day_and_a_half(self):
        self.assertEqual(histogram.BOUNDS[:3], (0.001, 0.002, 0.004))
        self.assertEqual(len(histogram.BOUNDS), 28)
        self.assertEqual(histogram.BOUNDS[-1], 134217.728)
        self.assertEqual(histogram.SIZE, 29)

    def test_a_time_is_counted_below_the_first_bound_that_is_longer(self):
        self.assertEqual(histogram.bucket(0), 0)
        self.assertEqual(histogram.bucket(0.000999), 0)
        self.assertEqual(histogram.bucket(0.001), 1)
        self.assertEqual(histogram.bucket(0.0015), 1)
        self.assertEqual(histogram.bucket(1), 10)

    def test_a_time_beyond_the_last_bound_is_counted_in_the_last_bucket(self):
        self.assertEqual(histogram.bucket(10**9), 28)

    @given(TIMES)
    def test_every_time_lies_within_the_bounds_of_its_bucket(self, seconds):
        number = histogram.bucket(seconds)
        low = histogram.BOUNDS[number - 1] if number else 0
        self.assertLessEqual(low, seconds)
        self.assertLess(seconds, histogram.BOUNDS[number])

    def test_each_time_is_counted_once(self):
        counts = histogram.of([0.0005, 0.0015, 0.0016, 10**9])
        self.assertEqual(len(counts), histogram.SIZE)
        self.assertEqual(counts[:3], [1, 2, 0])
        self.assertEqual(counts[-1], 1)
        self.assertEqual(sum(counts), 4)


class TestSums(unittest.TestCase):
    @given(st.lists(TIMES), st.lists(TIMES))
    def test_the_sum_of_two_is_the_histogram_of_both(self, some, others):
        self.assertEqual(
            histogram.add([histogram.of(some), histogram.of(others)]),
            histogram.of(some + others),
        )

    def test_the_sum_of_none_is_empty(self):
        self.assertEqual(histogram.add([]), list(histogram.EMPTY))


class TestQuantiles(unittest.TestCase):
    def test_nothing_was_counted_so_nothing_is_known(self):
        self.assertIsNone(histogram.quantile(histogram.EMPTY, 0.5))
        self.assertIsNone(histogram.quantile([], 0))

    def test_times_are_spread_evenly_on_the_logarithmic_scale(self):
        counts = [0] * 10 + [4] + [0] * 18
        self.assertAlmostEqual(histogram.quantile(counts, 0), 0.512)
        self.assertAlmostEqual(histogram.quantile(counts, 0.5), 0.512 * math.sqrt(2))
        self.assertAlmostEqual(histogram.quantile(counts, 1), 1.024)

    def test_below_the_first_bound_they_are_spread_evenly(self):
        counts = [4] + [0] * 28
        self.assertAlmostEqual(histogram.quantile(counts, 0.25), 0.00025)

    def test_of_what_is_too_long_the_last_bound_is_known(self):
        counts = [0] * 28 + [4]
        self.assertEqual(histogram.quantile(counts, 0.5), histogram.BOUNDS[-1])

    def test_an_empty_bucket_in_between_is_passed_over(self):
        counts = [2, 0, 0, 2] + [0] * 25
        self.assertAlmostEqual(histogram.quantile(counts, 0.5), 0.001)
        self.assertAlmostEqual(histogram.quantile(counts, 0.75), 0.004 * math.sqrt(2))

    def test_the_least_of_all_lies_in_the_first_bucket_that_has_any(self):
        counts = [0, 0, 2] + [0] * 26
        self.assertAlmostEqual(histogram.quantile(counts, 0), 0.002)

    @given(st.lists(TIMES, min_size=1), st.floats(0, 1), st.floats(0, 1))
    def test_a_greater_share_never_takes_less_time(self, times, one, other):
        counts = histogram.of(times)
        values = [histogram.quantile(counts, share) for share in sorted((one, other))]
        self.assertLessEqual(values[0], values[1])

    def test_percentiles_are_right_within_a_bucket(self):
        rng = random.Random(7)
        times = sorted(rng.lognormvariate(0, 2) for _index in range(10_000))
        counts = histogram.of(times)
        for share in (0.5, 0.95, 0.99):
            exact = times[int(share * len(times))]
            ratio = histogram.quantile(counts, share) / exact
            self.assertTrue(0.85 < ratio < 1.15, (share, ratio))


class TestCumulative(unittest.TestCase):
    def test_each_bound_comes_with_what_is_below_it(self):
        counts = [1, 2] + [0] * 26 + [4]
        pairs = list(histogram.cumulative(counts))
        self.assertEqual(pairs[:3], [(0.001, 1), (0.002, 3), (0.004, 3)])
        self.assertEqual(pairs[-2:], [(histogram.BOUNDS[-1], 3), (math.inf, 7)])
        self.assertEqual(len(pairs), histogram.SIZE)
