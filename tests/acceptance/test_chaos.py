# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Never lost, never twice: whatever dies, in whatever moment (short forms)."""

from __future__ import annotations

import os
import random
import signal
import time
import unittest
from contextlib import suppress

import psutil

from .server import Database, Server, Shell, wait_until
from .services import Bouncer, Cluster

SEED = 20
#: seconds beyond what the remaining work needs in which the queue is drained
SLACK = 15

EFFECTS = 'env["test.queue.effect"].with_user(env.ref("base.user_admin"))'
SET_UP = """
env.ref("queue_job.channel_root").capacity = 4
env["ir.config_parameter"].set_param("queue_job.max_deaths", "0")
"""


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class ChaosCase(unittest.TestCase):
    name: str

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database(cls.name))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP)

    def wait_until_done(self, seconds=90, server=None):
        wait_until(
            lambda: set(self.db.states()) == {"done"},
            "all jobs are done",
            seconds=seconds,
            server=server,
        )

    def check_each_effect_is_there_once(self, number):
        rows = self.db.query(
            "SELECT number, count(*) FROM test_queue_effect WHERE name = 'once'"
            " GROUP BY number"
        )
        self.assertEqual(dict(rows), dict.fromkeys(range(number), 1))


class TestKills(ChaosCase):
    """Without the lock of a running job, a killed one would stay started for ever (or
    be run a second time beside itself by a clock)."""

    name = "kills"

    def test_every_effect_is_there_once_though_workers_and_server_are_killed(self):
        number, rng = 150, random.Random(SEED)
        self.shell.run(
            f"for i in range({number}): {EFFECTS}.with_delay().leave_slowly('once',"
            " number=i, seconds=0.2)"
        )
        server = self.enterContext(Server(self.db, workers=4))
        for turn in range(6):
            done = self.db.states().get("done", 0)
            wait_until(
                lambda done=done: self.db.states().get("done", 0) >= done + 8,
                "jobs go on after a kill",
                server=server,
            )
            if turn % 3 == 2:
                server.kill()
                server.start()
            else:
                kill(rng.choice(self.workers()))
        left = number - self.db.states().get("done", 0)
        self.wait_until_done(left * 0.2 / 4 + SLACK + 10, server)
        self.check_each_effect_is_there_once(number)
        deaths = self.db.value("SELECT count(*) FROM queue_job WHERE deaths > 0")
        self.assertGreater(deaths, 0, "the kills hit running jobs")

    def workers(self):
        rows = self.db.query("SELECT worker_pid FROM queue_job WHERE state = 'started'")
        return [row[0] for row in rows] or [os.getpid() + 10**6]


class TestServers(ChaosCase):
    """Without passes under a lock, or counted per server, three servers would run
    three times the capacity; with a leader, its death would stop the others."""

    name = "servers"

    def test_three_servers_share_a_queue_and_one_may_die(self):
        number = 240
        servers = [self.enterContext(Server(self.db, workers=2)) for _index in range(3)]
        self.shell.run(
            f"for i in range({number}): {EFFECTS}.with_delay().leave_slowly('once',"
            " number=i, seconds=0.1)"
        )
        most = 0
        killed = False
        while set(self.db.states()) != {"done"}:
            states = self.db.states()
            running = states.get("enqueued", 0) + states.get("started", 0)
            most = max(most, running)
            if not killed and states.get("done", 0) > number / 4:
                servers[0].kill()
                killed = True
            time.sleep(0.01)
        self.assertTrue(killed)
        self.assertLessEqual(most, 4)
        self.check_each_effect_is_there_once(number)
        pauses = self.db.query(
            "SELECT extract(epoch FROM date_done - lag(date_done) OVER"
            " (ORDER BY date_done))::float8 FROM queue_job"
        )
        self.assertLess(max(row[0] for row in pauses if row[0] is not None), 2 + 1)


class TestGraphs(ChaosCase):
    name = "graphs"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.db, workers=4))

    def test_no_job_of_a_large_graph_fails_on_its_own_row(self):
        """Without barriers outside of the rows, jobs that count down the same one
        would not serialize with each other and be tried again."""
        self.shell.run(
            "from odoo.addons.queue_job.delay import chain, group\n"
            f"def calls(n, m): return [{EFFECTS}.delayable()"
            ".leave('once', number=i) for i in range(n, m)]\n"
            "chain(group(*calls(0, 250)), *calls(250, 251), group(*calls(251, 501)))"
            ".delay()"
        )
        self.wait_until_done(server=self.server)
        self.check_each_effect_is_there_once(501)
        self.assertEqual(self.db.query("SELECT * FROM queue_job_try"), [])
        late = self.db.value(
            "SELECT count(*) FROM queue_job child JOIN queue_job_edge edge"
            " ON edge.barrier_id = child.barrier_id JOIN queue_job parent"
            " ON parent.id = edge.parent_id"
            " WHERE child.date_started < parent.date_done"
        )
        self.assertEqual(late, 0)

    def test_a_kill_between_done_and_release_is_made_good(self):
        """Without the repair by the runner, the dependants would wait for ever."""
        self.shell.run(
            f"first = {EFFECTS}.delayable().leave('die before the release')\n"
            f"second = {EFFECTS}.delayable().leave('after all')\n"
            "first.on_done(second).delay()"
        )
        wait_until(
            lambda: self.db.query(
                "SELECT 1 FROM test_queue_effect WHERE name = 'after all'"
            ),
            "the dependant ran",
            seconds=30,
            server=self.server,
        )
        done = self.db.value(
            "SELECT state FROM queue_job WHERE func_string LIKE '%%die before%%'"
        )
        self.assertEqual(done, "done")


