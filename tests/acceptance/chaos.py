# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the tests under chaos share: seed and size, faults, what the history tells.

The suite runs short forms; ``dev/chaos`` runs the same tests at full size, with the
seed that it is given, and collects their figures.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import unittest
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import psycopg2

from .server import Database, Server, Shell, wait_until

LONG = os.environ.get("QUEUE_JOB_CHAOS") == "long"
SEED = int(os.environ.get("QUEUE_JOB_CHAOS_SEED", "20"))
_FIGURES = os.environ.get("QUEUE_JOB_CHAOS_FIGURES")

#: seconds beyond what the remaining work needs in which a queue is drained, and for
#: which a job may be nobody's
SLACK = 15
CAPACITY = 4

EFFECTS = 'env["test.queue.effect"].with_user(env.ref("base.user_admin"))'
SET_UP = f"""
env.ref("queue_job.channel_root").capacity = {CAPACITY}
env["ir.config_parameter"].set_param("queue_job.max_deaths", "0")
"""


def size(short, long):
    """What fits the form that runs."""
    return long if LONG else short


def kill(pid: int) -> None:
    """End a process as a machine does that is short of memory."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def start_together(case: unittest.TestCase, servers: list[Server]) -> None:
    """Start servers side by side; they stop at the end of the test."""
    for server in servers:
        case.addCleanup(server.__exit__, None, None, None)
    with ThreadPoolExecutor() as threads:
        list(threads.map(Server.start, servers))


def enqueue_work(
    shell: Shell, number: int, seconds: float, options="", first: int = 0
) -> None:
    """Enqueue jobs that leave one effect each, numbered from ``first`` on."""
    shell.run(
        f"for i in range({first}, {number}):"
        f" {EFFECTS}.with_delay({options})"
        f".leave_watched('once', number=i, seconds={seconds})"
    )


class ChaosCase(unittest.TestCase):
    """Questions to the queue of ``self.db``, anything with ``query()``."""

    db: Database

    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.began = time.monotonic()

    def report(self, **figures) -> None:
        """Keep figures of the run for ``dev/chaos``."""
        seconds = round(time.monotonic() - self.began, 1)
        line = {"test": self._testMethodName, "seed": SEED, "seconds": seconds}
        text = json.dumps({**line, **figures}, default=str)
        if _FIGURES:
            with open(_FIGURES, "a", encoding="utf-8") as file:
                file.write(text + "\n")

    # ------------------------------------------------------------------ the queue

    def value(self, query: str, params=()):
        return self.db.query(query, params)[0][0]

    def count(self, where: str = "true") -> int:
        return self.value(f"SELECT count(*) FROM queue_job WHERE {where}")

    def done(self) -> int:
        return self.count("state = 'done'")

    def states(self) -> dict[str, int]:
        return dict(self.db.query("SELECT state, count(*) FROM queue_job GROUP BY 1"))

    def running_workers(self) -> list[int]:
        rows = self.db.query(
            "SELECT DISTINCT worker_pid FROM queue_job WHERE state = 'started'"
            " ORDER BY worker_pid"
        )
        return [row[0] for row in rows if psutil.pid_exists(row[0])]

    def wait_until_done(self, seconds=90, server: Server | None = None) -> None:
        wait_until(
            lambda: not self.count("state <> 'done'"),
            "all jobs are done",
            seconds=seconds,
            server=server,
        )

    def work_left(self, places: int = CAPACITY) -> float:
        """Seconds that the remaining work needs, by what such jobs took so far."""
        mean = self.value(
            "SELECT coalesce(avg(exec_time), 0) FROM queue_job WHERE state = 'done'"
        )
        return self.count("state <> 'done'") * mean / places

    # -------------------------------------------------------------------- checks

    def check_each_effect_is_there_once(self, number: int) -> None:
        rows = self.db.query(
            "SELECT number, count(*) FROM test_queue_effect WHERE name = 'once'"
            " GROUP BY number"
        )
        self.assertEqual(dict(rows), dict.fromkeys(range(number), 1))

    def check_no_job_ran_beside_itself(self) -> None:
        self.assertEqual(
            self.db.query("SELECT job_uuid, pid FROM test_queue_run WHERE NOT alone"),
            [],
        )

    def check_capacity_is_full_again(self, shell: Shell, server: Server) -> float:
        """All places can be taken; return after how many seconds they were."""
        before = time.monotonic()
        shell.run(
            f"for i in range({3 * CAPACITY}): {EFFECTS}.with_delay().sleep(1.5)\n"
        )
        wait_until(
            lambda: self.count("state = 'started'") == CAPACITY,
            "all places are taken",
            seconds=SLACK,
            server=server,
        )
        taken = time.monotonic() - before
        self.wait_until_done(server=server)
        return round(taken, 2)

    def most_at_once(self, channel: str = "root") -> int:
        """The most jobs of a channel, those below included, that ran at a time.

        Of those that came to an end: the history of a killed try is overwritten.
        """
        rows = self.db.query(
            "SELECT date_started, date_done FROM queue_job WHERE state = 'done'"
            " AND (channel = %s OR channel LIKE %s)",
            (channel, channel + ".%"),
        )
        return most_at_once(rows)

    def longest_pause(self) -> float:
        """The longest time between the ends of two jobs, in seconds."""
        rows = self.db.query(
            "SELECT extract(epoch FROM date_done - lag(date_done) OVER"
            " (ORDER BY date_done))::float8 FROM queue_job WHERE state = 'done'"
        )
        return round(max(row[0] for row in rows if row[0] is not None), 2)


def most_at_once(intervals: Iterable[tuple]) -> int:
    """The most of the intervals that have a moment in common."""
    # an end at the moment of a start makes room for it
    moments = [(start, 1) for start, _end in intervals]
    moments += [(end, -1) for _start, end in intervals]
    running = most = 0
    for _moment, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


class Watch(threading.Thread):
    """Looks at a queue, as often as it can while the block runs.

    :param connect: returns a new connection to its database

    most: the most jobs that were enqueued or started at a time, of each channel alone
    most_of_all: the same of all channels together
    longest: seconds for which a job was in nobody's hands: started, but without the
    lock of who executes it; or enqueued, and not started
    """

    _LOOK = """
