# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Only what ``with_delay()`` encoded is executed, whoever writes rows (D14)."""

import json
from unittest.mock import patch

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.tests.common import TransactionCase, new_test_user
from odoo.tools import mute_logger

from odoo.addons.queue_job import executor, rows, storage
from odoo.addons.queue_job.exception import JobRefused
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.models import queue_job_guard
from odoo.addons.queue_job.storage import sealing
from odoo.addons.queue_job.tests.common import drain_queue

_RECORDING = "odoo.addons.queue_job.executor.recording"


def raw(stored):
    """What ``_create`` takes."""
    return {"stored": stored, "inherited": {}, "inversed": {}, "protected": ()}


class SealCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.env["queue.job"].search([]).sudo().unlink()
        cls.user = new_test_user(cls.env, "t_worker", "base.group_system")

    def left(self):
        return self.effects.search([("name", "!=", False)]).mapped("name")

    def delayed(self, env=None, **options):
        effects = self.effects.with_env(env) if env else self.effects
        return effects.with_delay(**options).leave("x").db_record().sudo()

    def is_sealed(self, job):
        self.env.flush_all()
        return sealing.sealed(self.env.cr, job.ids) == job.ids

    def work(self):
        """Have the pending jobs executed the way a runner does."""
        self.env.flush_all()
        pending = self.env["queue.job"].sudo().search([("state", "=", "pending")])
        marked = storage.schedule.mark_enqueued(self.env.cr, pending.ids, 1)
        self.env.invalidate_all()
        hooks = executor.hooks_of(self.env.registry)
        with self.enter_registry_test_mode():
            for _id, uuid, attempt, _channel in marked:
                with self.env.registry.cursor() as cr:
                    executor.serve(
                        Environment(cr, SUPERUSER_ID, {}), hooks, uuid, attempt, 0
                    )
        self.env.invalidate_all()

    @mute_logger(_RECORDING)
    def assertRefused(self, job, text="not written by with_delay()"):
        """Nothing was read of its call, nothing run, and it says why."""
        with patch.object(rows, "decode") as decode:
            self.work()
            decode.assert_not_called()
        self.assertEqual(job.state, "failed")
        self.assertIn(text, job.exc_message)
        self.assertIn("JobRefused", job.exc_name)
        self.assertFalse(self.left())


class TestWhoSeals(SealCase):
    def test_a_delayed_call_is_sealed_alone_and_among_many(self):
        one = self.delayed()
        keyed = self.delayed(identity_key="k")
        many = [self.effects.with_delay().leave("x") for _index in range(3)]
        for job in (one, keyed, *(each.db_record() for each in many)):
            self.assertTrue(self.is_sealed(job))
        self.assertEqual(set(drain_queue(self.env).mapped("state")), {"done"})

    def test_a_delayed_call_is_sealed_when_others_override_create(self):
        seen = []
        origin = type(self.env["queue.job"]).create

        def create(self, vals_list):
            seen.append(vals_list)
            return origin(self, vals_list)

        with patch.object(type(self.env["queue.job"]), "create", create):
            job = self.delayed()
            self.assertTrue(seen)
            self.assertTrue(self.is_sealed(job))
            drain_queue(self.env)
        self.assertEqual(job.state, "done")

    def test_no_orm_method_makes_a_runnable_row(self):
        """The attack that made a forged row of a door to ``_create``."""
        values = self.forged()
        jobs = self.env["queue.job"].sudo()
        made = jobs._create([raw(dict(values, uuid="forged 1"))])
        key = {"_job_edit_sentinel": queue_job_guard.EDIT_SENTINEL}
        made += jobs.with_context(**key).create([dict(values, uuid="forged 2")])
        for job in made:
            self.assertFalse(self.is_sealed(job))
        self.assertRefused(made[0])
        self.assertRefused(made[1])

    def test_no_model_knows_the_seal(self):
        self.assertNotIn("sealed", self.env["queue.job"]._fields)
        job = self.delayed()
        for write, error in ((job.write, ValueError), (job._write, KeyError)):
            with self.assertRaises(error):
                write({"sealed": True})

    def forged(self):
        return {
            "state": "pending",
            "model_name": "test.queue.effect",
            "method_name": "leave",
            "records": self.effects,
            "args": ("forged",),
            "kwargs": {},
            "user_id": self.env.uid,
            "channel": "root",
        }

    def test_a_row_that_another_tool_inserts_is_refused(self):
        template = self.delayed()
        self.env.cr.execute(
            "INSERT INTO queue_job (uuid, name, state, model_name, method_name,"
            " records, args, kwargs, user_id, channel, priority, date_created,"
            " max_retries)"
            " SELECT 'by sql', name, 'pending', model_name, method_name, records, args,"
            " kwargs, user_id, channel, 1, date_created, 5 FROM queue_job WHERE id = %s"
            " RETURNING id",
            (template.id,),
        )
        job = template.browse(self.env.cr.fetchone()[0])
        template.unlink()
        self.assertRefused(job)


