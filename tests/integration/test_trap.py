# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The helpers for the tests of other add-ons: traps, mocks, counters, doctests."""

import types
import unittest
from unittest import mock

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import Job, identity_exact
from odoo.addons.queue_job.tests.common import (
    JobCounter,
    JobMixin,
    JobsTrap,
    load_doctests,
    mock_with_delay,
    trap_jobs,
)


class TrapCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.effects = cls.env["test.queue.effect"]
        cls.one, cls.two = cls.effects.create([{"name": "one"}, {"name": "two"}])

    def stored(self):
        return self.env["queue.job"].search_count([])

    def left(self):
        """The names of the effects that were left since the test began."""
        before = self.one | self.two
        found = self.effects.search([("id", "not in", before.ids)], order="id")
        return found.mapped("name")


class TestTrap(TrapCase):
    def test_nothing_is_stored_and_nothing_executed(self):
        before = self.stored()
        with trap_jobs() as trap:
            self.one.with_delay().rename("x")
        self.assertIsInstance(trap, JobsTrap)
        self.assertEqual(self.stored(), before)
        self.assertEqual(self.one.name, "one")

    def test_jobs_are_counted_in_all_and_of_one_method(self):
        with trap_jobs() as trap:
            self.one.with_delay().rename("x")
            self.one.with_delay().rename("y")
            self.two.with_delay().rename("z")
            trap.assert_jobs_count(3)
            trap.assert_jobs_count(2, only=self.one.rename)
            trap.assert_jobs_count(0, only=self.one.leave)
            self.assertEqual(trap.jobs_count(), 3)
            self.assertEqual(trap.jobs_count(only=self.two.rename), 1)
            with self.assertRaises(AssertionError):
                trap.assert_jobs_count(2)
            with self.assertRaises(AssertionError):
                trap.assert_jobs_count(1, only=self.one.rename)

    def test_args_and_kwargs_are_compared_exactly(self):
        with trap_jobs() as trap:
            self.one.with_delay().leave("x", number=1)
            trap.assert_enqueued_job(self.one.leave, args=("x",), kwargs={"number": 1})
            for wrong in (
                {},
                {"args": ("x",)},
                {"args": ("y",), "kwargs": {"number": 1}},
                {"args": ("x",), "kwargs": {"number": 2}},
                {"args": ("x", 1)},
            ):
                with self.subTest(wrong), self.assertRaises(AssertionError):
                    trap.assert_enqueued_job(self.one.leave, **wrong)

    def test_the_method_is_that_of_the_same_records(self):
        with trap_jobs() as trap:
            self.one.with_delay().rename("x")
            again = self.effects.browse(self.one.id)
            trap.assert_enqueued_job(again.rename, args=("x",))
            for method in (self.two.rename, (self.one | self.two).rename):
                with self.assertRaises(AssertionError):
                    trap.assert_enqueued_job(method, args=("x",))

    def test_only_the_given_properties_are_compared(self):
        with trap_jobs() as trap:
            delayed = self.one.with_delay(
                priority=3, description="Text", identity_key=identity_exact, eta=60
            )
            delayed.rename("x")
            for right in (
                {},
                {"priority": 3},
                {"description": "Text", "eta": 60},
                {"identity_key": identity_exact, "channel": None},
            ):
                trap.assert_enqueued_job(self.one.rename, args=("x",), properties=right)
            with self.assertRaises(AssertionError):
                trap.assert_enqueued_job(
                    self.one.rename, args=("x",), properties={"priority": 4}
                )

    def test_a_failed_check_tells_what_was_delayed(self):
        with trap_jobs() as trap:
            self.one.with_delay(priority=7).rename("x")
            with self.assertRaisesRegex(AssertionError, r"rename\('x'\).*priority=7"):
                trap.assert_enqueued_job(self.one.leave, args=("y",))

    def test_jobs_are_job_objects_with_what_was_asked_for(self):
        with trap_jobs() as trap:
            returned = self.one.with_delay(priority=3, channel="root.x").rename("x")
        (job,) = trap.enqueued_jobs
        self.assertIs(job, returned)
        self.assertIsInstance(job, Job)
        self.assertEqual((job.priority, job.channel), (3, "root.x"))
        self.assertEqual(job.args, ("x",))
        (call,) = trap.calls
        self.assertEqual((call.args, call.kwargs), (("x",), {}))
        self.assertEqual(call.properties["priority"], 3)

    def test_jobs_with_the_same_identity_key_are_one_job_of_several_calls(self):
        with trap_jobs() as trap:
            for _index in range(3):
                self.one.with_delay(identity_key=identity_exact).rename("x")
            self.one.with_delay(identity_key=identity_exact).rename("y")
            trap.assert_jobs_count(2)
            self.assertEqual(len(trap.calls), 4)

    def test_enqueued_jobs_are_performed_once(self):
        with trap_jobs() as trap:
            self.effects.with_delay().leave("x")
            trap.perform_enqueued_jobs()
            self.assertEqual(self.left(), ["x"])
            trap.assert_jobs_count(0)
            trap.perform_enqueued_jobs()
            self.assertEqual(self.left(), ["x"])

    def test_jobs_are_performed_by_priority(self):
        with trap_jobs() as trap:
            for name, priority in (("c", 30), ("a", 1), ("b", 10)):
                self.effects.with_delay(priority=priority).leave(name)
            trap.perform_enqueued_jobs()
        self.assertEqual(self.left(), ["a", "b", "c"])

    def test_the_jobs_of_a_graph_are_performed_in_its_order(self):
        with trap_jobs() as trap:
            last = self.effects.delayable(priority=1).leave("last")
            between = group(
                self.effects.delayable(priority=9).leave("b"),
                self.effects.delayable(priority=2).leave("a"),
            )
            chain(self.effects.delayable().leave("first"), between, last).delay()
            self.assertEqual(len({job.graph_uuid for job in trap.enqueued_jobs}), 1)
            trap.perform_enqueued_jobs()
        self.assertEqual(self.left(), ["first", "a", "b", "last"])

    def test_a_trapped_graph_knows_who_waits_for_whom(self):
        with trap_jobs() as trap:
            first = self.effects.delayable().leave("first")
            first.on_done(self.effects.delayable().leave("second")).delay()
            by_name = {job.args[0]: job for job in trap.enqueued_jobs}
        self.assertEqual(by_name["second"].depends_on, {by_name["first"]})
        self.assertFalse(by_name["first"].depends_on)

    def test_a_trap_in_a_trap_catches_what_jobs_make(self):
        with trap_jobs() as trap:
            self.effects.with_delay().enqueue_more(2)
            with trap_jobs() as made_by_jobs:
                trap.perform_enqueued_jobs()
                made_by_jobs.assert_jobs_count(2, only=self.effects.leave)
            trap.assert_jobs_count(0)
            trap.assert_enqueued_job(self.effects.enqueue_more, args=(2,))

    def test_what_a_job_makes_is_caught_by_the_same_trap_without_another(self):
        with trap_jobs() as trap:
            self.effects.with_delay().enqueue_more(2)
            trap.perform_enqueued_jobs()
            trap.assert_jobs_count(2)

    def test_a_job_sees_the_context_that_a_worker_would_restore(self):
        with trap_jobs() as trap:
            records = self.effects.with_context(lang="en_US", other=1)
            records.with_delay().leave("x")
        (job,) = trap.enqueued_jobs
        self.assertEqual(job.recordset.env.context, {"lang": "en_US"})

    def test_an_error_of_a_job_comes_out(self):
        with trap_jobs() as trap:
            self.effects.with_delay().fail_for_good()
            with self.assertRaisesRegex(Exception, "not to be tried again"):
                trap.perform_enqueued_jobs()

    def test_behind_the_trap_jobs_are_stored_again(self):
        with trap_jobs():
            pass
        before = self.stored()
        self.one.with_delay().rename("x")
        self.assertEqual(self.stored(), before + 1)


