# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What Odoo's own runner finds of our tests."""

import sys
from types import ModuleType

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import tests
from odoo.addons.queue_job.tests.plain import tag


class TestFound(TransactionCase):
    def test_modules_are_named_without_being_imported(self):
        names = [name for name in dir(tests) if name.startswith("test_")]
        self.assertGreater(len(names), 30)
        self.assertIn("test_unit_core_states", names)
        self.assertIn("test_integration_plain", names)
        self.assertFalse([name for name in names if name in vars(tests)])

    def test_what_needs_more_than_odoo_is_left_out(self):
        for name in ("unit_core_retry", "integration_trap", "integration_compat"):
            self.assertNotIn(f"test_{name}", dir(tests))
            with self.assertRaises(AttributeError):
                getattr(tests, f"test_{name}")

    def test_their_cases_run_when_all_add_ons_are_installed(self):
        found = tests.test_integration_plain
        self.assertIs(found, sys.modules[__name__])
        self.assertLessEqual({"standard", "post_install"}, TestFound.test_tags)
        self.assertNotIn("at_install", TestFound.test_tags)

    def test_cases_of_others_are_not_touched(self):
        module = ModuleType("somebody")
        module.TransactionCase = TransactionCase
        before = getattr(TransactionCase, "test_tags", None)
        tag(module)
        self.assertEqual(getattr(TransactionCase, "test_tags", None), before)
