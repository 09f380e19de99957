# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which jobs a pass takes, with other transactions around it."""

from __future__ import annotations

import logging
from contextlib import contextmanager

from odoo.addons.queue_job.core import proof
from odoo.addons.queue_job.jobrunner import scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.storage import locks, recovery, schedule

from ..acceptance.server import connection
from .runner_case import RunnerCase


class SchedulingCase(RunnerCase):
    def setUp(self):
        super().setUp()
        self.query("DELETE FROM queue_job_channel WHERE starts_with(name, 'own_')")

    def channel(self, name, **values):
        values = {"name": name, "complete_name": f"root.{name}", **values}
        self.query(
            f"INSERT INTO queue_job_channel ({', '.join(values)}, parent_id) SELECT"
            f" {', '.join(['%s'] * len(values))}, id FROM queue_job_channel"
            " WHERE complete_name = 'root'",
            list(values.values()),
        )
        return f"root.{name}"

    def run_pass(self, config=None, runner=1, **kwargs):
        """A pass of a runner; what it did."""
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            look = schedule.begin(cr)
            result = scheduling.run(
                cr, look, self.db.name, config or Config(), runner, **kwargs
            )
            schedule.commit(cr)
        return result

    @contextmanager
    def undone(self):
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            yield cr

    def pass_on(self, cr):
        """A pass that changes nothing; the jobs that it would have taken."""
        look = schedule.begin(cr)
        found = scheduling.run(cr, look, self.db.name, Config(), 1).requests
        schedule.rollback(cr)
        return [request.id for request in found]

    def ids(self, **kwargs):
        return [request.id for request in self.run_pass(**kwargs).requests]


