# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""What other people's transactions, hooks and settings do to the jobs of a lease."""

import logging
import os
import threading
from contextlib import contextmanager
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.executor import claiming, connections, heads
from odoo.addons.queue_job.jobrunner import scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.housekeeping import Housekeeper
from odoo.addons.queue_job.storage import schedule

from ..acceptance.server import connection, wait_until
from .test_ends import EndCase

#: statements of other people at the row of a running job, none of which ends its run
WRITES = {
    "a column of the screen": "UPDATE queue_job SET priority = 3",
    "a name": "UPDATE queue_job SET name = 'renamed'",
    "an attempt": "UPDATE queue_job SET attempt = attempt + 5",
    "a date in the future": "UPDATE queue_job SET eta = '2100-01-01'",
    "the table, whole": "VACUUM FULL queue_job",
    "the table, altered": (
        "ALTER TABLE queue_job ALTER COLUMN func_string TYPE varchar"
        " USING func_string || ''"
    ),
}


class LeaseCase(EndCase):
    def setUp(self):
        super().setUp()
        self.bodies = []
        self.enterContext(patch.object(self.model, "leave", self._leave()))

    def _leave(self):
        def leave(records, name):
            records._leave(name)
            for body in self.bodies:
                body(records, name)

        leave.__name__ = "leave"
        return leave

    def clean(self):
        super().clean()
        self.database.query("DELETE FROM queue_job_end")

    def capacity(self, number):
        change = "UPDATE queue_job_channel SET capacity = %s WHERE name = 'root'"
        before = self.database.value(
            "SELECT capacity FROM queue_job_channel WHERE name = 'root'"
        )
        self.database.query(change, [number])
        self.addCleanup(self.database.query, change, [before])

    def names(self):
        rows = self.database.query("SELECT name FROM test_queue_effect ORDER BY name")
        return [name for (name,) in rows]

    def keep_house(self):
        """What a runner does each half second."""
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            Housekeeper(self.database.name, Config(), 1).look_after(cr, 0.0, ())

    def pass_once(self):
        """A pass of a runner that is undone; the jobs that it would have taken."""
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            look = schedule.begin(cr)
            found = scheduling.run(cr, look, self.database.name, Config(), 1)
            schedule.rollback(cr)
        return [request.uuid for request in found.requests]

    def check_done_once(self, number=1):
        self.assertEqual(self.database.states(), {"done": number})
        self.assertEqual(self.effects(), number)
        self.assertFalse(self.tries())
        self.assertFalse(self.database.query("SELECT 1 FROM queue_job_end"))


