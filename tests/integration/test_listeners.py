# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who listens to the events of jobs decides how they are written."""

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import executor, listeners
from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.executor import hooks


class TestListeners(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.jobs = cls.env["queue.job"]

    def test_nobody_listens_without_an_add_on_that_does(self):
        found = listeners.of(self.env)
        self.assertEqual(found, listeners.Listeners(False, False, False))

    def listen(self, name):
        """Override a method of the queue, as an add-on that is loaded later does."""
        seen = []
        origin = getattr(type(self.jobs), name)

        def override(self, values):
            seen.append(values)
            return origin(self, values)

        override.__module__ = "odoo.addons.somebody.models"
        for attribute in ("_api_private", "_api_model"):
            if hasattr(origin, attribute):
                setattr(override, attribute, getattr(origin, attribute))
        self.patch(type(self.jobs), name, override)
        return seen

    def test_who_overrides_create_sees_the_values_of_each_job(self):
        seen = self.listen("create")
        self.assertTrue(listeners.of(self.env).create)
        self.assertFalse(listeners.of(self.env).write)
        made = [self.effects.with_delay().leave(name) for name in "ab"]
        self.env.flush_all()
        created = [values for each in seen for values in each]
        self.assertEqual([each["uuid"] for each in created], [j.uuid for j in made])
        self.assertEqual({each["state"] for each in created}, {"pending"})

    def test_who_overrides_write_sees_the_change_of_a_state(self):
        job = self.effects.with_delay().leave("x").db_record()
        seen = self.listen("write")
        self.assertTrue(listeners.of(self.env).write)
        job.button_cancelled()
        self.assertIn("cancelled", [values.get("state") for values in seen])

    def test_without_them_the_methods_are_not_called_at_all(self):
        calls = []
        origin = type(self.jobs).create

        def spied(self, values):
            calls.append(values)
            return origin(self, values)

        # one of ours, which the fast path stands for
        spied.__module__ = "odoo.addons.queue_job.models.spied"
        self.patch(type(self.jobs), "create", spied)
        self.effects.with_delay().leave("x").db_record()
        self.assertEqual(calls, [])


class TestHooks(TransactionCase):
    def test_the_class_of_the_hooks_is_made_once(self):
        registry = self.env.registry
        self.assertIs(executor.hooks_of(registry), executor.hooks_of(registry))

    def test_the_hooks_of_several_add_ons_work_together(self):
        def heir(addon):
            module = f"odoo.addons.{addon}.controllers"
            return type(addon, (hooks.JobHooks,), {"__module__": module})

        one, two = heir("t_one"), heir("t_two")
        modules = {"t_one", "t_two"}
        for _index in range(2):
            leaves = hooks._leaves(hooks.JobHooks, modules)
            self.assertEqual(leaves, [one, two])
            combined = hooks._combined(tuple(leaves))
            self.assertTrue(issubclass(combined, one) and issubclass(combined, two))
        self.assertIs(combined, hooks._combined((one, two)))

    def test_the_hooks_of_an_add_on_that_is_not_installed_do_not_count(self):
        found = executor.hooks_of(self.env.registry)
        self.assertTrue(issubclass(found, RunJobController))
        self.assertFalse(
            [each for each in found.__mro__ if "listener" in each.__module__]
        )
