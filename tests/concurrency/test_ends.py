# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""How a try ends that is stopped, cut off or taken away, executed in this process."""

import logging
import socket
import threading
from contextlib import suppress
from types import SimpleNamespace
from unittest.mock import patch

from psycopg2 import DataError
from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.tools import mute_logger

from odoo.addons.queue_job import executor, rows, storage
from odoo.addons.queue_job.console.draining import Drain
from odoo.addons.queue_job.core.outcome import Kind
from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.exception import JobCancelled, JobDecodeError, JobTimeout
from odoo.addons.queue_job.executor import (
    claiming,
    connections,
    keys,
    recording,
    watching,
)

from ..acceptance.server import TEST_DB, wait_until
from .test_drain import DrainCase

SERVING = "odoo.addons.queue_job.executor.serving"
RECORDING = "odoo.addons.queue_job.executor.recording"
WATCHING = "odoo.addons.queue_job.executor.watching"


class EndCase(DrainCase):
    def setUp(self):
        super().setUp()
        self.model = self.registry["test.queue.effect"]

    def clean(self):
        super().clean()
        self.database.query("DELETE FROM test_queue_effect")

    def delay(self, method, *args, **options):
        with self.registry.cursor() as cr:
            effects = api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"]
            return getattr(effects.with_delay(**options), method)(*args).uuid

    def body(self, body):
        """Have the declared method ``leave`` do this instead."""
        body.__name__ = "leave"
        self.enterContext(patch.object(self.model, "leave", body))
        return self.delay("leave", "x")

    def column(self, name):
        return self.database.value(f"SELECT {name} FROM queue_job")

    def tries(self):
        return self.database.query(
            "SELECT outcome, exc_name FROM queue_job_try ORDER BY id"
        )

    def effects(self):
        return self.database.value("SELECT count(*) FROM test_queue_effect")

    def take_away(self):
        """As runners do with a job that is taken for lost, and start it elsewhere."""
        self.database.query(
            "UPDATE queue_job SET attempt = attempt + 1, run_id = run_id + 1,"
            " worker = 'elsewhere:1'"
        )


class TestStopped(EndCase):
    def when_started(self, statement):
        def act():
            wait_until(
                lambda: self.database.states() == {"started": 1}, "the job is started"
            )
            self.database.query(statement)

        thread = threading.Thread(target=act)
        thread.start()
        self.addCleanup(thread.join)

    def test_the_query_of_a_job_that_is_asked_to_stop_is_cancelled(self):
        self.delay("query_long", 60)
        self.when_started(
            "INSERT INTO queue_job_stop (job_id, reason)"
            " SELECT id, 'No more' FROM queue_job"
        )
        self.assertEqual(self.drain(), {"cancelled": 1})
        self.assertEqual(self.column("result"), "No more")
        self.assertEqual([outcome for outcome, _name in self.tries()], ["cancelled"])
        self.assertFalse(self.database.query("SELECT 1 FROM queue_job_stop"))

    def test_the_query_of_a_job_over_its_time_is_cancelled_and_the_try_counts(self):
        self.delay("query_long", 60, timeout=0.5)
        with self.assertLogs(WATCHING, logging.INFO) as logs:
            self.assertEqual(self.drain(), {"pending": 1})
        self.assertEqual(self.column("retry"), 1)
        ((outcome, name),) = self.tries()
        self.assertEqual((outcome, name.rpartition(".")[2]), ("retry", "JobTimeout"))
        line = logs.records[0]
        self.assertIn("longer than its time limit of 0.5 s", line.getMessage())
        self.assertEqual((line.job_channel, line.job_attempt), ("root", 1))

    def test_the_end_of_a_job_that_does_not_react_is_written_and_its_worker_killed(
        self,
    ):
        killed = threading.Event()

        def kill(pid, number):
            killed.set()
            raise SystemExit  # what stands for the process is the watching thread

        def body(records, name):
            records._leave("undone")
            with suppress(watching.Interrupted):  # it comes when the waiting is over
                killed.wait(60)
            return "too late"

        self.body(body)
        self.database.query("UPDATE queue_job SET timeout = 0.5, max_retries = 1")
        with (
            patch.object(watching, "PATIENCE", 0),
            patch.object(watching, "_is_prefork", lambda: True),
            patch.object(watching.os, "kill", kill),
            self.assertLogs(WATCHING, logging.INFO),
            self.assertLogs(RECORDING, logging.WARNING) as logs,
        ):
            self.drain()
        self.assertTrue(killed.is_set())
        self.assertEqual(self.column("state"), "failed")
        self.assertIn("killed.wait(60)", self.column("exc_info"))
        self.assertEqual([outcome for outcome, _name in self.tries()], ["failed"])
        self.assertEqual(self.effects(), 0, "what it did meanwhile is undone")
        self.assertIn("is not ours any more", logs.output[-1])

    def test_a_request_to_stop_is_found_with_its_reason(self):
        self.delay("leave", "x")
        for reason, told in (("No more", "No more"), (None, "Stopped")):
            with self.subTest(reason=reason):
                self.database.query(
                    "INSERT INTO queue_job_stop (job_id, reason)"
                    " SELECT id, %s FROM queue_job",
                    [reason],
                )
                here, other = (
                    watching.Watched(id_, "u", self.database.name, 0, None, None, dict)
                    for id_ in (self.column("id"), -1)
                )
                watching._Watch()._judge_by_request([here, other])
                self.assertEqual(here.verdict, (Kind.CANCELLED, told))
                self.assertIsNone(other.verdict)
                self.database.query("DELETE FROM queue_job_stop")

    def test_a_watch_that_stumbles_goes_on(self):
        stumbled = threading.Event()

        def look(watch, jobs):
            if not stumbled.is_set():
                stumbled.set()
                raise ConnectionError("no database")
            return before(watch, jobs)

        before = watching._Watch._look
        self.delay("query_long", 60, timeout=0.5)
        with (
            patch.object(watching._Watch, "_look", look),
            self.assertLogs(WATCHING, logging.INFO) as logs,
        ):
            self.assertEqual(self.drain(), {"pending": 1})
        self.assertIn("stumbled", logs.output[0])


