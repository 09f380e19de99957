# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""With many rows the queue's statements read their index, never the table."""

import os
import unittest
from contextlib import closing

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.executor.connections import STATEMENTS
from odoo.addons.queue_job.storage import (
    execution,
    graph,
    identity,
    insertion,
    recovery,
    repair,
    retention,
    rollup,
    schedule,
)

from ..acceptance.server import Database, connection

ROWS = 50_000


class TestPlans(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.env["res.partner"].browse(1).with_delay().write({"ref": "x"})
        cls.env.flush_all()
        cls.env.cr.execute("SELECT max(id) FROM queue_job")
        (template,) = cls.env.cr.fetchone()
        names = [name for name in insertion.COLUMNS if name != "id"]
        # a table as it is after some time: most are done, some wait for a date
        own = {
            "uuid": "md5(number::text)",
            "state": "CASE number %% 10 WHEN 0 THEN 'pending' WHEN 1 THEN 'failed'"
            " ELSE 'done' END",
            "ready": "number %% 20 = 0",
            "eta": "CASE WHEN number %% 20 <> 0 THEN now() + interval '1 day' END",
            "channel": "'root.c' || number %% 7",
            "identity_key": "CASE WHEN number %% 3 = 0 THEN 'key' || number END",
        }
        values = ", ".join(own.get(name, f"job.{name}") for name in names)
        cls.env.cr.execute(
            f"INSERT INTO queue_job ({', '.join(names)}, attempt, date_done)"
            f" SELECT {values}, 0, now() FROM queue_job job,"
            " generate_series(1, %s) number WHERE job.id = %s",
            (ROWS, template),
        )
        cls.env.cr.execute("ANALYZE queue_job")

    def plan(self, query, params=None):
        self.env.cr.execute("EXPLAIN " + query, params)
        return "\n".join(row[0] for row in self.env.cr.fetchall())

    def check(self, index, query, params=None):
        plan = self.plan(query, params)
        self.assertIn(index, plan)
        self.assertNotIn("Seq Scan on queue_job ", plan)
        self.assertNotIn("Seq Scan on queue_job job", plan)
        self.assertNotIn("Sort", plan)

    def test_scheduling_reads_the_first_rows_of_each_channel(self):
        self.env.cr.execute(schedule._PLANS)
        params = (["root.c0", "root.c1"], [4, 4], [])
        self.check("queue_job_ready_idx", schedule._CANDIDATES, params)

    def test_the_jobs_that_are_due_are_read_by_their_date(self):
        self.check("queue_job_held_eta_idx", schedule._PROMOTE_DUE, {"limit": 100})

    def test_the_running_jobs_are_counted_in_their_index(self):
        self.env.cr.execute(schedule._PLANS)
        plan = self.plan(schedule._READ)
        self.assertIn("queue_job_running_idx", plan)
        self.assertNotIn("Seq Scan on queue_job ", plan)

    def test_the_job_of_a_request_is_found_by_its_uuid_or_among_the_running(self):
        plan = self.plan(STATEMENTS.start.query, ("w", 1, 1, "u", 1))
        self.assertRegex(plan, "queue_job_(uuid_uniq|running_idx)")
        self.assertNotIn("Seq Scan on queue_job job", plan)

    def test_the_next_job_of_a_channel_is_the_first_of_its_index(self):
        for statement in filter(str.strip, execution._PLANS.split(";")):
            self.env.cr.execute(statement.replace("SET ", "SET LOCAL "))
        for statement in (STATEMENTS.reserve, STATEMENTS.reserve_fairly):
            params = ("root.c0", ["root", "root.c0"], 1)
            self.check("queue_job_ready_idx", statement.query, params)
        place = (10, "2020-01-01", 1)
        params = ("root.c0", ["root", "root.c0"], *place, 1)
        self.check("queue_job_ready_idx", STATEMENTS.reserve_behind.query, params)
        self.assertRegex(
            self.plan(STATEMENTS.reserve_behind.query, params),
            r"Index Cond: .*ROW\(priority, date_created, id\) >",
        )

    def test_dead_entries_at_the_head_cost_nothing_behind_the_job_taken_last(self):
        """This transaction keeps them, as any long one does."""
        cr = self.env.cr
        for statement in filter(str.strip, execution._PLANS.split(";")):
            cr.execute(statement.replace("SET ", "SET LOCAL "))
        cr.execute(
            "UPDATE queue_job SET state = 'pending', ready = true, eta = NULL,"
            " channel = 'root.dead' WHERE state = 'failed'"
        )
        cr.execute(
            "SELECT priority, date_created, id FROM queue_job"
            " WHERE channel = 'root.dead'"
            " ORDER BY priority, date_created, id OFFSET 4000 LIMIT 1"
        )
        place = cr.fetchone()
        cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE channel = 'root.dead'"
            " AND (priority, date_created, id) <= (%s, %s, %s)",
            place,
        )
        lineage = ["root", "root.dead"]
        head = self.buffers(STATEMENTS.reserve.query, ("root.dead", lineage, 1))
        behind = self.buffers(
            STATEMENTS.reserve_behind.query, ("root.dead", lineage, *place, 1)
        )
        self.assertGreater(head, 300)
        self.assertLess(behind, 100)

    def buffers(self, query, params):
        """How many buffers a call reads; it is undone."""
        with closing(self.env.cr.savepoint()):
            self.env.cr.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, params
            )
            plan = self.env.cr.fetchone()[0][0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def test_a_job_is_finished_in_its_place(self):
        values = (1, None, 1.0, None, False, "(0,1)", 1, 1)
        self.assertIn("Tid Scan", self.plan(execution._FINISH, values))

    def test_an_identity_is_looked_up_in_its_index(self):
        self.check(
            "queue_job_identity_uniq",
            identity._FIND.replace("DISTINCT ON (identity_key)", "").replace(
                "ORDER BY identity_key, state = 'enqueued', id DESC", ""
            ),
            (["key3", "key6"],),
        )

    def test_old_jobs_are_found_by_their_date(self):
        query = retention._OLD.format(functions="", free="")
        params = {"channel": "root.c0", "days": 30, "limit": 100}
        plan = self.plan(query, params)
        self.assertIn("queue_job_done_idx", plan)
        self.assertIn("queue_job_cancelled_idx", plan)

    def test_the_jobs_behind_a_barrier_are_found_by_it(self):
        self.check("Index Cond: (barrier_id = ANY", graph._BEHIND, ([1],))

    def test_jobs_to_be_looked_after_are_in_an_index_of_their_own(self):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.check("queue_job_release_due_idx", graph._RELEASE_DUE)
        self.check("queue_job_running_idx", recovery._ORPHANS, {"grace": 1, "limit": 9})

    def test_no_statement_of_a_lease_is_compiled(self):
        self.assertIn("jit = off", execution._PLANS)
        self.assertIn("jit = off", schedule._PLANS)
        self.assertTrue(storage.prepared)


#: what the jobs can be when the statistics are taken
MOMENTS = {
    "all are pending": "state = 'pending', ready = true",
    "all wait for their date": "state = 'pending', ready = false, eta = now()",
    "all are enqueued": "state = 'enqueued', date_enqueued = now()",
    "all run": "state = 'started', date_started = now()",
    "all are done": "state = 'done', date_done = now() - interval '1 minute'",
}
_DONE = "state = 'done', date_done = now() - interval '1 day', ready = true, eta = NULL"


class TestPlansOfAnyMoment(TransactionCase):
    """What runs by the clock reads indexes that hold what it looks for, though the
    statistics are those of the worst moment."""

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.env["res.partner"].browse(1).with_delay().write({"ref": "x"})
        self.env.flush_all()
        names = [name for name in insertion.COLUMNS if name not in ("id", "uuid")]
        columns = ", ".join(names)
        self.env.cr.execute(
            f"INSERT INTO queue_job (uuid, {columns}, attempt)"
            f" SELECT md5(random()::text || number), {columns}, 1"
            " FROM (SELECT * FROM queue_job ORDER BY id DESC LIMIT 1) AS job,"
            " generate_series(1, 10000) number"
        )

    def statements(self):
        """What runs by the clock: ``{name: (query, params)}``"""
        stale = {"runner": 1, "flying": [], "grace": 1, "silence": 60}
        return {
            "look": (schedule._LOOK, None),
            "promote": (schedule._PROMOTE_DUE, {"limit": 100}),
            "read": (schedule._READ, None),
            "candidates": (schedule._CANDIDATES, (["root"], [4], [])),
            "stale": (recovery._RELEASE_STALE, stale),
            "orphans": (recovery._ORPHANS, {"grace": 1, "limit": 100}),
            "release due": (graph._RELEASE_DUE, None),
            "channels": (recovery._WAITING_CHANNELS, None),
            "channelless": (recovery._ADOPT_CHANNELLESS, None),
        }

    def test_the_whole_table_is_never_read_whatever_the_statistics_say(self):
        for moment, assignments in MOMENTS.items():
            self.env.cr.execute(f"UPDATE queue_job SET {assignments}")
            self.env.cr.execute("ANALYZE queue_job")
            # What the statistics tell of is over.
            self.env.cr.execute(f"UPDATE queue_job SET {_DONE}")
            self.env.cr.execute(schedule._PLANS)
            for name, (query, params) in self.statements().items():
                with self.subTest(moment=moment, statement=name):
                    whole = _whole_scans(self.plan(query, params))
                    self.assertEqual(whole, [])

    def plan(self, query, params):
        self.env.cr.execute("EXPLAIN (FORMAT JSON) " + query, params)
        return self.env.cr.fetchone()[0][0]["Plan"]


#: jobs that are done, beside those that the queue looks at
DONE_ROWS = int(os.environ.get("QUEUE_JOB_TEST_ROWS", "30000"))
#: what a call may read, however many rows there are: some looks into indexes
BUFFERS = 250
_INSERT = """
INSERT INTO queue_job (uuid, state, channel, model_name, method_name, priority,
                       date_created, date_done, {more})
SELECT md5(random()::text || number), 'done', 'root.c' || number %% 7, 'res.users',
       '_test_job', 10, now() - interval '2 days', now() - interval '1 day', {values}
  FROM generate_series(1, %s) AS number
"""
_OF_MOMENT = "func_string = 'moment'"


class TestBuffersOfAnyMoment(unittest.TestCase):
    """What runs by the clock, or for each job, reads as little in a large table."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        database = cls.enterClassContext(Database("plans"))
        cls.cr = cls.enterClassContext(connection(database.name)).cursor()
        # nobody takes statistics at another moment
        cls.cr.execute("ALTER TABLE queue_job SET (autovacuum_enabled = off)")
        cls.insert(DONE_ROWS, "NULL")
        cls.insert(3000, "'moment'")
        cls.insert(10, "'alive'")
        cls.cr.execute(
            "UPDATE queue_job SET state = 'pending', date_done = NULL, ready = true"
            " WHERE func_string = 'alive'"
        )

    @classmethod
    def insert(cls, number, mark):
        cls.cr.execute(_INSERT.format(more="func_string", values=mark), (number,))

    def statements(self):
        """``{name: (settings, query, params)}``"""
        short = schedule._BEGIN_SHORT
        lease = "BEGIN; " + execution._PLANS.replace("SET ", "SET LOCAL ")
        stale = {"runner": 1, "flying": [], "grace": 1, "silence": 60}
        line, place = ["root", "root.c1"], (10, "2020-01-01", 1)
        slice_ = {"since": "2020-01-01", "until": "2020-01-01 00:01:00"}
        slice_ |= {"cancelled_since": "2020-01-01", "cancelled_until": "2020-01-02"}
        turn = {"after": 0, "limit": 5000}
        rule = {"channel": "root.c1", "days": 30, "limit": 100}
        return {
            "look": (short, schedule._LOOK, None),
            "promote": (short, schedule._PROMOTE_DUE, {"limit": 100}),
            "read": (short, schedule._READ, None),
            "candidates": (short, schedule._CANDIDATES, (["root.c1"], [4], [])),
            "stale": (short, recovery._RELEASE_STALE, stale),
            "orphans": (short, recovery._ORPHANS, {"grace": 1, "limit": 100}),
            "release due": (short, graph._RELEASE_DUE, None),
            "channels": (short, recovery._WAITING_CHANNELS, None),
            "channelless": (short, recovery._ADOPT_CHANNELLESS, None),
            "unmet": (short, repair._UNMET, turn),
            "barriers": (short, repair._WAITED_FOR, turn),
            "figures": (
                short,
                rollup._ADD_UP,
                {**slice_, "grains": list(rollup.GRAINS)},
            ),
            "start": (lease, STATEMENTS.start.query, ("w", 1, 1, "u", 1)),
            "reserve": (lease, STATEMENTS.reserve.query, ("root.c1", line, 1)),
            "fairly": (lease, STATEMENTS.reserve_fairly.query, ("root.c1", line, 1)),
            "behind": (
                lease,
                STATEMENTS.reserve_behind.query,
                ("root.c1", line, *place, 1),
            ),
            "old": (short, retention._OLD.format(functions="", free=""), rule),
            "old channels": (short, retention._CHANNELS, {"state": "done"}),
        }

    def buffers(self, settings, query, params):
        self.cr.execute(settings)
        try:
            self.cr.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, params)
            plan = self.cr.fetchone()[0][0]["Plan"]
        finally:
            self.cr.execute("ROLLBACK")
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def check(self, moment):
        for name, call in self.statements().items():
            with self.subTest(moment=moment, statement=name):
                self.assertLess(self.buffers(*call), BUFFERS)

    def test_no_call_reads_more_than_some_entries_of_indexes(self):
        self.check("never analyzed")
        for moment, assignments in MOMENTS.items():
            self.cr.execute(f"UPDATE queue_job SET {assignments} WHERE {_OF_MOMENT}")
            self.cr.execute("ANALYZE queue_job")
            self.cr.execute(f"UPDATE queue_job SET {_DONE} WHERE {_OF_MOMENT}")
            self.cr.execute("VACUUM queue_job")
            self.check(moment)


def _whole_scans(plan):
    """The parts of a plan that read all rows of ``queue_job``."""
    found = []
    if plan.get("Relation Name") == "queue_job":
        by_key = plan.get("Index Name") == "queue_job_pkey"
        if plan["Node Type"] == "Seq Scan" or (by_key and "Index Cond" not in plan):
            found.append((plan["Node Type"], plan.get("Index Name")))
    for part in plan.get("Plans", ()):
        found += _whole_scans(part)
    return found
