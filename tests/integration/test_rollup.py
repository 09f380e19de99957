# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ended is added up: each end once, whenever it is seen."""

from datetime import timedelta

from odoo.addons.queue_job import moves
from odoo.addons.queue_job.core import histogram
from odoo.addons.queue_job.storage import rollup

from .rollup_case import RollupCase


class TestRollup(RollupCase):
    def test_a_done_job_is_counted_with_its_wait_and_its_run(self):
        self.job(waited=3, ran=0.25)
        self.add_up()
        stat = self.stats(channel="root", function="<res.partner>.write")
        self.assertEqual(self.outcomes(), {"done": 1})
        self.assertEqual((stat["wait_count"], stat["run_count"]), (1, 1))
        self.assertAlmostEqual(stat["wait_seconds"], 3, 3)
        self.assertAlmostEqual(stat["run_seconds"], 0.25, 3)
        self.assertEqual(stat["wait_histogram"], histogram.of([3]))
        self.assertEqual(stat["run_histogram"], histogram.of([0.25]))

    def test_minutes_hours_and_totals_are_counted_at_once(self):
        self.job(ended=61)
        self.job(ended=61)
        self.add_up()
        ended = self.ago(61)
        minute = ended.replace(second=0, microsecond=0)
        self.assertEqual(self.stats("minute", at=minute)["done"], 2)
        self.assertEqual(self.stats("hour", at=minute.replace(minute=0))["done"], 2)
        self.assertEqual(self.stats("total")["done"], 2)

    def test_what_is_added_later_is_added_to_what_is_there(self):
        self.job(ended=280, ran=1, waited=1)
        rollup.add_up(self.cr)
        self.assertEqual(self.outcomes(), {"done": 1})
        self.job(ended=100, ran=1, waited=4)
        self.add_up()
        stat = self.stats()
        self.assertEqual(self.outcomes(), {"done": 2})
        self.assertEqual(stat["wait_histogram"], histogram.of([1, 4]))
        self.assertEqual(stat["run_histogram"], histogram.of([1, 1]))
        self.assertAlmostEqual(stat["wait_seconds"], 5, 3)

    def test_nothing_is_counted_twice(self):
        self.job()
        self.tried(self.job("failed"), "failed")
        self.job("cancelled")
        for _time in range(3):
            self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1, "failed": 1, "cancelled": 1})

    def test_each_channel_and_function_has_its_own_figures(self):
        self.job(channel="root.a")
        self.job(channel="root.a", method_name="read")
        self.job(channel="root.b")
        self.add_up()
        read = self.stats(channel="root.a", function="<res.partner>.read")
        self.assertEqual(read["done"], 1)
        write = self.stats(channel="root.b", function="<res.partner>.write")
        self.assertEqual(write["done"], 1)

    def test_what_ended_a_moment_ago_is_counted_later(self):
        self.job(ended=1)
        self.add_up()
        self.assertFalse(self.outcomes())

    def test_a_job_that_waited_for_its_date_waited_from_then(self):
        self.job(waited=3600, ran=2, ended=60, eta=self.ago(67))
        self.add_up()
        self.assertAlmostEqual(self.stats()["wait_seconds"], 5, 3)

    def test_the_wait_of_a_job_that_came_back_is_not_known(self):
        self.job(identity_twin=True)
        self.job(barrier_id=1)
        self.add_up()
        stat = self.stats()
        self.assertEqual((stat["done"], stat["run_count"]), (2, 2))
        self.assertEqual(stat["wait_count"], 0)
        self.assertEqual(stat["wait_seconds"], 0)

    def test_clocks_that_differ_make_no_negative_time(self):
        self.job(waited=-2, ran=-1)
        self.add_up()
        stat = self.stats()
        self.assertEqual((stat["wait_seconds"], stat["run_seconds"]), (0, 0))
        self.assertEqual(stat["wait_histogram"][0], 1)

    def test_unsuccessful_tries_are_counted_by_what_became_of_them(self):
        for outcome in ("retry", "retry", "failed", "died"):
            self.tried(self.job("pending"), outcome)
        self.add_up()
        self.assertEqual(self.outcomes(), {"retry": 2, "failed": 1, "died": 1})
        # how long the dead one ran is not known
        self.assertEqual(self.stats()["run_count"], 3)

    def test_a_death_that_failed_the_job_is_a_failure_and_the_others_were_rescued(self):
        job = self.job("failed")
        self.tried(job, "died", ended=40)
        self.tried(job, "died", ended=30)
        self.tried(self.job("done", ended=20), "died", ended=30)
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1, "failed": 1, "died": 2})

    def test_a_stopped_job_is_counted_as_cancelled_with_its_run(self):
        job = self.job("cancelled")
        self.tried(job, "cancelled", ran=2)
        self.add_up()
        self.assertEqual(self.outcomes(), {"cancelled": 1})
        self.assertEqual(self.stats()["run_count"], 1)

    def test_a_job_that_somebody_set_done_did_not_run(self):
        self.job(date_started=None, exec_time=None)
        # it failed an hour before
        self.job(date_started=self.ago(3600), exec_time=2)
        self.add_up()
        self.assertFalse(self.outcomes())

    def test_a_requeued_job_counts_when_it_ends_again(self):
        job = self.job(ended=280)
        rollup.add_up(self.cr)
        self.assertEqual(self.outcomes(), {"done": 1})
        moves.requeue(self.env, [job])
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1})
        started, ended = self.ago(40), self.ago(30)
        values = {"date_started": started, "date_done": ended, "exec_time": 10}
        self.set_values(job, state="done", **values)
        self.cr.execute(
            "UPDATE queue_job_rollup SET counted_up_to = %s", (self.ago(50),)
        )
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 2})