class TestPasses(SchedulingCase):
    def test_the_first_jobs_are_taken_as_many_as_there_are_places(self):
        jobs = [self.job() for _index in range(6)]
        self.assertEqual(self.ids(), jobs[:4])
        self.assertEqual(self.ids(), [])

    def test_a_request_has_its_proof(self):
        self.job()
        (request,) = self.run_pass().requests
        secret = self.db.value(
            "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
        )
        uuid, attempt = request.uuid, request.attempt
        self.assertTrue(
            proof.verify(secret, self.db.name, uuid, attempt, request.proof)
        )

    def test_nothing_to_do_is_nothing_done(self):
        result = self.run_pass()
        self.assertEqual((result.requests, result.wake_after), ([], None))
        self.assertFalse(result.running or result.full or result.busy)

    def test_a_full_queue_says_so(self):
        for _index in range(5):
            self.job()
        self.assertFalse(self.run_pass().full)
        result = self.run_pass()
        self.assertEqual((result.full, result.running), (True, True))

    def test_the_configuration_wins_over_the_record(self):
        for _index in range(3):
            self.job()
        config = Config(channels=tuple(scheduling.channel_config.parse("root:2")))
        self.assertEqual(len(self.ids(config=config)), 2)

    def test_a_root_of_capacity_zero_lets_nothing_run(self):
        self.job()
        config = Config(channels=tuple(scheduling.channel_config.parse("root:0")))
        self.assertEqual(self.ids(config=config), [])

    def test_a_paused_channel_rests_from_the_next_pass_on(self):
        channel = self.channel("own_p", paused=True)
        job = self.job(channel)
        self.assertEqual(self.ids(), [])
        self.query("UPDATE queue_job_channel SET paused = false")
        self.assertEqual(self.ids(), [job])

    def test_a_job_whose_date_comes_is_taken_in_the_same_pass(self):
        job = self.job(ready=False, eta="2020-01-01")
        self.assertEqual(self.ids(), [job])

    def test_the_next_date_says_when_to_look_again(self):
        job = self.job(ready=False)
        self.query(
            "UPDATE queue_job SET eta = clock_timestamp() AT TIME ZONE 'UTC'"
            " + interval '20 seconds' WHERE id = %s",
            (job,),
        )
        self.assertAlmostEqual(self.run_pass().wake_after, 20, delta=5)

    def test_many_dates_at_once_are_seen_to_in_several_passes(self):
        self.query(
            "INSERT INTO queue_job (uuid, state, ready, channel, eta) SELECT"
            " number::text, 'pending', false, 'root', '2020-01-01'"
            " FROM generate_series(1, %s) AS number",
            (scheduling.PROMOTE_LIMIT + 10,),
        )
        self.assertEqual(self.run_pass().wake_after, 0)
        self.assertNotEqual(self.run_pass().wake_after, 0)
        self.assertEqual(
            self.db.value("SELECT count(*) FROM queue_job WHERE NOT ready"), 0
        )

    def test_a_throttled_channel_starts_one_and_then_waits(self):
        channel = self.channel("own_t", throttle=30, capacity=3)
        jobs = [self.job(channel) for _index in range(3)]
        self.assertEqual(self.ids(), jobs[:1])
        result = self.run_pass()
        self.assertEqual(result.requests, [])
        self.query(
            "UPDATE queue_job_throttle SET last_start = clock_timestamp()"
            " AT TIME ZONE 'UTC' - interval '10 seconds'"
        )
        self.query("UPDATE queue_job SET state = 'done' WHERE id = %s", (jobs[0],))
        self.assertAlmostEqual(self.run_pass().wake_after, 20, delta=5)
        self.query("UPDATE queue_job_throttle SET last_start = '2020-01-01'")
        self.assertEqual(self.ids(), jobs[1:2])

    def test_a_lease_takes_one_job_only_of_channels_that_are_throttled_or_strict(self):
        self.channel("own_t", throttle=30)
        self.channel("own_s", sequential=True)
        self.channel("own_a", capacity=1)
        self.job()
        self.run_pass()
        rows = self.query("SELECT channel FROM queue_job_throttle ORDER BY channel")
        self.assertEqual(rows, [("root.own_s",), ("root.own_t",)])

    def test_modules_being_installed_let_nothing_run(self):
        self.job()
        self.query(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'web'"
        )
        result = self.run_pass()
        self.query("UPDATE ir_module_module SET state = 'installed' WHERE name = 'web'")
        self.assertEqual((result.requests, result.busy), ([], True))
        self.assertEqual(len(self.ids()), 1)

    def test_a_database_without_a_secret_runs_nothing_and_says_so(self):
        self.job()
        with self.no_secret(), self.assertLogs(scheduling.__name__, logging.ERROR):
            self.assertEqual(self.ids(), [])
        self.assertEqual(len(self.ids()), 1)

    @contextmanager
    def no_secret(self):
        rename = "UPDATE ir_config_parameter SET key = %s WHERE key = %s"
        self.query(rename, ("was.secret", "database.secret"))
        try:
            yield
        finally:
            self.query(rename, ("database.secret", "was.secret"))

    def test_a_row_that_nobody_can_ask_for_fails_and_others_go_on(self):
        bad, good = self.job(), self.job()
        self.query("UPDATE queue_job SET uuid = 'not/a uuid' WHERE id = %s", (bad,))
        with self.assertLogs(scheduling.__name__, logging.ERROR):
            self.assertEqual(self.ids(), [good])
        self.assertEqual(self.read(bad), "failed")


