# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The documented interface of ``Job`` and ``DelayableRecordset``, point by point."""

import inspect
import uuid
from datetime import timedelta

from odoo import fields
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job import job as job_module
from odoo.addons.queue_job.exception import (
    FailedJobError,
    NoSuchJobError,
    RetryableJobError,
)
from odoo.addons.queue_job.job import DelayableRecordset, Job, identity_exact

CONSTRUCTOR = (
    "func args kwargs priority eta job_uuid max_retries description channel"
    " identity_key"
).split()


class JobCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.effect = cls.effects.create({"name": "before"})
        cls.jobs = cls.env["queue.job"]

    def stored(self, **options):
        return self.effect.with_delay(**options).rename("after")

    def assert_now(self, moment):
        now = fields.Datetime.now()
        self.assertAlmostEqual(moment, now, delta=timedelta(seconds=30))


OPTIONAL = dict.fromkeys(
    "args kwargs priority eta max_retries description channel identity_key".split()
)
#: parameters and their defaults as documented; ...: without a default
SIGNATURES = {
    "load": {"env": ..., "job_uuid": ...},
    "enqueue": {"func": ..., **OPTIONAL},
    "db_record_from_uuid": {"env": ..., "job_uuid": ...},
    "job_record_with_same_identity_key": {},
    "perform": {},
    "store": {},
    "db_record": {},
    "set_pending": {"result": None, "reset_retry": True},
    "set_enqueued": {},
    "set_started": {},
    "set_done": {"result": None},
    "set_failed": {"exc_info": None},
    "postpone": {"result": None, "seconds": None},
    "related_action": {},
}


class TestSignatures(JobCase):
    def assert_begins(self, method, expected):
        parameters = inspect.signature(method).parameters.values()
        found = {
            each.name: ... if each.default is each.empty else each.default
            for each in parameters
        }
        self.assertEqual(list(found.items())[: len(expected)], list(expected.items()))

    def test_the_methods_take_the_documented_parameters_in_order(self):
        made = Job(self.effect.rename)
        for name, expected in SIGNATURES.items():
            with self.subTest(name):
                self.assert_begins(getattr(made, name), expected)

    def test_so_do_the_decorators(self):
        expected = {"func": None, "default_channel": "root", "retry_pattern": None}
        self.assert_begins(job_module.job, expected)
        self.assert_begins(job_module.related_action, {"action": None})

    def test_positional_arguments_are_understood(self):
        made = self.stored()
        made.set_failed("Trace")
        made.set_pending("Again", False)
        self.assertEqual((made.result, made.state), ("Again", "pending"))
        made.postpone("Later", 60)
        made.set_done("Done")
        self.assertEqual(made.result, "Done")


class TestDelayableRecordset(JobCase):
    def test_it_can_be_made_directly(self):
        delayable = DelayableRecordset(self.effect, priority=20)
        made = delayable.rename("after")
        self.assertEqual(made.priority, 20)
        self.assertEqual(made.recordset, self.effect)
        self.assertEqual(made.db_record().state, "pending")

    def test_its_parameters_are_those_of_with_delay_behind_the_recordset(self):
        parameters = list(inspect.signature(DelayableRecordset).parameters)
        options = "priority eta max_retries description channel identity_key".split()
        self.assertEqual(parameters[:7], ["recordset", *options])

    def test_it_has_both_of_its_names(self):
        from odoo.addons.queue_job import delay

        self.assertIs(DelayableRecordset, delay.DelayableRecordset)
        with self.assertRaises(AttributeError):
            job_module.nothing_like_it  # noqa: B018


