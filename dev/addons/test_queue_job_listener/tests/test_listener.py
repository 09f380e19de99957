# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whoever overrides methods of the queue sees every event of every job."""

from odoo.tests.common import TransactionCase, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job import listeners
from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.tests.common import JobMixin, drain_queue

from ..controllers.main import _seen_in_test


@tagged("-at_install", "post_install")
class TestListener(JobMixin, TransactionCase):
    def setUp(self):
        super().setUp()
        self.effects = self.env["test.queue.effect"]
        self.counter = self.job_counter()
        self.addCleanup(_seen_in_test.clear)

    def seen(self, job):
        return self.env["test.queue.event"]._seen(job.uuid)

    def stored(self, name="x", **options):
        return self.effects.with_delay(**options).leave(name).db_record()

    def test_the_fast_path_is_off(self):
        found = listeners.of(self.env)
        self.assertTrue(found.create)
        self.assertTrue(found.write)

    def test_each_creation_is_seen_once(self):
        single = self.stored()
        keyed = self.stored("key", identity_key="key")
        calls = [self.effects.delayable().leave(name) for name in "ab"]
        group(*calls).delay()
        grouped = [call._generated_job.db_record() for call in calls]
        for job in (single, keyed, *grouped):
            self.assertEqual(self.seen(job), ["create pending"])

    def test_a_job_that_is_not_added_is_not_seen(self):
        first = self.stored(identity_key="key")
        before = self.env["test.queue.event"].search_count([])
        self.assertEqual(self.stored_again(), first)
        self.assertEqual(self.env["test.queue.event"].search_count([]), before)

    def stored_again(self):
        return self.effects.with_delay(identity_key="key").leave("x")

    def test_jobs_that_wait_are_seen_from_creation_to_release(self):
        calls = [self.effects.delayable().leave(name) for name in "ab"]
        chain(*calls).delay()
        first, second = (call._generated_job.db_record() for call in calls)
        self.assertEqual(self.seen(second), ["create wait_dependencies"])
        first.button_done()
        self.assertEqual(self.seen(first), ["create pending", "write done"])
        self.assertEqual(
            self.seen(second), ["create wait_dependencies", "write pending"]
        )

    def test_cancelling_is_seen_down_to_the_last(self):
        calls = [self.effects.delayable().leave(name) for name in "abc"]
        chain(*calls).delay()
        records = [call._generated_job.db_record() for call in calls]
        records[0].button_cancelled()
        for job in records:
            self.assertEqual(self.seen(job)[1:], ["write cancelled"])

    def test_buttons_and_wizards_are_seen(self):
        job = self.stored()
        job.button_cancelled()
        job.requeue()
        self.env["queue.jobs.to.done"].create({"job_ids": [(6, 0, job.ids)]}).set_done()
        self.env["queue.requeue.job"].create({"job_ids": [(6, 0, job.ids)]}).requeue()
        self.assertEqual(
            self.seen(job)[1:],
            ["write cancelled", "write pending", "write done", "write pending"],
        )

    def test_a_job_stored_by_hand_is_seen(self):
        job = Job(self.effects.leave, args=("x",))
        job.store()
        record = job.db_record()
        job.set_started()
        job.store()
        self.assertEqual(self.seen(record), ["create pending", "write started"])

    def test_an_execution_is_seen_step_by_step(self):
        job = self.stored()
        drain_queue(self.env, since=self.counter)
        self.assertEqual(
            self.seen(job), ["create pending", "write started", "write done"]
        )
        self.assertEqual(
            [event for uuid, event in _seen_in_test if uuid == job.uuid],
            ["acquire started", "run started", "perform True", "dependents done"],
        )

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_failure_is_seen_and_shaped(self):
        job = self.effects.with_delay().fail("because").db_record()
        drain_queue(self.env, since=self.counter)
        self.assertEqual(
            self.seen(job),
            ["create pending", "write started", "write failed", "message failed"],
        )
        events = [event for uuid, event in _seen_in_test if uuid == job.uuid]
        self.assertEqual(events[-1], "failure UserError")
        self.assertEqual(job.exc_message, "heard: because")

    def test_a_retry_is_seen(self):
        job = self.effects.with_delay().retry_until(2).db_record()
        drain_queue(self.env, since=self.counter)
        self.assertEqual(
            self.seen(job), ["create pending", "write started", "write pending"]
        )

    def test_a_model_stores_values_of_its_own_at_each_store(self):
        job = self.effects.with_delay().leave("x")
        record = job.db_record()
        self.assertEqual(record.note, "leave pending")
        self.assertEqual(record.state, "pending")
        job.set_enqueued()
        job.store()
        self.assertEqual((record.note, record.state), ("leave enqueued", "enqueued"))