class TestTakenAway(EndCase):
    """The job is executed elsewhere before its try comes to an end here."""

    def check_left_alone(self, uuid, logs):
        self.assertEqual(self.column("state"), "started")
        self.assertEqual(self.column("worker"), "elsewhere:1")
        self.assertEqual(self.column("retry"), 0)
        self.assertFalse(self.tries())
        self.assertFalse(
            self.database.query("SELECT 1 FROM mail_message WHERE model = 'queue.job'")
        )
        self.assertEqual(self.effects(), 0)
        (line,) = [each for each in logs.records if hasattr(each, "job_uuid")]
        self.assertEqual((line.job_uuid, line.levelno), (uuid, logging.WARNING))
        self.assertIn("is not ours any more", line.getMessage())

    def test_a_body_that_ends_well_is_undone(self):
        def body(records, name):
            records._leave("undone")
            self.take_away()

        uuid = self.body(body)
        with self.assertLogs(RECORDING, logging.WARNING) as logs:
            self.drain()
        self.check_left_alone(uuid, logs)

    def test_a_body_that_looks_at_nothing_before_is_undone(self):
        # its transaction sees the change: it is not a conflict but no row at all
        def body(records, name):
            self.take_away()
            records.env.cr.rollback()
            records._leave("undone")

        uuid = self.body(body)
        with self.assertLogs(RECORDING, logging.WARNING) as logs:
            self.drain()
        self.check_left_alone(uuid, logs)

    def test_a_body_is_undone_where_others_see_each_write_as_well(self):
        jobs = self.registry["queue.job"]
        before = jobs.write

        def body(records, name):
            self.take_away()
            self.database.query("UPDATE queue_job SET state = 'pending'")
            records.env.cr.rollback()
            records._leave("undone")

        self.body(body)
        with (
            patch.object(
                jobs, "write", lambda records, values: before(records, values)
            ),
            self.assertLogs(RECORDING, logging.WARNING) as logs,
        ):
            Drain(self.registry, seconds=5)._turn()
        self.assertIn("is not ours any more", logs.output[0])
        self.assertEqual((self.column("state"), self.effects()), ("pending", 0))

    def test_an_error_of_the_body_ends_only_its_own_try(self):
        def body(records, name):
            records._leave("undone")
            self.take_away()
            raise ValueError("nobody hears it")

        uuid = self.body(body)
        with self.assertLogs(RECORDING, logging.WARNING) as logs:
            self.drain()
        self.check_left_alone(uuid, logs)


