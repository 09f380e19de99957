# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What becomes of a job after a try."""

import random
import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core.outcome import (
    Cancelled,
    Failed,
    Kind,
    Retry,
    Terms,
    Trouble,
    after_death,
    decide,
)
from odoo.addons.queue_job.core.retry import RetryPolicy

PATTERN = {1: 11, 2: 22, 4: 44}
POLICY = RetryPolicy(("E",), 0, 100, 2, 300, 0)
RETRIED = (Kind.RETRYABLE, Kind.CONCURRENCY, Kind.POLICY, Kind.TIMEOUT)


def after(
    kind, retry=0, max_retries=5, seconds=None, ignore_retry=False, policy=POLICY
):
    trouble = Trouble(kind, "app.E", "it broke", "trace", seconds, ignore_retry)
    return decide(trouble, Terms(retry, max_retries, PATTERN, policy))


def wait(seconds, count=True):
    return Retry(seconds, count, "app.E", "it broke", "trace")


def given_up(limit, name="app.E"):
    return Failed(name, f"Max. retries ({limit}) reached: it broke", "trace")


class TestDecide(unittest.TestCase):
    def test_each_try_that_went_wrong_has_its_outcome(self):
        ignored = {"ignore_retry": True}
        for kind, case, expected in (
            (Kind.RETRYABLE, {}, wait(11)),
            (Kind.RETRYABLE, {"retry": 1}, wait(22)),
            (Kind.RETRYABLE, {"retry": 2}, wait(22)),
            (Kind.RETRYABLE, {"retry": 3}, wait(44)),
            (Kind.RETRYABLE, {"seconds": 7}, wait(7)),
            (Kind.RETRYABLE, {"seconds": 0}, wait(0)),
            (Kind.RETRYABLE, {"seconds": -3}, wait(0)),
            (Kind.RETRYABLE, {"seconds": 1e300}, wait(2**31 - 1)),
            (Kind.RETRYABLE, {"retry": 4}, given_up(5, "FailedJobError")),
            (Kind.RETRYABLE, {"retry": 9}, given_up(5, "FailedJobError")),
            (Kind.RETRYABLE, {"max_retries": 1}, given_up(1, "FailedJobError")),
            (Kind.RETRYABLE, {"retry": 99, "max_retries": 0}, wait(44)),
            (Kind.RETRYABLE, ignored, wait(11, False)),
            (Kind.RETRYABLE, {"retry": 9, **ignored}, wait(44, False)),
            (Kind.CONCURRENCY, {}, wait(5)),
            (Kind.CONCURRENCY, {"retry": 3}, wait(5)),
            (Kind.CONCURRENCY, ignored, wait(5)),
            (Kind.CONCURRENCY, {"retry": 4, **ignored}, given_up(5, "FailedJobError")),
            (Kind.CONCURRENCY, {"retry": 99, "max_retries": 0}, wait(5)),
            (Kind.POLICY, {}, wait(100)),
            (Kind.POLICY, {"retry": 1}, wait(200)),
            (Kind.POLICY, {"retry": 3}, wait(300)),
            (Kind.POLICY, {"retry": 4}, given_up(5)),
            (Kind.POLICY, {"retry": 8, "max_retries": 0}, wait(300)),
            (Kind.TIMEOUT, {}, wait(11)),
            (Kind.TIMEOUT, {"retry": 1}, wait(22)),
            (Kind.TIMEOUT, {"retry": 4}, given_up(5)),
            (Kind.CANCELLED, {}, Cancelled("it broke")),
            (Kind.CANCELLED, {"retry": 9}, Cancelled("it broke")),
            (Kind.OTHER, {}, Failed("app.E", "it broke", "trace")),
            (Kind.OTHER, {"max_retries": 0}, Failed("app.E", "it broke", "trace")),
        ):
            with self.subTest(kind=kind.name, **case):
                self.assertEqual(after(kind, **case), expected)

    def test_a_policy_with_tries_of_its_own_goes_before_the_jobs(self):
        policy = RetryPolicy(("E",), 3, 100, 2, 300, 0)
        self.assertEqual(after(Kind.POLICY, 1, policy=policy), wait(200))
        self.assertEqual(after(Kind.POLICY, 2, policy=policy), given_up(3))
        longer = RetryPolicy(("E",), 8, 100, 2, 300, 0)
        self.assertEqual(after(Kind.POLICY, 6, policy=longer), wait(300))
        self.assertEqual(after(Kind.TIMEOUT, 4, policy=longer), given_up(5))

    def test_without_a_pattern_the_usual_interval_is_waited(self):
        trouble = Trouble(Kind.TIMEOUT)
        self.assertEqual(decide(trouble, Terms(0, 2)), Retry(600))

    def test_a_try_counts_unless_it_asks_not_to(self):
        self.assertEqual(decide(Trouble(Kind.RETRYABLE), Terms(0, 2)), Retry(600, True))

    def test_an_error_without_a_message_gives_a_reason_all_the_same(self):
        failed = decide(Trouble(Kind.TIMEOUT, "JobTimeout"), Terms(1, 2))
        self.assertEqual(failed, Failed("JobTimeout", "Max. retries (2) reached: "))

    def test_chance_comes_from_the_source_that_is_passed_in(self):
        terms = Terms(0, 0, {1: (1, 10**6)})
        trouble = Trouble(Kind.RETRYABLE)
        one = decide(trouble, terms, random.Random(7))
        self.assertEqual(one, decide(trouble, terms, random.Random(7)))
        self.assertNotEqual(one, decide(trouble, terms, random.Random(8)))

    @settings(deadline=None, database=None)
    @given(st.sampled_from(RETRIED), st.integers(1, 30))
    def test_a_job_that_never_succeeds_is_tried_exactly_max_retries_times(
        self, kind, max_retries
    ):
        tries = 0
        while isinstance(outcome := after(kind, tries, max_retries), Retry):
            tries += outcome.count
            self.assertLess(tries, max_retries)
        self.assertIsInstance(outcome, Failed)
        self.assertEqual(tries + 1, max_retries)