class TestJob(JobCase):
    def test_the_constructor_takes_its_parameters_in_order(self):
        parameters = list(inspect.signature(Job).parameters)
        self.assertEqual(parameters[:10], CONSTRUCTOR)
        made = Job(
            self.effect.rename,
            ("x",),
            {},
            3,
            60,
            "0000-1",
            7,
            "Text",
            "root.test_one",
            "key",
        )
        self.assertEqual((made.priority, made.uuid, made.max_retries), (3, "0000-1", 7))
        self.assertEqual((made.description, made.channel), ("Text", "root.test_one"))
        self.assertEqual(made.identity_key, "key")
        self.assertGreater(made.eta, fields.Datetime.now())

    def test_a_new_job_has_its_attributes(self):
        made = Job(self.effects.leave, args=("x",), kwargs={"number": 1})
        self.assertEqual(str(uuid.UUID(made.uuid)), made.uuid)
        self.assertEqual(made.state, "pending")
        self.assertEqual((made.retry, made.max_retries, made.priority), (0, 5, 10))
        self.assertEqual((made.args, made.kwargs), (("x",), {"number": 1}))
        self.assertEqual(made.description, "Leave an effect")
        self.assertEqual(made.func.__name__, "leave")
        self.assertEqual(made.model_name, "test.queue.effect")
        self.assertEqual(made.recordset, self.effects)
        self.assertEqual(made.user_id, self.env.uid)
        self.assertEqual(made.channel, "root")
        self.assert_now(made.date_created)
        nothing_yet = (
            "date_enqueued date_started date_done result exc_info eta identity_key"
        )
        for name in nothing_yet.split():
            self.assertIsNone(getattr(made, name), name)

    def test_only_a_bound_method_of_a_model_is_taken(self):
        for func in (print, "rename", type(self.effect).rename, None, [].append):
            with self.subTest(func=func), self.assertRaises(TypeError):
                Job(func)

    def test_a_job_is_read_from_the_database(self):
        made = self.stored(priority=3, description="Text", eta=60, max_retries=2)
        loaded = Job.load(self.env, made.uuid)
        self.assertEqual(loaded, made)
        for name in (
            "uuid state retry max_retries args kwargs description model_name"
            " method_name priority user_id recordset channel"
        ).split():
            self.assertEqual(getattr(loaded, name), getattr(made, name), name)
        self.assertEqual(
            loaded.eta, made.eta.replace(microsecond=loaded.eta.microsecond)
        )

    def test_a_job_that_does_not_exist_is_not_loaded(self):
        with self.assertRaisesRegex(NoSuchJobError, "no-uuid"):
            Job.load(self.env, "no-uuid")

    def test_a_record_is_found_by_its_uuid(self):
        made = self.stored()
        self.assertEqual(Job.db_record_from_uuid(self.env, made.uuid), made.db_record())
        self.assertFalse(Job.db_record_from_uuid(self.env, "no-uuid"))

    def test_enqueue_creates_and_stores_and_returns_the_job(self):
        made = Job.enqueue(
            self.effect.rename, args=("after",), priority=4, description="Text"
        )
        self.assertIsInstance(made, Job)
        self.assertEqual(made.db_record().priority, 4)
        self.assertEqual(made.db_record().name, "Text")

    def test_enqueue_returns_the_pending_job_with_the_same_key(self):
        options = {"args": ("after",), "identity_key": identity_exact}
        first = Job.enqueue(self.effect.rename, **options)
        second = Job.enqueue(self.effect.rename, **options)
        self.assertEqual(second.uuid, first.uuid)
        other = Job.enqueue(self.effect.rename, ("x",), identity_key=identity_exact)
        self.assertNotEqual(other.uuid, first.uuid)

    def test_the_job_with_the_same_key_is_told(self):
        made = self.stored(identity_key="key")
        other = Job(self.effect.rename, args=("x",), identity_key="key")
        self.assertEqual(other.job_record_with_same_identity_key().uuid, made.uuid)
        without = Job(self.effect.rename, args=("x",), identity_key="another")
        self.assertFalse(without.job_record_with_same_identity_key())

    def test_store_writes_a_job_once(self):
        made = Job(self.effect.rename, args=("x",))
        self.assertFalse(Job.db_record_from_uuid(self.env, made.uuid))
        made.store()
        record = made.db_record()
        made.set_enqueued()
        made.store()
        self.assertEqual(made.db_record(), record)
        self.assertEqual(record.state, "enqueued")

    def test_related_action_opens_the_record(self):
        self.assertEqual(self.stored().related_action()["res_id"], self.effect.id)


class TestPerform(JobCase):
    def test_the_result_is_returned_and_the_try_counted(self):
        made = self.effects.with_delay().leave("x")
        self.assertEqual(made.perform(), "left x")
        self.assertEqual((made.retry, made.result), (1, "left x"))

    def test_it_runs_as_the_user_who_initiated_it(self):
        user = new_test_user(self.env, "initiator")
        made = self.effects.with_user(user).with_delay().leave("x")
        made.db_record()
        Job.load(self.env, made.uuid).perform()
        effect = self.effects.search([("job_uuid", "=", made.uuid)])
        self.assertEqual(effect.user_id, user)

    def test_an_error_of_the_method_comes_out(self):
        made = self.effects.with_delay().fail_for_good()
        with self.assertRaises(FailedJobError):
            made.perform()

    def test_after_the_last_retry_the_job_is_considered_failed(self):
        made = self.effects.with_delay(max_retries=3).retry_until(99)
        for _index in range(2):
            with self.assertRaises(RetryableJobError):
                made.perform()
        with self.assertRaisesRegex(FailedJobError, r"Max. retries \(3\) reached"):
            made.perform()


class TestStates(JobCase):
    def test_enqueued_started_done(self):
        made = self.stored()
        made.set_enqueued()
        self.assertEqual(made.state, "enqueued")
        self.assert_now(made.date_enqueued)
        made.set_started()
        self.assertEqual(made.state, "started")
        self.assert_now(made.date_started)
        made.set_done(result="Finished")
        made.store()
        record = made.db_record()
        self.assertEqual((record.state, record.result), ("done", "Finished"))
        self.assert_now(record.date_done)

    def test_failed_keeps_the_exception_information(self):
        for call in (
            lambda made: made.set_failed("Traceback"),
            lambda made: made.set_failed(exc_info="Traceback"),
        ):
            made = self.stored()
            call(made)
            made.store()
            self.assertEqual(made.db_record().state, "failed")
            self.assertEqual(made.db_record().exc_info, "Traceback")

    def test_failed_without_information(self):
        made = self.stored()
        made.set_failed()
        self.assertEqual((made.state, made.exc_info), ("failed", None))

    def test_pending_again_counts_the_tries_anew_unless_told_otherwise(self):
        made = self.stored()
        made.set_started()
        made.retry = 3
        made.set_pending(result="Again", reset_retry=False)
        self.assertEqual((made.state, made.retry), ("pending", 3))
        self.assertEqual(made.result, "Again")
        self.assertIsNone(made.date_started)
        made.set_pending()
        self.assertEqual(made.retry, 0)

    def test_a_job_is_done_without_the_trace_of_former_failures(self):
        made = self.stored()
        made.set_failed(exc_info="Traceback", exc_name="E", exc_message="m")
        made.set_done()
        made.store()
        record = made.db_record()
        self.assertFalse(record.exc_info or record.exc_name or record.exc_message)

    def test_postpone_sets_the_date_so_many_seconds_from_now(self):
        made = self.stored()
        made.postpone(result="Later", seconds=3600)
        made.store()
        record = made.db_record()
        self.assert_now(record.eta - timedelta(hours=1))
        self.assertEqual(record.result, "Later")
        self.assertFalse(record.ready)