class TestCutOff(EndCase):
    def test_the_end_of_a_body_whose_connection_is_lost_is_written_on_another(self):
        def body(records, name):
            self.database.query(
                "SELECT pg_terminate_backend(%s, 10000)",
                [records.env.cr._cnx.info.backend_pid],
            )
            records.env.cr.execute("SELECT 1")

        self.body(body)
        self.delay("rename", "next")
        with (
            self.assertLogs(RECORDING, logging.INFO) as logs,
            mute_logger("odoo.sql_db"),
        ):
            self.assertEqual(self.drain(), {"pending": 1, "done": 1})
        self.assertIn("lost its cursor", logs.output[0])
        self.assertEqual(logs.records[0].job_channel, "root")
        self.assertEqual([outcome for outcome, _name in self.tries()], ["retry"])

    def test_a_body_that_closes_its_cursor_has_failed(self):
        def body(records, name):
            records.env.cr.close()
            raise ValueError("no more")

        self.body(body)
        with self.assertLogs(RECORDING, logging.INFO):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertEqual(self.column("exc_message"), "no more")

    def test_the_lost_connection_of_a_lease_fails_no_job_at_any_moment(self):
        """Each job is executed once, by this lease or another one."""
        storing = claiming.storage.execution
        for moment, name in (
            ("before the start", "start_and_hold"),
            ("before the next is reserved", "reserve"),
        ):
            for after in (False, True):
                with self.subTest(
                    moment.replace("before", "after" if after else "before")
                ):
                    self.clean()
                    for index in range(3):
                        self.delay("leave", str(index))
                    self.cut_at(storing, name, after)
                    self.drained_by_all()
                    self.assertEqual(self.database.states(), {"done": 3})
                    self.assertEqual(
                        self.database.query(
                            "SELECT name FROM test_queue_effect ORDER BY name"
                        ),
                        [("0",), ("1",), ("2",)],
                    )
                    self.assertFalse(self.tries())
                    self.assertFalse(
                        self.database.value("SELECT sum(deaths) FROM queue_job")
                    )

    def cut_at(self, module, name, after):
        """End the lease's connection around the second call of the function."""
        before, calls = getattr(module, name), []

        def call(cr, *args):
            calls.append(name)
            if len(calls) != 2:
                return before(cr, *args)
            pid = cr._cnx.info.backend_pid
            if after:
                found = before(cr, *args)
            self.database.query("SELECT pg_terminate_backend(%s, 10000)", [pid])
            if not after:
                return before(cr, *args)
            return found

        patcher = patch.object(module, name, call)
        patcher.start()
        self.addCleanup(patcher.stop)

    def drained_by_all(self):
        """Until nothing is left, with what runners do for reserved jobs."""

        def drained():
            self.drain(0, 20)
            return set(self.database.states()) == {"done"}

        wait_until(drained, "all jobs are done")

    def test_a_job_is_done_though_the_connection_of_its_lease_was_lost(self):
        def body(records, name):
            lease = claiming.of(records.env)
            pid = lease.cr._cnx.info.backend_pid
            self.database.query("SELECT pg_terminate_backend(%s, 10000)", [pid])
            records._leave("done")

        self.body(body)
        # The end comes before the watch looks, which would have a new connection made.
        self.enterContext(patch.object(watching._Watch, "_look_at_holds"))
        with self.assertLogs("odoo.addons.queue_job.executor.claiming") as logs:
            self.assertEqual(self.drain(), {"done": 1})
        self.assertIn("lease has lost its transaction", logs.output[0])
        self.assertEqual(self.effects(), 1)


