# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No job can be forged or changed into another, by anyone; secrets are not shown."""

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job.models.queue_job_guard import (
    MACHINE_FIELDS,
    PROTECTED_FIELDS,
)


class TestGuard(TransactionCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        self.job = self.partner.with_delay().write({"ref": "x"}).db_record()
        self.manager = new_test_user(
            self.env, "manager", "base.group_system,queue_job.group_queue_job_manager"
        )

    def rpc(self, method, *args, **kwargs):
        """Call as the web client of an administrator does."""
        model = self.env["queue.job"].with_user(self.manager)
        return call_kw(model, method, list(args), kwargs)

    def test_an_administrator_changes_no_field_of_the_machine(self):
        for name in sorted(PROTECTED_FIELDS | MACHINE_FIELDS):
            with self.subTest(name), self.assertRaises(AccessError):
                self.rpc("write", self.job.ids, {name: False})

    def test_a_context_from_outside_opens_nothing(self):
        for key in (True, 1, "object", {}, []):
            with self.subTest(key), self.assertRaises(AccessError):
                self.rpc(
                    "write",
                    self.job.ids,
                    {"method_name": "unlink"},
                    context={"_job_edit_sentinel": key},
                )

    def test_the_superuser_does_not_change_what_a_job_does(self):
        with self.assertRaises(AccessError):
            self.job.sudo().write({"args": [{"name": "another"}]})

    def test_nobody_creates_a_job_by_hand(self):
        values = {"model_name": "res.partner", "method_name": "unlink"}
        with self.assertRaises(AccessError):
            self.rpc("create", [values])
        with self.assertRaises(AccessError):
            self.env["queue.job"].sudo().create(values)

    def test_nobody_imports_a_job(self):
        model = self.env["queue.job"].with_user(self.manager)
        result = model.load(
            ["uuid", "model_name", "method_name"], [["u", "res.partner", "unlink"]]
        )
        self.assertFalse(result["ids"])
        self.assertFalse(self.env["queue.job"].search([("uuid", "=", "u")]))

    def test_nobody_duplicates_a_job(self):
        with self.assertRaises(UserError):
            self.rpc("copy", self.job.ids)

    def test_delaying_is_no_remote_procedure(self):
        for name in ("with_delay", "delayable"):
            with self.subTest(name), self.assertRaises(AccessError):
                call_kw(
                    self.env["res.partner"].with_user(self.manager),
                    name,
                    [self.partner.ids],
                    {},
                )

    def test_private_methods_of_jobs_are_no_remote_procedures(self):
        for name in ("_change_job_state", "_test_job", "_cron_run", "_wake_cron"):
            with self.subTest(name), self.assertRaises(AccessError):
                self.rpc(name, self.job.ids)

    def test_an_administrator_may_change_when_and_where_it_runs(self):
        values = {"priority": 3, "max_retries": 1, "eta": "2100-01-01 00:00:00"}
        self.rpc("write", self.job.ids, values)
        self.assertEqual(self.job.priority, 3)
        self.assertFalse(self.job.ready)
        self.rpc("write", self.job.ids, {"eta": False})
        self.assertTrue(self.job.ready)

    def test_a_job_is_not_moved_to_a_channel_that_does_not_exist(self):
        with self.assertRaisesRegex(UserError, "root.nowhere"):
            self.rpc("write", self.job.ids, {"channel": "root.nowhere"})

    def test_a_viewer_steers_nothing(self):
        viewer = new_test_user(self.env, "v", "queue_job.group_queue_job_viewer")
        job = self.job.with_user(viewer)
        self.assertEqual(job.state, "pending")
        for name in ("requeue", "button_done", "button_cancelled", "button_stop"):
            with self.subTest(name), self.assertRaises(AccessError):
                getattr(job, name)()

    def test_somebody_without_rights_enqueues_but_sees_nothing(self):
        user = new_test_user(self.env, "u", "base.group_user")
        partner = self.partner.with_user(user)
        job = partner.with_delay().read(["name"])
        self.assertTrue(self.env["queue.job"].search([("uuid", "=", job.uuid)]))
        with self.assertRaises(AccessError):
            self.env["queue.job"].with_user(user).search([])

    def test_masked_arguments_are_stored_but_not_shown(self):
        job = self.partner.with_delay().write({"ref": "seen", "password": "s3cret"})
        record = job.db_record()
        self.assertNotIn("s3cret", record.func_string)
        self.assertIn("seen", record.func_string)
        self.assertNotIn("s3cret", record.arguments_display)
        (read,) = self.rpc("read", record.ids, ["args", "kwargs", "func_string"])
        self.assertNotIn("s3cret", str(read))
        self.assertIn("seen", str(read))
        self.assertEqual(record.args[0]["password"], "s3cret")
