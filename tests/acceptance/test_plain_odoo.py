# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tests run where there is an Odoo with this add-on, and nothing of our set-up."""

import os
import re
import unittest

from .server import Database

BASE = os.environ.get("QUEUE_JOB_TEST_BASE", "")


class TestPlainOdoo(unittest.TestCase):
    def test_odoo_s_own_runner_finds_our_tests_and_they_pass(self):
        with Database("plain", template=BASE) as database:
            log = database.load(
                *("--db-filter", f"^{database.name}$", "-i", "queue_job"),
                *("--test-enable", "--test-tags", "/queue_job"),
            )
        outcome = r" 0 failed, 0 error\(s\) of (\d+) tests when loading database '(.+)'"
        found = re.search(outcome, log)
        self.assertTrue(found, log[-9000:])
        self.assertEqual(found[2], database.name)
        self.assertGreater(int(found[1]), 500)
        for folder in ("unit", "integration"):
            self.assertRegex(log, rf"queue_job\.tests\.{folder}\.\S+: Starting ")
