# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A capacity beyond the workers of the server: nothing waits where nobody sees it."""

from __future__ import annotations

import threading
import unittest

from .server import Database, Server, Shell, wait_until

WORKERS, CAPACITY, NUMBER = 2, 300, 300
ENQUEUE = f"""
env.ref("queue_job.channel_root").capacity = {CAPACITY}
effects = env["test.queue.effect"]
for number in range({NUMBER}):
    effects.with_delay().leave_slowly("one", number=number, seconds=0.03)
"""
#: requests under way: what is enqueued or runs, what a lease has reserved with its run
UNDER_WAY = """
SELECT count(DISTINCT coalesce(run_id, -id)) FROM queue_job
 WHERE state IN ('enqueued', 'started')
"""


class TestRoom(unittest.TestCase):
    def test_no_request_is_dropped_nor_waits_beyond_the_workers(self):
        db = self.enterContext(Database("room"))
        shell = self.enterContext(Shell(db))
        server = self.enterContext(Server(db, workers=WORKERS))
        seen, over = set(), threading.Event()

        def sample():
            while not over.wait(0.005):
                seen.add(db.value(UNDER_WAY))

        thread = threading.Thread(target=sample)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        shell.run(ENQUEUE)
        wait_until(
            lambda: db.states() == {"done": NUMBER}, "all are done", server=server
        )
        over.set()
        thread.join()
        self.assertEqual(max(seen), WORKERS)
        self.assertNotIn("requests failed", server.log())
        self.assertEqual(
            db.query(
                "SELECT count(*), count(DISTINCT number) FROM test_queue_effect"
                " WHERE name = 'one'"
            ),
            [(NUMBER, NUMBER)],
        )
        self.assertFalse(db.query("SELECT 1 FROM queue_job WHERE retry > 1"))