class TestLateEnds(RollupCase):
    """An end is stamped before it is committed: the watermark passes it unseen."""

    def setUp(self):
        super().setUp()
        self.running = self.job("started", ran=30, ended=30)
        self.add_up()

    def end(self, **values):
        self.set_values(
            self.running,
            **{"state": "done", "date_done": self.ago(20), "exec_time": 40, **values},
        )

    def test_a_late_end_of_a_job_is_counted_once(self):
        self.assertFalse(self.outcomes())
        self.end()
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1})
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1})

    def test_it_belongs_to_the_minute_in_which_the_job_ended(self):
        self.end(date_done=self.ago(200), date_started=self.ago(240))
        self.cr.execute(
            "UPDATE queue_job_rollup SET running_since = %s", ([self.ago(240)],)
        )
        self.add_up()
        minute = self.ago(200).replace(second=0, microsecond=0)
        self.assertEqual(self.stats("minute")["at"], minute)

    def test_a_late_end_of_a_try_is_counted_once(self):
        self.tried(self.running, "failed", date_started=self.ago(60), ended=20)
        self.set_values(self.running, state="failed")
        self.add_up()
        self.add_up()
        self.assertEqual(self.outcomes(), {"failed": 1})

    def test_an_end_in_time_is_not_a_late_one(self):
        # ended after the watermark, seen before it passes
        self.end(date_done=self.ago(5), exec_time=55)
        self.add_up()
        self.assertFalse(self.outcomes())
        self.cr.execute(
            "UPDATE queue_job_rollup SET counted_up_to = %s", (self.ago(4),)
        )
        self.add_up()
        self.assertFalse(self.outcomes())

    def test_an_earlier_try_of_the_job_is_not_the_late_one(self):
        self.tried(self.running, "retry", ended=100)
        self.set_values(self.running, state="failed")
        self.add_up()
        self.assertFalse(self.outcomes())

    def test_a_job_that_runs_on_stays_noted(self):
        self.add_up()
        self.add_up()
        self.end()
        self.add_up()
        self.assertEqual(self.outcomes(), {"done": 1})

    def test_a_try_that_was_started_anew_is_noted_anew(self):
        self.tried(self.running, "died", date_started=self.ago(60), ended=25)
        self.set_values(self.running, date_started=self.ago(22))
        self.add_up()
        self.assertEqual(self.outcomes(), {"died": 1})
        self.end(exec_time=2)
        self.add_up()
        self.assertEqual(self.outcomes(), {"died": 1, "done": 1})


class TestBounds(RollupCase):
    def test_it_says_whether_there_is_more_to_add_up(self):
        self.assertTrue(rollup.add_up(self.cr))
        self.add_up()
        self.assertFalse(rollup.add_up(self.cr))

    def test_one_turn_adds_up_a_part_only(self):
        self.job(ended=290)
        self.job(ended=20)
        rollup.add_up(self.cr)
        self.assertEqual(self.outcomes(), {"done": 1})

    def test_a_clock_that_was_set_back_turns_nothing_back(self):
        ahead = self.now + timedelta(hours=1)
        self.cr.execute(
            "UPDATE queue_job_rollup SET counted_up_to = %(at)s,"
            " cancelled_up_to = %(at)s",
            {"at": ahead},
        )
        self.job()
        self.assertFalse(rollup.add_up(self.cr))
        self.cr.execute("SELECT counted_up_to, cancelled_up_to FROM queue_job_rollup")
        self.assertEqual(self.cr.fetchone(), (ahead, ahead))
        self.assertFalse(self.outcomes())


class TestPruning(RollupCase):
    def keep(self, grain, days, function="f"):
        self.cr.execute(
            "INSERT INTO queue_job_stat (grain, at, channel, function, done)"
            " VALUES (%s, %s, 'root', %s, 1) RETURNING id",
            (grain, self.now - timedelta(days=days), function),
        )
        return self.cr.fetchone()[0]

    def left(self):
        self.cr.execute("SELECT id FROM queue_job_stat")
        return {row[0] for row in self.cr.fetchall()}

    def test_minutes_go_after_two_days_and_hours_after_thirteen_weeks(self):
        stays = {self.keep("minute", 1.9), self.keep("hour", 90), self.keep("hour", 3)}
        self.keep("minute", 2.1)
        self.keep("hour", 92)
        self.assertEqual(rollup.prune(self.cr), 2)
        self.assertEqual(self.left(), stays)

    def test_how_long_they_are_kept_can_be_set(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.stat_minute_days", "5")
        parameters.set_param("queue_job.stat_hour_days", "nonsense")
        stays = {self.keep("minute", 4), self.keep("hour", 80)}
        self.keep("minute", 6)
        self.assertEqual(rollup.prune(self.cr), 1)
        self.assertEqual(self.left(), stays)

    def test_at_most_a_batch_goes_at_once_and_the_oldest_first(self):
        self.keep("minute", 4)
        self.keep("minute", 5)
        stays = self.keep("minute", 3)
        self.assertEqual(rollup.prune(self.cr, limit=2), 2)
        self.assertEqual(self.left(), {stays})

    def test_a_total_goes_with_the_last_of_its_hours(self):
        stays = {self.keep("total", 20000, "a"), self.keep("hour", 3, "a")}
        self.keep("total", 20000, "b")
        self.keep("hour", 100, "b")
        self.assertEqual(rollup.prune(self.cr), 2)
        self.assertEqual(self.left(), stays)