class TestOthers(SchedulingCase):
    def test_a_job_that_somebody_holds_is_passed_over(self):
        self.capacity(1)
        held, free = self.job(), self.job()
        lock = "SELECT id FROM queue_job WHERE id = %s FOR UPDATE"
        with self.other_transaction(lock, (held,)):
            self.assertEqual(self.ids(), [free])
        self.assertEqual(self.read(held), "pending")

    def test_a_job_that_somebody_holds_is_not_overtaken_in_a_sequential_channel(self):
        channel = self.channel("own_s", sequential=True, capacity=1)
        held, _behind = self.job(channel), self.job(channel)
        lock = "SELECT id FROM queue_job WHERE id = %s FOR UPDATE"
        with self.other_transaction(lock, (held,)):
            self.assertEqual(self.ids(), [])
        self.assertEqual(self.ids(), [held])

    def test_a_job_that_waits_for_its_date_is_not_overtaken_in_one_either(self):
        channel = self.channel("own_s", sequential=True, capacity=1)
        first = self.job(channel, ready=False, eta="2100-01-01")
        self.job(channel)
        other = self.job()
        self.assertEqual(self.ids(), [other])
        self.query("UPDATE queue_job SET eta = '2020-01-01' WHERE id = %s", (first,))
        self.assertEqual(self.ids(), [first])

    def test_of_two_passes_at_a_time_one_leaves_it_to_the_other(self):
        self.job()
        query = "SELECT pg_try_advisory_xact_lock(%s, 0)"
        with self.other_transaction(query, (locks.PASS,)):
            result = self.run_pass()
        self.assertEqual(result.requests, [])
        self.assertTrue(result.left)

    def test_a_reserved_job_has_the_place_of_the_run_it_waits_behind(self):
        """Whatever of both has committed, a swap changes nothing that is counted."""
        channel = self.channel("own_r", capacity=1)
        first, second = self.job(channel), self.job(channel)
        third = self.job(channel)
        self.query("UPDATE queue_job_channel SET capacity = 2 WHERE name = 'own_r'")
        for values in (
            (("started", 7), ("pending", None)),
            (("started", 7), ("enqueued", 7)),
            (("done", 7), ("enqueued", 7)),
            (("done", 7), ("started", 8)),
        ):
            for job, (state, run_id) in zip((first, second), values):
                self.query(
                    "UPDATE queue_job SET state = %s, run_id = %s WHERE id = %s",
                    (state, run_id, job),
                )
            with self.subTest(values=values), self.undone() as cr:
                found = self.pass_on(cr)
                expected = second if values[1][0] == "pending" else third
                self.assertEqual(found, [expected])

    def test_a_job_that_was_reserved_and_given_back_has_a_place_of_its_own(self):
        channel = self.channel("own_b", capacity=2)
        first, second = self.job(channel), self.job(channel)
        self.query(
            "UPDATE queue_job SET state = 'started', run_id = 7 WHERE id = %s", (first,)
        )
        # as a lease leaves it that was stopped by force, and a runner finds it
        self.query(
            "UPDATE queue_job SET state = 'enqueued', run_id = 7, attempt = 1,"
            " date_enqueued = '2020-01-01' WHERE id = %s",
            (second,),
        )
        third = self.job(channel)
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            self.assertEqual(
                [job.id for job in recovery.release_stale(cr, 1, ())], [second]
            )
        self.assertEqual(self.ids(), [second])
        self.assertEqual(self.ids(), [])
        self.assertEqual(self.read(third, "state"), "pending")


class TestWithoutRunner(SchedulingCase):
    """What the scheduled action does instead."""

    def schedule_once(self, **kwargs):
        with connection(self.db.name) as cnx:
            cnx.autocommit = False
            cnx.set_isolation_level(2)  # as Odoo's cursors have it
            with cnx.cursor() as cr:
                found = scheduling.schedule_once(cr, Config(), 7, **kwargs)
            cnx.commit()
        return [request.id for request in found]

    def test_jobs_are_taken_in_the_caller_s_transaction(self):
        jobs = [self.job() for _index in range(5)]
        self.assertEqual(self.schedule_once(), jobs[:4])
        self.assertEqual(self.read(jobs[0], "state, runner"), ("enqueued", 7))

    def test_at_most_as_many_as_it_can_execute(self):
        jobs = [self.job() for _index in range(3)]
        self.assertEqual(self.schedule_once(limit=1), jobs[:1])
        self.assertEqual(self.schedule_once(limit=1), jobs[1:2])
        self.assertEqual(self.read(jobs[2]), "pending")
