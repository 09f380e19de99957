# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No job can be forged or changed into another, by anyone; secrets are not shown."""

import logging
from contextlib import suppress

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job import executor
from odoo.addons.queue_job.job import Job
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
        for method in ("copy", "copy_data"):
            with self.subTest(method), self.assertRaises(UserError):
                self.rpc(method, self.job.ids)

    def test_an_import_changes_no_field_of_the_machine(self):
        model = self.env["queue.job"].with_user(self.manager)
        texts = {"integer": "7", "float": "7", "boolean": "1", "many2one": "1"}
        for name in sorted(PROTECTED_FIELDS | MACHINE_FIELDS):
            field = model._fields[name]
            self.env.cr.execute("SELECT job FROM queue_job job")
            before = self.env.cr.fetchall()
            column = f"{name}/.id" if field.type == "many2one" else name
            text = texts.get(field.type, "x")
            with self.subTest(name):
                with suppress(TypeError):  # Odoo cannot import such a field at all
                    found = model.load([".id", column], [[str(self.job.id), text]])
                    self.assertFalse(found["ids"])
                self.env.cr.execute("SELECT job FROM queue_job job")
                self.assertEqual(self.env.cr.fetchall(), before)

    def test_the_web_client_saves_no_field_of_the_machine(self):
        for name in sorted(PROTECTED_FIELDS | MACHINE_FIELDS):
            with self.subTest(name), self.assertRaises(AccessError):
                self.rpc("web_save", self.job.ids, {name: False}, {"id": {}})
        with self.assertRaises(AccessError):
            self.rpc("web_save", [], {"method_name": "unlink"}, {"id": {}})

    def test_every_stored_field_is_the_machine_s_or_may_be_edited(self):
        """A new field that says what runs must not be forgotten here."""
        editable = {"priority", "eta", "max_retries", "channel", "timeout"}
        stored = {
            name
            for name, field in self.env["queue.job"]._fields.items()
            if field.store and "queue_job" in (field._modules or ())
        }
        others = {"id", "try_ids"} | set(self.env["mail.thread"]._fields)
        others |= set(self.env["mail.activity.mixin"]._fields)
        known = PROTECTED_FIELDS | MACHINE_FIELDS | editable
        self.assertEqual(stored - known - others, set())

    def test_a_row_that_is_related_to_jobs_changes_none(self):
        """Commands on the fields of other models would write jobs as well."""
        command = (1, self.job.id, {"method_name": "unlink"})
        for name, model in self.env.items():
            if model._abstract:
                continue
            for field in model._fields.values():
                if field.comodel_name != "queue.job" or field.type == "many2one":
                    continue
                values = {field.name: [command]}
                with self.subTest(model=name, field=field.name):
                    with suppress(AccessError, UserError, ValueError):
                        model.with_user(self.manager).create(values)
                    with suppress(AccessError, UserError, ValueError):
                        self.job.with_user(self.manager).write(values)
                    self.env.invalidate_all()
                    self.assertEqual(self.job.method_name, "write")

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


class TestMasking(TransactionCase):
    """Arguments that are nobody's business, by whatever way they are asked for."""

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        values = {"ref": "seen", "password": "s3cret"}
        self.delayed = self.partner.with_delay().write(values)
        self.job = self.delayed.db_record()
        self.named = self.partner.with_delay().write(vals=values).db_record()
        self.manager = new_test_user(
            self.env, "manager", "base.group_system,queue_job.group_queue_job_manager"
        )
        self.env.flush_all()
        self.jobs = self.env["queue.job"].with_user(self.manager)

    def check(self, found):
        self.assertIn("seen", str(found))
        self.assertNotIn("s3cret", str(found))

    def test_they_are_stored_but_not_shown(self):
        key = {"_job_edit_sentinel": self.job.EDIT_SENTINEL}
        stored = self.job.with_context(**key)
        self.assertEqual(stored.args[0]["password"], "s3cret")
        self.assertEqual(self.delayed.args[0]["password"], "s3cret")
        for job in (self.job, self.named):
            self.check(job.func_string)
            self.check(job.arguments_display)

    def test_they_are_not_read(self):
        for job in (self.job, self.named):
            ids, names = job.ids, ["args", "kwargs", "func_string"]
            self.check(call_kw(self.jobs, "read", [ids, names], {}))
            spec = {name: {} for name in [*names, "arguments_display"]}
            self.check(call_kw(self.jobs, "web_read", [ids, spec], {}))
            domain = [("id", "=", job.id)]
            self.check(call_kw(self.jobs, "web_search_read", [domain, spec], {}))
            self.check(call_kw(self.jobs, "search_read", [domain, names], {}))
            self.assertNotIn(
                "s3cret", str(call_kw(self.jobs, "onchange", [ids, {}, [], spec], {}))
            )

    def test_they_are_not_exported(self):
        for job in (self.job, self.named):
            found = job.with_user(self.manager).export_data(
                ["args", "kwargs", "func_string", "arguments_display"]
            )
            self.check(found["datas"])

    def test_they_are_not_found_by_guessing(self):
        for name in ("args", "kwargs"):
            for operator, value in (("ilike", "s3cret"), ("!=", False), ("in", ["a"])):
                domain = [(name, operator, value)]
                with self.subTest(domain), self.assertRaises(AccessError):
                    self.jobs.search(domain)
            with self.subTest(name), self.assertRaises(AccessError):
                self.jobs.search([], order=name)
            with self.subTest(name), self.assertRaises(AccessError):
                self.jobs._read_group([], [name])
            for function in ("array_agg", "max", "count_distinct"):
                with self.subTest(function), self.assertRaises(AccessError):
                    self.jobs._read_group([], [], [f"{name}:{function}"])
            tries = self.env["queue.job.try"].with_user(self.manager)
            with self.subTest(name), self.assertRaises(AccessError):
                tries.search([(f"job_id.{name}", "ilike", "s3cret")])

    def test_a_key_from_outside_opens_nothing(self):
        jobs = self.jobs.with_context(_queue_job_reading=True)
        with self.assertRaises(AccessError):
            jobs.search([("args", "ilike", "s3cret")])

    def test_they_are_in_no_message_and_in_no_line_of_the_log(self):
        job = Job.load(self.env, self.delayed.uuid)
        with self.assertLogs("odoo.addons.queue_job", logging.DEBUG) as logs:
            with suppress(KeyError):  # partners have no password
                executor.JobHooks._runjob(job.env, job)
            again = self.partner.with_delay().write({"password": "s3cret"})
        self.env.invalidate_all()
        self.assertEqual(self.job.state, "failed")
        told = "\n".join([*logs.output, *self.job.message_ids.mapped("body")])
        told += f"{self.job.exc_info}{self.job.exc_message}{again!r}{again}"
        self.assertIn(self.job.uuid, told)
        self.assertNotIn("s3cret", told)