class TestStrangersAtTheRow(LeaseCase):
    def test_no_write_on_the_row_of_a_running_job_undoes_its_work_nor_is_a_try(self):
        for what, statement in WRITES.items():
            for early in (False, True):
                with self.subTest(what, before_the_body_s_first_look=early):
                    self.clean()

                    def body(records, name, statement=statement, early=early):
                        if early:
                            records.env.cr.rollback()
                        self.database.query(statement)
                        if early:
                            records._leave(name)

                    self.bodies[:] = [body]
                    self.delay("leave", "x")
                    self.assertEqual(self.drain(), {"done": 1})
                    self.check_done_once()
                    self.assertEqual(self.column("retry"), 1)
                    self.assertEqual(self.effects(), 1)

    def test_a_row_that_somebody_holds_keeps_neither_its_job_nor_the_next_waiting(self):
        uuids = [self.delay("leave", str(index)) for index in range(3)]
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            cnx.autocommit = False

            def body(records, name):
                if name == "0":
                    cr.execute(
                        "SELECT 1 FROM queue_job WHERE uuid = %s FOR UPDATE",
                        (uuids[0],),
                    )

            self.bodies[:] = [body]
            with patch.object(claiming, "_FAIR_AFTER", 60):
                self.drain(0, 20)
            self.assertEqual(self.names(), ["0", "1", "2"])
            self.assertEqual(self.database.states(), {"started": 1, "done": 2})
            # nobody executes it once more, however long that lasts
            self.database.query("UPDATE queue_job_end SET date_done = '2020-01-01'")
            for _look in range(2):
                self.keep_house()
            self.assertEqual(self.database.states(), {"started": 1, "done": 2})
            cnx.rollback()
        self.keep_house()
        self.check_done_once(3)

    def test_a_dead_worker_s_job_whose_end_is_noted_is_done_and_not_rescued(self):
        uuid = self.delay("leave", "x")
        self.database.query(
            "UPDATE queue_job SET state = 'started', run_id = 7, attempt = 1,"
            " date_started = '2020-01-01'"
        )
        self.database.query(
            "INSERT INTO queue_job_end (run_id, job_id, retry, date_done, result)"
            " SELECT 7, id, 1, '2020-01-02', 'noted' FROM queue_job"
        )
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            job_id = self.column("id")
            self.assertEqual(storage.recovery.orphans(cr), [])
            self.assertIsNone(storage.recovery.seize(cr, job_id, 1))
        self.keep_house()
        self.assertEqual(
            self.database.query("SELECT uuid, state, result, retry FROM queue_job"),
            [(uuid, "done", "noted", 1)],
        )

    def test_the_note_of_a_run_that_was_taken_away_ends_nobody_else_s(self):
        self.delay("leave", "x")
        self.database.query(
            "UPDATE queue_job SET state = 'started', run_id = 8, attempt = 1,"
            " date_started = now() AT TIME ZONE 'UTC'"
        )
        self.database.query(
            "INSERT INTO queue_job_end (run_id, job_id) SELECT 7, id FROM queue_job"
        )
        self.keep_house()
        self.assertEqual(self.column("state"), "started")
        self.assertFalse(self.database.query("SELECT 1 FROM queue_job_end"))

    def test_a_run_whose_number_came_again_with_its_attempt_ends_nobody_else_s(self):
        """A crash may undo starts: the attempt comes again, the number of a run not."""

        def body(records, name):
            self.database.query("UPDATE queue_job SET run_id = run_id + 1")

        self.bodies[:] = [body]
        self.delay("leave", "x")
        with self.assertLogs(
            "odoo.addons.queue_job.executor.recording", logging.WARNING
        ):
            self.drain()
        self.assertEqual((self.column("state"), self.effects()), ("started", 0))


class TestHooks(LeaseCase):
    @contextmanager
    def hanging(self):
        """A hook after the commit of the first job that lasts until the block ends."""
        reached, over = threading.Event(), threading.Event()

        def body(records, name):
            if not reached.is_set():
                records.env.cr.postcommit.add(wait)

        def wait():
            reached.set()
            over.wait(60)

        self.bodies[:] = [body]
        thread = threading.Thread(target=self.drain, args=(0, 30))
        thread.start()
        try:
            self.assertTrue(reached.wait(60))
            yield
        finally:
            over.set()
            thread.join()

    def test_a_hook_that_lasts_delays_nobody_else(self):
        self.capacity(2)
        uuids = [self.delay("leave", str(index)) for index in range(3)]
        with self.hanging():
            self.assertEqual(
                self.database.states(), {"done": 1, "enqueued": 1, "pending": 1}
            )
            # runners make their passes, and have other places for other jobs
            self.assertEqual(self.pass_once(), uuids[2:])
            # what was reserved goes back after a second, and its place with it
            self.database.query(
                "UPDATE queue_job SET date_enqueued = '2020-01-01'"
                " WHERE state = 'enqueued'"
            )
            self.keep_house()
            self.assertEqual(self.database.states(), {"done": 1, "pending": 2})
            self.assertEqual(self.pass_once(), uuids[1:])
        wait_until(lambda: self.effects() == 3, "the others are executed, once each")
        self.check_done_once(3)

    def test_what_was_read_after_the_commit_is_no_business_of_the_next_job(self):
        def body(records, name):
            cr = records.env.cr
            cr.postcommit.add(lambda: cr.execute("SELECT count(*) FROM queue_job"))

        self.bodies[:] = [body]
        for index in range(12):
            self.delay("leave", str(index))
        self.assertEqual(self.drain(), {"done": 12})
        self.check_done_once(12)


