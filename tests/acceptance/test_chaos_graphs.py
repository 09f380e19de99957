# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Graphs of jobs under load and under kills: no conflict, nothing waits for ever."""

from __future__ import annotations

from .chaos import EFFECTS, SET_UP, SLACK, ChaosCase, kill, size
from .server import Database, Server, Shell, wait_until

#: jobs of each group
NUMBER = size(500, 2000)

_DELAYABLES = f"""
from odoo.addons.queue_job.delay import chain, group
def leave(name, *numbers):
    return [{EFFECTS}.delayable().leave(name, number=number) for number in numbers]
"""


class TestGraphs(ChaosCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("graphs_of_jobs"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP)
        cls.server = cls.enterClassContext(Server(cls.db, workers=4))

    def setUp(self):
        super().setUp()
        self.db.query("TRUNCATE queue_job, test_queue_effect CASCADE")

    def early_starts(self) -> int:
        """How many jobs started before one that they depend on was done."""
        return self.value(
            "SELECT count(*) FROM queue_job child"
            " JOIN queue_job_edge edge ON edge.barrier_id = child.barrier_id"
            " JOIN queue_job parent ON parent.id = edge.parent_id"
            " WHERE child.date_started < parent.date_done"
        )

    def test_no_serialization_failure_comes_from_a_job_s_own_row(self):
        """With the count of open dependencies in the rows of the jobs, or their
        release in the transaction of a body, parallel jobs would get into each
        other's way, and be tried again."""
        before = len(self.server.log())
        self.shell.run(
            f"{_DELAYABLES}\n"
            f"chain(group(*leave('once', *range({NUMBER}))),"
            f" *leave('once', {NUMBER}),"
            f" group(*leave('once', *range({NUMBER + 1}, {2 * NUMBER + 1}))))"
            ".delay()"
        )
        self.wait_until_done(size(90, 300), self.server)
        self.check_each_effect_is_there_once(2 * NUMBER + 1)
        self.assertEqual(self.early_starts(), 0)
        self.assertEqual(self.value("SELECT count(*) FROM queue_job_try"), 0)
        self.assertEqual(self.value("SELECT sum(retry) FROM queue_job"), 2 * NUMBER + 1)
        log = self.server.log()[before:].lower()
        for word in ("serialize", "deadlock", "concurrent update"):
            self.assertEqual(log.count(word), 0, word)
        self.report(jobs=2 * NUMBER + 1)

    def test_a_kill_between_done_and_release_is_made_good(self):
        """Without a note in the row that the release is due, and a runner that reads
        it, the dependants would wait for ever."""
        number = size(4, 20)
        self.shell.run(
            f"{_DELAYABLES}\n"
            f"for i in range({number}):\n"
            f"    first = {EFFECTS}.delayable().leave('die before the release')\n"
            "    chain(first, *leave('once', i)).delay()"
        )
        self.wait_until_done(number * SLACK + 30, self.server)
        self.check_each_effect_is_there_once(number)
        self.assertEqual(self.early_starts(), 0)
        waited = self.value(
            "SELECT max(extract(epoch FROM child.date_started - parent.date_done))"
            " ::float8 FROM queue_job child"
            " JOIN queue_job_edge edge ON edge.barrier_id = child.barrier_id"
            " JOIN queue_job parent ON parent.id = edge.parent_id"
        )
        self.report(graphs=number, longest_wait=round(waited, 2))
        self.assertLess(waited, SLACK)

    def test_every_job_of_a_graph_runs_though_workers_are_killed(self):
        """Whoever dies between two steps leaves the next one to somebody else."""
        layers, width = size((6, 12), (20, 50))
        self.shell.run(
            f"{_DELAYABLES}\n"
            f"chain(*(group(*leave('once', *range(i * {width}, (i + 1) * {width})))"
            f" for i in range({layers}))).delay()"
        )
        kills = 0
        while self.done() < layers * width and kills < size(8, 60):
            # in the midst of whatever it does
            workers = self.workers()
            if workers:
                kill(self.rng.choice(workers))
                kills += 1
            done = self.done()
            wait_until(
                lambda done=done: self.done() > done or self.is_done(),
                "jobs go on",
                seconds=2 * SLACK,
                server=self.server,
            )
        self.wait_until_done(60, self.server)
        self.check_each_effect_is_there_once(layers * width)
        self.assertEqual(self.early_starts(), 0)
        self.report(jobs=layers * width, kills=kills)

    def is_done(self) -> bool:
        return not self.count("state <> 'done'")

    def workers(self) -> list[int]:
        """Those that have executed something last, whether they do at the moment."""
        rows = self.db.query(
            "SELECT DISTINCT worker_pid FROM (SELECT worker_pid FROM queue_job"
            " WHERE worker_pid IS NOT NULL ORDER BY date_started DESC LIMIT 4) AS last"
        )
        return [row[0] for row in rows]

    def test_nobody_waits_for_a_job_that_was_cancelled_or_deleted(self):
        """Without looking after edges whose job is over, its dependants would wait
        for ever when it went in another way than by the button."""
        self.shell.run(
            f"{_DELAYABLES}\n"
            "for name in ('cancelled', 'deleted'):\n"
            f"    first = {EFFECTS}.delayable(eta=3600).leave(name)\n"
            "    chain(first, *leave('after', 1), *leave('after', 2)).delay()"
        )
        self.db.query(
            "UPDATE queue_job SET state = 'cancelled'"
            " WHERE state = 'pending' AND func_string LIKE '%%cancelled%%'"
        )
        self.db.query(
            "DELETE FROM queue_job"
            " WHERE state = 'pending' AND func_string LIKE '%%deleted%%'"
        )
        wait_until(
            lambda: not self.count("state <> 'cancelled'"),
            "who waited is cancelled",
            seconds=2 * SLACK,
            server=self.server,
        )
        self.assertEqual(self.count(), 5)
