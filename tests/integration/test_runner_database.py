# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database as a runner serves it."""

from __future__ import annotations

import logging

from odoo.addons.queue_job.jobrunner import database as module
from odoo.addons.queue_job.jobrunner import housekeeping
from odoo.addons.queue_job.jobrunner.dispatch import Outcome
from odoo.addons.queue_job.jobrunner.loop import clock
from odoo.addons.queue_job.storage import locks

from ..acceptance.server import Database, connection
from .runner_case import RunnerCase

OK = Outcome(True, 200)
LOST = Outcome(False, reason="lost")


class TestWaking(RunnerCase):
    def test_a_job_that_is_committed_makes_a_pass_due_at_once(self):
        served = self.connected()
        self.assertGreater(served.due, clock() + 1)
        job = self.job()
        (request,) = self.requests(served)
        self.assertEqual((request.id, request.attempt), (job, 1))

    def test_many_notifications_make_one_pass(self):
        self.capacity(1)
        served = self.connected()
        for _index in range(50):
            self.job()
        self.turn_until(lambda: served.due <= clock() + 1)
        now = clock()
        self.pass_(served, now)
        self.query("SELECT pg_notify('queue_job', '')")
        self.turn_until(lambda: served.due < now + 0.9)
        self.assertGreaterEqual(served.due, now + module.GAP)

    def test_they_wait_a_little_longer_when_all_places_are_taken(self):
        self.capacity(1)
        served = self.connected()
        self.job(), self.job()
        self.assertEqual(len(self.requests(served)), 1)
        now = clock()
        self.pass_(served, now)
        self.query("SELECT pg_notify('queue_job', '')")
        self.turn_until(lambda: served.due < now + 0.9)
        self.assertGreaterEqual(served.due, now + module.FULL_GAP)

    def test_a_job_that_comes_during_a_pass_is_not_missed(self):
        served = self.connected()
        with self.other_transaction("SELECT 1"):
            self.job()
            self.pass_(served, clock())
        # The notification came with the answers of the pass.
        self.assertTrue(served.flights.flying or served.due <= clock() + 1)

    def test_a_pass_is_due_when_the_next_date_comes(self):
        served = self.connected()
        job = self.job(ready=False)
        self.query(
            "UPDATE queue_job SET eta = clock_timestamp() AT TIME ZONE 'UTC'"
            " + interval '1 second' WHERE id = %s",
            (job,),
        )
        (request,) = self.requests(served)
        self.assertEqual(request.id, job)
        self.assertTrue(self.read(job, "date_enqueued >= eta"))

    def test_a_database_that_cannot_tell_is_looked_at_every_second(self):
        served = self.connected()
        served._session = served._session._replace(listens=False)
        now = clock()
        self.assertLessEqual(self.pass_(served, now).wake_after, 1.0)

    def test_an_idle_database_is_looked_at_as_configured(self):
        served = self.connected(poll_seconds=7.0)
        self.assertAlmostEqual(self.pass_(served, clock()).wake_after, 7.0, delta=0.1)

    def test_what_runs_is_looked_at_every_second(self):
        served = self.connected()
        self.started()
        self.assertLessEqual(self.pass_(served, clock()).wake_after, 1.0)

    def test_another_runner_that_is_at_it_is_left_to_it_for_longer_and_longer(self):
        served = self.connected()
        with self.other_transaction(f"SELECT pg_advisory_xact_lock({locks.PASS}, 0)"):
            self.job()
            waits = [self.pass_(served, clock()).wake_after for _index in range(6)]
            self.assertAlmostEqual(waits[0], 0.05, delta=0.04)
            self.assertAlmostEqual(waits[2], 0.2, delta=0.04)
            self.assertLessEqual(max(waits), 1.0)
            before, served._last_pass = served.due, clock()
            self.query("SELECT pg_notify('queue_job', '')")
            self.loop.turn(1)
            self.assertEqual(served.due, before)
        self.assertEqual(len(self.requests(served)), 1)
        self.assertEqual(served._gap, module.GAP)