SELECT id, attempt, state, channel, coalesce(run_id, -id),
       state = 'started' AND id IN (
           SELECT objid FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
              AND classid = 1900119003
              AND database = (SELECT oid FROM pg_database
                               WHERE datname = current_database()))
  FROM queue_job WHERE state IN ('enqueued', 'started')
"""

    def __init__(self, connect):
        super().__init__(daemon=True)
        self._connect = connect
        self._over = threading.Event()
        self._paused = False
        self._since: dict[tuple, float] = {}
        self.most: dict[str, int] = {}
        self.most_of_all = 0
        self.longest = 0.0

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self._over.set()
        self.join()

    @contextmanager
    def paused(self):
        """While the block runs nobody is there who could look after a job."""
        self._paused = True
        yield
        self._paused = False

    def run(self) -> None:
        cnx = None
        while not self._over.wait(0.02):
            try:
                cnx = cnx or self._connect()
                self._look(cnx)
            except psycopg2.Error:
                cnx = None

    def _look(self, cnx) -> None:
        cnx.autocommit = True
        with cnx.cursor() as cr:
            cr.execute(self._LOOK)
            rows = cr.fetchall()
        # A reserved job has the place of the run that it waits behind.
        places: dict[str, set[int]] = {}
        for *_job, channel, run, _held in rows:
            places.setdefault(channel, set()).add(run)
        for channel, runs in places.items():
            self.most[channel] = max(len(runs), self.most.get(channel, 0))
        in_all = sum(map(len, places.values()))
        self.most_of_all = max(in_all, self.most_of_all)
        now = time.monotonic()
        since, self._since = ({} if self._paused else self._since), {}
        for job_id, attempt, state, _channel, _run, held in rows:
            if not held:
                key = (job_id, attempt, state)
                self._since[key] = since.get(key, now)
                self.longest = max(self.longest, now - self._since[key])
