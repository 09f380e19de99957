# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The arrows of the architecture: who may import whom.

A room is a module or package at the top of the add-on.  The rooms below have
their place in the order; all others are helpers and may stand anywhere, so what
is checked is what a room reaches, through whatever helpers.
"""

import ast
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "odoo.addons.queue_job"

# Arrows go from left to right: no room reaches one that stands further right.
LAYERS = (
    {"core", "exception"},
    {"storage", "fields"},
    {"job", "delay"},
    {"executor", "models"},
    {"controllers"},
)
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}

# The runner stands beside the layers: it works without any of the upper rooms.
RUNNER = "jobrunner"
RUNNER_MAY_IMPORT = {"core", "exception", "storage", RUNNER}
RUNNER_NEVER_REACHES = {"job", "delay", "executor", "models", "controllers"}

# Not imported by a running server, or not by name.
OUTSIDE = {"dev", "tests", "migrations", "build", "dist"}


def sources(root):
    """The Python files of each room."""
    rooms = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if parts[0] in OUTSIDE or any(part.startswith(".") for part in parts):
            continue
        if not all(
            (root.joinpath(*parts[:n]) / "__init__.py").exists()
            for n in range(1, len(parts))
        ):
            continue
        rooms.setdefault(parts[0].removesuffix(".py"), []).append(path)
    return rooms


def for_types_only(node):
    test = getattr(node, "test", None)
    name = getattr(test, "id", None) or getattr(test, "attr", None)
    return isinstance(node, ast.If) and name == "TYPE_CHECKING"


def import_nodes(node):
    """The imports that run, be it within a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif for_types_only(child):
            for other in child.orelse:
                yield from import_nodes(ast.Module([other], []))
        else:
            yield from import_nodes(child)


def targets(node, package):
    """The dotted names an import may load; `package` is where the module lies."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, *filter(None, [base])])
    return [f"{base}.{alias.name}" for alias in node.names]


def imported_rooms(path, root, rooms):
    """The rooms that one file imports; `__init__` is the package itself."""
    inside = path.relative_to(root).parent.parts
    package = ".".join([PACKAGE, *inside])
    found = set()
    for node in import_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        for name in targets(node, package):
            if name == PACKAGE or name.startswith(PACKAGE + "."):
                first = name[len(PACKAGE) + 1 :].partition(".")[0]
                found.add(first if first in rooms else "__init__")
    return found


def arrows(root):
    """For each room the other rooms it imports, each with a file that does so."""
    rooms = sources(root)
    graph = {}
    for room, paths in rooms.items():
        graph[room] = {
            other: str(path.relative_to(root))
            for path in paths
            for other in imported_rooms(path, root, rooms)
            if other != room
        }
    return graph


def reach(graph, start):
    """The rooms that `start` reaches, each with the way there as text."""
    ways, front = {}, [(start, start)]
    while front:
        room, way = front.pop()
        for other, path in graph.get(room, {}).items():
            if other not in ways and other != start:
                ways[other] = f"{way} -> {other} ({path})"
                front.append((other, ways[other]))
    return ways


def violations(root):
    graph = arrows(root)
    found = []
    for room, layer in LAYER.items():
        for other, way in reach(graph, room).items():
            if LAYER.get(other, -1) > layer or (other == RUNNER and layer < 2):
                found.append(way)
    for other, way in reach(graph, RUNNER).items():
        placed = other in LAYER and other not in RUNNER_MAY_IMPORT
        if other in RUNNER_NEVER_REACHES or (placed and other in graph[RUNNER]):
            found.append(way)
    return sorted(found)


class TestArchitecture(unittest.TestCase):
    def test_all_arrows_go_one_way(self):
        self.assertEqual(violations(ROOT), [])

    def test_the_rooms_of_the_add_on_are_seen(self):
        rooms = sources(ROOT)
        self.assertIn("core", rooms)
        self.assertGreater(len(rooms["core"]), 7)
        self.assertFalse(OUTSIDE & set(rooms))


class TestTheCheck(unittest.TestCase):
    """The check itself, on add-ons that were made up."""

    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in {"__init__.py": "", **files}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                if path.parent != root:
                    (path.parent / "__init__.py").touch()
            return violations(root)

    def test_arrows_against_the_order_are_found(self):
        job = {"job.py": ""}
        for name, files in {
            "relative": {"storage.py": "from . import job", **job},
            "name": {"storage.py": "from .job import Job", **job},
            "absolute": {"storage.py": f"import {PACKAGE}.job", **job},
            "from package": {"storage.py": f"from {PACKAGE} import job", **job},
            "from module": {"storage.py": f"from {PACKAGE}.job import Job", **job},
            "deep": {
                "storage/sql/a.py": "from ...job import Job",
                "storage/sql/__init__.py": "",
                "storage/__init__.py": "",
                **job,
            },
            "lazy": {"fields.py": "def f():\n    from . import job", **job},
            "tried": {
                "fields.py": "try:\n    from . import job\nexcept E:\n    pass",
                **job,
            },
            "upper": {"job.py": "from . import models", "models/base.py": ""},
            "top": {
                "executor.py": "from . import controllers",
                "controllers/main.py": "",
            },
            "core": {
                "core/a.py": "from ..exception import E",
                "exception.py": "from . import storage",
                "storage.py": "",
            },
            "helper": {
                "storage.py": "from . import rows",
                "rows.py": "from .job import Job",
                **job,
            },
            "by package": {
                "storage.py": f"from {PACKAGE} import Job",
                "__init__.py": "from .job import Job",
                **job,
            },
            "runner": {
                "jobrunner/runner.py": "from ..executor import run",
                "executor.py": "",
            },
            "runner fields": {
                "jobrunner/runner.py": "from ..fields import F",
                "fields.py": "",
            },
            "runner helper": {
                "jobrunner/runner.py": "from ..utils import u",
                "utils.py": "from . import models",
                "models/base.py": "",
            },
            "to runner": {
                "storage.py": "from .jobrunner import runner",
                "jobrunner/runner.py": "",
            },
        }.items():
            with self.subTest(name):
                self.assertTrue(self.check(files))

    def test_arrows_along_the_order_pass(self):
        self.assertEqual(
            self.check(
                {
                    "core/a.py": "import json\nfrom . import b",
                    "core/b.py": "",
                    "exception.py": "",
                    "storage/jobs.py": "from ..core import a\nfrom .. import exception",
                    "fields.py": "from .core import a",
                    "job.py": "from . import storage\nfrom .fields import F",
                    "delay.py": "from .job import Job",
                    "models/base.py": "from ..delay import D\nfrom odoo import models",
                    "executor.py": "from . import job\nfrom .jobrunner import config",
                    "controllers/main.py": "from ..executor import run",
                    "jobrunner/runner.py": "from .. import storage",
                    "jobrunner/config.py": "from ..core import a",
                    "tests/test_a.py": "from ..controllers import main",
                }
            ),
            [],
        )

    def test_an_import_for_types_only_is_no_arrow(self):
        files = {
            "storage.py": "if TYPE_CHECKING:\n    from .job import Job",
            "job.py": "",
        }
        self.assertEqual(self.check(files), [])
        files["storage.py"] += "\nelse:\n    from .job import Job"
        self.assertEqual(len(self.check(files)), 1)

    def test_a_violation_tells_the_way_and_the_file(self):
        (way,) = self.check(
            {
                "storage/a.py": "from ..rows import r",
                "rows.py": "from .job import Job",
                "job.py": "",
            }
        )
        self.assertEqual(way, "storage -> rows (storage/a.py) -> job (rows.py)")
