# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PgBouncer in transaction mode between Odoo and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack

from .chaos import CAPACITY, SET_UP, ChaosCase, Watch, enqueue_work, kill, size
from .server import Database, Server, Shell, wait_until
from .services import Bouncer

NUMBER = size(120, 1000)
#: what the sessions of leases and runners set for themselves
PLANS = "enable_seqscan enable_bitmapscan enable_sort jit plan_cache_mode".split()
LIMITS = "statement_timeout lock_timeout idle_in_transaction_session_timeout".split()


class TestPooler(ChaosCase):
    """Each transaction may meet another session there, so nothing that a session
    remembers can be relied on, or left behind for those who come next: locks that
    outlive a transaction would be somebody else's, prepared statements unknown,
    settings would change the plans of all of Odoo."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("pooler"))
        cls.bouncer = cls.enterClassContext(Bouncer())
        cls.shell = cls.enterClassContext(Shell(cls.db, *cls.bouncer.arguments))
        cls.shell.run(SET_UP)
        config = {"options": cls.bouncer.options}
        cls.server = cls.enterClassContext(Server(cls.db, workers=4, config=config))

    def test_jobs_run_once_with_their_workers_killed(self):
        enqueue_work(self.shell, NUMBER, 0.1)
        self.shell.run(
            "from odoo.addons.queue_job.delay import chain, group\n"
            "effects = env['test.queue.effect'].with_user(env.ref('base.user_admin'))\n"
            "def leave(n): return effects.delayable().leave('in graph', number=n)\n"
            "chain(group(*map(leave, range(9))), group(*map(leave, range(9, 18))))"
            ".delay()\n"
            "effects.with_delay(eta=2).leave('later')"
        )
        with Watch(self.db.connect) as watch:
            for _turn in range(size(3, 20)):
                goal = self.done() + 10
                wait_until(lambda goal=goal: self.done() >= goal, "jobs go on")
                kill(self.rng.choice(wait_until(self.running_workers, "a job runs")))
            self.wait_until_done(self.work_left() + 30, self.server)
        self.check_each_effect_is_there_once(NUMBER)
        self.check_no_job_ran_beside_itself()
        self.assertLessEqual(watch.most_of_all, CAPACITY)
        self.assertGreater(self.value("SELECT sum(deaths) FROM queue_job"), 0)
        full = self.check_capacity_is_full_again(self.shell, self.server)
        self.report(longest_orphan=round(watch.longest, 2), all_places_after=full)

    def test_nothing_is_left_in_the_sessions_of_others(self):
        for index in range(8):  # with all the workers' connections
            self.shell.enqueue(f"leave('trace', number={index})")
        self.wait_until_done(server=self.server)
        with ExitStack() as stack:
            # Transactions side by side: each has a session of its own.
            for _session in range(20):
                cnx = stack.enter_context(self.bouncer.connect(self.db.name))
                self.assertEqual(self.left_behind(cnx.cursor()), [])

    def left_behind(self, cr) -> list:
        cr.execute(
            "SELECT name, setting FROM pg_settings"
            " WHERE name = ANY(%s) AND setting <> reset_val",
            (PLANS + LIMITS,),
        )
        found = cr.fetchall()
        cr.execute("SELECT name FROM pg_prepared_statements")
        found += cr.fetchall()
        cr.execute(
            "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory'"
            " AND pid = pg_backend_pid()"
        )
        return found + cr.fetchall()

    def test_limits_of_the_database_end_no_job_that_idles_on_purpose(self):
        """Be it the first job of a connection or a further one."""
        for name in ("idle_in_transaction_session_timeout", "idle_session_timeout"):
            self.db.query(f"ALTER DATABASE {self.db.name} SET {name} = '1s'")
            self.addCleanup(
                self.db.query, f"ALTER DATABASE {self.db.name} RESET {name}"
            )
        self.db.query(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        shell = self.enterContext(Shell(self.db, *self.bouncer.arguments))
        for index in range(6):
            shell.enqueue(f"leave_slowly('idle', number={index}, seconds=3)")
        where = "method_name = 'leave_slowly'"
        wait_until(
            lambda: self.db.states(where) == {"done": 6},
            "all are done",
            server=self.server,
        )
        self.assertEqual(self.count(f"{where} AND (deaths > 0 OR retry > 1)"), 0)
        self.assertEqual(
            self.value("SELECT count(*) FROM test_queue_effect WHERE name = 'idle'"), 6
        )

    def test_a_running_job_is_stopped(self):
        uuid = self.shell.enqueue("query_long(60)")
        state = "SELECT state FROM queue_job WHERE uuid = %s"
        wait_until(lambda: self.value(state, (uuid,)) == "started", "the job runs")
        self.shell.run(
            f'env["queue.job"].search([("uuid", "=", "{uuid}")]).button_cancelled()'
        )
        wait_until(
            lambda: self.value(state, (uuid,)) == "cancelled",
            "the job is stopped",
            seconds=20,
            server=self.server,
        )
        self.db.query("DELETE FROM queue_job WHERE uuid = %s", (uuid,))
