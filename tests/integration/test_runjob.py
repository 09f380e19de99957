# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``/queue_job/runjob``: who may have a job executed, and what becomes of it."""

import os
import socket
from contextlib import suppress
from unittest.mock import patch
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.exceptions import UserError
from odoo.http import Request
from odoo.tests.common import HttpCase, get_db_name, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job import executor, storage
from odoo.addons.queue_job.controllers import entrance
from odoo.addons.queue_job.core import proof as proofs


@tagged("-at_install", "post_install")
class TestRunJob(HttpCase):
    """The short way in, before Odoo's own dispatch."""

    short = True

    def setUp(self):
        super().setUp()
        was_short = entrance._original is not None
        self.set_short(self.short)
        self.addCleanup(self.set_short, was_short)
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        self.secret = self.env["ir.config_parameter"].get_param("database.secret")

    @staticmethod
    def set_short(short):
        if short:
            entrance.install()
        else:
            entrance.uninstall()

    def enqueued(self, call=None, **options):
        delayed = self.partner.with_delay(**options)
        job = call(delayed) if call else delayed.write({"ref": "done"})
        record = self.env["queue.job"].browse(job.db_record().id)
        ((_id, uuid, attempt, _channel),) = storage.schedule.mark_enqueued(
            self.env.cr, record.ids, 1
        )
        record.invalidate_recordset()
        return record, uuid, attempt

    def request(self, uuid, attempt, proof=None, database=None):
        if proof is None:
            proof = proofs.sign(
                self.secret, database or get_db_name(), uuid, int(attempt)
            )
        response = self.url_open(
            f"/queue_job/runjob?job_uuid={uuid}&attempt={attempt}&proof={proof}",
            headers={"X-Odoo-Database": get_db_name()},
        )
        self.env.invalidate_all()
        return response

    def test_a_request_with_a_proof_executes_the_job(self):
        job, uuid, attempt = self.enqueued()
        response = self.request(uuid, attempt)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(job.state, "done")
        self.assertEqual(self.partner.ref, "done")

    def test_a_request_without_a_proof_does_nothing_and_tells_nothing(self):
        job, uuid, attempt = self.enqueued()
        answers = [
            self.request(uuid, attempt, proof="x"),
            self.request(uuid, attempt, proof="0" * 64),
            self.request("0" * 36, attempt, proof="0" * 64),
            self.request(uuid, "", proof="0" * 64),
            self.request(uuid, "9" * 30, proof="0" * 64),
            self.request(uuid, "%F0%9F%92%A9", proof="%00"),
        ]
        self.assertEqual({answer.status_code for answer in answers}, {403})
        self.assertEqual(len({answer.text for answer in answers}), 1)
        self.assertEqual(job.state, "enqueued")

    def test_whatever_a_request_brings_it_is_refused(self):
        names = st.sampled_from(["job_uuid", "attempt", "proof", "db", "x"])
        values = st.sampled_from(["0" * 64, "1", "-1", "9" * 40]) | st.text(max_size=60)
        # "self" is refused by Odoo's own wrapper of routes, with an error of its own
        others = st.text(max_size=5).filter(lambda name: name != "self")
        queries = st.dictionaries(names | others, values, max_size=5)

        @settings(deadline=None, database=None, max_examples=60)
        @given(queries)
        def refused(query):
            response = self.url_open(
                f"/queue_job/runjob?{urlencode(query, errors='surrogatepass')}",
                headers={"X-Odoo-Database": get_db_name()},
            )
            self.assertEqual(response.status_code, 403)

        refused()

    def test_a_request_to_tell_of_jobs_needs_a_proof_as_well(self):
        name = storage.untold.REQUEST
        with patch.object(executor.telling, "tell") as told:
            self.assertEqual(self.request(name, 0, proof="0" * 64).status_code, 403)
            told.assert_not_called()
            self.assertEqual(self.request(name, 0).status_code, 200)
            told.assert_called_once()

    def test_the_proof_of_another_database_is_refused(self):
        job, uuid, attempt = self.enqueued()
        response = self.request(uuid, attempt, database="another")
        self.assertEqual(response.status_code, 403)
        self.assertEqual(job.state, "enqueued")

    def test_the_proof_of_another_attempt_is_refused(self):
        job, uuid, attempt = self.enqueued()
        proof = proofs.sign(self.secret, get_db_name(), uuid, attempt + 1)
        self.assertEqual(self.request(uuid, attempt, proof).status_code, 403)
        self.assertEqual(job.state, "enqueued")

    def test_a_request_that_is_sent_twice_executes_the_job_once(self):
        job, uuid, attempt = self.enqueued()
        self.request(uuid, attempt)
        self.partner.ref = "changed later"
        self.env.flush_all()
        response = self.request(uuid, attempt)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(self.partner.ref, "changed later")
        self.assertEqual(job.retry, 1)

    def test_a_job_that_was_cancelled_meanwhile_is_not_executed(self):
        job, uuid, attempt = self.enqueued()
        job.button_cancelled()
        self.request(uuid, attempt)
        self.assertEqual(job.state, "cancelled")
        self.assertFalse(self.partner.ref)

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_failed_job_keeps_its_error_its_try_and_its_message(self):
        creator = new_test_user(self.env, "creator")
        self.partner = self.partner.with_user(creator)
        job, uuid, attempt = self.enqueued(lambda delayed: delayed.write({"no": 1}))
        self.request(uuid, attempt)
        self.assertEqual(job.state, "failed")
        self.assertEqual(job.exc_name, "KeyError")
        self.assertIn("Traceback", job.exc_info)
        (tried,) = job.try_ids
        self.assertEqual((tried.outcome, tried.attempt), ("failed", 1))
        self.assertEqual(tried.worker, f"{socket.gethostname()}:{os.getpid()}")
        self.assertEqual(tried.date_started, job.date_started)
        self.assertGreaterEqual(tried.date_ended, tried.date_started)
        self.assertGreaterEqual(tried.exec_time, 0)
        self.assertEqual((tried.exc_name, tried.exc_message), ("KeyError", "no"))
        self.assertIn("Traceback", tried.exc_info)
        subtype = self.env.ref("queue_job.mt_job_failed")
        self.assertIn(subtype, job.message_ids.subtype_id)
        self.assertIn(creator.partner_id, job.message_partner_ids)

    #: what became of a job's call, by SQL, and what its failure says
    BROKEN = (
        ("method_name = 'gone'", "no method gone"),
        (
            "model_name = 'no.model',"
            " records = jsonb_set(records, '{model}', '\"no.model\"')",
            "no.model",
        ),
        ('args = \'[{"_type": "unheard_of"}]\'', "unheard_of"),
        ("args = '{\"a\": 1}'", "the stored JSON holds a dict"),
        ("records = 'null'", "the stored JSON holds a NoneType"),
        ("kwargs = '[]'", "the stored JSON holds a list"),
        ("records = jsonb_set(records, '{uid}', '2000000000')", ""),
        ("records = jsonb_set(records, '{ids}', '[2000000000]')", "does not exist"),
    )

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_job_that_cannot_be_called_fails_with_the_reason_and_is_handled(self):
        for change, reason in self.BROKEN:
            job, uuid, attempt = self.enqueued()
            self.env.cr.execute(
                f"UPDATE queue_job SET {change} WHERE id = %s", (job.id,)
            )
            storage.sealing.seal(self.env.cr, job.ids)
            with self.subTest(change):
                self.assertEqual(self.request(uuid, attempt).status_code, 200)
                self.assertEqual(job.state, "failed")
                self.assertIn(reason, job.exc_message)
                self.press_every_button(job)

    def press_every_button(self, job):
        job.read()
        for button in ("open_related_action", "open_graph_jobs"):
            with suppress(UserError):  # which may say that there is nothing to open
                getattr(job, button)()
        for button, state in (
            ("requeue", "pending"),
            ("button_cancelled", "cancelled"),
            ("requeue", "pending"),
            ("button_done", "done"),
        ):
            getattr(job, button)()
            self.assertEqual(job.state, state, button)

    def test_dependants_are_released(self):
        first = self.partner.delayable().write({"ref": "1"})
        second = self.partner.delayable().write({"ref": "2"})
        first.on_done(second).delay()
        parent = first._generated_job.db_record()
        child = second._generated_job.db_record()
        self.assertEqual(child.state, "wait_dependencies")
        ((_id, uuid, attempt, _channel),) = storage.schedule.mark_enqueued(
            self.env.cr, parent.ids, 1
        )
        self.request(uuid, attempt)
        self.assertEqual(parent.state, "done")
        self.assertEqual(child.state, "pending")