class TestDependents(LeaseCase):
    def test_who_waits_and_is_held_by_somebody_is_released_when_he_lets_go(self):
        with self.registry.cursor() as cr:
            effects = api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"]
            chain(
                effects.delayable().leave("1"),
                group(effects.delayable().leave("2"), effects.delayable().leave("3")),
            ).delay()
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            cnx.autocommit = False
            cr.execute(
                "SELECT id FROM queue_job WHERE state = 'wait_dependencies'"
                " ORDER BY id LIMIT 1 FOR UPDATE"
            )
            self.drain(0, 20)
            self.assertEqual(
                self.database.states(), {"done": 2, "wait_dependencies": 1}
            )
            cnx.rollback()
        self.database.query(
            "UPDATE queue_job SET date_done = '2020-01-01' WHERE release_due"
        )
        self.keep_house()
        self.assertEqual(self.drain(), {"done": 1})
        self.check_done_once(3)
        self.assertFalse(
            self.database.query("SELECT 1 FROM queue_job WHERE release_due")
        )

    def test_a_barrier_that_somebody_holds_ends_no_lease_and_fails_no_job(self):
        with self.registry.cursor() as cr:
            effects = api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"]
            chain(
                effects.delayable().leave("1"), effects.delayable().leave("2")
            ).delay()
            effects.with_delay().leave("3")
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            cnx.autocommit = False
            cr.execute("SELECT 1 FROM queue_job_barrier FOR UPDATE")
            self.drain(0, 20)
            self.assertEqual(self.names(), ["1", "3"])
            cnx.rollback()
        self.database.query(
            "UPDATE queue_job SET date_done = '2020-01-01' WHERE release_due"
        )
        self.keep_house()
        self.drain()
        self.check_done_once(3)


class TestLooks(LeaseCase):
    def test_a_lease_takes_no_job_of_a_channel_that_was_paused(self):
        def body(records, name):
            self.database.query("UPDATE queue_job_channel SET paused = true")

        self.bodies[:] = [body]
        for index in range(3):
            self.delay("leave", str(index))
        self.assertEqual(self.drain(), {"done": 1})
        self.assertEqual(self.database.states(), {"done": 1, "pending": 2})

    def test_a_better_job_of_another_channel_does_not_wait_for_the_end_of_a_lease(self):
        self.capacity(1)
        order = []

        def body(records, name):
            order.append(name)
            if name == "0":
                self.delay("leave", "better", channel="root.other", priority=0)

        self.bodies[:] = [body]
        self.database.query(
            "INSERT INTO queue_job_channel (name, complete_name, parent_id)"
            " SELECT 'other', 'root.other', id FROM queue_job_channel"
            " WHERE complete_name = 'root'"
        )
        self.addCleanup(
            self.database.query, "DELETE FROM queue_job_channel WHERE name = 'other'"
        )
        for index in range(3):
            self.delay("leave", str(index))
        with patch.object(claiming, "_FAIR_AFTER", 0):
            self.drain(0, 60)
        self.assertEqual(order, ["0", "better", "1", "2"])

    def forget_heads(self):
        for cursor in list(connections._open):
            cursor.heads = heads.Heads()

    def test_no_job_is_left_behind_where_the_head_of_the_queue_is_slow_to_read(self):
        """How long a look at the head is left alone, and when what comes in before the
        running job is executed: at the next look, or with the next request."""
        self.capacity(1)
        self.addCleanup(self.forget_heads)
        orders = {0: ["0", "1", "better", "2"], 10**9: ["0", "1", "2", "better"]}
        for share, expected in orders.items():
            order = []

            def body(records, name, order=order):
                order.append(name)
                if name == "1":
                    self.delay("leave", "better", priority=0)

            self.bodies[:] = [body]
            for index in range(3):
                self.delay("leave", str(index))
            with (
                self.subTest(share=share),
                patch.object(heads, "SLOW", -1.0),
                patch.object(heads, "SHARE", share),
                patch.object(claiming, "_FAIR_AFTER", 60),
            ):
                self.forget_heads()
                self.drain(0, 60)
                self.assertEqual(order, expected)
                self.assertEqual(self.database.states(), {"done": 4})
            self.clean()

    def test_a_start_whose_packet_was_late_executes_nothing(self):
        """Between start and lock the job was rescued, and runs elsewhere."""
        self.delay("leave", "x")
        late = f"UPDATE queue_job SET run_id = run_id + 1; {storage.execution._HOLD}"
        with patch.object(storage.execution, "_HOLD", late):
            self.drain(0, 5)
        self.assertEqual((self.column("state"), self.effects()), ("started", 0))
        self.assertFalse(self.tries())

    def test_a_start_waits_for_nobody_who_holds_the_row(self):
        uuid = self.delay("leave", "x")
        self.database.query("UPDATE queue_job SET state = 'enqueued', attempt = 1")
        with connection(self.database.name) as cnx, cnx.cursor() as held:
            cnx.autocommit = False
            held.execute("SELECT 1 FROM queue_job FOR UPDATE")
            with self.registry.cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                with claiming.Lease(env, 60) as lease:
                    self.assertFalse(lease.start(uuid, 1))
            cnx.rollback()
        self.assertEqual(self.column("state"), "enqueued")

    def test_both_ways_to_start_leave_a_job_alone_that_is_pending_again(self):
        uuid = self.delay("leave", "x")
        self.database.query("UPDATE queue_job SET attempt = 1")
        jobs = self.registry["queue.job"]
        before = jobs.write
        for seen in (False, True):
            with self.subTest(seen=seen), self.registry.cursor() as cr:
                if seen:
                    self.enterContext(
                        patch.object(
                            jobs,
                            "write",
                            lambda records, values: before(records, values),
                        )
                    )
                with claiming.Lease(api.Environment(cr, SUPERUSER_ID, {}), 60) as lease:
                    self.assertFalse(lease.start(uuid, 1))
                self.assertEqual(self.column("state"), "pending")


