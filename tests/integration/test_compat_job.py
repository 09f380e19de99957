# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other add-ons call on a job."""

import copy
from datetime import datetime
from itertools import permutations
from unittest.mock import patch

from odoo.tests.common import new_test_user

from odoo.addons.queue_job import listeners
from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError
from odoo.addons.queue_job.job import Job

from .test_compat import CompatCase

ATTRIBUTES = """
    uuid state method_name recordset args kwargs func model_name depends_on graph_uuid
    priority channel max_retries retry eta job_config description identity_key
    date_created date_enqueued date_started date_done date_cancelled result exec_time
    exc_name exc_message exc_info user_id company_id worker_pid func_string env
""".split()


class TestJob(CompatCase):
    def made(self, **options):
        return self.one.with_delay(**options).rename("x")

    def failing(self, error):
        def fail(self):
            raise error

        self.patch(type(self.effects), "fail", fail)
        return self.one.with_delay(max_retries=2).fail()

    def test_every_attribute_can_be_read_new_and_loaded(self):
        made = self.made()
        made.db_record()
        for job in (Job(self.one.rename), made, Job.load(self.env, made.uuid)):
            for name in ATTRIBUTES:
                with self.subTest(name):
                    getattr(job, name)

    def test_several_jobs_are_loaded_at_once(self):
        jobs = {self.made(), self.made()}
        uuids = [job.uuid for job in jobs]
        self.assertEqual(set(Job.load_many(self.env, [*uuids, "none"])), jobs)
        records = Job.db_records_from_uuids(self.env, uuids)
        self.assertEqual(set(records.mapped("uuid")), set(uuids))
        loaded = Job._load_from_db_record(records[0])
        self.assertEqual(loaded.uuid, records[0].uuid)

    def test_a_try_that_ignores_retries_is_not_counted(self):
        made = self.failing(RetryableJobError("later", ignore_retry=True))
        for _index in range(5):
            with self.assertRaises(RetryableJobError):
                made.perform()
        self.assertEqual(made.retry, 0)

    def test_the_last_try_fails_for_good(self):
        made = self.failing(RetryableJobError("later"))
        with self.assertRaises(RetryableJobError):
            made.perform()
        with self.assertRaises(FailedJobError) as caught:
            made.perform()
        self.assertEqual(str(caught.exception), "Max. retries (2) reached: later")

    def test_cancelled(self):
        made = self.made()
        made.set_cancelled(result="Not wanted")
        made.store()
        record = made.db_record()
        self.assertEqual((record.state, record.result), ("cancelled", "Not wanted"))
        self.assertTrue(record.date_cancelled)

    def test_failed_with_keywords(self):
        made = self.made()
        made.set_failed(exc_info="Trace", exc_name="Err", exc_message="msg")
        made.store()
        record = made.db_record()
        self.assertEqual(
            (record.state, record.exc_info, record.exc_name, record.exc_message),
            ("failed", "Trace", "Err", "msg"),
        )

    def test_a_stored_job_keeps_what_it_is(self):
        made = self.made()
        record = made.db_record()
        made.recordset, made.args, made.description = self.two, ("y",), "Other"
        made.set_enqueued()
        made.store()
        record.invalidate_recordset()
        self.assertEqual((record.records, record.args), (self.one, ("x",)))
        self.assertNotEqual(record.name, "Other")
        self.assertEqual(record.state, "enqueued")

    def test_what_others_set_on_a_job_is_stored_when_it_is_stored_again(self):
        made = self.made()
        record = made.db_record()
        for name, value in (
            ("priority", 3),
            ("max_retries", 9),
            ("identity_key", "key"),
            ("graph_uuid", "graph"),
            ("result", "Text"),
            ("retry", 2),
        ):
            setattr(made, name, value)
            made.store()
            record.invalidate_recordset()
            self.assertEqual(record[name], value, name)

    def test_a_test_case_may_begin_while_jobs_are_buffered(self):
        made = self.made()
        kept = copy.deepcopy(self.env.cr.precommit.data)
        made.db_record()
        self.assertTrue(kept)

    def test_a_job_may_have_no_company(self):
        made = Job(self.one.rename, args=("x",))
        made.company_id = False
        made.store()
        self.assertFalse(made.db_record().company_id)
        made = self.one.with_context(company_id=False).with_delay().rename("x")
        self.assertFalse(made.db_record().company_id)
        self.assertFalse(Job.load(self.env, made.uuid).company_id)

    def test_a_loaded_job_has_its_user_and_company_whoever_loads_it(self):
        company = self.env["res.company"].create({"name": "Second"})
        user = new_test_user(self.env, "loaded", "base.group_user")
        records = self.one.with_context(company_id=company.id).with_user(user)
        made = records.with_delay().rename("x")
        self.env.flush_all()
        loaded = Job.load(self.env, made.uuid)
        self.assertEqual((loaded.user_id, loaded.company_id), (user.id, company.id))

    def test_the_time_of_execution_is_that_between_its_dates(self):
        made = self.made()
        self.assertIsNone(made.exec_time)
        made.date_started = datetime(2026, 1, 2, 3, 4, 5)
        made.date_done = datetime(2026, 1, 2, 3, 4, 8)
        self.assertEqual(made.exec_time, 3)
        made.store()
        self.assertEqual(made.db_record().exec_time, 3)
        self.assertEqual(Job.load(self.env, made.uuid).exec_time, 3)

    def test_a_loaded_job_knows_who_waits_for_it(self):
        first, second, third = self.chained()
        self.env.flush_all()
        loaded = Job.load(self.env, first.uuid)
        self.assertEqual(loaded.reverse_depends_on, {second})
        self.assertEqual(first.reverse_depends_on, {second})
        self.assertFalse(third.reverse_depends_on)

    def test_what_happens_to_a_job_is_stored_when_it_is_stored_again(self):
        made = self.made()
        made.perform()
        made.set_done()
        record = made.db_record()
        self.assertEqual((record.state, record.retry), ("pending", 0))
        made.store()
        self.assertEqual((record.state, record.retry), ("done", 1))

    def test_a_stored_call_never_changes_whatever_becomes_of_its_arguments(self):
        def leave(self, words, names=None):
            words.append("changed")
            names["changed"] = 1

        self.patch(type(self.effects), "leave", leave)
        for listens in (False, True):
            for store_again in (False, True):
                with self.subTest(listens=listens, store_again=store_again):
                    self.check_stored_call(listens, store_again)

    def check_stored_call(self, listens, store_again):
        words, names = ["said"], {"a": {"b": [1]}}
        job = Job(self.one.leave, args=(words,), kwargs={"names": names})
        text = job.func_string
        listening = listeners.Listeners(create=listens, write=listens)
        with patch.object(listeners, "of", lambda env: listening):
            job.store()
            job.perform()
            if store_again:
                job.set_done()
                job.store()
            record = job.db_record()
        loaded = Job.load(self.env, job.uuid)
        expected = ((["said"],), {"names": {"a": {"b": [1]}}})
        self.assertEqual((loaded.args, loaded.kwargs), expected)
        self.assertEqual(record.func_string, text)
        loaded.perform()
        loaded.store()
        again = Job.load(self.env, job.uuid)
        self.assertEqual((again.args, again.kwargs), expected)
        self.assertEqual((record.args, record.kwargs), expected)

    def test_the_name_of_its_function_is_that_of_the_record(self):
        made = self.made()
        self.assertEqual(made.job_function_name, "<test.queue.effect>.rename")
        loaded = Job.load(self.env, made.uuid)
        self.assertEqual(loaded.job_function_name, made.job_function_name)

    def test_jobs_made_by_hand_depend_on_each_other_as_in_a_chain(self):
        first, second = (self.effects.delayable().leave(name) for name in "ab")
        chain(first, second).delay()
        expected = self.dependencies(first._generated_job, second._generated_job)
        self.assertEqual(
            expected,
            [
                {"depends_on": [], "reverse_depends_on": [1]},
                {"depends_on": [0], "reverse_depends_on": []},
            ],
        )
        steps = ("depend", "store first", "store second", "read")
        for order in permutations(steps):
            with self.subTest(order=order):
                jobs = [Job(self.effects.leave, args=(name,)) for name in "ab"]
                self.assertEqual(self.made_in(order, *jobs), expected)

    def made_in(self, order, first, second):
        acts = {
            "depend": lambda: second.add_depends({first}),
            "store first": first.store,
            "store second": second.store,
            # whatever is there is written, and what is read of it stays in a cache
            "read": lambda: [
                job.db_record().dependencies for job in (first, second) if job._stored
            ],
        }
        for name in order:
            acts[name]()
        if order.index("depend") > order.index("store second"):
            second.store()
        return self.dependencies(first, second)

    def dependencies(self, *jobs):
        """What the records say, with the positions of the jobs for their uuids."""
        number = {job.uuid: index for index, job in enumerate(jobs)}
        return [
            {
                name: [number[uuid] for uuid in uuids]
                for name, uuids in job.db_record().dependencies.items()
            }
            for job in jobs
        ]

    def test_dependencies_by_hand(self):
        first, second = self.made(), Job(self.two.rename, args=("y",))
        second.add_depends({first})
        self.assertEqual(second.state, "wait_dependencies")
        second.store()
        self.assertEqual(second.db_record().state, "wait_dependencies")
        loaded = Job.load(self.env, second.uuid)
        self.assertEqual(loaded.depends_on, {first})
        self.assertTrue(first.should_check_dependents())
        self.assertFalse(second.should_check_dependents())

    def test_a_stored_job_can_be_made_to_wait(self):
        first, second, third = self.made(), self.made(), self.made()
        record = second.db_record()
        second.add_depends({first})
        second.store()
        self.assertEqual(record.state, "wait_dependencies")
        self.assertEqual(record.dependency_ids, first.db_record())
        second.add_depends({third})
        second.store()
        record.invalidate_recordset()
        self.assertEqual(record.dependency_ids, first.db_record() | third.db_record())
        for parent in (first, third):
            self.assertEqual(record.state, "wait_dependencies")
            parent.db_record().button_done()
        self.assertEqual(record.state, "pending")

    def chained(self):
        calls = [self.effects.delayable().leave(name) for name in "abc"]
        chain(*calls).delay()
        return [call._generated_job for call in calls]

    def test_dependents_are_enqueued_when_all_parents_are_done(self):
        first, second, third = self.chained()
        first.set_done()
        first.store()
        first.enqueue_waiting()
        self.assertEqual(second.db_record().state, "pending")
        self.assertEqual(third.db_record().state, "wait_dependencies")

    def test_dependents_are_cancelled_down_to_the_last(self):
        first, second, third = self.chained()
        first.set_cancelled()
        first.store()
        first.cancel_dependent_jobs()
        self.assertEqual(second.db_record().state, "cancelled")
        self.assertEqual(third.db_record().state, "cancelled")

    def test_a_temporary_environment_has_a_cursor_of_its_own(self):
        made = self.made()
        cr = made.env.cr
        with made.in_temporary_env():
            self.assertIsNot(made.env.cr, cr)
        self.assertIs(made.env.cr, cr)

    def test_a_job_can_be_locked(self):
        made = self.made()
        made.add_lock_record()
        self.assertTrue(made.lock())

    def test_the_method_for_failures_gets_its_keywords(self):
        self.env["queue.job.function"].create(
            {"name": "<test.queue.effect>.undeclared", "on_fail_method": "on_fail"}
        )
        seen = []

        def on_fail(self, **values):
            seen.append((self, values))

        effects = type(self.effects)
        effects.on_fail = on_fail
        self.addCleanup(delattr, effects, "on_fail")
        made = self.one.with_delay().undeclared()
        values = {"exc_info": "t", "exc_name": "n", "exc_message": ["any", "type"]}
        made.on_fail(values)
        self.assertEqual(seen, [(self.one, values)])

    def test_the_call_is_told_as_text(self):
        made = Job((self.one | self.two).leave, args=("x",), kwargs={"number": 1})
        expected = (
            f"test.queue.effect({self.one.id}, {self.two.id}).leave('x', number=1)"
        )
        self.assertEqual(made.func_string, expected)
