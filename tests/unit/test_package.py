# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is installed at users needs nothing that Odoo does not bring along."""

import ast
import importlib.util
import subprocess
import sys
import unittest
from pathlib import Path

from ..documentation import ROOT

HOME = "odoo.addons.queue_job"

#: what Odoo itself imports without asking whether it is there
OF_ODOO = {"dateutil", "lxml", "markupsafe", "psycopg2", "pytz", "requests", "werkzeug"}
ALLOWED = {"odoo", *OF_ODOO, *sys.stdlib_module_names}

#: print the modules of tests that Odoo's runner takes, then all that were imported
AS_ODOO_LOOKS = f"""
import inspect, sys
sys.modules.update(dict.fromkeys(("hypothesis", "pytest", "websocket")))
import odoo.init
from odoo.addons.queue_job import tests
print(*(n for n, _m in inspect.getmembers(tests, inspect.ismodule) if n[:4] == "test"))
home = "{HOME}.tests."
print(*sorted(name.removeprefix(home) for name in sys.modules if name.startswith(home)))
"""


def content():
    """The module that judges the content of wheels."""
    path = ROOT / "dev" / "wheel_content.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed():
    """The Python files of the package."""
    judge = content()
    names = judge.files_of_checkout(str(ROOT))
    paths = [ROOT / name.removeprefix(judge.HOME) for name in names]
    return sorted(path for path in paths if path.suffix == ".py")


def imports(path: Path, text: str):
    """The names of all modules that a file may ask for, wherever in it."""
    package = [HOME, *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def strangers(path: Path, text: str):
    """The modules among them that a user's Odoo may not have."""
    for name in imports(path, text):
        if name.partition(".")[0] not in ALLOWED:
            yield name
        elif name.startswith(f"{HOME}.tests."):
            if (ROOT / "tests" / name.split(".")[4]).is_dir():
                yield name


class TestPackage(unittest.TestCase):
    def test_nothing_in_it_asks_for_more_than_odoo(self):
        found = installed()
        self.assertIn(ROOT / "tests" / "common.py", found)
        self.assertIn(ROOT / "job.py", found)
        for path in found:
            with self.subTest(path=str(path.relative_to(ROOT))):
                text = path.read_text(encoding="utf-8")
                self.assertEqual(list(strangers(path, text)), [])

    def test_what_asks_for_more_is_seen(self):
        place = ROOT / "tests" / "__init__.py"
        for line in (
            "import hypothesis",
            "from websocket import create_connection",
            "def f():\n    import pytest",
            "from . import unit",
            "from .integration import test_trap",
            f"from {HOME}.tests.unit.prometheus import parse",
        ):
            with self.subTest(line):
                self.assertTrue(list(strangers(place, line)))
        self.assertFalse(list(strangers(place, "from .common import trap_jobs")))

    def test_the_helpers_are_installed_and_our_tests_are_not(self):
        is_installed = content().is_installed
        for name, expected in {
            "tests/__init__.py": True,
            "tests/common.py": True,
            "tests/draining.py": True,
            "tests/documentation.py": False,
            "tests/unit/__init__.py": False,
            "tests/unit/test_package.py": False,
            "tests/acceptance/server.py": False,
            "dev/test": False,
            ".ci/run": False,
            "job.py": True,
            "i18n/queue_job.pot": True,
        }.items():
            with self.subTest(name):
                self.assertIs(is_installed(name), expected)

    def test_odoo_finds_our_few_tests_without_any_development_package(self):
        done = subprocess.run(
            [sys.executable, "-c", AS_ODOO_LOOKS],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            done.stdout.split(),
            ["test_installation", "common", "draining", "test_installation"],
        )
