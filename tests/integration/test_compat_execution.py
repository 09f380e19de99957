# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What running jobs and wrapped steps of an execution may rely on."""

import inspect
from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

import psycopg2.errors

from odoo import fields
from odoo.tests.common import new_test_user
from odoo.tools import mute_logger

from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.exception import (
    FailedJobError,
    NothingToDoJob,
    RetryableJobError,
)
from odoo.addons.queue_job.executor import JobHooks, recording
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.tests.common import drain_queue

from .test_compat import CompatCase

HOOKS = """
    _acquire_job _try_perform_job _runjob _enqueue_dependent_jobs _get_failure_values
""".split()


class TestRunning(CompatCase):
    def patched(self, body):
        body.__name__ = "leave"
        self.patch(type(self.effects), "leave", body)

    def run_one(self, **options):
        made = self.one.with_delay(**options).leave()
        drain_queue(self.env, limit=1)
        record = made.db_record()
        record.invalidate_recordset()
        return record

    def test_a_running_job_is_started_and_counts_finished_tries(self):
        seen = []

        def body(self):
            uuid = self.env.context["job_uuid"]
            job = self.env["queue.job"].sudo().search([("uuid", "=", uuid)])
            seen.append((job.state, job.retry))
            if len(seen) < 3:
                raise RetryableJobError("later", seconds=0)

        self.patched(body)
        made = self.one.with_delay().leave()
        drain_queue(self.env, with_retries=True)
        self.assertEqual(seen, [("started", 0), ("started", 1), ("started", 2)])
        self.assertEqual(made.db_record().state, "done")

    def test_an_end_that_cannot_be_written_takes_nothing_of_a_test_along(self):
        made = self.one.with_delay().leave("x")
        record = made.db_record()
        with (
            patch.object(recording, "_write", side_effect=RuntimeError("theirs")),
            self.assertRaisesRegex(RuntimeError, "theirs"),
        ):
            recording.record_failure(made, ValueError("the body's"))
        self.assertEqual(record.exists().state, "pending")

    def test_the_date_of_a_retry_comes_from_the_error_or_the_usual_interval(self):
        for seconds, expected in ((30, 30), (None, 600)):

            def body(self, seconds=seconds):
                raise RetryableJobError("later", seconds=seconds)

            self.patched(body)
            record = self.run_one()
            now = fields.Datetime.now()
            self.assertEqual(record.state, "pending")
            self.assertAlmostEqual(
                record.eta,
                now + timedelta(seconds=expected),
                delta=timedelta(seconds=20),
            )

    def test_the_date_of_a_retry_comes_from_the_pattern_of_the_function(self):
        function = self.env["queue.job.function"].search(
            [("name", "=", "<test.queue.effect>.leave")]
        )
        function.retry_pattern = {1: 30, 2: 90}

        def body(self):
            raise RetryableJobError("later")

        self.patched(body)
        record = self.one.with_delay().leave().db_record()
        for expected in (30, 90):
            record.sudo().write({"eta": False})
            drain_queue(self.env)
            due = fields.Datetime.now() + timedelta(seconds=expected)
            self.assertAlmostEqual(record.eta, due, delta=timedelta(seconds=20))

    def test_errors_that_are_derived_from_ours_count_like_ours(self):
        class Later(RetryableJobError):
            pass

        class Over(NothingToDoJob):
            pass

        def retried(self):
            raise Later("later", seconds=30)

        self.patched(retried)
        self.assertEqual(self.run_one().state, "pending")

        def nothing(self):
            raise Over("Nothing to do")

        self.patched(nothing)
        record = self.run_one()
        self.assertEqual((record.state, record.result), ("done", "Nothing to do"))

    def test_a_conflict_in_the_database_is_tried_again_after_five_seconds(self):
        def body(self):
            raise psycopg2.errors.SerializationFailure("could not serialize access")

        self.patched(body)
        record = self.run_one()
        self.assertEqual(record.state, "pending")
        due = fields.Datetime.now() + timedelta(seconds=5)
        self.assertAlmostEqual(record.eta, due, delta=timedelta(seconds=20))

    def test_a_job_delays_another_with_its_own_uuid_taken_out(self):
        def body(self):
            self.with_context(job_uuid=False).with_delay().rename("from inside")

        self.patched(body)
        self.run_one()
        drain_queue(self.env)
        self.assertEqual(self.one.name, "from inside")

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_commit_in_a_job_is_an_error(self):
        def body(self):
            self.env.cr.commit()  # pylint: disable=invalid-commit

        self.patched(body)
        record = self.run_one()
        self.assertEqual((record.state, record.exc_name), ("failed", "RuntimeError"))

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_failure_is_told_to_managers_and_creator(self):
        manager = new_test_user(
            self.env, "jobmanager", "queue_job.group_queue_job_manager"
        )
        creator = new_test_user(self.env, "jobcreator")

        def body(self):
            raise ValueError("broken")

        self.patched(body)
        made = self.one.with_user(creator).with_delay().leave()
        drain_queue(self.env)
        record = made.db_record().sudo()
        self.assertEqual(record.state, "failed")
        self.assertEqual(
            (record.exc_name, record.exc_message), ("ValueError", "broken")
        )
        self.assertIn("Traceback", record.exc_info)
        followers = record.message_partner_ids
        self.assertIn(manager.partner_id, followers)
        self.assertIn(creator.partner_id, followers)
        subtype = self.env.ref("queue_job.mt_job_failed")
        self.assertIn(subtype, record.message_ids.subtype_id)

    def test_user_company_context_and_superuser_are_restored(self):
        company = self.env["res.company"].create({"name": "Second"})
        user = new_test_user(
            self.env, "restored", company_ids=[(4, company.id)], company_id=company.id
        )
        seen = []

        def body(self):
            env = self.env
            seen.append((env.uid, env.su, env.company, env.context.get("tz")))

        self.patched(body)
        records = self.one.with_user(user).with_context(tz="Asia/Tokyo", x=1)
        made = records.with_delay().leave()
        records.sudo().with_delay().leave()
        drain_queue(self.env)
        self.assertEqual(
            seen,
            [
                (user.id, False, company, "Asia/Tokyo"),
                (user.id, True, company, "Asia/Tokyo"),
            ],
        )
        record = made.db_record().sudo()
        self.assertEqual((record.user_id, record.company_id), (user, company))

    def test_a_company_in_the_context_is_that_of_the_job(self):
        company = self.env["res.company"].create({"name": "Second"})
        made = self.one.with_context(company_id=company.id).with_delay().rename("x")
        self.assertEqual(made.db_record().company_id, company)


