# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A real server executes what another process has enqueued."""

from __future__ import annotations

import threading
import unittest
from collections import Counter

from .server import Database, Server, connection, wait_until

ENQUEUE = """
effects = env["test.queue.effect"].with_user(env.ref("base.user_admin"))
made = effects.create({"name": "before"})
for number in range(5):
    effects.with_delay().leave("created", number=number)
made.with_delay().rename("after")
effects.with_delay().fail("on purpose")
effects.with_delay().retry_until(3)
effects.with_delay(eta=3).leave("later")
for number in range(4):
    effects.with_delay().leave_in_one(f"one {number}", seconds=0.2)
for number in range(9):
    effects.with_delay().leave_in_three(f"three {number}", seconds=0.3)
"""

_MOST = """
SELECT coalesce(max(running), 0) FROM (
    SELECT (SELECT count(*) FROM queue_job other
             WHERE other.channel = job.channel AND other.date_started IS NOT NULL
               AND other.date_started <= job.date_started
               AND coalesce(other.date_done, 'infinity') > job.date_started) AS running
      FROM queue_job job
     WHERE job.channel = %s AND job.date_started IS NOT NULL) AS moments
"""


class _Sampler(threading.Thread):
    """Watches how many jobs of each channel run, as often as it can."""

    def __init__(self, dbname: str):
        super().__init__(daemon=True)
        self.dbname = dbname
        self.most: Counter = Counter()
        self.over = threading.Event()

    def run(self):
        with connection(self.dbname) as cnx, cnx.cursor() as cr:
            while not self.over.wait(0.005):
                cr.execute(
                    # a reserved job has the place of the run that it waits behind
                    "SELECT channel, count(DISTINCT coalesce(run_id, -id))"
                    " FROM queue_job"
                    " WHERE state IN ('enqueued', 'started') GROUP BY channel"
                )
                for channel, number in cr.fetchall():
                    self.most[channel] = max(self.most[channel], number)


class _ServerCase:
    workers: int

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database(f"server{cls.workers}"))
        cls.db.query(
            "UPDATE queue_job_channel SET capacity = 6 WHERE complete_name = 'root'"
        )
        cls.server = cls.enterClassContext(Server(cls.db, workers=cls.workers))
        cls.sampler = _Sampler(cls.db.name)
        cls.sampler.start()
        cls.db.shell(ENQUEUE)
        wait_until(
            lambda: not cls.db.states("state NOT IN ('done', 'failed')"),
            f"all jobs ended; states: {cls.db.states()}",
        )
        cls.sampler.over.set()
        cls.sampler.join()

    def effects(self, name):
        return self.db.query(
            "SELECT number FROM test_queue_effect WHERE name = %s ORDER BY id", (name,)
        )

    def job(self, method, fields, where="true"):
        return self.db.query(
            f"SELECT {fields} FROM queue_job WHERE method_name = %s AND {where}"
            " ORDER BY date_started",
            (method,),
        )

    def test_each_job_created_its_record_once(self):
        self.assertCountEqual(
            self.effects("created"), [(number,) for number in range(5)]
        )

    def test_a_record_was_written(self):
        self.assertEqual(len(self.effects("after")), 1)
        self.assertFalse(self.effects("before"))

    def test_a_failed_job_keeps_its_error_and_leaves_nothing_else(self):
        ((state, name, message, info),) = self.job(
            "fail", "state, exc_name, exc_message, exc_info"
        )
        self.assertEqual(state, "failed")
        self.assertEqual(name, "odoo.exceptions.UserError")
        self.assertEqual(message, "on purpose")
        self.assertIn("UserError", info)
        self.assertFalse(self.effects("undone"))

    def test_a_failed_job_tells_its_followers(self):
        ((job_id, user_id),) = self.job("fail", "id, user_id")
        messages = self.db.query(
            "SELECT message.id FROM mail_message message"
            " JOIN ir_model_data data ON data.model = 'mail.message.subtype'"
            "  AND data.res_id = message.subtype_id"
            " WHERE message.model = 'queue.job' AND message.res_id = %s"
            "   AND data.module = 'queue_job' AND data.name = 'mt_job_failed'",
            (job_id,),
        )
        followers = self.db.query(
            "SELECT users.id FROM mail_followers follower"
            " JOIN res_users users ON users.partner_id = follower.partner_id"
            " WHERE follower.res_model = 'queue.job' AND follower.res_id = %s",
            (job_id,),
        )
        self.assertEqual(len(messages), 1)
        self.assertIn((user_id,), followers)

    def test_a_job_is_retried_as_its_pattern_says(self):
        ((state, retry, job_id),) = self.job("retry_until", "state, retry, id")
        self.assertEqual((state, retry), ("done", 3))
        tries = self.db.query(
            "SELECT attempt, outcome, seconds FROM queue_job_try WHERE job_id = %s"
            " ORDER BY id",
            (job_id,),
        )
        self.assertEqual(tries, [(1, "retry", 1.0), (2, "retry", 2.0)])
        self.assertEqual(len(self.effects("retried 3")), 1)
        self.assertFalse(self.effects("try undone 3")[1:])

    def test_a_job_waits_for_its_eta(self):
        rows = self.job("leave", "date_started >= eta", "eta IS NOT NULL")
        self.assertEqual(rows, [(True,)])

    def test_a_channel_of_capacity_one_runs_one_by_one_in_order(self):
        self.assertEqual(self.db.value(_MOST, ("root.test_one",)), 1)
        self.assertEqual(self.sampler.most["root.test_one"], 1)
        ids = [row[0] for row in self.job("leave_in_one", "id")]
        self.assertEqual(len(ids), 4)
        self.assertEqual(ids, sorted(ids))

    def test_a_channel_of_capacity_three_runs_three_at_most(self):
        self.assertLessEqual(self.db.value(_MOST, ("root.test_three",)), 3)
        self.assertEqual(self.sampler.most["root.test_three"], 3)

    def test_the_log_of_the_server_has_no_traceback_but_that_of_the_failed_job(self):
        self.assertEqual(self.server.log().count("Traceback"), 1, self.server.log())


class TestThreadedServer(_ServerCase, unittest.TestCase):
    workers = 0


class TestPreforkServer(_ServerCase, unittest.TestCase):
    workers = 4