class TestPlaces(RunnerCase):
    def test_two_runners_never_give_more_places_than_there_are(self):
        self.capacity(3)
        runners = [self.connected(number=number) for number in (1, 2)]
        for _index in range(10):
            self.job()
        taken = []
        for _round in range(3):
            for served in runners:
                taken += self.pass_(served, clock()).dispatch
        self.assertEqual(len(taken), 3)
        self.assertEqual(len({request.id for request in taken}), 3)

    def test_the_end_of_a_request_makes_a_pass_due_at_once(self):
        self.capacity(1)
        served = self.connected()
        first, second = self.job(), self.job()
        (request,) = self.requests(served)
        self.start(request)
        self.query("UPDATE queue_job SET state = 'done' WHERE id = %s", (first,))
        served.ended(request, OK)
        self.assertLess(served.due, clock() + 0.1)
        (request,) = self.requests(served)
        self.assertEqual(request.id, second)

    def test_a_job_that_somebody_holds_is_given_back_later(self):
        self.capacity(2)
        served = self.connected()
        held, free = self.job(), self.job()
        for request in self.requests(served):
            served.ended(request, LOST)
        query = "UPDATE queue_job SET priority = 5 WHERE id = %s"
        with self.other_transaction(query, (held,)):
            with self.assertLogs(module.__name__, logging.WARNING):
                self.pass_(served, clock())
            states = [self.read(job, "state, attempt") for job in (held, free)]
            self.assertEqual(states, [("enqueued", 1), ("pending", 1)])
        self.turn_until(lambda: self.requests(served))
        self.assertEqual(self.read(held, "state, attempt"), ("enqueued", 2))

    def test_a_refused_request_frees_its_place_and_makes_a_pause(self):
        served = self.connected()
        job = self.job()
        (request,) = self.requests(served)
        served.ended(request, Outcome(False, reason="nobody there"))
        with self.assertLogs(module.__name__, logging.WARNING) as logs:
            self.assertEqual(self.pass_(served, clock()).dispatch, [])
        self.assertIn("nobody there", logs.output[0])
        self.assertEqual(self.read(job), "pending")
        began = clock()
        (request,) = self.requests(served)
        self.assertEqual((request.id, request.attempt), (job, 2))
        self.assertGreaterEqual(clock(), began + 0.1)

    def test_the_pause_grows_with_every_refusal_and_ends_with_a_start(self):
        served = self.connected()
        self.job()
        pauses = []
        for outcome in (LOST, LOST, LOST, None, LOST):
            (request,) = self.requests(served)
            if outcome is None:
                self.start(request)
            served.ended(request, LOST)
            now = clock()
            self.pass_(served, now)
            pauses.append(max(0.0, served.flights.paused_until - now))
            if outcome is None:
                self.job()
        self.assertEqual([round(pause, 2) for pause in pauses], [0.2, 0.4, 0.8, 0, 0.2])

    def test_a_lost_request_whose_job_was_started_changes_nothing(self):
        served = self.connected()
        job = self.job()
        (request,) = self.requests(served)
        self.start(request)
        served.ended(request, LOST)
        self.pass_(served, clock())
        self.assertEqual(self.read(job), "started")

    def test_an_answer_without_a_start_frees_the_place_too(self):
        served = self.connected()
        job = self.job()
        (request,) = self.requests(served)
        served.ended(request, OK)
        self.pass_(served, clock())
        self.assertEqual(self.read(job), "pending")

    def test_a_runner_that_stops_gives_back_what_was_not_started(self):
        served = self.connected()
        jobs = [self.job(), self.job()]
        requests = self.requests(served)
        while len(requests) < 2:
            requests += self.requests(served)
        self.start(requests[0])
        served.leave()
        self.assertEqual([self.read(job) for job in jobs], ["started", "pending"])
        self.assertEqual(self.query("SELECT * FROM queue_job_runner"), [])


