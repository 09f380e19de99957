# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""``odoo-bin queue_job`` as a process of its own, with and without a server."""

import json
import os
import signal
import subprocess
import unittest

from ..unit.prometheus import parse
from .server import CONF, ODOO_BIN, PATIENCE, PYTHON, Database, Server, wait_until


class CliCase(unittest.TestCase):
    def setUp(self):
        self.database = self.enterContext(Database("cli"))

    def arguments(self, *args):
        options = ["-c", CONF, "-d", self.database.name]
        return [PYTHON, ODOO_BIN, "queue_job", *args, *options]

    def command(self, *args, code=0):
        """Run a sub-command; return what it printed."""
        done = subprocess.run(
            self.arguments(*args),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.error = done.stderr
        return done.stdout

    def result(self, *args, code=0):
        return json.loads(self.command(*args, "--json", code=code))

    def effects(self):
        rows = self.database.query("SELECT name FROM test_queue_effect ORDER BY id")
        return [name for (name,) in rows]


class TestRun(CliCase):
    def test_jobs_are_executed_until_none_is_left_that_may_run(self):
        self.database.shell(
            "from odoo.addons.queue_job.delay import chain\n"
            "effects = env['test.queue.effect']\n"
            "chain(*(effects.delayable().leave(str(i)) for i in range(3))).delay()\n"
            "effects.with_delay(eta=3600).leave('later')\n"
            "effects.with_delay(channel='root.test_three').leave_in_three('paused')"
        )
        self.command("pause", "test_three")
        found = self.result("run")
        self.assertEqual((found["executed"], found["done"]), (3, 3))
        self.assertEqual(self.effects(), ["0", "1", "2"])
        states = self.database.states()
        self.assertEqual(states, {"done": 3, "pending": 2})
        self.command("resume", "test_three")
        self.assertIn("1 jobs executed: 1 done", self.command("run"))
        self.assertEqual(
            self.database.value("SELECT count(*) FROM queue_job_runner"), 0
        )

    def test_a_job_that_failed_is_told_by_the_exit_code(self):
        self.database.shell(
            "env['test.queue.effect'].with_delay().fail()\n"
            "env['test.queue.effect'].with_delay().leave('x')\n"
            "env['test.queue.effect'].with_delay().leave('gone')\n"
            "env['queue.job'].flush_model()\n"
            "env.cr.execute(\"UPDATE queue_job SET method_name = 'gone'"
            ' WHERE id = (SELECT max(id) FROM queue_job)")'
        )
        found = self.result("run", code=1)
        self.assertEqual((found["executed"], found["failed"]), (3, 2))
        self.assertEqual(self.effects(), ["x"])
        found = self.result("requeue", "--method", "test.queue.effect.fail")
        self.assertEqual((found["found"], found["requeued"]), (1, 1))
        found = self.result("cancel", "--channel", "root")
        self.assertEqual(found["cancelled"], 1)
        self.assertEqual(
            self.database.states(), {"cancelled": 1, "done": 1, "failed": 1}
        )

    def test_tries_whose_time_comes_soon_are_waited_for_if_asked_for(self):
        self.database.shell("env['test.queue.effect'].with_delay().retry_until(2)")
        found = self.result("run")
        self.assertEqual((found["retry"], found["done"]), (1, 0))
        self.assertEqual(self.result("run", "--wait", "3")["done"], 1)
        self.assertEqual(self.effects(), ["try undone 2", "retried 2"])

    def test_what_a_dead_process_left_is_put_in_order(self):
        self.database.shell("env['test.queue.effect'].with_delay().leave('rescued')")
        self.database.query(
            "UPDATE queue_job SET state = 'started', attempt = 1,"
            " date_started = (now() AT TIME ZONE 'UTC') - interval '1 minute'"
        )
        # it takes two looks to know that nobody executes the job
        self.assertEqual(self.result("run", "--wait", "5")["done"], 1)
        self.assertEqual(self.database.states(), {"done": 1})
        self.assertEqual(self.effects(), ["rescued"])

    def test_ctrl_c_ends_it_after_the_job_under_way(self):
        self.database.shell(
            "for i in range(3): env['test.queue.effect'].with_delay().sleep(2)"
        )
        process = subprocess.Popen(
            self.arguments("run", "--json"), stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        wait_until(lambda: self.database.states().get("started"), "a job is started")
        os.kill(process.pid, signal.SIGINT)
        output = process.communicate(timeout=PATIENCE)[0]
        self.assertEqual(json.loads(output)["done"], 1)
        self.assertEqual(self.database.states(), {"done": 1, "pending": 2})


#: a command in a process, and how many registries were made in it
PROBE = """
import sys
from odoo.cli.command import find_command
from odoo.modules.registry import Registry
try:
    find_command("queue_job")().run(sys.argv[1:])
finally:
    sys.stderr.write(f"registries: {len(Registry.registries)}")
"""


class TestReading(CliCase):
    def test_what_sql_can_tell_makes_no_registry(self):
        self.database.shell("env['test.queue.effect'].with_delay().leave('x')")
        uuid = self.database.value("SELECT uuid FROM queue_job")
        for command, registries in (
            (["status"], 0),
            (["channels"], 0),
            (["list"], 0),
            (["show", uuid], 0),
            # ... and these do: what the code has, and what add-ons have overridden
            (["check"], 1),
            (["done", "--uuid", uuid], 1),
        ):
            with self.subTest(command):
                options = ["-c", CONF, "-d", self.database.name]
                done = subprocess.run(
                    [PYTHON, "-c", PROBE, *command, *options],
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                )
                self.assertIn(f"registries: {registries}", done.stderr)
                self.assertTrue(done.stdout, done.stderr)

    def test_jobs_are_listed_and_shown_without_a_registry(self):
        self.database.shell(
            "env['test.queue.effect'].with_delay(description='One').leave('x')"
        )
        (job,) = self.result("list", "--channel", "root", "--state", "pending")["jobs"]
        self.assertEqual(job["method"], "test.queue.effect.leave")
        text = self.command("show", job["uuid"], "--verbose")
        self.assertIn("name: One", text)
        self.assertNotIn("Registry loaded", self.error)
        # ... which is said where one is
        self.command("check", "--verbose", code=1)
        self.assertIn("Registry loaded", self.error)
        self.command("show", "nothing", code=2)
        self.assertIn("There is no job nothing", self.error)
        self.command("list", "--state", "failed", code=1)


class TestOthers(CliCase):
    def test_what_cannot_be_done_is_refused_with_the_reason(self):
        self.command("pause", "nowhere", code=2)
        self.assertIn("There is no channel root.nowhere", self.error)
        self.command("bench", "5", "--channel", "root.nowhere", code=2)
        self.assertIn("There is no channel root.nowhere", self.error)

    def test_a_database_that_is_not_there_is_refused(self):
        self.database.name += "_gone"
        self.command("status", code=2)
        self.assertIn("does not exist", self.error)

    def test_nothing_runs_while_modules_are_installed(self):
        self.database.query(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'queue_job'"
        )
        self.command("run", code=2)
        self.assertIn("installed", self.error)

    def test_a_benchmark_measures_and_leaves_nothing(self):
        found = self.result("bench", "30", "--here")
        self.assertEqual((found["jobs"], found["done"]), (30, 30))
        self.assertEqual(found["executed_by"], "here")
        self.assertGreater(found["execute_per_second"], 0)
        self.assertEqual(self.database.states(), {})


class TestBesideAServer(CliCase):
    def test_a_server_is_seen_steered_and_measured(self):
        with Server(self.database):
            status = wait_until(
                lambda: self.command_result("status"), "the runner is seen"
            )
            self.assertEqual(status["executed_by"], "runner")
            self.assertEqual(status["problems"], [])
            found = self.result("bench", "50")
            self.assertEqual((found["done"], found["executed_by"]), (50, "runner"))
            self.command("pause", "root")
            self.database.shell("env['test.queue.effect'].with_delay().leave('x')")
            status = self.result("status", code=1)
            self.assertEqual(status["executed_by"], "nobody")
            self.assertEqual(status["channels"][0]["pending"], 1)
            self.command("resume", "root")
            wait_until(lambda: self.effects() == ["x"], "the job is executed")

    def test_a_server_adds_up_what_ended_and_tells_monitors(self):
        self.database.query(
            "INSERT INTO ir_config_parameter (key, value)"
            " VALUES ('queue_job.metrics_token', 'open sesame')"
        )
        self.database.shell(
            "for i in range(20): env['test.queue.effect'].with_delay().leave(str(i))\n"
            "env['test.queue.effect'].with_delay().fail()"
        )
        with Server(self.database) as server:
            wait_until(
                lambda: self.database.states() == {"done": 20, "failed": 1},
                "all jobs are executed",
            )
            query = "SELECT sum(done), sum(failed) FROM queue_job_stat WHERE grain = %s"
            for grain in ("minute", "hour", "total"):
                wait_until(
                    lambda grain=grain: (
                        self.database.query(query, [grain]) == [(20, 1)]
                    ),
                    "the runner has added up what ended",
                )
            headers = {
                "Authorization": "Bearer open sesame",
                "X-Odoo-Database": self.database.name,
            }
            response = server.get("/queue_job/metrics", headers)
            metrics = parse(response.read().decode())
            label = (("channel", "root"), ("outcome", "done"))
            ended = metrics["queue_job_ended_total"][2]
            self.assertEqual(ended["queue_job_ended_total", label], 20)
            passes = metrics["queue_job_runner_passes_total"][2]
            self.assertGreater(min(passes.values()), 0)
            response = server.get("/queue_job/health", headers)
            self.assertEqual(response.status, 200, response.read())
            del headers["Authorization"]
            self.assertEqual(server.get("/queue_job/health", headers).status, 401)

    def command_result(self, *args):
        """The result, once all is well."""
        done = subprocess.run(
            self.arguments(*args, "--json"),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None