class TestHooks(CompatCase):
    """The class methods of the controller, called through the class."""

    def enqueued(self, name="leave", *args):
        made = getattr(self.one.with_delay(), name)(*args)
        made.set_enqueued()
        made.store()
        return made

    def test_all_hooks_are_class_methods(self):
        for name in HOOKS:
            method = inspect.getattr_static(RunJobController, name)
            with self.subTest(name):
                self.assertIsInstance(method, classmethod)

    def test_a_job_that_is_not_enqueued_is_not_acquired(self):
        made = self.one.with_delay().rename("x")
        with mute_logger("odoo.addons.queue_job.executor.claiming"):
            self.assertIsNone(RunJobController._acquire_job(self.env, made.uuid))
            self.assertIsNone(RunJobController._acquire_job(self.env, "none"))

    def test_an_acquired_job_is_started_on_the_cursor(self):
        made = self.enqueued("leave", "x")
        job = RunJobController._acquire_job(self.env, made.uuid)
        self.assertEqual((job.uuid, job.state), (made.uuid, "started"))
        self.assertIs(job.env.cr, self.env.cr)

    def test_by_hand_a_job_is_performed_again_whatever_became_of_it(self):
        user = new_test_user(self.env, "performs_by_hand")
        for as_user in (self.env.user, user):
            made = self.one.with_user(as_user).sudo().with_delay().leave("x")
            record = made.db_record().sudo()
            for state in ("pending", "done", "done", "failed", "cancelled", "pending"):
                with self.subTest(user=as_user.login, state=state):
                    made.state = state
                    made.store()
                    before = self.effects.search_count([])
                    RunJobController._try_perform_job(made.env, made)
                    self.assertEqual((made.state, record.state), ("done", "done"))
                    self.assertEqual(self.effects.search_count([]), before + 1)
            loaded = Job.load(made.env, made.uuid)
            for _time in range(2):
                RunJobController._try_perform_job(loaded.env, loaded)
            self.assertEqual(record.state, "done")

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_by_hand_the_attempts_of_a_job_are_counted_on(self):
        def leave(self):
            raise RetryableJobError("later", seconds=5)

        self.patch(type(self.effects), "leave", leave)
        made = self.one.with_delay(max_retries=3).leave()
        record = made.db_record()
        for retry, state in ((1, "pending"), (2, "pending"), (3, "failed")):
            with suppress(FailedJobError):
                RunJobController._runjob(self.env, made)
            self.assertEqual((record.retry, record.state), (retry, state))

    def test_a_subclass_takes_effect_at_each_step(self):
        steps = []

        class Hooked:
            @classmethod
            def _try_perform_job(cls, env, job):
                steps.append(("perform", env.cr is job.env.cr))
                return super()._try_perform_job(env, job)

            @classmethod
            def _enqueue_dependent_jobs(cls, env, job):
                steps.append(("dependents", job.state))
                return super()._enqueue_dependent_jobs(env, job)

            @classmethod
            def _get_failure_values(cls, job, traceback_txt, orig_exception):
                steps.append(("failure", "Traceback" in traceback_txt))
                values = super()._get_failure_values(
                    job, traceback_txt=traceback_txt, orig_exception=orig_exception
                )
                return {**values, "exc_message": "told otherwise"}

        # of no add-on: else it took effect in the whole process
        outside = {"__module__": "outside"}
        hooks = type("Hooks", (Hooked, JobHooks), outside)
        made = self.enqueued("leave", "x")
        hooks._runjob(self.env, hooks._acquire_job(self.env, made.uuid))
        self.assertEqual(made.db_record().state, "done")
        failing = self.enqueued("fail", "because")
        job = hooks._acquire_job(self.env, failing.uuid)
        with mute_logger("odoo.addons.queue_job.executor.recording"):
            with self.assertRaisesRegex(Exception, "because"):
                hooks._runjob(self.env, job)
        record = failing.db_record()
        self.assertEqual(record.state, "failed")
        self.assertEqual(record.exc_message, "told otherwise")
        self.assertEqual(
            steps,
            [
                ("perform", True),
                ("dependents", "done"),
                ("perform", True),
                ("failure", True),
            ],
        )

    def test_who_performs_a_job_by_hand_releases_its_dependents(self):
        calls = [self.effects.delayable().leave(name) for name in "ab"]
        chain(*calls).delay()
        first, second = (call._generated_job for call in calls)
        job = Job.load(self.env, first.db_record().uuid)
        RunJobController._enqueue_dependent_jobs(self.env, job)
        self.assertEqual(second.db_record().state, "wait_dependencies")
        job.perform()
        job.set_done()
        job.store()
        RunJobController._enqueue_dependent_jobs(self.env, job)
        self.assertEqual(second.db_record().state, "pending")

    def test_a_step_alone_performs_a_job_and_sets_it_done(self):
        job = Job.load(self.env, self.one.with_delay().rename("x").db_record().uuid)
        RunJobController._try_perform_job(self.env, job)
        self.assertEqual(self.one.name, "x")
        self.assertEqual(job.db_record().state, "done")
