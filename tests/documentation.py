# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The samples of the documentation, for the tests that check and use them."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.core import publish_doctree

ROOT = Path(__file__).resolve().parents[1]
#: an installed package has neither scripts nor guides
IS_CHECKOUT = (ROOT / "dev").is_dir()

#: what a sample in Python is for
MANIFEST = "manifest"
MODELS = "models"
TESTS = "tests"
SCRIPT = "script"


class Sample(NamedTuple):
    """A literal block. ``language``: empty when none is given."""

    place: str
    language: str
    text: str


def documents() -> list[Path]:
    """What is written for users and contributors."""
    found = [ROOT / f"{name}.rst" for name in ("README", "CHANGELOG", "CONTRIBUTING")]
    return found + sorted((ROOT / "doc").glob("*.rst"))


def tree_of(path: Path) -> nodes.document:
    """The document; whatever docutils warns of is an error."""
    settings = {"halt_level": 2, "syntax_highlight": "none", "report_level": 5}
    text = path.read_text(encoding="utf-8")
    return publish_doctree(text, source_path=str(path), settings_overrides=settings)


def samples(path: Path) -> Iterator[Sample]:
    """The samples of a document, in its order."""
    for block in tree_of(path).findall(nodes.literal_block):
        classes = [name for name in block["classes"] if name != "code"]
        text = block.astext()
        place = f"{path.relative_to(ROOT)}: {text.splitlines()[0]!r}"
        yield Sample(place, (classes or [""])[0], text)


def purpose(text: str) -> str:
    """What a sample in Python is for: it shows by what it is made of.

    :raises SyntaxError: it is no Python
    """
    body = ast.parse(text).body
    if len(body) == 1 and isinstance(body[0], ast.Expr):
        if isinstance(body[0].value, ast.Dict):
            return MANIFEST
    bases = [
        ast.unparse(base)
        for node in body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    if any(base.startswith("models.") for base in bases):
        return MODELS
    if any(base.endswith("Case") for base in bases):
        return TESTS
    return SCRIPT


def command_line(line: str) -> list:
    """The parts of a line for a shell, after a dict of the variables it sets."""
    parts = shlex.split(line)
    settings = list(takewhile(lambda part: "=" in part, parts))
    return [dict(each.split("=", 1) for each in settings), *parts[len(settings) :]]
