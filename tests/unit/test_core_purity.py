# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The core decides and does nothing else: no Odoo, no database, no clock."""

import ast
import sys
import unittest
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "core"
OWN = "odoo.addons.queue_job.core"

# Standard, but with them a decision would depend on more than its arguments.
IMPURE = frozenset(
    "asyncio concurrent http io logging multiprocessing os pathlib selectors shutil"
    " signal socket sqlite3 ssl subprocess tempfile threading time urllib".split()
)
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})


def imported(tree):
    """The dotted names a module imports; a relative one begins with its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def impurities(source):
    tree = ast.parse(source)
    for name in imported(tree):
        top = name.partition(".")[0]
        is_own = name.startswith(OWN) or (name[:1] == "." and name[:2] != "..")
        if not is_own and (top not in sys.stdlib_module_names or top in IMPURE):
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in IMPURE_CALLS:
                yield f"calls {node.func.id}()"


class TestPurity(unittest.TestCase):
    def test_every_module_of_the_core_is_pure(self):
        modules = sorted(CORE.rglob("*.py"))
        self.assertGreater(len(modules), 7)
        for module in modules:
            with self.subTest(module=module.name):
                source = module.read_text(encoding="utf-8")
                self.assertEqual(list(impurities(source)), [])

    def test_what_is_not_pure_is_seen(self):
        for source in (
            "import odoo",
            "from odoo.addons.queue_job import job",
            "from .. import storage",
            "from ..storage import jobs",
            "import psycopg2.extensions",
            "import json, time",
            "def now():\n    from time import time\n    return time()",
            "print('x')",
        ):
            with self.subTest(source=source):
                self.assertEqual(len(list(impurities(source))), 1)

    def test_what_is_pure_passes(self):
        source = (
            "from __future__ import annotations\nimport json\nfrom . import states\n"
            "from .retry import Rng\nfrom odoo.addons.queue_job.core import graph\n"
        )
        self.assertEqual(list(impurities(source)), [])
