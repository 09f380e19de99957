# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""An add-on that overrides the queue's methods sees each event of a real server."""

from __future__ import annotations

import os
import re
import signal
import unittest

from .server import Database, Server, Shell, wait_until

ADDON = "test_queue_job_listener"


class TestListener(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("listener"))
        cls.db.load("-i", ADDON)

    def seen(self, uuid) -> list[str]:
        rows = self.db.query(
            "SELECT kind || ' ' || coalesce(detail, '') FROM test_queue_event"
            " WHERE uuid = %s ORDER BY id",
            (uuid,),
        )
        return [row[0] for row in rows]

    def changes(self, uuid) -> list[str]:
        events = self.seen(uuid)
        return [each for each in events if each.startswith(("create", "write"))]

    def steps(self, uuid) -> list[str]:
        events = self.seen(uuid)
        return [each for each in events if not each.startswith(("create", "write"))]

    def wait_until_in(self, uuid, state):
        wait_until(
            lambda: self.db.query(
                "SELECT 1 FROM queue_job WHERE uuid = %s AND state = %s", (uuid, state)
            ),
            f"the job is {state}",
            server=self.server,
        )

    def test_the_add_on_s_own_tests_pass(self):
        log = self.db.load("--test-enable", f"--test-tags=/{ADDON}", "-u", ADDON)
        found = re.search(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests", log)
        self.assertTrue(found, log[-3000:])
        failed, errors, ran = map(int, found.groups())
        self.assertEqual((failed, errors), (0, 0), log[-9000:])
        self.assertGreater(ran, 8)

    def test_every_event_on_a_server_is_seen(self):
        with Shell(self.db) as self.shell, Server(self.db, workers=2) as self.server:
            self.see_jobs_done()
            self.see_dependants()
            self.see_a_failure()
            self.see_a_retry()
            self.see_a_death()
            self.see_a_stop_by_death()

    def see_jobs_done(self):
        uuids = [self.shell.enqueue("leave('x')") for _index in range(5)]
        for uuid in uuids:
            self.wait_until_in(uuid, "done")
            wait_until(lambda uuid=uuid: len(self.seen(uuid)) == 7, "all is noted")
            self.assertEqual(
                self.changes(uuid), ["create pending", "write started", "write done"]
            )
            self.assertEqual(
                self.steps(uuid),
                ["acquire started", "run started", "perform True", "dependents done"],
            )

    def see_dependants(self):
        output = self.shell.run(
            "from odoo.addons.queue_job.delay import chain\n"
            'effects = env["test.queue.effect"]\n'
            "calls = [effects.delayable().leave(name) for name in 'ab']\n"
            "chain(*calls).delay()\n"
            "print(*(call._generated_job.uuid for call in calls))"
        )
        first, second = output.split()
        self.wait_until_in(second, "done")
        self.assertEqual(
            self.changes(first), ["create pending", "write started", "write done"]
        )
        self.assertEqual(
            self.changes(second),
            [
                "create wait_dependencies",
                "write pending",
                "write started",
                "write done",
            ],
        )

    def see_a_failure(self):
        uuid = self.shell.enqueue("fail('because')")
        self.wait_until_in(uuid, "failed")
        self.assertEqual(
            self.changes(uuid), ["create pending", "write started", "write failed"]
        )
        steps = self.steps(uuid)
        self.assertIn("failure UserError", steps)
        self.assertIn("message failed", steps)
        message = self.db.value(
            "SELECT exc_message FROM queue_job WHERE uuid = %s", (uuid,)
        )
        self.assertEqual(message, "heard: because")

    def see_a_retry(self):
        uuid = self.shell.enqueue("retry_until(2)")
        self.wait_until_in(uuid, "done")
        self.assertEqual(
            self.changes(uuid),
            [
                "create pending",
                "write started",
                "write pending",
                "write started",
                "write done",
            ],
        )

    def see_a_death(self):
        """A runner fails the job, which cannot call anybody's methods."""
        uuid = self.shell.enqueue("die()")
        self.wait_until_in(uuid, "failed")
        wait_until(
            lambda: "message failed" in self.seen(uuid),
            "the failure is told",
            server=self.server,
        )
        self.assertEqual(self.changes(uuid)[-1], "write failed")
        self.assertEqual(self.changes(uuid).count("write failed"), 1)
        self.assertEqual(self.seen(uuid).count("message failed"), 1)

    def see_a_stop_by_death(self):
        uuid = self.shell.enqueue("sleep(60)")
        self.wait_until_in(uuid, "started")
        ((pid,),) = self.db.query(
            "WITH asked AS (INSERT INTO queue_job_stop (job_id, reason)"
            " SELECT id, 'enough' FROM queue_job WHERE uuid = %s)"
            " SELECT worker_pid FROM queue_job WHERE uuid = %s",
            (uuid, uuid),
        )
        os.kill(pid, signal.SIGKILL)
        self.wait_until_in(uuid, "cancelled")
        wait_until(
            lambda: "write cancelled" in self.seen(uuid),
            "the end is told",
            server=self.server,
        )
        self.assertEqual(self.changes(uuid).count("write cancelled"), 1)
