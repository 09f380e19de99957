# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server whose clock is wrong: what is stored and compared is right."""

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests.common import TransactionCase, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job import clock
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.executor import recording
from odoo.addons.queue_job.job import Job

_LOCAL = clock.utcnow
_WALL = clock._wall


@tagged("-at_install", "post_install")
class TestWrongClock(TransactionCase):
    behind = 120

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        seconds = self.behind
        for name, stand_in in (
            ("utcnow", lambda: _LOCAL() - timedelta(seconds=seconds)),
            ("_wall", lambda: _WALL() - seconds),
            ("_distances", {}),
        ):
            self.enterContext(patch.object(clock, name, stand_in))

    def assertSoon(self, moment, seconds=0):
        """It is so many seconds from now, by the clock of the database."""
        self.env.cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        away = moment - self.env.cr.fetchone()[0] - timedelta(seconds=seconds)
        self.assertLess(abs(away.total_seconds()), 30)

    def enqueue(self, **options):
        job = self.env["queue.job"].with_delay(**options)._test_job()
        return job, job.db_record()

    def test_a_job_is_created_now(self):
        job, record = self.enqueue()
        self.assertSoon(job.date_created)
        self.assertSoon(record.date_created)

    def test_a_delay_counts_from_now(self):
        for eta in (60, timedelta(seconds=60)):
            _job, record = self.enqueue(eta=eta)
            self.assertSoon(record.eta, 60)
            self.assertFalse(record.ready)

    def test_a_date_that_has_come_lets_the_job_run(self):
        self.env.cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        now = self.env.cr.fetchone()[0]
        for seconds, ready in ((-60, True), (60, False)):
            eta = (now + timedelta(seconds=seconds)).replace(microsecond=0)
            _job, record = self.enqueue(eta=eta)
            self.assertIs(record.ready, ready)
            record.eta = False
            self.assertTrue(record.ready)
            record.eta = eta
            self.assertIs(record.ready, ready)

    def test_all_dates_of_a_job_are_in_order(self):
        job, record = self.enqueue()
        job.set_enqueued()
        job.set_started()
        job.set_done()
        self.assertSoon(job.date_done)
        dates = [job.date_created, job.date_enqueued, job.date_started, job.date_done]
        self.assertEqual(dates, sorted(dates))
        self.assertGreaterEqual(job.exec_time, 0)
        self.enqueue()[1].button_cancelled()
        job.set_cancelled()
        self.assertSoon(job.date_cancelled)

    def test_a_job_that_the_database_started_took_no_negative_time(self):
        job, record = self.enqueue()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started', date_started ="
            " clock_timestamp() AT TIME ZONE 'UTC' WHERE id = %s"
            " RETURNING date_started",
            (record.id,),
        )
        job.date_started = self.env.cr.fetchone()[0]
        job.set_done()
        self.assertGreaterEqual(job.exec_time, 0)
        self.assertGreaterEqual(job.date_done, job.date_started)

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_another_attempt_is_due_when_it_was_asked_for(self):
        _job, record = self.enqueue()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started', attempt = 1, date_started ="
            " clock_timestamp() AT TIME ZONE 'UTC' WHERE id = %s",
            (record.id,),
        )
        record.invalidate_recordset()
        job = Job.load(self.env, record.uuid)
        recording.record_failure(job, RetryableJobError("later", seconds=60))
        record.invalidate_recordset()
        self.assertEqual((record.state, record.ready), ("pending", False))
        self.assertSoon(record.eta, 60)
        attempt = self.env["queue.job.try"].search([("job_id", "=", record.id)])
        self.assertSoon(attempt.date_ended)
        self.assertGreaterEqual(attempt.exec_time, 0)

    def test_a_wrong_clock_is_a_problem_of_its_own(self):
        problems = self.env["queue.job.stat"]._overview()["problems"]
        found = {each["code"]: each for each in problems}
        self.assertIn(f"{self.behind:+d}", found["clock"]["text"])
        self.assertFalse(found["clock"]["error"])

    def test_dates_are_naive(self):
        self.assertIsNone(clock.now(self.env.cr).tzinfo)
        self.assertIsInstance(clock.now(self.env.cr), datetime)


class TestClockAhead(TestWrongClock):
    behind = -120
