# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""Ends that are committed while others are added up."""

import unittest
from contextlib import closing

import psycopg2

from odoo.addons.queue_job.storage import rollup

from ..acceptance.server import Database

_INSERT = """
INSERT INTO queue_job (uuid, state, channel, model_name, method_name,
                       date_created, date_started)
VALUES (gen_random_uuid(), %s, 'root', 'res.partner', 'write', {0}, {0}) RETURNING id
""".format("(now() AT TIME ZONE 'UTC') - interval '40 seconds'")
_FINISH = """
UPDATE queue_job SET state = 'done', exec_time = 20,
       date_done = (now() AT TIME ZONE 'UTC') - interval '20 seconds'
 WHERE id = %s
"""
_CANCEL = """
UPDATE queue_job SET state = 'cancelled', date_cancelled = now() AT TIME ZONE 'UTC'
 WHERE id = %s
"""
_REWIND = """
UPDATE queue_job_rollup
   SET counted_up_to = (now() AT TIME ZONE 'UTC') - interval '60 seconds',
       cancelled_up_to = (now() AT TIME ZONE 'UTC') - interval '60 seconds'
"""


class TestRollup(unittest.TestCase):
    def setUp(self):
        self.database = self.enterContext(Database("rollup"))
        self.database.query(_REWIND)
        self.other = self.connect()

    def connect(self):
        connection = psycopg2.connect(dbname=self.database.name)
        self.addCleanup(connection.close)
        connection.set_session(isolation_level="READ COMMITTED")
        return connection

    def job(self, state):
        return self.database.value(_INSERT, [state])

    def execute(self, query, params=()):
        """In the other transaction, which stays open; return the first value."""
        with self.other.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchone()[0] if cr.description else None

    def add_up(self):
        with (
            closing(self.connect()) as connection,
            connection,
            connection.cursor() as cr,
        ):
            return rollup.add_up(cr)

    def add_up_all(self):
        while self.add_up():
            pass

    def counted(self, outcome):
        query = f"SELECT coalesce(sum({outcome}), 0) FROM queue_job_stat"
        return self.database.value(query + " WHERE grain = 'total'")

    def watermarks(self):
        query = "SELECT counted_up_to, cancelled_up_to FROM queue_job_rollup"
        return self.database.query(query)[0]

    def test_an_end_that_is_committed_long_after_its_stamp_is_counted_once(self):
        job = self.job("started")
        self.execute(_FINISH, [job])
        self.add_up_all()
        self.assertEqual(self.counted("done"), 0)
        self.other.commit()
        self.add_up_all()
        self.assertEqual(self.counted("done"), 1)
        self.add_up_all()
        self.assertEqual(self.counted("done"), 1)

    def test_an_end_that_is_rolled_back_is_not_counted(self):
        job = self.job("started")
        self.execute(_FINISH, [job])
        self.add_up_all()
        self.other.rollback()
        self.add_up_all()
        self.assertEqual(self.counted("done"), 0)

    def test_cancellations_are_counted_up_to_the_oldest_transaction_that_writes(self):
        job = self.job("pending")
        self.execute(_CANCEL, [job])
        self.add_up_all()
        began = self.execute(
            "SELECT (now() AT TIME ZONE 'UTC') - interval '10 seconds'"
        )
        self.assertEqual(self.watermarks()[1], began)
        self.assertGreater(self.watermarks()[0], began)
        self.other.commit()
        self.add_up_all()
        self.assertEqual(*self.watermarks())

    def test_a_transaction_that_only_reads_holds_up_nothing(self):
        self.execute("SELECT count(*) FROM queue_job")
        self.add_up_all()
        self.assertEqual(*self.watermarks())

    def test_who_comes_second_leaves_it_to_the_first(self):
        self.database.query(_FINISH, [self.job("started")])
        with self.other.cursor() as cr:
            self.assertFalse(rollup.add_up(cr))
        before = self.watermarks()
        self.assertFalse(self.add_up())
        self.assertEqual(self.watermarks(), before)
        self.other.commit()
        self.add_up_all()
        self.assertEqual(self.counted("done"), 1)