class Half:
    def random(self):
        return 0.5


class TestChance(unittest.TestCase):
    def test_the_wait_of_a_policy_is_by_the_chance_that_is_given(self):
        policy = RetryPolicy(("E",), 0, 100, 2, 300, 0.5)
        trouble = Trouble(Kind.POLICY, "app.E", "it broke", "trace")
        outcome = decide(trouble, Terms(0, 5, PATTERN, policy), Half())
        self.assertEqual(outcome.seconds, 75)


class TestDeath(unittest.TestCase):
    def test_a_job_that_died_runs_again_at_once_and_the_try_does_not_count(self):
        outcome = after_death(1, 3)
        self.assertIsInstance(outcome, Retry)
        self.assertEqual((outcome.seconds, outcome.count), (0, False))
        self.assertEqual(outcome.exc_name, "WorkerDied")
        self.assertEqual(
            outcome.exc_message,
            "The process that ran the job died (death 1 of at most 3): killed, out of"
            " memory, over a limit of the server, or the machine stopped.",
        )

    def test_the_last_death_allowed_fails_the_job_with_that_reason(self):
        self.assertIsInstance(after_death(2, 3), Retry)
        for deaths in (3, 4):
            outcome = after_death(deaths, 3)
            self.assertIsInstance(outcome, Failed)
            self.assertEqual(outcome.exc_name, "WorkerDied")
            self.assertIn(f"death {deaths} of at most 3", outcome.exc_message)

    def test_with_one_death_allowed_the_first_fails_the_job(self):
        self.assertIsInstance(after_death(1, 1), Failed)

    def test_without_a_limit_a_job_may_die_for_ever(self):
        outcome = after_death(1000, 0)
        self.assertIsInstance(outcome, Retry)
        self.assertIn("(death 1000)", outcome.exc_message)


class TestDatabase(unittest.TestCase):
    def decide(self, kind, tried, most=5):
        trouble = Trouble(kind, "DiskFull", "full", "trace")
        return decide(trouble, Terms(tried, most))

    def test_its_trouble_is_waited_for_longer_each_time_and_has_an_end(self):
        waits = [self.decide(Kind.DATABASE, tried).seconds for tried in range(4)]
        self.assertEqual(waits, [5, 10, 20, 40])
        last = self.decide(Kind.DATABASE, 4)
        self.assertEqual((type(last), last.exc_name), (Failed, "DiskFull"))
        endless = self.decide(Kind.DATABASE, 100, most=0)
        self.assertEqual(endless.seconds, 600)

    def test_an_end_of_the_process_counts_as_no_attempt(self):
        found = self.decide(Kind.INTERRUPTED, 4)
        self.assertEqual((found.seconds, found.count), (0, False))
