# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server whose clock is two minutes behind that of the database."""

from __future__ import annotations

import os
import tempfile
import unittest
from glob import glob
from pathlib import Path

from .server import Database, Server, Shell, wait_until

_BEHIND = 120
_LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
# The library refuses the one kind of sleep that goes by the steady clock.
_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


class TestServerWithWrongClock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (library, *_others) = glob(_LIBRARY)
        cls.db = cls.enterClassContext(Database("clock"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (folder / "sitecustomize.py").write_text(_SLEEP)
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        environ = {
            "PYTHONPATH": path,
            "LD_PRELOAD": library,
            "FAKETIME": f"-{_BEHIND}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        cls.server = cls.enterClassContext(Server(cls.db, environ=environ))

    def job(self, uuid, names):
        (row,) = self.db.query(
            f"SELECT {names} FROM queue_job WHERE uuid = %s", (uuid,)
        )
        return row

    def test_another_attempt_in_a_minute_is_made_in_a_minute(self):
        uuid = self.shell.enqueue("retry_in(60)")
        wait_until(
            lambda: self.job(uuid, "retry") == (1,),
            "the first attempt has ended",
            server=self.server,
        )
        # A job behind it in the queue: a pass has been made since.
        other = self.shell.enqueue("leave('other')")
        wait_until(lambda: self.job(other, "state") == ("done",), "another job is done")
        state, retry, ready, away = self.job(
            uuid,
            "state, retry, ready,"
            " extract(epoch FROM eta - (clock_timestamp() AT TIME ZONE 'UTC'))::float8",
        )
        self.assertEqual((state, retry, ready), ("pending", 1, False))
        self.assertTrue(0 < away <= 60, away)

    def test_no_duration_is_negative_and_the_end_is_counted(self):
        uuid = self.shell.enqueue("leave('counted')")
        wait_until(lambda: self.job(uuid, "state") == ("done",), "the job is done")
        in_order, seconds = self.job(
            uuid,
            "date_created <= date_started AND date_started <= date_done, exec_time",
        )
        self.assertTrue(in_order)
        self.assertGreaterEqual(seconds, 0)
        wait_until(
            lambda: self.db.value(
                "SELECT coalesce(sum(done), 0) FROM queue_job_stat"
                " WHERE grain = 'minute' AND function = '<test.queue.effect>.leave'"
            ),
            "the end is in the statistics",
            server=self.server,
        )