class TestMerelyInstalled(ChaosCase):
    """Without the scheduled action nothing would run there (D10)."""

    name = "merely"

    def test_jobs_run_though_the_add_on_is_not_loaded_server_wide(self):
        shell = self.enterContext(Shell(self.db, "--load=base,rpc,web"))
        config = {"options": {"server_wide_modules": "base,rpc,web"}}
        self.enterContext(Server(self.db, workers=2, config=config))
        shell.run(
            f"for i in range(20): {EFFECTS}.with_delay().leave('once', number=i)\n"
            f"for i in range(5): {EFFECTS}.with_delay().leave_in_one('in one')"
        )
        self.wait_until_done(150)
        self.check_each_effect_is_there_once(20)
        self.assertEqual(self.db.query("SELECT * FROM queue_job_runner"), [])


class TestDatabases(ChaosCase):
    """Without looking again and again, a new database would need a restart; without
    a room for each, a broken one would stop them all."""

    name = "bases_one"

    def test_databases_come_and_go_while_the_server_runs(self):
        prefix = self.db.name.removesuffix("_one")
        config = {"options": {"db_name": "", "dbfilter": f"^{prefix}_"}}
        server = self.enterContext(Server(workers=2, config=config))
        second = self.enterContext(Database("bases_two"))
        with Shell(second) as shell:
            shell.enqueue("leave('in the second')")
        wait_until(
            lambda: second.query("SELECT 1 FROM test_queue_effect"),
            "a database that came later is served",
            seconds=60,
            server=server,
        )
        second.query("DROP TABLE queue_job CASCADE")
        for name in ("first", "another"):
            self.shell.enqueue(f"leave({name!r})")
            wait_until(
                lambda name=name: self.db.query(
                    "SELECT 1 FROM test_queue_effect WHERE name = %s", (name,)
                ),
                "the others go on beside a broken database, and one that is gone",
                seconds=30,
                server=server,
            )
            second.drop()
        self.assertIsNone(server.process.poll())
        self.assertTrue(psutil.pid_exists(server.process.pid))


class TestBouncer(ChaosCase):
    """Without locks that end with their transaction, and statements that are sent
    whole where a pooler stands between, a pooler in transaction mode would mix up
    whose lock is whose."""

    name = "bouncer"

    def test_all_works_behind_a_pooler_in_transaction_mode(self):
        bouncer = self.enterContext(Bouncer())
        config = {"options": bouncer.options}
        server = self.enterContext(Server(self.db, workers=4, config=config))
        self.shell.run(
            f"for i in range(100): {EFFECTS}.with_delay().leave('once', number=i)\n"
            f"{EFFECTS}.with_delay(eta=2).leave('once', number=100)"
        )
        self.wait_until_done(server=server)
        self.check_each_effect_is_there_once(101)
        uuid = self.shell.enqueue("sleep(60)")
        wait_until(lambda: self.db.states().get("started"), "a long job runs")
        kill(self.db.value("SELECT worker_pid FROM queue_job WHERE state = 'started'"))
        wait_until(
            lambda: self.db.query(
                "SELECT 1 FROM queue_job WHERE uuid = %s AND deaths = 1", (uuid,)
            ),
            "the killed job is rescued",
            seconds=30,
            server=server,
        )
        self.shell.run(
            'env["queue.job"].search([("state", "!=", "done")]).button_cancelled()'
        )
        wait_until(
            lambda: self.db.states().get("cancelled") == 1,
            "the running job is stopped",
            seconds=20,
            server=server,
        )
        for index in range(4):  # its connections are kept between jobs
            self.shell.enqueue(f"leave('again', number={index})")
            wait_until(
                lambda index=index: self.db.query(
                    "SELECT 1 FROM test_queue_effect WHERE name = 'again'"
                    " AND number = %s",
                    (index,),
                ),
                "single jobs run",
                server=server,
            )


class TestPostgreSQL(unittest.TestCase):
    """Without connecting anew and rescuing what the crash cut off, a restart of the
    database would need a restart of the server.

    Odoo's main process ends by itself when it has to replace a worker while the
    database is away; whoever runs Odoo as a service has it started again."""

    def test_every_effect_is_there_once_though_postgresql_crashes(self):
        number = 80
        cluster = self.enterContext(Cluster())
        options = [f"--{name}={text}" for name, text in cluster.options.items()]
        config = {"options": {**cluster.options, "db_name": cluster.name}}
        server = self.enterContext(Server(workers=4, config=config, supervised=True))
        with Shell(cluster, *options) as shell:
            shell.run(SET_UP)
            shell.run(
                f"for i in range({number}): {EFFECTS}.with_delay().leave_slowly("
                "'once', number=i, seconds=0.2)"
            )
        for _turn in range(2):
            wait_until(
                lambda: self.done(cluster) and self.running(cluster),
                "jobs run after a crash",
                server=server,
            )
            cluster.stop()
            cluster.start()
        wait_until(
            lambda: self.done(cluster) == number,
            "all jobs are done",
            seconds=number * 0.2 / 4 + SLACK + 30,
            server=server,
        )
        rows = cluster.query(
            "SELECT number, count(*) FROM test_queue_effect WHERE name = 'once'"
            " GROUP BY number"
        )
        self.assertEqual(dict(rows), dict.fromkeys(range(number), 1))

    def done(self, cluster):
        return cluster.query("SELECT count(*) FROM queue_job WHERE state = 'done'")[0][
            0
        ]

    def running(self, cluster):
        return cluster.query("SELECT 1 FROM queue_job WHERE state = 'started'")