class TestHook(TrapCase):
    """What copies of such helpers in other add-ons rely on."""

    def test_the_class_is_called_with_the_method_and_all_else_by_keyword(self):
        with mock.patch("odoo.addons.queue_job.delay.Job") as job_class:
            job_class.side_effect = lambda *a, **kw: Job(*a, **kw)
            with mock.patch.object(Job, "store"):
                self.one.with_delay(priority=3).rename("x")
        args, kwargs = job_class.call_args
        self.assertEqual(args, (self.one.rename,))
        self.assertEqual((kwargs["args"], kwargs["kwargs"]), (("x",), {}))
        expected = {
            "priority": 3,
            "eta": None,
            "max_retries": None,
            "description": None,
            "channel": None,
            "identity_key": None,
        }
        rest = {k: v for k, v in kwargs.items() if k not in ("args", "kwargs")}
        self.assertEqual(rest, expected)

    def test_a_graph_calls_it_the_same_way(self):
        with mock.patch("odoo.addons.queue_job.delay.Job") as job_class:
            job_class.side_effect = lambda *a, **kw: Job(*a, **kw)
            with mock.patch.object(Job, "store"):
                group(self.one.delayable().rename("x")).delay()
        self.assertEqual(job_class.call_args.args, (self.one.rename,))

    def test_store_can_be_replaced_on_the_instance(self):
        job = Job(self.one.rename, args=("x",))
        with mock.patch.object(job, "store") as store:
            job.enqueue_unless_twin()
        store.assert_called_once_with()
        self.assertFalse(Job.db_record_from_uuid(self.env, job.uuid))


