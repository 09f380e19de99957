# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A sequential channel keeps its order, whatever its jobs do."""

from __future__ import annotations

import unittest

from .server import Database, Server, Shell, wait_until

SET_UP = """
channels = env["queue.job.channel"]
for name in ("root.line", "root.line.a", "root.line.b"):
    channels._ensure(name)
channels._ensure("root.line").write({"capacity": 1, "sequential": True})
env.ref("queue_job.channel_root").write({"capacity": 4, "paused": True})
"""
LOAD = """
effects = env["test.queue.effect"].with_user(env.ref("base.user_admin"))
effects.with_delay(channel="root.line.a").retry_until(2)
for number in range(6):
    channel = f"root.line.{'ab'[number % 2]}"
    effects.with_delay(channel=channel).leave(f"line {number}")
"""


class TestSequentialChannel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("sequential"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP)
        cls.enterClassContext(Server(cls.db, workers=2))
        cls.shell.run(LOAD)
        cls.shell.run('env.ref("queue_job.channel_root").paused = False')
        wait_until(lambda: not cls.db.states("state <> 'done'"), "all jobs are done")
        cls.jobs = cls.db.query(
            "SELECT id, method_name, date_started, date_done FROM queue_job"
            " ORDER BY date_started"
        )

    def test_a_job_that_is_retried_holds_up_those_behind_it(self):
        self.assertEqual(self.jobs[0][1], "retry_until")
        self.assertEqual({job[1] for job in self.jobs[1:]}, {"leave"})

    def test_the_channels_below_it_share_one_order(self):
        ids = [job[0] for job in self.jobs]
        self.assertEqual(ids, sorted(ids))

    def test_one_runs_after_the_other(self):
        for before, after in zip(self.jobs, self.jobs[1:], strict=False):
            self.assertLessEqual(before[3], after[2])