class TestWhatBreaksTheSeal(SealCase):
    def test_each_change_of_the_call_breaks_it_and_nothing_else_does(self):
        other = self.env["res.company"].create({"name": "Other"})
        changes = {
            "model_name": "res.partner",
            "method_name": "unlink",
            "records": json.dumps({"_type": "odoo_recordset"}),
            "args": '["y"]',
            "kwargs": '{"name": "y"}',
            "user_id": self.user.id,
            "company_id": other.id,
        }
        self.assertEqual(set(changes), set(sealing.SEALED_FIELDS))
        for column, value in changes.items():
            with self.subTest(column=column):
                job = self.delayed()
                self.assertTrue(self.is_sealed(job))
                self.env.cr.execute(
                    f"UPDATE queue_job SET {column} = %s WHERE id = %s", (value, job.id)
                )
                self.assertFalse(self.is_sealed(job))
        job = self.delayed()
        job.write({"priority": 3, "channel": "root", "eta": False})
        self.env.cr.execute(
            "UPDATE queue_job SET user_id = user_id, args = args WHERE id = %s",
            (job.id,),
        )
        self.assertTrue(self.is_sealed(job))

    def test_a_changed_row_is_refused_at_each_door(self):
        for name, act in self.doors().items():
            with self.subTest(door=name):
                job = self.delayed()
                self.change(job)
                with mute_logger(_RECORDING):
                    act(job)
                self.env.invalidate_all()
                self.assertNotEqual(job.state, "done")
                self.assertFalse(self.left())

    def change(self, job):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET args = '[\"forged\"]' WHERE id = %s", (job.id,)
        )
        self.env.invalidate_all()

    def doors(self):
        def by_hand(job):
            with self.assertRaises(JobRefused):
                Job.load(self.env, job.uuid).perform()

        def by_steps(job):
            hooks = executor.hooks_of(self.env.registry)
            loaded = Job.load(self.env, job.uuid)
            with self.assertRaises(JobRefused):
                hooks._runjob(self.env, loaded)

        def acquired(job):
            hooks = executor.hooks_of(self.env.registry)
            storage.schedule.mark_enqueued(self.env.cr, job.ids, 1)
            self.env.invalidate_all()
            with self.assertRaises(JobRefused):
                hooks._acquire_job(self.env, job.uuid)

        def drained(_job):
            self.work()

        return {
            "perform": by_hand,
            "_runjob": by_steps,
            "_acquire_job": acquired,
            "worker": drained,
        }

    def test_a_refused_job_can_be_requeued_and_stays_refused(self):
        job = self.delayed()
        self.change(job)
        self.assertRefused(job)
        job.requeue()
        self.assertRefused(job)

    def test_a_sound_job_can_be_requeued_and_runs(self):
        job = self.delayed()
        drain_queue(self.env)
        job.requeue()
        drain_queue(self.env)
        self.assertEqual((job.state, len(self.left())), ("done", 2))

    def test_server_code_with_the_key_corrects_a_job(self):
        job = self.delayed()
        key = {"_job_edit_sentinel": job.EDIT_SENTINEL}
        job.with_context(**key).write({"args": ("corrected",)})
        self.assertTrue(self.is_sealed(job))
        drain_queue(self.env)
        self.assertEqual(self.left(), ["corrected"])

    def test_a_correction_does_not_seal_what_was_not(self):
        job = self.delayed()
        self.change(job)
        key = {"_job_edit_sentinel": job.EDIT_SENTINEL}
        job.with_context(**key).write({"args": ("corrected",)})
        self.assertFalse(self.is_sealed(job))

    def test_no_code_without_the_key_keeps_the_seal(self):
        """Whatever an add-on lets through that has writing in its hands."""
        job = self.delayed()
        with patch.object(type(job), "_check_edit"):
            job.sudo().write({"args": ("changed",)})
        self.assertFalse(self.is_sealed(job))

    def test_on_fail_and_stored_values_of_a_refused_job_are_not_asked(self):
        job = self.delayed()
        self.change(job)
        loaded = Job.load(self.env, job.uuid)
        config = loaded.job_config._replace(on_fail_method_name="leave")
        with patch.object(type(loaded), "job_config", config):
            loaded.on_fail({"name": "on fail"})
        self.assertEqual(loaded.extra_values, {})
        self.assertFalse(self.left())


class TestUsersWhoAreGone(SealCase):
    def test_the_job_of_an_archived_user_is_refused_until_he_is_back(self):
        for su in (False, True):
            with self.subTest(su=su):
                self.user.active = True
                job = self.delayed(self.env(user=self.user, su=su))
                self.user.active = False
                self.assertRefused(job, "archived")
        self.user.active = True
        job.requeue()
        drain_queue(self.env)
        self.assertEqual(job.state, "done")

    def test_the_job_of_a_deleted_user_is_refused(self):
        job = self.delayed(self.env(user=self.user))
        self.env.flush_all()
        self.user.unlink()
        self.assertRefused(job, "does not exist any more")

    def test_the_system_and_visitors_are_archived_users_whose_jobs_run(self):
        public = self.env.ref("base.public_user")
        root = self.env.ref("base.user_root")
        self.assertFalse((public | root).filtered("active"))
        for user in (public, root):
            job = self.delayed(self.env(user=user, su=True))
            drain_queue(self.env)
            self.assertEqual(job.state, "done", user.login)


class TestUpgrade(SealCase):
    def test_rows_from_before_the_seal_are_sealed_and_later_ones_are_not(self):
        job = self.delayed()
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE queue_job DROP COLUMN sealed")
        storage.schema.prepare(self.env.cr)
        self.assertTrue(self.is_sealed(job))
        forged = (
            self.env["queue.job"]
            .sudo()
            ._create([raw({"uuid": "forged", "state": "pending"})])
        )
        self.assertFalse(self.is_sealed(forged))
        storage.schema.prepare(self.env.cr)
        self.assertFalse(self.is_sealed(forged))
        with mute_logger(_RECORDING):
            self.work()
        self.assertEqual(forged.state, "failed")
        self.assertEqual(job.state, "done")
