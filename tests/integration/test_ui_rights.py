# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Nobody sees what he may not press: all menus, views and buttons, of each group."""

import logging

from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user

_logger = logging.getLogger(__name__)

GROUPS = ("viewer", "operator", "manager")
_WINDOW = "ir.actions.act_window"
#: what only looks; all others must be pressed by somebody to be seen
LOOKING = {
    "open_related_action",
    "open_graph_jobs",
    "open_jobs",
    "open_failed_jobs",
}
#: widgets that write whether or not the view can be edited
WRITING = ("boolean_toggle", "boolean_favorite", "handle", "queue_job_number")
VIEW_TYPES = (
    "list",
    "kanban",
    "form",
    "graph",
    "pivot",
    "calendar",
    "activity",
    "search",
)


class TestRights(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            name: new_test_user(
                cls.env, f"t_right_{name}", groups=f"queue_job.group_queue_job_{name}"
            )
            for name in GROUPS
        }
        cls.channel = cls.env["queue.job.channel"].create(
            {"name": "t_right", "capacity": 2}
        )
        cls.models = [
            name
            for name, model in cls.env.registry.items()
            if model._module == "queue_job" and not model._abstract
            if name.startswith("queue.")
        ]

    def record(self, model):
        """Something that the buttons of a model's views can be pressed on."""
        job = self.env["queue.job"].with_delay()._test_job().db_record()
        self.env.flush_all()
        if model == "queue.job":
            return job
        if model == "queue.job.failure.group":
            job.sudo().write({"state": "failed", "exc_name": "t.RightError"})
            self.env.flush_all()
            return self.env[model].search([("exc_name", "=", "t.RightError")])
        if model == "queue.job.channel":
            return self.channel
        if model == "queue.job.function":
            return self.env.ref("queue_job.job_function_queue_job__test_job")
        return None

    def views(self, user):
        """``(model, view type, root of the arch)`` of all that the user may see."""
        for model in self.models:
            records = self.env[model].with_user(user)
            if not records.has_access("read"):
                continue
            stored = self.env["ir.ui.view"].search([("model", "=", model)])
            for view_type in set(VIEW_TYPES) & set(stored.mapped("type")):
                arch = records.get_view(view_type=view_type)["arch"]
                yield model, view_type, etree.fromstring(arch)

    def press(self, user, model, name):
        record = self.record(model)
        if record is None:
            return
        try:
            with self.env.cr.savepoint():
                getattr(record.with_user(user), name)()
        except AccessError as error:
            self.fail(f"{user.login} sees {name} of {model}: {error}")
        except UserError as error:
            # allowed, but nothing to be done with this record
            _logger.info("%s of %s: %s", name, model, error)

    def test_every_button_that_is_seen_may_be_pressed(self):
        pressed = {}
        for group, user in self.users.items():
            pressed[group] = set()
            for model, view_type, arch in self.views(user):
                for button in arch.iter("button"):
                    name = button.get("name")
                    with self.subTest(group=group, model=model, view=view_type):
                        if button.get("type") == "object":
                            self.press(user, model, name)
                            pressed[group].add((model, name))
                        elif button.get("type") == "action":
                            self.open(user, name)
                            pressed[group].add((model, name))
        own = {name for _model, name in pressed["viewer"]} - LOOKING
        self.assertFalse(own, "a viewer sees buttons that change something")
        for less, more in (("viewer", "operator"), ("operator", "manager")):
            self.assertLess(pressed[less], pressed[more])

    def open(self, user, action):
        """Open the views of an action as the user does."""
        if not str(action).isdecimal():
            action = self.env.ref(action).id
        action = self.env["ir.actions.act_window"].browse(int(action))
        records = self.env[action.res_model].with_user(user)
        records.get_views([(False, kind) for kind in action.view_mode.split(",")])
        wanted = "create" if records._transient else "read"
        self.assertTrue(records.has_access(wanted), action.res_model)

    def test_every_menu_that_is_seen_may_be_opened(self):
        known = self.env["ir.model.data"].search(
            [("module", "=", "queue_job"), ("model", "=", "ir.ui.menu")]
        )
        seen = {}
        for group, user in self.users.items():
            menus = self.env["ir.ui.menu"].with_user(user)
            ids = set(known.mapped("res_id")) & set(menus._visible_menu_ids())
            visible = menus.browse(ids)
            seen[group] = len(visible)
            for menu in visible.filtered("action"):
                with self.subTest(group=group, menu=menu.name):
                    if menu.action._name == _WINDOW:
                        self.open(user, menu.action.id)
        self.assertGreater(seen["viewer"], 5)
        self.assertLessEqual(seen["viewer"], seen["operator"])
        self.assertLess(seen["operator"], seen["manager"])

    def test_every_action_that_is_offered_may_be_opened(self):
        for group, user in self.users.items():
            for model in self.models:
                bound = self.env["ir.actions.actions"].with_user(user)
                for action in bound.get_bindings(model).get("action", ()):
                    if bound.sudo().browse(action["id"]).type != _WINDOW:
                        continue
                    with self.subTest(group=group, action=action["name"]):
                        self.open(user, action["id"])

    def test_nothing_can_be_edited_in_a_view_without_the_right_to_do_it(self):
        rights = {"create": "create", "edit": "write", "delete": "unlink"}
        offered = []
        for user in self.users.values():
            for model, view_type, arch in self.views(user):
                if view_type not in ("list", "form", "kanban"):
                    continue
                records = self.env[model].with_user(user)
                offered += [
                    (user.login, model, view_type, attribute)
                    for attribute, right in rights.items()
                    if not records.has_access(right)
                    and arch.get(attribute) not in ("0", "False", "false")
                ]
        self.assertFalse(offered)

    def test_no_field_that_writes_on_its_own_is_shown_without_the_right_to_write(self):
        shown = []
        for user in self.users.values():
            for model, view_type, arch in self.views(user):
                if not self.env[model].with_user(user).has_access("write"):
                    shown += [
                        (user.login, model, view_type, field.get("name"))
                        for field in arch.iter("field")
                        if field.get("widget") in WRITING
                    ]
        self.assertFalse(shown)