#: what a body may leave in the session, and how the next one would notice
SESSION = {
    "a limit of time": ("SET statement_timeout = '150ms'", "SHOW statement_timeout"),
    "a lock's limit of time": ("SET lock_timeout = '1s'", "SHOW lock_timeout"),
    "the path": ("SET search_path = pg_catalog, public", "SHOW search_path"),
    "the time zone": ("SET TIME ZONE 'Asia/Tokyo'", "SHOW TIME ZONE"),
    "a role": ("SET ROLE queue_job_leaked", "SELECT current_user::text"),
    "a planner's choice": ("SET enable_seqscan = off", "SHOW enable_seqscan"),
    "a setting by a function": (
        "SELECT set_config('work_mem', '1MB', false)",
        "SHOW work_mem",
    ),
    "a setting of one's own": (
        "SELECT set_config('test.leaked', 'yes', false)",
        "SELECT coalesce(current_setting('test.leaked', true), '') <> 'yes'",
    ),
    "the default isolation": (
        "SET default_transaction_isolation = 'serializable'",
        "SHOW default_transaction_isolation",
    ),
    "no waiting for the disk": (
        "SET synchronous_commit = off",
        "SHOW synchronous_commit",
    ),
    "replication's role": (
        "SET session_replication_role = replica",
        "SHOW session_replication_role",
    ),
    "a temporary table": (
        "CREATE TEMPORARY TABLE leaked (id int)",
        "SELECT to_regclass('pg_temp.leaked')::text",
    ),
    "a lock of the session": (
        "SELECT pg_advisory_lock(4711)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
    ),
    "a prepared statement": (
        "PREPARE leaked AS SELECT 1",
        "SELECT count(*) FROM pg_prepared_statements WHERE name = 'leaked'",
    ),
    "no prepared statement": (
        "DEALLOCATE ALL",
        "SELECT count(*) FROM pg_prepared_statements WHERE name = 'leaked'",
    ),
    "a channel listened to": (
        "LISTEN leaked",
        "SELECT count(*) FROM pg_listening_channels()",
    ),
    "a cursor with hold": (
        "DECLARE leaked CURSOR WITH HOLD FOR SELECT 1",
        "SELECT count(*) FROM pg_cursors WHERE name = 'leaked'",
    ),
}