class TestConnections(EndCase):
    def setUp(self):
        super().setUp()
        self.enterContext(patch.object(connections, "_free", []))
        self.addCleanup(self.close_all)

    def close_all(self):
        for each in connections._free:
            each.close()

    def take(self):
        return connections.take(self.database.name)

    def test_a_sound_connection_is_used_again(self):
        first = self.take()
        connections.give_back(first)
        self.assertIs(self.take(), first)
        connections.give_back(first)

    def test_another_database_has_connections_of_its_own(self):
        cr = self.take()
        connections.give_back(cr)
        other = connections.take(TEST_DB)
        self.addCleanup(other.close)
        self.assertIsNot(other, cr)

    def test_a_connection_within_a_transaction_is_not_kept(self):
        cr = self.take()
        cr.execute("BEGIN")
        connections.give_back(cr)
        self.assertTrue(cr._cnx.closed)
        self.assertFalse(connections._free)

    def test_a_connection_that_was_closed_meanwhile_is_not_used(self):
        cr = self.take()
        connections.give_back(cr)
        cr._cnx.close()
        self.assertFalse(cr.usable)
        again = self.take()
        self.assertIsNot(again, cr)
        connections.give_back(again)

    def test_a_connection_that_the_server_hung_up_is_not_used(self):
        cr = self.take()
        connections.give_back(cr)
        pid = cr._cnx.info.backend_pid
        self.database.query("SELECT pg_terminate_backend(%s, 10000)", [pid])
        wait_until(lambda: not cr.usable, "the server has hung up")
        again = self.take()
        self.assertIsNot(again, cr)
        self.assertTrue(cr._cnx.closed)
        connections.give_back(again)

    def test_a_connection_that_was_idle_for_long_is_closed(self):
        cr = self.take()
        connections.give_back(cr)
        cr.used_at -= connections.IDLE + 1
        again = self.take()
        self.assertTrue(cr._cnx.closed)
        connections.give_back(again)

    def test_one_that_cannot_be_prepared_is_closed(self):
        opened = []

        def prepare(cr):
            opened.append(cr)
            raise ConnectionError

        with patch.object(connections.LeaseCursor, "_prepare", prepare):
            with self.assertRaises(ConnectionError):
                self.take()
        self.assertTrue(opened[0]._cnx.closed)

    def test_behind_a_pooler_the_session_is_left_as_it_is(self):
        def ensure(cr, statements):
            cr._queue_job_prepared = frozenset()

        keep = self.enterContext(patch.object(storage.execution, "keep_to_indexes"))
        with patch.object(storage.prepared, "ensure", ensure):
            self.take().close()
        keep.assert_not_called()
        self.take().close()
        keep.assert_called_once()

    def test_silence_is_noticed_where_there_is_a_network(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as sock:
                cnx = SimpleNamespace(fileno=sock.fileno)
                for _again in range(2):
                    connections.notice_silence(cnx)
                alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                self.assertTrue(alive)
                with patch.object(connections, "_SOCKET", {"TCP_OF_ANOTHER_SYSTEM": 1}):
                    connections.notice_silence(SimpleNamespace(fileno=sock.fileno))

    def test_a_key_that_cannot_be_read_leaves_no_connection(self):
        cr = self.take()
        connections.give_back(cr)
        broken = patch.object(storage.execution, "secret", side_effect=DataError)
        with broken, self.assertRaises(DataError):
            keys._read(self.database.name, bool)
        self.assertTrue(cr._cnx.closed)

    def test_who_counts_queries_sees_them(self):
        seen = []
        cr = self.take()
        thread = threading.current_thread()
        with patch.object(
            thread, "query_hooks", [lambda *call: seen.append(call[1:3])], create=True
        ):
            cr.execute("SELECT %s::int", (7,))
        self.assertEqual(seen, [("SELECT %s::int", (7,))])
        self.assertEqual(cr._format("SELECT %s", ("x",)), "SELECT 'x'")
        self.assertEqual((cr.fetchone(), cr.rowcount), ((7,), 1))
        self.assertEqual(cr.fetchall(), [])
        connections.give_back(cr)


class TestSteps(EndCase):
    """Steps that other add-ons wrap, and what goes wrong there."""

    def step(self, name, function):
        step = classmethod(function)
        self.enterContext(patch.object(executor.JobHooks, name, step))

    def test_a_job_that_a_step_does_not_want_now_is_left_to_others(self):
        self.delay("leave", "x")
        self.step("_acquire_job", lambda cls, env, uuid: None)
        self.drain()
        self.assertEqual((self.column("state"), self.effects()), ("started", 0))

    def test_an_error_of_a_step_after_the_end_comes_out(self):
        def release(cls, env, job):
            raise ValueError("wrapped badly")

        self.delay("leave", "x")
        self.step("_enqueue_dependent_jobs", release)
        with self.assertRaisesRegex(ValueError, "wrapped badly"):
            self.drain()
        self.assertEqual((self.column("state"), self.effects()), ("done", 1))

    def test_a_job_that_cannot_be_acquired_for_whatever_reason_has_failed(self):
        def acquire(cls, env, uuid):
            raise ValueError("what a call")

        uuid = self.delay("leave", "x")
        self.step("_acquire_job", acquire)
        with (
            self.assertLogs(SERVING, logging.ERROR) as logs,
            mute_logger(RECORDING),
        ):
            self.drain()
        self.assertEqual(logs.records[0].job_uuid, uuid)
        self.assertEqual(self.column("exc_message"), "what a call")

    def test_the_end_of_a_job_that_does_not_react_is_written_once(self):
        def perform(cls, env, job):
            job.watched = watching.Watched(
                job._id, job.uuid, env.cr.dbname, 0, None, None, dict
            )
            recording.bury(job, Kind.CANCELLED, "No more")
            with self.assertLogs(RECORDING, logging.WARNING):
                recording.bury(job, Kind.CANCELLED, "No more")

        self.delay("leave", "x")
        self.step("_try_perform_job", perform)
        self.drain()
        self.assertEqual(
            (self.column("state"), self.column("result")), ("cancelled", "No more")
        )
        ((outcome, _name),) = self.tries()
        self.assertEqual(outcome, "cancelled")

    def test_an_end_that_cannot_be_written_leaves_the_job_to_be_rescued(self):
        self.delay("fail")
        with (
            patch.object(recording, "_write", side_effect=ConnectionError("away")),
            patch.object(
                storage.last_resort, "write", side_effect=ConnectionError("away")
            ),
            mute_logger(RECORDING),
            self.assertRaises(ConnectionError),
        ):
            self.drain()
        self.assertEqual((self.column("state"), self.tries()), ("started", []))

    def test_a_failure_that_cannot_be_posted_is_logged(self):
        uuid = self.delay("fail")
        jobs = self.registry["queue.job"]
        with (
            patch.object(jobs, "_message_post_on_failure", side_effect=ValueError),
            self.assertLogs(RECORDING, logging.ERROR) as logs,
        ):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertEqual(logs.records[-1].job_uuid, uuid)
        self.assertIn("could not be posted", logs.output[-1])

    def test_a_job_of_an_add_on_that_is_not_loaded_here_yet_is_put_off(self):
        def acquire(cls, env, uuid):
            raise JobDecodeError("no such method")

        self.delay("leave", "x")
        self.step("_acquire_job", acquire)
        with (
            patch.object(storage.execution, "has_more_modules", return_value=True),
            mute_logger(RECORDING),
        ):
            self.drain()
        self.assertEqual((self.column("state"), self.column("retry")), ("pending", 0))
        self.assertIn("is not loaded here yet", self.column("exc_message"))

    def test_errors_that_say_how_a_try_ended_are_taken_at_their_word(self):
        for error, state in (
            (JobCancelled("enough"), "cancelled"),
            (JobTimeout("too long"), "pending"),
            (SerializationFailure("conflict"), "pending"),
        ):
            with self.subTest(error=type(error).__name__):
                self.clean()

                def body(records, name, error=error):
                    raise error

                self.body(body)
                self.drain()
                self.assertEqual(self.column("state"), state)

    def test_a_method_on_failure_that_fails_changes_nothing(self):
        def on_fail(records, **values):
            raise ValueError("not here either")

        self.delay("fail")
        self.enterContext(
            patch.object(self.model, "rename_failed", on_fail, create=True)
        )
        self.database.query(
            "UPDATE queue_job_function SET on_fail_method = 'rename_failed'"
            " WHERE name = '<test.queue.effect>.fail'"
        )
        self.registry.clear_all_caches()
        with self.assertLogs(RECORDING, logging.ERROR) as logs:
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertIn("rename_failed", logs.output[-1])
        self.assertEqual(logs.records[-1].job_state, "failed")

    def test_further_values_that_cannot_be_told_at_the_end_are_left_out(self):
        self.delay("fail")
        with (
            patch.object(rows, "extra_values", side_effect=ValueError("no values")),
            self.assertLogs(RECORDING, logging.ERROR) as logs,
        ):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertIn("Further values", logs.output[0])

    def test_a_job_that_may_commit_a_job_of_a_policy_and_a_chain_end_as_they_should(
        self,
    ):
        self.delay("commit_often", 2)
        self.delay("fail_to_connect")
        with self.registry.cursor() as cr:
            effects = api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"]
            chain(
                effects.delayable().leave("1"), effects.delayable().leave("2")
            ).delay()
        self.assertEqual(self.drain(), {"done": 3, "pending": 1})
        self.assertEqual(self.effects(), 4)
        self.assertEqual(self.tries(), [("retry", "ConnectionError")])

    def test_who_overrides_write_sees_each_step_of_a_lease(self):
        jobs = self.registry["queue.job"]
        before, seen = jobs.write, []

        def write(records, values):
            seen.extend([values.get("state")] * len(records))
            return before(records, values)

        with self.registry.cursor() as cr:
            effects = api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"]
            chain(
                effects.delayable().leave("1"), effects.delayable().leave("2")
            ).delay()
            effects.with_delay().leave("3")
        with patch.object(jobs, "write", write):
            self.assertEqual(self.drain(), {"done": 3})
            with self.registry.cursor() as cr:
                lease = claiming.Lease(api.Environment(cr, SUPERUSER_ID, {}), 0)
                with lease:
                    self.assertFalse(lease.start("0" * 36, 1), "there is no such job")
        self.assertEqual(
            [seen.count(state) for state in ("started", "done", "pending")], [3, 3, 1]
        )
