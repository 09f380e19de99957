# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The queue works in this database, with whatever other add-ons are in it.

Odoo's own runner takes these few tests: with ``--test-enable``, when this add-on or one
that depends on it is installed or updated.
"""

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from .common import JobMixin, assert_graph, drain_queue, travel_to_eta

_RECORDING = "odoo.addons.queue_job.executor.recording"


@tagged("post_install", "-at_install")
class TestInstallation(JobMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = cls.env["queue.job"]

    def setUp(self):
        super().setUp()
        self.made = self.job_counter()

    def delay(self, **options):
        return self.jobs.with_delay(**options)

    def drain(self, **options):
        return drain_queue(self.env, since=self.made, **options)

    def test_a_job_that_is_executed_is_done(self):
        record = self.delay(description="hello", priority=3)._test_job().db_record()
        self.assertEqual((record.state, record.name), ("pending", "hello"))
        self.assertEqual(self.drain(), record)
        self.assertEqual(record.state, "done")
        self.assertTrue(record.date_done)

    @mute_logger(_RECORDING)
    def test_a_job_that_fails_is_failed_with_its_error(self):
        record = self.delay()._test_job(failure_rate=1).db_record()
        self.drain()
        self.assertEqual((record.state, record.exc_message), ("failed", "Job failed"))
        self.assertIn("Traceback", record.exc_info)
        record.requeue()
        self.assertEqual(record.state, "pending")

    @mute_logger(_RECORDING)
    def test_a_job_that_asks_for_it_is_retried_until_its_attempts_are_used_up(self):
        call = self.delay(max_retries=2)
        record = call._test_job(failure_rate=1, failure_retry_seconds=60).db_record()
        self.drain()
        self.assertEqual((record.state, record.retry), ("pending", 1))
        with travel_to_eta(record):
            self.drain()
        self.assertEqual((record.state, record.retry), ("failed", 2))

    def test_a_job_waits_for_those_it_depends_on(self):
        first, second = (self.jobs.delayable()._test_job() for _index in range(2))
        first.on_done(second).delay()
        labels = {first._generated_job.uuid: 1, second._generated_job.uuid: 2}
        assert_graph([first, second], {1: [], 2: [1]}, key=lambda job: labels[job.uuid])
        waiting = second._generated_job.db_record()
        self.assertEqual(waiting.state, "wait_dependencies")
        self.assertEqual(len(self.drain()), 2)
        self.assertEqual(waiting.state, "done")

    def test_an_identity_key_is_there_once(self):
        for _index in range(3):
            self.delay(identity_key="queue_job.test_installation")._test_job()
        self.assertEqual(self.made.count_created(), 1)

    def test_a_job_goes_to_the_channel_that_is_asked_for(self):
        channel = self.env["queue.job.channel"].create({"name": "test_installation"})
        record = self.delay(channel=channel.complete_name)._test_job().db_record()
        self.assertEqual(record.channel, "root.test_installation")

    def test_delayed_calls_are_trapped(self):
        with self.trap_jobs() as trap:
            self.delay(priority=3)._test_job(job_duration=0)
            trap.assert_jobs_count(1, only=self.jobs._test_job)
            trap.assert_enqueued_job(
                self.jobs._test_job,
                kwargs={"job_duration": 0},
                properties={"priority": 3},
            )
            trap.perform_enqueued_jobs()
        self.assertEqual(self.made.count_created(), 0)

    def test_users_without_a_role_see_no_jobs_of_others(self):
        record = self.delay()._test_job().db_record()
        user = new_test_user(self.env, "queue_job.test_installation")
        with self.assertRaises(AccessError):
            record.with_user(user).read(["name"])