class TestSession(LeaseCase):
    def run_two(self, first):
        """The first job does this; what each question answers in both."""
        found = []

        def body(records, name):
            cr = records.env.cr
            if name == "1":
                found.append((cr._cnx.info.backend_pid, self.state_of(cr)))
                first(cr)
            else:
                found.append((cr._cnx.info.backend_pid, self.state_of(cr)))

        self.bodies[:] = [body]
        self.delay("leave", "1")
        self.delay("leave", "2")
        self.assertEqual(self.drain(), {"done": 2})
        self.check_done_once(2)
        (first_pid, before), (second_pid, after) = found
        self.assertEqual(first_pid, second_pid, "a lease had both")
        return before, after

    def state_of(self, cr):
        state = {}
        for what, (_change, question) in SESSION.items():
            cr.execute(question)
            state[what] = cr.fetchone()
        return state

    def test_what_a_body_leaves_in_the_session_is_not_the_next_one_s(self):
        self.database.query("CREATE ROLE queue_job_leaked SUPERUSER")
        self.addCleanup(self.database.query, "DROP ROLE queue_job_leaked")
        for what, (change, _question) in SESSION.items():
            with self.subTest(what):
                self.clean()
                before, after = self.run_two(
                    lambda cr, change=change: cr.execute(change)
                )
                self.assertEqual(after, before)

    def test_what_a_body_does_to_the_connection_itself_is_undone_as_well(self):
        for name, value in (
            ("isolation_level", psycopg2.extensions.ISOLATION_LEVEL_SERIALIZABLE),
            ("readonly", None),
            ("deferrable", True),
        ):
            with self.subTest(name):
                self.clean()
                seen = []

                def body(records, job, name=name, value=value, seen=seen):
                    cnx = records.env.cr._cnx
                    seen.append(getattr(cnx, name))
                    if job == "1":
                        records.env.cr.postcommit.add(lambda: setattr(cnx, name, value))

                self.bodies[:] = [body]
                self.delay("leave", "1")
                self.delay("leave", "2")
                self.assertEqual(self.drain(), {"done": 2})
                self.assertEqual(seen[1], seen[0])


class TestForked(LeaseCase):
    def test_a_child_of_a_worker_that_has_died_holds_no_job(self):
        """Only the worker's own connection says that it lives."""
        self.delay("leave", "x")
        ends, forked = os.pipe(), os.pipe()
        children = []

        def body(records, name):
            lease = claiming.of(records.env)
            fd = lease.cr._cnx.fileno()
            child = os.fork()
            if not child:  # pragma: no cover - another process
                os.close(ends[1])
                os.write(forked[1], b"!")
                os.read(ends[0], 1)
                os._exit(0)
            children.append(child)
            os.read(forked[0], 1)
            # as the end of the worker's process does
            held = os.readlink(f"/proc/{child}/fd/{fd}")
            self.assertEqual(held, os.devnull)
            self.assertTrue(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"))

        self.bodies[:] = [body]
        try:
            self.assertEqual(self.drain(), {"done": 1})
        finally:
            os.close(ends[1])
            for child in children:
                os.waitpid(child, 0)
            for each in (ends[0], *forked):
                os.close(each)
        self.check_done_once()


class TestProgress(LeaseCase):
    def test_the_first_progress_of_each_job_is_told_whatever_the_job_before_told(self):
        told = []

        def body(records, name):
            records.env.job.progress(1, 10)
            job_id = claiming.of(records.env).row.id
            told.append(
                self.database.value(
                    "SELECT done FROM queue_job_progress WHERE job_id = %s", [job_id]
                )
            )

        self.bodies[:] = [body]
        for index in range(3):
            self.delay("leave", str(index))
        self.assertEqual(self.drain(), {"done": 3})
        self.assertEqual(told, [1, 1, 1])
