# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A place whose worker died is free again soon; a live job never looks dead."""

from __future__ import annotations

import time

from .chaos import SET_UP, ChaosCase, enqueue_work, kill, start_together
from .server import Database, Server, Shell, wait_until

JOB_LOCK = 1_900_119_003


class TestRescue(ChaosCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("rescue"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP + '\nenv.ref("queue_job.channel_root").capacity = 1')

    def test_others_go_on_soon_though_the_victim_has_the_only_place(self):
        """Without short terms of patience, each pause would be longer.

        How long the longest is depends on what else the machine does: it is reported.
        """
        servers = [Server(self.db, workers=2) for _index in range(2)]
        start_together(self, servers)
        enqueue_work(self.shell, 60, 0.1)
        pauses = []
        for turn in range(6):
            goal = self.done() + 5
            wait_until(lambda goal=goal: self.done() >= goal, "jobs run")
            (pid,) = wait_until(self.running_workers, "a job runs")
            kill(pid)
            killed = time.monotonic()
            done = self.done()
            wait_until(lambda done=done: self.done() > done + 1, f"turn {turn} goes on")
            pauses.append(round(time.monotonic() - killed, 2))
        self.wait_until_done(server=servers[0])
        self.check_each_effect_is_there_once(60)
        self.check_no_job_ran_beside_itself()
        self.report(pauses=pauses)
        self.assertLess(min(pauses), 2)

    def test_a_job_waits_for_the_lock_of_its_last_try(self):
        """Without waiting it would run without a lock, and be taken for dead."""
        self.shell.run('env.ref("queue_job.channel_root").paused = True')
        uuid = self.shell.enqueue("leave_watched('under its lock')")
        job_id = self.value("SELECT id FROM queue_job WHERE uuid = %s", (uuid,))
        cnx = self.db.connect()
        self.addCleanup(cnx.close)
        with cnx.cursor() as cr:
            cr.execute("SELECT pg_advisory_xact_lock(%s)", ((JOB_LOCK << 32) + job_id,))
        server = self.enterContext(Server(self.db, workers=2))
        self.shell.run('env.ref("queue_job.channel_root").paused = False')
        waits = (
            "SELECT 1 FROM pg_locks JOIN queue_job ON queue_job.id = objid"
            " WHERE NOT granted AND classid = %s AND uuid = %s AND state = 'started'"
        )
        wait_until(
            lambda: self.db.query(waits, (JOB_LOCK, uuid)),
            "the job has started and waits",
            server=server,
        )
        cnx.rollback()
        self.wait_until_done(server=server)
        deaths = self.value("SELECT deaths FROM queue_job WHERE uuid = %s", (uuid,))
        self.assertEqual(deaths, 0)
