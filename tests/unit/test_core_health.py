# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who executes jobs, and what is wrong when they are not executed."""

import unittest
from dataclasses import replace

from odoo.addons.queue_job.core import health
from odoo.addons.queue_job.core.channels import Channel
from odoo.addons.queue_job.core.health import Facts, Load

WELL = Facts(runners=1)
ALONE = Facts(runners=0)


class TestProblems(unittest.TestCase):
    def check(self, facts, executed_by, problems):
        self.assertEqual(health.executed_by(facts), executed_by)
        self.assertEqual(health.problems(facts), problems)

    def test_a_living_runner_executes_jobs_and_nothing_is_wrong(self):
        self.check(WELL, "runner", [])
        self.check(replace(WELL, cron=False, cron_overdue=True), "runner", [])

    def test_nothing_runs_when_the_root_channel_lets_nothing_run(self):
        self.check(replace(WELL, root_off=True), "nobody", ["root_off"])
        self.check(replace(ALONE, root_off=True), "nobody", ["root_off"])

    def test_nothing_runs_in_a_copy_whoever_is_there(self):
        for facts in (WELL, ALONE, replace(WELL, root_off=True, busy=True)):
            self.check(replace(facts, rest="neutralized"), "nobody", ["resting"])

    def test_without_a_runner_the_scheduled_action_executes_jobs(self):
        self.check(ALONE, "cron", ["runner_missing"])
        self.check(replace(ALONE, server_wide=False), "cron", ["cron_only"])

    def test_without_both_nobody_executes_jobs(self):
        self.check(replace(ALONE, cron=False), "nobody", ["no_runner"])
        self.check(replace(ALONE, cron_overdue=True), "nobody", ["no_runner"])
        alone = replace(ALONE, server_wide=False)
        self.check(replace(alone, cron=False), "nobody", ["no_cron"])
        self.check(replace(alone, cron_overdue=True), "nobody", ["cron_overdue"])

    def test_other_trouble_is_told_besides(self):
        versions = frozenset({"1", "2"})
        self.check(
            replace(WELL, busy=True, versions=versions), "runner", ["busy", "versions"]
        )
        self.check(replace(WELL, versions=frozenset({"1"})), "runner", [])
        self.check(replace(ALONE, busy=True), "cron", ["runner_missing", "busy"])

    def test_that_jobs_are_executed_in_another_way_is_no_error(self):
        harmless = {"runner_missing", "cron_only", "versions"}
        self.assertFalse(harmless & health.ERRORS)
        self.assertEqual(
            health.ERRORS,
            {
                "resting", "root_off", "no_runner", "no_cron", "cron_overdue", "busy",
                "stalled", "late", "bad_channels",
            },
        )  # fmt: skip

    def test_clocks_that_are_seconds_apart_are_told_of(self):
        for skew, told in (
            (0, False),
            (4.9, False),
            (-4.9, False),
            (5, True),
            (-5, True),
        ):
            self.assertIs(health.is_skewed(replace(WELL, skew=skew)), told)


class TestSuspects(unittest.TestCase):
    def suspects(self, load, *others, **values):
        tree = {
            "root": Channel("root", 2),
            "root.a": Channel("root.a", **values),
        }
        loads = {"root.a": load}
        loads.update(others)
        return health.suspects(tree, loads)

    def test_a_job_that_waits_for_long_where_there_is_room_is_suspect(self):
        self.assertEqual(self.suspects(Load(oldest=60.5)), ["root.a"])

    def test_a_job_that_waits_shortly_is_not(self):
        self.assertEqual(self.suspects(Load(oldest=60)), [])
        self.assertEqual(self.suspects(Load()), [])

    def test_a_channel_that_runs_something_is_not(self):
        self.assertEqual(self.suspects(Load(started=1, oldest=100)), [])

    def test_a_channel_without_room_is_not(self):
        self.assertEqual(self.suspects(Load(oldest=100), capacity=0), [])
        self.assertEqual(self.suspects(Load(oldest=100), paused=True), [])

    def test_a_channel_below_one_without_room_is_not(self):
        full = ("root", Load(started=2))
        self.assertEqual(self.suspects(Load(oldest=100), full), [])
        self.assertEqual(
            self.suspects(Load(oldest=100), ("root", Load(started=1))), ["root.a"]
        )

    def test_a_throttled_channel_may_wait_for_its_gap(self):
        self.assertEqual(self.suspects(Load(oldest=100), throttle=60), [])
        self.assertEqual(self.suspects(Load(oldest=121), throttle=60), ["root.a"])

    def test_a_sequential_channel_may_wait_for_the_date_of_its_first_job(self):
        load = Load(oldest=100, scheduled=1)
        self.assertEqual(self.suspects(load, sequential=True), [])
        self.assertEqual(self.suspects(load), ["root.a"])
        load = Load(oldest=100)
        self.assertEqual(self.suspects(load, sequential=True), ["root.a"])

    def test_the_jobs_of_a_channel_that_has_gone_count_where_they_are_served(self):
        gone = ("root.a.gone", Load(oldest=100))
        self.assertEqual(self.suspects(Load(), gone), ["root.a.gone"])
        self.assertEqual(self.suspects(Load(), gone, paused=True), [])

    def test_one_that_is_not_suspect_hides_no_other(self):
        busy, bare = Load(started=1, oldest=100), Load(oldest=100)
        self.assertEqual(self.suspects(busy, ("root", bare)), ["root"])

    def test_where_no_channel_is_known_a_job_waits_as_in_any_other(self):
        loads = {"root.gone": Load(oldest=60.5)}
        self.assertEqual(
            health.suspects({"root": Channel("root", 1)}, loads), list(loads)
        )

    def test_they_are_told_in_the_order_of_their_names(self):
        other = ("root", Load(oldest=100))
        self.assertEqual(self.suspects(Load(oldest=100), other), ["root", "root.a"])