class TestHolding(RunnerCase):
    def held(self, number):
        return self.query(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            " AND objid = %s",
            (locks.RUNNER, number),
        )

    def test_a_runner_with_requests_under_way_shows_that_it_lives(self):
        served = self.connected(number=77)
        served.keep_house(clock())
        self.job()
        self.turn_until(
            lambda: served.due <= clock() and served.pass_(clock()).dispatch
        )
        self.assertFalse(self.held(77), "the requests do not wait for it")
        served.keep_house(clock())
        self.turn_until(lambda: self.held(77))
        served.close()
        self.turn_until(lambda: not self.held(77))

    def test_it_does_not_when_it_has_none_for_long(self):
        served = self.connected(number=77)
        self.job()
        (request,) = self.requests(served)
        served.keep_house(clock())
        self.turn_until(lambda: self.held(77))
        served.ended(request, OK)
        served.keep_house(clock())
        self.assertTrue(self.held(77))

        def given_up():
            # at the first time it may not know yet that it has the lock
            served.keep_house(clock() + 60)
            return not self.held(77)

        self.turn_until(given_up)

    def test_it_shows_it_again_when_the_connection_was_lost(self):
        served = self.connected(number=77)
        self.job()
        self.requests(served)
        served.keep_house(clock())
        self.turn_until(lambda: self.held(77))
        self.terminate("state = 'idle in transaction'")

        def again():
            served.keep_house(clock())
            return not served._holder._connection

        self.turn_until(again)

        def held():
            served.keep_house(clock())
            return self.held(77)

        self.turn_until(held)

    def test_the_jobs_of_a_runner_that_died_are_taken_over(self):
        dead = self.connected(number=66)
        job = self.job()
        self.requests(dead)
        dead.keep_house(clock())
        self.turn_until(lambda: self.held(66))
        served = self.connected(number=77)
        self.query("UPDATE queue_job SET date_enqueued = '2020-01-01'")
        self.assertEqual(self.pass_with_housekeeping(served), [])
        self.assertEqual(self.read(job, "state, runner"), ("enqueued", 66))
        dead.close()
        self.turn_until(lambda: not self.held(66))
        with self.assertLogs(housekeeping.__name__, logging.WARNING):
            (request,) = self.requests(served)
        self.assertEqual((request.id, request.attempt), (job, 2))

    def pass_with_housekeeping(self, served):
        served._housekeeper._next_look = 0.0
        return self.pass_(served, clock()).dispatch


class TestTroubles(RunnerCase):
    def test_a_connection_that_was_ended_is_opened_again(self):
        served = self.connected()
        with self.assertLogs(module.__name__, logging.WARNING):
            self.terminate()
            self.turn_until(lambda: not served.connected)
        job = self.job()
        (request,) = self.requests(served)
        self.assertEqual(request.id, job)

    def test_a_connection_that_ends_within_a_pass_is_opened_again(self):
        served = self.connected()
        self.terminate()
        with self.assertLogs(module.__name__, logging.WARNING):
            self.assertEqual(self.pass_(served, clock()).dispatch, [])
        self.assertFalse(served.connected)
        self.job()
        self.assertEqual(len(self.requests(served)), 1)

    def test_what_was_enqueued_without_our_knowing_goes_back(self):
        served = self.connected(number=5)
        job = self.job()
        self.query(
            "UPDATE queue_job SET state = 'enqueued', attempt = 1, runner = 5,"
            " date_enqueued = '2020-01-01' WHERE id = %s",
            (job,),
        )
        (request,) = self.requests(served)
        self.assertEqual((request.id, request.attempt), (job, 2))

    def test_a_table_that_somebody_locks_costs_no_connection(self):
        served = self.connected()
        self.job()
        lock = "LOCK TABLE queue_job IN ACCESS EXCLUSIVE MODE"
        with self.other_transaction(lock):
            began = clock()
            result = self.pass_(served, began)
            self.assertLess(clock() - began, 5)
        self.assertEqual(result.dispatch, [])
        self.assertTrue(served.connected)
        self.assertLessEqual(result.wake_after, 1.0)
        self.assertEqual(len(self.requests(served)), 1)

    def test_a_database_without_the_queue_is_left_alone(self):
        with connection("postgres") as cnx, cnx.cursor() as cr:
            name = f"{self.db.name}_bare"
            cr.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cr.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            try:
                served = self.served(name=name)
                self.pass_(served, clock())
                self.turn_until(lambda: served._retry_at > clock())
                self.assertFalse(served.connected)
                wait = self.pass_(served, clock()).wake_after
                self.assertTrue(10 < wait < 60)
            finally:
                served.close()
                cr.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def test_a_database_that_is_not_there_is_no_error_of_the_others(self):
        served, missing = self.connected(), self.served(name="not_there_at_all")
        with self.assertLogs(module.__name__, logging.WARNING):
            missing.pass_(clock())
            self.turn_until(lambda: missing._retry_at > 0)
        self.job()
        self.assertEqual(len(self.requests(served)), 1)

    def test_an_uninstalled_queue_is_left_alone(self):
        with Database(f"{type(self).__name__.lower()}_bare") as other:
            served = self.connected(name=other.name)
            other.query("DROP TABLE queue_job CASCADE")
            with self.assertLogs(module.__name__, logging.WARNING) as logs:
                self.pass_(served, clock())
            self.assertIn("is not served", logs.output[0])
            self.assertFalse(served.connected)
            served.close()

    def test_a_dropped_database_is_no_error(self):
        other = Database(f"{type(self).__name__.lower()}_drop")
        with other:
            served = self.connected(name=other.name)
        with self.assertLogs(module.__name__, logging.WARNING):
            self.turn_until(lambda: not served.connected)
            self.pass_(served, served.due)
            self.turn_until(lambda: not served._connecting)
        self.assertFalse(served.connected)

    def test_a_job_that_no_worker_is_free_for_has_not_died(self):
        self.capacity(1)
        served = self.connected()
        job = self.job()
        (request,) = self.requests(served)
        self.query(
            "UPDATE queue_job SET date_enqueued = date_enqueued - interval '9 minutes'"
        )
        for _turn in range(3):
            served._housekeeper._next_look = 0.0
            self.pass_(served, clock())
        self.assertEqual(self.read(job, "state, deaths, attempt"), ("enqueued", 0, 1))
        served.ended(request, LOST)
        self.pass_(served, clock())
        self.assertEqual(self.read(job, "state, deaths"), ("pending", 0))

    def test_a_worker_is_asked_to_tell_of_jobs_that_runners_ended(self):
        served = self.connected()
        job = self.started(deaths=2)
        self.addCleanup(self.query, "DELETE FROM queue_job_untold")
        served.due = 0.0
        (request,) = self.requests(served)
        self.assertEqual(self.read(job), "failed")
        self.assertEqual((request.id, request.uuid), (0, "untold"))
        # while it is under way, and for a while after it, there is no other one
        served._housekeeper._next_tell = 0.0
        self.assertEqual(self.pass_(served, clock()).dispatch, [])
        served.ended(request, LOST)
        self.assertEqual(self.pass_(served, clock()).dispatch[0].uuid, "untold")
        served.ended(request, OK)
        self.assertEqual(self.pass_(served, clock()).dispatch, [])

    def test_an_error_in_the_housekeeping_keeps_no_request_back(self):
        served = self.connected()
        self.job()

        def fail(*_args):
            raise RuntimeError("unforeseen")

        served._housekeeper.run = fail
        with self.assertLogs(module.__name__, logging.ERROR):
            (request,) = self.requests(served)
        self.assertIn(request.id, served.flights.flying)
        self.assertTrue(served.connected)

    def test_the_same_trouble_is_told_once_a_while(self):
        served = self.served()
        with self.assertLogs(module.__name__, logging.WARNING) as logs:
            for _index in range(5):
                served.say("topic", logging.WARNING, "text")
            served.say("other", logging.WARNING, "text")
        self.assertEqual(len(logs.output), 2)

    def test_modules_that_stay_marked_are_told_of(self):
        served = self.connected()
        self.job()
        self.query(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'web'"
        )
        now = clock()
        self.assertEqual(self.pass_(served, now).dispatch, [])
        with self.assertLogs(module.__name__, logging.WARNING) as logs:
            self.pass_(served, now + 1000)
        self.query("UPDATE ir_module_module SET state = 'installed' WHERE name = 'web'")
        self.assertIn("modules are marked", logs.output[0])
        served.due = 0.0
        self.assertEqual(len(self.requests(served)), 1)


