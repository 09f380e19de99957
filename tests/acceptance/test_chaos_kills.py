# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Workers, the main process and PostgreSQL are killed while jobs run."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

import psutil

from .chaos import SET_UP, SLACK, ChaosCase, Watch, enqueue_work, kill, size
from .server import Server, Shell, wait_until
from .services import Cluster

#: jobs, seconds of each, and the faults in which order the seed says
NUMBER = size(150, 700)
SECONDS = 0.3
FAULTS = size(
    ["worker"] * 3 + ["main", "postgres"],
    ["worker"] * 15 + ["main"] * 3 + ["postgres"] * 3,
)


class TestKills(ChaosCase):
    """Without the lock of a running job a killed one would stay started for ever;
    with a heartbeat instead, a slow one would be run a second time beside itself.
    Without ``done`` in the body's own transaction an effect could be there twice, or
    be lost. Without looking after requests that ended or lost their runner, places
    would stay taken. Without connecting anew, nothing would go on after PostgreSQL's
    crash."""

    def test_every_effect_is_there_once_whatever_is_killed(self):
        self.ends = []
        self.db = self.enterContext(Cluster())
        options = [f"--{name}={text}" for name, text in self.db.options.items()]
        config = {"options": {**self.db.options, "db_name": self.db.name}}
        with Shell(self.db, *options) as shell:
            shell.run(SET_UP)
            enqueue_work(shell, NUMBER, SECONDS)
        self.server = self.enterContext(
            Server(workers=4, config=config, supervised=True)
        )
        with Watch(self.db.connect) as self.watch:
            slowest = self.wreak_havoc()
            needed = self.work_left()
            self.wait_until_done(needed + SLACK, self.server)
        self.check_each_effect_is_there_once(NUMBER)
        self.check_no_job_ran_beside_itself()
        deaths = self.value("SELECT sum(deaths) FROM queue_job")
        self.assertGreater(deaths, 0, "the kills hit running jobs")
        self.assertLess(self.watch.longest, SLACK)
        self.assertLessEqual(self.watch.most["root"], 4)
        self.assertLessEqual(self.most_at_once(), 4)
        with Shell(self.db, *options) as shell:
            full = self.check_capacity_is_full_again(shell, self.server)
        self.report(
            jobs=NUMBER,
            faults=len(FAULTS),
            deaths=deaths,
            slowest_resumption=round(slowest, 2),
            longest_orphan=round(self.watch.longest, 2),
            all_places_after=full,
            workers_end_after=self.ends,
        )

    def wreak_havoc(self) -> float:
        """Do one fault after the other; return the longest time to work again."""
        slowest = 0.0
        for fault in self.rng.sample(FAULTS, len(FAULTS)):
            slowest = max(slowest, self.wait_for_work())
            getattr(self, f"kill_{fault}")()
        return max(slowest, self.wait_for_work())

    def wait_for_work(self) -> float:
        """Wait until several more jobs are done; return how long that took."""
        began, goal = time.monotonic(), min(self.done() + 8, NUMBER)
        wait_until(
            lambda: self.done() >= goal,
            "jobs are done after a fault",
            seconds=SLACK + 8 * SECONDS,
            server=self.server,
        )
        return time.monotonic() - began

    def kill_worker(self):
        pids = wait_until(
            lambda: self.running_workers() or not self.count("state <> 'done'"),
            "a worker executes a job",
            server=self.server,
        )
        if pids is not True:
            kill(self.rng.choice(pids))

    def kill_main(self):
        """Its workers are left alone, and have to end by themselves."""
        process = self.server.let_go()
        group = process.pid
        with self.watch.paused():
            began = time.monotonic()
            kill(group)
            process.wait(10)
            wait_until(self.port_is_free, "the workers end", seconds=SLACK)
            self.ends.append(round(time.monotonic() - began, 1))
            for pid in _group(group):  # Odoo's cron worker looks every minute
                kill(pid)
            self.server.start()

    def port_is_free(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.server.port)) != 0

    def kill_postgres(self):
        with self.watch.paused():
            self.db.stop()
            self.db.start()


def _group(number: int) -> list[int]:
    """The processes that live in the process group."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == number and process.status() != "zombie":
                found.append(process.pid)
    return found