class TestMock(TrapCase):
    def test_class_and_instance_see_the_call(self):
        before = self.stored()
        with mock_with_delay() as (delayable_class, delayable):
            self.one.with_delay(priority=3, eta=60).rename("x", key=1)
        self.assertEqual(delayable_class.call_count, 1)
        args, kwargs = delayable_class.call_args
        self.assertEqual(args, (self.one,))
        self.assertEqual((kwargs["priority"], kwargs["eta"]), (3, 60))
        self.assertIsNone(kwargs["channel"])
        delayable.rename.assert_called_once_with("x", key=1)
        self.assertEqual(self.stored(), before)

    def test_the_name_that_others_patch_is_in_the_module_of_the_base_model(self):
        name = "odoo.addons.queue_job.models.base.DelayableRecordset"
        with mock.patch(name) as delayable_class:
            self.one.with_delay(priority=3).rename("x")
        delayable_class.return_value.rename.assert_called_once_with("x")


class TestCounter(JobMixin, TrapCase):
    def test_jobs_from_before_are_told_from_those_made_since(self):
        self.effects.with_delay().leave("before")
        counter = self.job_counter()
        self.assertIsInstance(counter, JobCounter)
        existing = counter.count_existing()
        self.assertEqual(existing, self.stored())
        made = self.effects.with_delay().leave("since")
        self.assertEqual(counter.count_created(), 1)
        self.assertEqual(counter.count_existing(), existing)
        self.assertEqual(counter.count_all(), existing + 1)
        self.assertEqual(counter.search_created(), made.db_record())
        self.assertIn(made.db_record(), counter.search_all())

    def test_jobs_made_since_are_performed_parents_first(self):
        self.effects.with_delay().leave("before")
        counter = self.job_counter()
        chain(
            self.effects.delayable(priority=20).leave("first"),
            self.effects.delayable(priority=1).leave("second"),
        ).delay()
        self.perform_jobs(counter)
        self.assertEqual(self.left(), ["first", "second"])

    def test_the_mixin_traps_as_well(self):
        with self.trap_jobs() as trap:
            self.effects.with_delay().leave("x")
            trap.assert_jobs_count(1)


class TestDoctests(unittest.TestCase):
    def load(self, source):
        module = types.ModuleType("odoo.addons.somebody.tools")
        module.__doc__ = source
        module.__file__ = __file__
        suite = unittest.TestSuite()
        load_tests = load_doctests(module)
        return load_tests(unittest.TestLoader(), suite, "test*.py")

    def test_the_examples_of_a_module_are_run(self):
        result = unittest.TestResult()
        self.load(">>> 1 + 1\n2\n").run(result)
        self.assertEqual((result.testsRun, result.failures), (1, []))

    def test_a_wrong_example_fails(self):
        result = unittest.TestResult()
        self.load(">>> 1 + 1\n3\n").run(result)
        self.assertEqual(len(result.failures), 1)

    def test_they_have_what_the_runner_of_odoo_asks_for(self):
        (test,) = self.load(">>> 1 + 1\n2\n")
        self.assertIn("somebody", test.test_tags)
        self.assertEqual(test.test_module, "somebody")
        self.assertIn("/somebody", test.canonical_tag)
