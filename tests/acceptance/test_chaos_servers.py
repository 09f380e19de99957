# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Three servers on one database: any one of them may be killed."""

from __future__ import annotations

import os
from contextlib import suppress

from .chaos import (
    CAPACITY,
    SET_UP,
    ChaosCase,
    Watch,
    enqueue_work,
    size,
    start_together,
)
from .server import Database, Server, Shell, wait_until

#: jobs, seconds of each, kills
NUMBER = size(240, 1500)
SECONDS = 0.2
KILLS = size(2, 6)
#: seconds without the end of a job at most
PAUSE = 2


class TestServers(ChaosCase):
    """Counted by each server for itself, three of them would run three times the
    capacity; with a leader, its death would stop the others until they notice. With
    long terms of patience, the places of those that died would stay taken."""

    def test_three_servers_share_a_queue_though_any_of_them_is_killed(self):
        self.db = self.enterContext(Database("three"))
        shell = self.enterContext(Shell(self.db))
        shell.run(SET_UP)
        # In a channel of a smaller capacity, beside the others.
        effects = range(NUMBER, NUMBER + NUMBER // 4)
        shell.run(
            'env["queue.job.channel"]._ensure("root.narrow").capacity = 1\n'
            'env.ref("queue_job.channel_root").paused = True'
        )
        enqueue_work(shell, NUMBER, SECONDS)
        enqueue_work(
            shell, effects.stop, 0.05, "channel='root.narrow'", first=effects.start
        )
        self.servers = [Server(self.db, workers=2) for _index in range(3)]
        start_together(self, self.servers)
        shell.run('env.ref("queue_job.channel_root").paused = False')
        with Watch(self.db.connect) as watch:
            last = self.kill_some()
            survivor = next(each for each in self.servers if each is not last)
            self.wait_until_done(2 * self.work_left() + 30, survivor)
        self.check(watch, effects.stop)

    def kill_some(self) -> Server:
        """Kill one after the other while it runs jobs; each comes back, but the last.

        :return: the last one
        """
        for turn in range(KILLS):
            goal = self.done() + NUMBER // (KILLS + 2)
            wait_until(lambda goal=goal: self.done() >= goal, "jobs run")
            victim = self.rng.choice(wait_until(self.busy_servers, "jobs run"))
            victim.kill()
            if turn < KILLS - 1:
                victim.start()
        return victim

    def busy_servers(self) -> list[Server]:
        groups = set()
        for pid in self.running_workers():
            with suppress(ProcessLookupError):
                groups.add(os.getpgid(pid))
        return [
            each for each in self.servers if each.process and each.process.pid in groups
        ]

    def check(self, watch, number):
        self.check_each_effect_is_there_once(number)
        self.check_no_job_ran_beside_itself()
        self.assertGreater(self.value("SELECT sum(deaths) FROM queue_job"), 0)
        pause = self.longest_pause()
        self.report(
            jobs=number,
            kills=KILLS,
            longest_pause=pause,
            longest_orphan=round(watch.longest, 2),
            most_seen=watch.most_of_all,
            most_in_history=self.most_at_once(),
        )
        self.assertLessEqual(watch.most_of_all, CAPACITY)
        self.assertLessEqual(self.most_at_once(), CAPACITY)
        self.assertLessEqual(self.most_at_once("root.narrow"), 1)
        self.assertLessEqual(watch.most["root.narrow"], 1)
        self.assertLess(pause, PAUSE)
