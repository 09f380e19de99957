# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The scenarios there are: one file of tests each."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / "tests" / "acceptance"
_PREFIX = "test_chaos_"


class Scenario(NamedTuple):
    name: str
    path: Path
    title: str


def find() -> dict[str, Scenario]:
    """All scenarios by name."""
    found = {}
    for path in sorted(_FOLDER.glob(f"{_PREFIX}*.py")):
        name = path.stem.removeprefix(_PREFIX)
        title = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[name] = Scenario(name, path, title.partition("\n")[0])
    return found
