# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people do to jobs in transactions whose snapshot is older than what happened.

Odoo's transactions are REPEATABLE READ: each test has one that has looked at the
database before something else was committed.
"""

import threading
from contextlib import closing, contextmanager

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.tools import mute_logger

from odoo.addons.queue_job import moves, storage
from odoo.addons.queue_job.core import states
from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.housekeeping import Housekeeper
from odoo.addons.queue_job.storage import schedule

from ..acceptance.server import connection, wait_until
from .test_drain import DrainCase

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class SnapshotCase(DrainCase):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.chain()

    def chain(self):
        """The ids of two jobs, one behind the other."""
        with self.registry.cursor() as cr:
            jobs = api.Environment(cr, SUPERUSER_ID, {})["queue.job"]
            calls = [jobs.delayable()._test_job(), jobs.delayable()._test_job()]
            chain(*calls).delay()
            return [call._generated_job.db_record().id for call in calls]

    @contextmanager
    def transaction(self):
        """One that has a snapshot already; the test commits it."""
        with closing(self.registry.cursor()) as cr:
            cr.execute("SELECT 1 FROM queue_job LIMIT 1")
            yield api.Environment(cr, SUPERUSER_ID, {})

    def do(self, verb, job):
        """Somebody else's whole transaction."""
        with self.transaction() as env:
            moved = self.move(env, verb, job)
            env.cr.commit()
        return moved

    @staticmethod
    def move(env, verb, job):
        if verb == "requeue":
            return moves.requeue(env, [job])
        return getattr(moves, verb)(env, [job], "by a test")

    def repeated(self, verb, job, env):
        """As Odoo does with a transaction whose snapshot was too old."""
        with mute_logger("odoo.sql_db"), self.assertRaises(SerializationFailure):
            self.move(env, verb, job)
        env.cr.rollback()
        return self.do(verb, job)

    def state(self, job):
        return self.database.value("SELECT state FROM queue_job WHERE id = %s", [job])

    def tidy(self):
        """A runner's maintenance."""
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            Housekeeper(self.database.name, Config(), 7).tidy(cr)

    @contextmanager
    def another_thread(self, action, *args):
        """It waits for somebody's lock when the block begins, and ends with it."""
        thread = threading.Thread(target=action, args=args)
        thread.start()
        wait_until(lambda: self.database.value(WAITING) == 1, "it waits for a lock")
        yield
        thread.join(60)
        self.assertFalse(thread.is_alive())


class TestRequeued(SnapshotCase):
    def test_behind_a_job_that_ended_after_the_snapshot_waits_for_nobody(self):
        self.do("cancel", self.second)
        with self.transaction() as env:
            self.do("set_done", self.first)
            self.repeated("requeue", self.second, env)
        self.assertEqual(self.state(self.second), states.PENDING)

    def test_behind_a_job_that_was_requeued_after_the_snapshot_waits_for_it(self):
        self.do("set_done", self.first)
        self.do("cancel", self.second)
        with self.transaction() as env:
            self.do("requeue", self.first)
            self.repeated("requeue", self.second, env)
        self.assertEqual(self.state(self.second), states.WAIT_DEPENDENCIES)

    def test_who_ends_the_job_before_meanwhile_sees_it(self):
        self.do("cancel", self.second)
        for isolation in ("READ COMMITTED", "REPEATABLE READ"):
            with self.subTest(isolation), self.transaction() as env:
                self.move(env, "requeue", self.second)
                with self.another_thread(self.end_first, isolation):
                    env.cr.commit()
            self.assertEqual(self.state(self.second), states.PENDING)
            self.database.query("UPDATE queue_job_edge SET met = false")
            self.database.query("UPDATE queue_job_barrier SET remaining = 1")
            self.do("cancel", self.second)

    def end_first(self, isolation):
        """Release who waits for the first job, again when the snapshot is too old."""
        for _attempt in range(2):
            with connection(self.database.name) as cnx, cnx.cursor() as cr:
                cr.execute(f"BEGIN ISOLATION LEVEL {isolation}")
                cr.execute("SELECT 1 FROM queue_job LIMIT 1")
                try:
                    moves.release_unseen(cr, [self.first])
                    cr.execute("COMMIT")
                    return
                except SerializationFailure:
                    cr.execute("ROLLBACK")

    def test_what_is_done_again_releases_who_was_requeued_with_it(self):
        self.do("set_done", self.first)
        self.do("cancel", self.second)
        with self.transaction() as env:
            moves.requeue(env, [self.first, self.second])
            env.cr.commit()
        self.assertEqual(self.drain(), {"done": 2})


class TestRepaired(SnapshotCase):
    """Whatever put a job there: SQL, an older version of the queue."""

    def open_barrier(self):
        self.database.query("UPDATE queue_job_edge SET met = true")
        self.database.query("UPDATE queue_job_barrier SET remaining = 0")

    def test_a_job_that_waits_behind_an_open_barrier_is_released(self):
        self.database.query(
            "UPDATE queue_job SET state = 'done', date_done = now() WHERE id = %s",
            [self.first],
        )
        self.open_barrier()
        self.tidy()
        self.assertEqual(self.state(self.second), states.PENDING)

    def test_one_that_waits_behind_a_closed_barrier_is_not(self):
        self.tidy()
        self.assertEqual(self.state(self.second), states.WAIT_DEPENDENCIES)

    def test_many_are_looked_at_in_turns(self):
        for _number in range(4):
            self.chain()
        self.open_barrier()
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            turn, left = storage.repair.START, []
            while turn != storage.repair.START or not left:
                schedule.begin_short(cr)
                turn = storage.repair.repair(cr, turn, limit=2)
                schedule.commit(cr)
                left.append(self.database.states().get("wait_dependencies", 0))
        self.assertEqual(left, [3, 1, 0])

    def test_who_holds_a_barrier_is_not_waited_for(self):
        others = self.chain()
        self.database.query(
            "UPDATE queue_job SET state = 'done', release_due = true,"
            " date_done = now() - interval '1 day' WHERE id = ANY(%s)",
            [[self.first, others[0]]],
        )
        with self.transaction() as env:
            env.cr.execute(
                "SELECT FROM queue_job_barrier WHERE id ="
                " (SELECT barrier_id FROM queue_job WHERE id = %s) FOR NO KEY UPDATE",
                [self.second],
            )
            self.tidy()
            self.assertEqual(self.state(others[1]), states.PENDING)
            self.assertEqual(self.state(self.second), states.WAIT_DEPENDENCIES)
        self.tidy()
        self.assertEqual(self.state(self.second), states.PENDING)
