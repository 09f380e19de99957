# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs beyond the limits of Odoo's server, and jobs while it is stopped."""

from __future__ import annotations

import time
import unittest

from .server import Database, Server, Shell, wait_until

# A worker's time counts from some seconds before its request.
_LIMITS = {
    "limit_time_cpu": "2",
    "limit_time_real": "10",
    "limit_memory_hard": str(3 * 2**30),
}


class TestLimits(unittest.TestCase):
    """Without rescues, a job whose worker was killed for a limit would stay started;
    without counting them, it would kill one worker after the other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("limits"))
        with Shell(cls.db) as shell:
            shell.run(
                'env.ref("queue_job.channel_root").capacity = 3\n'
                'env["ir.config_parameter"].set_param("queue_job.max_deaths", "1")'
            )
            cls.of_time = shell.enqueue("sleep(60)")
            cls.of_cpu = shell.enqueue("compute(60)")
            cls.of_memory = shell.enqueue("allocate(2**36)", "max_retries=1")
            with Server(cls.db, workers=4, config={"options": _LIMITS}) as cls.server:
                for uuid in (cls.of_time, cls.of_cpu, cls.of_memory):
                    cls.wait_until_failed(uuid)
                for number in range(6):
                    shell.enqueue(f"leave_slowly('slow', {number}, seconds=2)")
                wait_until(
                    lambda: cls.db.states().get("started") == 3,
                    "three jobs run",
                    server=cls.server,
                )
                began = time.monotonic()
                cls.server.stop()
                cls.stopped_after = time.monotonic() - began
                cls.log = cls.server.log()

    @classmethod
    def wait_until_failed(cls, uuid):
        wait_until(
            lambda: cls.job(uuid, "state") == "failed",
            f"job {uuid} fails",
            server=cls.server,
        )

    @classmethod
    def job(cls, uuid, field):
        return cls.db.value(f"SELECT {field} FROM queue_job WHERE uuid = %s", (uuid,))

    def test_jobs_beyond_the_limits_of_time_fail_with_their_workers_death(self):
        for uuid in (self.of_time, self.of_cpu):
            self.assertEqual(self.job(uuid, "exc_name"), "WorkerDied")
            self.assertIn("over a limit", self.job(uuid, "exc_message"))
            self.assertEqual(self.job(uuid, "deaths"), 1)
        pid = self.job(self.of_time, "worker_pid")
        self.assertIn(f"WorkerHTTP ({pid}) timeout after 10s", self.log)
        pid = self.job(self.of_cpu, "worker_pid")
        self.assertIn(f"Worker ({pid}) CPU time limit (2) reached", self.log)

    def test_a_job_beyond_the_limit_of_memory_fails_with_that_reason(self):
        self.assertEqual(self.job(self.of_memory, "exc_name"), "MemoryError")

    def test_when_the_server_is_stopped_running_jobs_finish_and_others_stay(self):
        """Given up, they would be run anew; taken on, the server would not end."""
        rows = self.db.query(
            "SELECT state, deaths, retry FROM queue_job WHERE method_name ="
            " 'leave_slowly' ORDER BY id"
        )
        self.assertEqual(rows, [("done", 0, 1)] * 3 + [("pending", 0, 0)] * 3)
        effects = self.db.value(
            "SELECT count(*) FROM test_queue_effect WHERE name = 'slow'"
        )
        self.assertEqual(effects, 3)
        self.assertLess(self.stopped_after, 15)


class TestThreads(unittest.TestCase):
    """Without a look at its own connection, a job that tells its progress and does
    nothing else with the database would keep the server from its end."""

    def test_a_job_that_tells_its_progress_does_not_keep_the_server(self):
        db = self.enterContext(Database("limits_threads"))
        server = self.enterContext(Server(db))
        with Shell(db) as shell:
            shell.enqueue("progress(6000, seconds=0.1)")
        wait_until(
            lambda: db.query("SELECT 1 FROM queue_job_progress"),
            "the job tells its progress",
            server=server,
        )
        began = time.monotonic()
        server.stop(60)
        self.assertLess(time.monotonic() - began, 30)
        self.assertLessEqual(db.states().keys(), {"pending", "started"})
