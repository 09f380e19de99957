# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who listens to the events of jobs decides how they are written."""

from unittest.mock import patch

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import executor, listeners
from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.executor import hooks
from odoo.addons.queue_job.models import queue_job_guard


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
        for name in ("create", "write"):
            origin = getattr(queue_job_guard.QueueJob, name)

            def spied(self, values, origin=origin):
                calls.append(values)
                return origin(self, values)

            # one of ours, which the fast path stands for
            spied.__module__ = origin.__module__
            self.patch(queue_job_guard.QueueJob, name, spied)
        job = self.effects.with_delay().leave("x").db_record()
        job.button_cancelled()
        self.assertEqual(job.state, "cancelled")
        self.assertEqual(calls, [])

    def test_a_patch_that_passes_for_the_patched_method_listens_too(self):
        origin = type(self.jobs).write

        def write(self, values):
            return write.origin(self, values)

        self.addCleanup(delattr, type(self.jobs), "write")
        self.jobs._patch_method("write", write)
        self.assertEqual(type(self.jobs).write.__module__, origin.__module__)
        self.assertTrue(listeners.of(self.env).write)

    def test_the_fast_path_is_back_when_the_patch_is_gone(self):
        before = listeners.of(self.env)
        with patch.object(type(self.jobs), "write", lambda self, values: True):
            self.assertTrue(listeners.of(self.env).write)
        self.assertEqual(listeners.of(self.env), before)

    def test_a_stored_field_elsewhere_that_follows_a_job_makes_its_writes_seen(self):
        model = type(self.env["test.queue.run"])
        field = model._fields["job_uuid"]
        for name in ("state", "date_done", "exc_info"):

            def found(_registry, changed, name=name):
                return [field] if changed.name == name else []

            with patch.object(type(self.env.registry), "get_dependent_fields", found):
                seen = listeners._find(type(self.jobs), self.env.registry)
            self.assertEqual(seen, listeners.Listeners(False, True, False), name)


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
