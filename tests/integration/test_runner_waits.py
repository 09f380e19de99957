# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No statement of a runner's loop waits for anybody's row."""

from __future__ import annotations

import ast
import importlib
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import psycopg2

from odoo.tools import mute_logger

from odoo.addons.queue_job import jobrunner, storage
from odoo.addons.queue_job.jobrunner import connection as connections
from odoo.addons.queue_job.jobrunner import scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.dispatch import Outcome
from odoo.addons.queue_job.jobrunner.loop import clock
from odoo.addons.queue_job.jobrunner.scheduling import Request

from .runner_case import RunnerCase, connection

#: what only the first steps of a connection behind a pooler need
_BEHIND_A_POOLER = {("presence", "probe")}
#: rows that the machine keeps beside those of the jobs; those of the edges are written
#: by who holds their barrier
_TABLES = (
    "queue_job",
    "queue_job_barrier",
    "queue_job_end",
    "queue_job_stop",
    "queue_job_throttle",
    "queue_job_untold",
    "queue_job_channel",
)


def verbs():
    """Every function of ``storage`` that a module of the runner calls."""
    found = set()
    for path in sorted(Path(jobrunner.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        modules = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and (node.level, node.module) == (2, "storage")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in modules:
                    found.add((modules[owner.id], node.func.attr))
    return found


class TestNoWait(RunnerCase):
    def setUp(self):
        super().setUp()
        self.called = set()
        self.refused = []
        self.stack = self.enterContext(ExitStack())
        for module, verb in verbs():
            self.record(importlib.import_module(f"{storage.__name__}.{module}"), verb)
        refused = self.refused

        class Cursor(psycopg2.extensions.cursor):
            def execute(self, query, params=None):
                try:
                    return super().execute(query, params)
                except psycopg2.Error as error:
                    refused.append((query, str(error)))
                    raise

        class Recorded(connections.Connection):
            def cursor(self):
                return super().cursor(cursor_factory=Cursor)

        self.stack.enter_context(patch.object(connections, "Connection", Recorded))
        self.stack.enter_context(
            mute_logger(
                "odoo.addons.queue_job.jobrunner.database",
                "odoo.addons.queue_job.jobrunner.housekeeping",
                "odoo.addons.queue_job.jobrunner.scheduling",
            )
        )

    def record(self, module, verb):
        function = getattr(module, verb)

        def recorded(*args, **kwargs):
            self.called.add((module.__name__.rpartition(".")[2], verb))
            return function(*args, **kwargs)

        self.stack.enter_context(patch.object(module, verb, recorded))

    def populate(self):
        """Something to do for every step of the loop."""
        old = "clock_timestamp() AT TIME ZONE 'UTC' - interval '1 hour'"
        ours = self.job()
        jobs = {
            "enqueued by a runner that is gone": "state = 'enqueued', runner = 77,"
            f" attempt = 1, date_enqueued = {old}",
            "dead": f"state = 'started', attempt = 1, run_id = 1, date_started = {old}",
            "ended": "state = 'started', attempt = 1, run_id = 2,"
            f" date_started = {old}",
            "done": f"state = 'done', date_done = {old}, release_due = true",
            "behind": "state = 'wait_dependencies', barrier_id = 1",
            "failed": f"state = 'failed', date_done = {old}",
            "due": f"ready = false, eta = {old}",
            "without a channel": "channel = NULL",
            "in a lost channel": "channel = 'root.lost'",
            "that nobody can ask for": "priority = 0, uuid = 'x y' || chr(10)",
            "pending": "priority = 10",
        }
        ids = {}
        for what, change in jobs.items():
            ids[what] = self.job()
            self.query(f"UPDATE queue_job SET {change} WHERE id = %s", (ids[what],))
        self.query(
            "UPDATE queue_job SET state = 'enqueued', runner = 1, attempt = 1,"
            f" date_enqueued = {old} WHERE id = %s",
            (ours,),
        )
        self.query(
            "INSERT INTO queue_job_end (run_id, job_id, retry) VALUES (2, %s, 1)",
            (ids["ended"],),
        )
        self.query("INSERT INTO queue_job_barrier (id, remaining) VALUES (1, 1)")
        self.query(
            "INSERT INTO queue_job_edge (barrier_id, parent_id, met)"
            " VALUES (1, %s, false)",
            (ids["done"],),
        )
        self.query("INSERT INTO queue_job_stop (job_id) VALUES (%s)", (ids["failed"],))
        self.query(
            "INSERT INTO queue_job_untold (job_id, state) VALUES (%s, 'failed')",
            (ids["failed"],),
        )
        self.query("INSERT INTO queue_job_throttle (channel) VALUES ('root.gone')")
        self.capacity(50)
        return ours

    def turns(self, served, ours):
        """What a runner does within a minute, in some turns of its loop."""
        served.flights.land(
            Request(ours, "u", 1, "root", ""), Outcome(False, reason="refused")
        )
        now = clock() + 100
        for passed in (0, 1, 20, 40, 41, 60):
            self.pass_(served, now + passed)

    def without_a_runner(self):
        """The same passes by who executes jobs in his own transaction."""
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            cnx.autocommit = False
            scheduling.hold_number(cr, 5)
            cnx.rollback()
            scheduling.schedule_once(cr, Config(channels_error="a typo"), 5)
            cnx.rollback()

    def served_first(self):
        served = self.connected()
        self.query("DELETE FROM ir_config_parameter WHERE key = 'queue_job.home'")
        connections.list_names(Config())
        self.refused.clear()
        return served

    def lock(self, table):
        lock = self.other_transaction(f"SELECT 1 FROM {table} FOR UPDATE")
        return lock

    def test_whoever_holds_all_rows_of_a_table_keeps_no_statement_waiting(self):
        missing = verbs() - _BEHIND_A_POOLER
        for table in _TABLES:
            with self.subTest(table=table):
                for name in ("queue_job_edge", *_TABLES[:-1]):
                    self.query(f"DELETE FROM {name}")
                served = self.served_first()
                ours = self.populate()
                with self.lock(table):
                    self.turns(served, ours)
                    self.without_a_runner()
                self.assertEqual(self.refused, [])
                self.assertTrue(served.connected)
                served.leave()
                served.close()
        self.assertEqual(missing - self.called, set(), "all of its verbs were used")

    def test_what_could_not_be_done_is_done_when_he_lets_go(self):
        served = self.served_first()
        ours = self.populate()
        with self.lock("queue_job"):
            before = self.query("SELECT id, state FROM queue_job ORDER BY id")
            self.turns(served, ours)
            self.assertEqual(
                self.query("SELECT id, state FROM queue_job ORDER BY id"), before
            )
        now = clock() + 1000
        for passed in (0, 1, 20):
            self.pass_(served, now + passed)
        counts = dict(self.query("SELECT state, count(*) FROM queue_job GROUP BY 1"))
        self.assertEqual(
            counts, {"done": 2, "enqueued": 7, "failed": 3}, "nothing is left"
        )
