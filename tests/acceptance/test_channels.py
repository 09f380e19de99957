# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The rules of channels hold under load: read from the history of a real run."""

from __future__ import annotations

import unittest
from collections import defaultdict
from itertools import pairwise

from .server import Database, Server, Shell, wait_until

CHANNELS = {
    # name: capacity, sequential, throttle
    "root": (4, False, 0),
    "root.wide": (3, False, 0),
    "root.wide.narrow": (1, False, 0),
    "root.line": (1, True, 0),
    "root.slow": (2, False, 0.2),
    "root.free": (0, False, 0),
}

SET_UP = """
channels = env["queue.job.channel"]
for name, (capacity, sequential, throttle) in {channels!r}.items():
    channel = channels._ensure(name)
    channel.write({{"capacity": capacity, "sequential": sequential,
                   "throttle": throttle, "paused": name == "root"}})
"""

LOAD = """
import random
rng = random.Random(7)
effects = env["test.queue.effect"].with_user(env.ref("base.user_admin"))
for number in range(400):
    channel = rng.choice(["root.wide", "root.wide.narrow", "root.line", "root.free"])
    options = {"channel": channel, "priority": rng.choice([1, 5, 10])}
    if channel != "root.line" and rng.random() < 0.1:
        options["eta"] = rng.uniform(0.5, 3)
    effects.with_delay(**options).sleep(rng.choice([0, 0, 0.01, 0.03]))
for number in range(15):
    effects.with_delay(channel="root.slow").sleep(0)
"""


class TestChannelsUnderLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("channels"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP.format(channels=CHANNELS))
        cls.server = cls.enterClassContext(Server(cls.db, workers=4))
        cls.shell.run(LOAD)
        cls.shell.run(
            'env.ref("queue_job.channel_root").paused = False'  # all wait: now go
        )
        wait_until(
            lambda: not cls.db.states("state <> 'done'"),
            "all jobs are done",
        )
        cls.jobs = cls.db.query(
            "SELECT id, channel, priority, date_created, eta, date_enqueued,"
            " date_started, date_done FROM queue_job ORDER BY date_started, id"
        )

    def of_channel(self, name):
        return [job for job in self.jobs if job[1] == name]

    def test_no_channel_and_no_ancestor_ever_runs_more_than_its_capacity(self):
        moments = defaultdict(list)
        for _id, channel, _p, _c, _eta, _enqueued, started, done in self.jobs:
            parts = channel.split(".")
            for depth in range(len(parts)):
                name = ".".join(parts[: depth + 1])
                # an end at the moment of a start makes room for it
                moments[name] += [(started, 1), (done, -1)]
        for name, (capacity, _sequential, _throttle) in CHANNELS.items():
            running = most = 0
            for _moment, change in sorted(moments[name]):
                running += change
                most = max(most, running)
            with self.subTest(name):
                self.assertGreater(most, 0)
                if capacity:
                    self.assertLessEqual(most, capacity)

    def test_a_channel_with_one_place_keeps_priority_and_order(self):
        jobs = [job for job in self.of_channel("root.wide.narrow") if not job[4]]
        self.assertGreater(len(jobs), 50)
        self.assertEqual(jobs, sorted(jobs, key=lambda job: (job[2], job[3], job[0])))

    def test_a_sequential_channel_runs_strictly_one_by_one_in_order(self):
        jobs = self.of_channel("root.line")
        self.assertGreater(len(jobs), 50)
        self.assertEqual(jobs, sorted(jobs, key=lambda job: (job[2], job[3], job[0])))
        for before, after in pairwise(jobs):
            self.assertLessEqual(before[7], after[6])

    def test_no_job_starts_before_its_eta(self):
        with_eta = [job for job in self.jobs if job[4]]
        self.assertGreater(len(with_eta), 10)
        self.assertFalse([job for job in with_eta if job[6] < job[4]])

    def test_a_throttled_channel_keeps_its_gap(self):
        starts = [job[6] for job in self.of_channel("root.slow")]
        gaps = [(b - a).total_seconds() for a, b in pairwise(starts)]
        self.assertEqual(len(gaps), 14)
        self.assertGreaterEqual(min(gaps), 0.2)

    def test_a_better_job_of_a_sibling_waits_for_a_time_slice_at_most(self):
        effects = 'env["test.queue.effect"].with_user(env.ref("base.user_admin"))'
        self.shell.run(
            f"for i in range(600): {effects}.with_delay(channel='root.wide')"
            ".sleep(0.02)\n"
            f"for i in range(600): {effects}.with_delay(channel='root.free')"
            ".sleep(0.02)"
        )
        wait_until(
            lambda: self.db.states().get("started", 0) >= 4, "all places are taken"
        )
        uuid = self.shell.enqueue("sleep(0)", "channel='root.line', priority=0")
        wait_until(lambda: self.done(uuid), "the better job is done")
        waited = self.db.value(
            "SELECT extract(epoch FROM date_started - date_created)::float8"
            " FROM queue_job WHERE uuid = %s",
            (uuid,),
        )
        self.assertGreater(self.db.states()["pending"], 100)
        self.assertLess(waited, 1.0 + 0.5)
        self.db.query(
            "UPDATE queue_job SET state = 'cancelled' WHERE state = 'pending'"
        )

    def done(self, uuid):
        return self.db.query(
            "SELECT 1 FROM queue_job WHERE uuid = %s AND state = 'done'", (uuid,)
        )
