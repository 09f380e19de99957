# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from lxml import etree

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user


class SecurityCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nobody = new_test_user(cls.env, "t_nobody", "base.group_user")
        cls.viewer = new_test_user(
            cls.env, "t_viewer", "queue_job.group_queue_job_viewer"
        )
        cls.operator = new_test_user(
            cls.env, "t_operator", "queue_job.group_queue_job_operator"
        )
        cls.manager = new_test_user(
            cls.env, "t_manager", "queue_job.group_queue_job_manager"
        )
        cls.record = cls.env["queue.job"].with_delay()._test_job().db_record()
        cls.channel = cls.env["queue.job.channel"].create({"name": "t_secure"})
        cls.function = cls.env.ref("queue_job.job_function_queue_job__test_job")


class TestGroups(SecurityCase):
    def test_each_group_holds_the_one_below(self):
        groups = ("viewer", "operator", "manager")
        held = {
            user: [
                user.has_group(f"queue_job.group_queue_job_{group}") for group in groups
            ]
            for user in (self.nobody, self.viewer, self.operator, self.manager)
        }
        self.assertEqual(held[self.nobody], [False, False, False])
        self.assertEqual(held[self.viewer], [True, False, False])
        self.assertEqual(held[self.operator], [True, True, False])
        self.assertEqual(held[self.manager], [True, True, True])

    def test_the_administrator_of_the_database_manages_the_queue(self):
        admin = self.env.ref("base.user_admin")
        self.assertTrue(admin.has_group("queue_job.group_queue_job_manager"))

    def test_the_groups_are_one_choice_in_the_form_of_a_user(self):
        privilege = self.env.ref("queue_job.privilege_queue_job")
        category = self.env.ref("queue_job.module_category_queue_job")
        self.assertEqual(privilege.category_id, category)
        self.assertEqual(len(privilege.group_ids), 3)


class TestRights(SecurityCase):
    #: model: (read, write, create, unlink) of nobody, viewer, operator, manager
    RIGHTS = {
        "queue.job": ("", "r", "rw", "rw"),
        "queue.job.try": ("", "r", "r", "r"),
        "queue.job.lock": ("", "", "", "r"),
        "queue.job.runner": ("", "r", "r", "r"),
        "queue.job.channel": ("", "r", "r", "rwcu"),
        "queue.job.function": ("", "r", "r", "rwcu"),
        "queue.requeue.job": ("", "", "rwcu", "rwcu"),
        "queue.jobs.to.done": ("", "", "rwcu", "rwcu"),
        "queue.jobs.to.cancelled": ("", "", "rwcu", "rwcu"),
        "queue.job.demo": ("", "", "", "rwcu"),
        "queue.job.stat": ("", "r", "r", "r"),
        "queue.job.failure.group": ("", "r", "r", "r"),
        "queue.job.subscription": ("", "rwcu", "rwcu", "rwcu"),
        "queue.job.bulk": ("", "", "rwcu", "rwcu"),
    }

    def test_who_may_do_what_with_which_model(self):
        users = (self.nobody, self.viewer, self.operator, self.manager)
        operations = {"r": "read", "w": "write", "c": "create", "u": "unlink"}
        for name, expected in self.RIGHTS.items():
            for user, letters in zip(users, expected):
                model = self.env[name].with_user(user)
                allowed = "".join(
                    letter
                    for letter, operation in operations.items()
                    if model.has_access(operation)
                )
                self.assertEqual(allowed, letters, f"{name} for {user.login}")

    def test_every_model_of_the_add_on_has_its_rights_stated(self):
        data = self.env["ir.model.data"].search(
            [("module", "=", "queue_job"), ("model", "=", "ir.model")]
        )
        models = self.env["ir.model"].browse(data.mapped("res_id"))
        ours = set(models.mapped("model")) & {
            name
            for name in self.env
            if name.startswith("queue.") and not self.env[name]._abstract
        }
        self.assertEqual(ours, set(self.RIGHTS))

    def test_a_viewer_cannot_press_a_button(self):
        job = self.record.with_user(self.viewer)
        for button in ("requeue", "button_done", "button_cancelled", "button_stop"):
            with self.subTest(button=button), self.assertRaises(AccessError):
                getattr(job, button)()

    def test_an_operator_cancels_and_requeues(self):
        job = self.record.with_user(self.operator)
        job.button_cancelled()
        self.assertEqual(job.state, "cancelled")
        job.requeue()
        self.assertEqual(job.state, "pending")
        job.button_done()
        self.assertEqual(job.state, "done")

    def test_only_the_manager_changes_a_channel_or_a_function(self):
        with self.assertRaises(AccessError):
            self.channel.with_user(self.operator).capacity = 4
        with self.assertRaises(AccessError):
            self.channel.with_user(self.operator).button_pause()
        with self.assertRaises(AccessError):
            self.function.with_user(self.operator).timeout = 4
        self.channel.with_user(self.manager).button_pause()
        self.assertTrue(self.channel.paused)
        self.function.with_user(self.manager).edit_retry_pattern = "{1: 5}"
        self.assertEqual(self.function.retry_pattern, {1: 5})

    def test_a_manager_declares_a_function_by_choosing_a_model(self):
        models = self.env["ir.model"].with_user(self.manager)
        model = models.search([("model", "=", "res.partner")])
        function = (
            self.env["queue.job.function"]
            .with_user(self.manager)
            .create({"model_id": model.id, "method": "t_method"})
        )
        self.assertEqual(function.name, "<res.partner>.t_method")

    def test_a_job_of_another_company_is_not_seen(self):
        other = self.env["res.company"].create({"name": "T other"})
        job = (
            self.env["queue.job"]
            .with_context(company_id=other.id)
            .with_delay()
            ._test_job()
            .db_record()
        )
        self.assertEqual(job.company_id, other)
        jobs = self.env["queue.job"].with_user(self.manager)
        self.assertFalse(jobs.search([("id", "=", job.id)]))
        self.assertTrue(jobs.search([("id", "=", self.record.id)]))
        self.manager.company_ids += other
        both = jobs.with_context(allowed_company_ids=self.manager.company_ids.ids)
        self.assertTrue(both.search([("id", "=", job.id)]))

    def test_a_job_of_no_company_is_seen_by_all(self):
        self.env.cr.execute(
            "UPDATE queue_job SET company_id = NULL WHERE id = %s", (self.record.id,)
        )
        self.env.invalidate_all()
        jobs = self.env["queue.job"].with_user(self.viewer)
        self.assertTrue(jobs.search([("id", "=", self.record.id)]))