@tagged("-at_install", "post_install")
class TestRunJobByItsRoute(TestRunJob):
    """The route, where the add-on is not loaded server-wide."""

    short = False


@tagged("-at_install", "post_install")
class TestTestJobs(HttpCase):
    """``/queue_job/create_test_job``"""

    # pylint: disable-next=method-required-super
    def create(self, user, **options):
        before = self.env["queue.job"].search([])
        self.authenticate(user, user)
        options["csrf_token"] = Request.csrf_token(self)
        response = self.url_open("/queue_job/create_test_job", data=options)
        self.env.invalidate_all()
        return response, self.env["queue.job"].search([]) - before

    def test_who_administrates_users_makes_test_jobs(self):
        new_test_user(self.env, "t_erp", "base.group_user,base.group_erp_manager")
        response, jobs = self.create(
            "t_erp",
            size=3,
            priority=4,
            max_retries=2,
            description="Try",
            channel="root",
        )
        self.assertEqual(response.text, "3 jobs created")
        self.assertEqual(jobs.mapped("name"), ["Try"] * 3)
        self.assertEqual(set(jobs.mapped("method_name")), {"_test_job"})
        self.assertEqual(set(jobs.mapped("priority")), {4})
        self.assertEqual(set(jobs.mapped("max_retries")), {2})
        response, job = self.create("t_erp")
        self.assertEqual(response.text, f"job uuid: {job.uuid}")

    def test_nobody_else_does(self):
        new_test_user(self.env, "t_user", "base.group_user")
        response, jobs = self.create("t_user")
        self.assertEqual(response.status_code, 403)
        self.assertFalse(jobs)

    def test_what_is_no_number_is_a_bad_request(self):
        new_test_user(self.env, "t_erp", "base.group_user,base.group_erp_manager")
        response, jobs = self.create("t_erp", size="many")
        self.assertEqual(response.status_code, 400)
        self.assertFalse(jobs)
