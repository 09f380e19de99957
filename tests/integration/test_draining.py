# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Stored jobs executed in a test as a worker does."""

from odoo.tests.common import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.tests import draining
from odoo.addons.queue_job.tests.common import (
    JobMixin,
    assert_graph,
    drain_queue,
    trap_jobs,
    travel_to_eta,
)


class DrainCase(JobMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.env["queue.job"].search([]).sudo().unlink()

    def left(self):
        return self.effects.search([], order="id").mapped("name")


class TestDrain(DrainCase):
    def test_jobs_are_executed_by_priority_then_by_age(self):
        for name, priority in (("b", 10), ("c", 10), ("a", 1), ("d", 30)):
            self.effects.with_delay(priority=priority).leave(name)
        executed = drain_queue(self.env)
        self.assertEqual(self.left(), ["a", "b", "c", "d"])
        self.assertEqual(set(executed.mapped("state")), {"done"})
        self.assertEqual(executed[0].result, "left a")
        self.assertEqual(executed.mapped("priority"), [1, 10, 10, 30])

    def test_dependants_are_released_and_executed(self):
        chain(
            group(*(self.effects.delayable().leave(f"first {i}") for i in (1, 2))),
            self.effects.delayable(priority=0).leave("second"),
        ).delay()
        drain_queue(self.env)
        self.assertEqual(self.left(), ["first 1", "first 2", "second"])

    def test_what_jobs_make_is_executed_too(self):
        self.effects.with_delay().enqueue_more(3)
        self.assertEqual(len(drain_queue(self.env)), 4)
        self.assertEqual(self.left(), ["more"] * 3)

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_failed_job_is_recorded_undone_and_holds_up_nobody_else(self):
        failed = self.effects.with_delay(priority=1).fail("because")
        self.effects.with_delay().leave("x")
        drain_queue(self.env)
        record = failed.db_record()
        self.assertEqual((record.state, record.exc_message), ("failed", "because"))
        self.assertTrue(record.message_ids)
        self.assertEqual(self.left(), ["x"])

    def test_a_job_that_is_to_be_retried_waits_for_its_date(self):
        made = self.effects.with_delay().retry_until(3)
        self.assertEqual(len(drain_queue(self.env)), 1)
        record = made.db_record()
        self.assertEqual((record.state, record.retry), ("pending", 1))
        self.assertTrue(record.eta)
        self.assertEqual(self.left(), [])

    def test_with_retries_it_is_tried_until_it_is_done(self):
        made = self.effects.with_delay().retry_until(3)
        executed = drain_queue(self.env, with_retries=True)
        self.assertEqual(executed, made.db_record())
        self.assertEqual((executed.state, executed.retry), ("done", 3))
        self.assertEqual(self.left(), ["try undone 3", "retried 3"])

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_with_retries_it_fails_after_the_last_one(self):
        made = self.effects.with_delay(max_retries=2).retry_until(9)
        drain_queue(self.env, with_retries=True)
        record = made.db_record()
        self.assertEqual((record.state, record.retry), ("failed", 2))
        self.assertIn("Max. retries (2) reached", record.exc_message)

    def test_no_more_jobs_than_the_limit_are_executed(self):
        for name in "abc":
            self.effects.with_delay().leave(name)
        self.assertEqual(len(drain_queue(self.env, limit=2)), 2)
        self.assertEqual(self.left(), ["a", "b"])

    def test_jobs_from_before_the_counter_are_left_alone(self):
        before = self.effects.with_delay().leave("before")
        counter = self.job_counter()
        self.effects.with_delay().leave("since")
        drain_queue(self.env, since=counter)
        self.assertEqual(self.left(), ["since"])
        self.assertEqual(before.db_record().state, "pending")

    def test_a_queue_without_an_end_is_a_mistake(self):
        self.effects.with_delay(max_retries=0).retry_until(10**6)
        self.patch(draining, "ENDLESS", 20)
        with self.assertRaisesRegex(AssertionError, "20 executions"):
            drain_queue(self.env, with_retries=True)


class TestTravel(DrainCase):
    def test_a_job_with_a_date_is_executed_when_it_has_come(self):
        made = self.effects.with_delay(eta=7 * 24 * 3600).leave("x")
        drain_queue(self.env)
        self.assertEqual(made.db_record().state, "pending")
        with travel_to_eta(made):
            drain_queue(self.env)
        self.assertEqual(made.db_record().state, "done")
        self.assertGreater(made.db_record().date_done, made.eta)

    def test_a_job_without_a_date_leads_nowhere(self):
        made = self.effects.with_delay().leave("x")
        with self.assertRaisesRegex(ValueError, "eta"), travel_to_eta(made):
            pass


class TestGraphs(DrainCase):
    GRAPH = {"leave": [], "fail": [], "show": ["fail", "leave"]}

    def delay(self):
        first = group(
            self.effects.delayable().leave("x"), self.effects.delayable().fail()
        )
        first.on_done(self.effects.delayable().show()).delay()

    def test_a_stored_graph_is_compared(self):
        self.delay()
        jobs = self.env["queue.job"].search([])
        assert_graph(jobs, self.GRAPH)
        with self.assertRaisesRegex(AssertionError, "show waits for leave"):
            assert_graph(jobs, {**self.GRAPH, "show": ["leave"]})
        with self.assertRaises(AssertionError):
            assert_graph(jobs, {"leave": [], "fail": []})

    def test_a_trapped_graph_is_compared(self):
        with trap_jobs() as trap:
            self.delay()
            assert_graph(trap.enqueued_jobs, self.GRAPH)

    def test_jobs_may_be_named_otherwise(self):
        chain(*(self.effects.delayable().leave(name) for name in "ab")).delay()
        jobs = self.env["queue.job"].search([])
        assert_graph(jobs, {"a": [], "b": ["a"]}, key=lambda job: job.args[0])