class TestButtons(SecurityCase):
    def buttons(self, user, model, view_type):
        arch = self.env[model].with_user(user).get_view(view_type=view_type)["arch"]
        found = etree.fromstring(arch).iter("button")
        return {button.get("name") for button in found}

    def test_the_form_of_a_job_has_the_buttons_of_each_group(self):
        steering = {"requeue", "button_done", "button_cancelled", "button_stop"}
        seen = self.buttons(self.viewer, "queue.job", "form")
        self.assertFalse(seen & steering)
        self.assertIn("open_related_action", seen)
        seen = self.buttons(self.operator, "queue.job", "form")
        self.assertLessEqual(steering, seen)

    def test_the_list_of_jobs_has_the_buttons_of_each_group(self):
        self.assertFalse(self.buttons(self.viewer, "queue.job", "list"))
        seen = self.buttons(self.operator, "queue.job", "list")
        wizards = ("bulk_requeue", "bulk_cancel", "bulk")
        self.assertEqual(
            seen, {f"queue_job.action_queue_job_{name}" for name in wizards}
        )

    def test_only_a_manager_sees_pause_and_resume(self):
        for view_type in ("form", "kanban"):
            pausing = {"button_pause", "button_resume"}
            seen = self.buttons(self.operator, "queue.job.channel", view_type)
            self.assertFalse(seen & pausing)
            seen = self.buttons(self.manager, "queue.job.channel", view_type)
            self.assertLessEqual(pausing, seen)

    def test_a_viewer_is_offered_no_wizard(self):
        names = (
            "action_queue_requeue_job",
            "action_queue_jobs_to_done",
            "action_queue_jobs_to_cancelled",
            "action_queue_job_bulk",
            "action_queue_job_bulk_requeue",
            "action_queue_job_bulk_cancel",
            "action_queue_job_bulk_done",
        )
        wizards = {self.env.ref(f"queue_job.{name}").id for name in names}
        for user, expected in ((self.viewer, set()), (self.operator, wizards)):
            actions = self.env["ir.actions.actions"].with_user(user)
            bound = actions.get_bindings("queue.job").get("action", ())
            offered = {action["id"] for action in bound}
            self.assertEqual(offered & wizards, expected, user.login)

    def test_the_menus_are_those_of_the_group(self):
        def menus(user):
            visible = self.env["ir.ui.menu"].with_user(user)._visible_menu_ids()
            data = self.env["ir.model.data"].search(
                [
                    ("module", "=", "queue_job"),
                    ("model", "=", "ir.ui.menu"),
                    ("res_id", "in", list(visible)),
                ]
            )
            return set(data.mapped("name"))

        self.assertFalse(menus(self.nobody))
        self.assertLessEqual(
            {"menu_queue_job_root", "menu_queue_job"}, menus(self.viewer)
        )
        self.assertNotIn("menu_queue_job_demo", menus(self.operator))
        self.assertIn("menu_queue_job_demo", menus(self.manager))