#: what may be set for a database or a role, and does not suit a runner
HOSTILE = {
    "idle_in_transaction_session_timeout": "300ms",
    "idle_session_timeout": "300ms",
    "transaction_timeout": "300ms",
    "statement_timeout": "300ms",
    "lock_timeout": "1ms",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "datestyle": "German, DMY",
    "timezone": "Pacific/Chatham",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "synchronous_commit": "remote_apply",
}


class TestHostileSettings(RunnerCase):
    def test_a_runner_serves_a_database_whatever_is_set_for_it(self):
        known = {name for (name,) in self.query("SELECT lower(name) FROM pg_settings")}
        for name, value in HOSTILE.items():
            if name in known:
                with self.subTest(setting=name):
                    self.check(f"SET {name} = '{value}'")

    def check(self, setting):
        self.query(f"ALTER DATABASE {self.db.name} {setting}")
        try:
            served = self.connected()
            job = self.job()
            (request,) = self.requests(served)
            self.turn_until(lambda: served._holder._connection)
            session, holder = served._session, served._holder._connection
            # longer than the limits of time
            until = clock() + 0.6
            self.turn_until(lambda: clock() > until)
            self.assertEqual(request.id, job)
            self.pass_(served, clock())
            self.assertIs(served._session, session)
            self.assertIs(served._holder._connection, holder)
            served.ended(request, OK)
            (again,) = self.requests(served)
            self.assertEqual((again.id, again.attempt), (job, 2))
            served.close()
            self.query("DELETE FROM queue_job")
        finally:
            self.query(f"ALTER DATABASE {self.db.name} RESET ALL")
