# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Exact keys in processes in which sets and dictionaries have other orders."""

import json
import os
import subprocess
import unittest

from .server import CONF, ODOO_BIN, PATIENCE, PYTHON, Database

_CODE = """
import json
from odoo.addons.queue_job.tests.integration.exact_keys import keys
print("KEYS", json.dumps(keys(env)))
"""


class TestExactKeys(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.database = self.enterContext(Database("identity"))

    def keys(self, seed):
        done = subprocess.run(
            [PYTHON, ODOO_BIN, "shell", "-c", CONF, "-d", self.database.name],
            input=_CODE,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertIn("KEYS ", done.stdout, done.stderr)
        return json.loads(done.stdout.partition("KEYS ")[2].splitlines()[0])

    def test_every_process_gives_equal_calls_the_same_key(self):
        self.assertEqual(self.keys("1"), self.keys("2"))
