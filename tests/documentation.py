# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The samples of the documentation, for the tests that check and execute them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.core import publish_doctree

ROOT = Path(__file__).resolve().parents[1]
#: an installed package has neither scripts nor guides
IS_CHECKOUT = (ROOT / "dev").is_dir()
#: the comment before a sample that is to be executed
RUN = "run"


class Sample(NamedTuple):
    """A literal block. ``language``: empty when none is given."""

    place: str
    language: str
    text: str
    run: bool


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
        before = block.previous_sibling()
        run = isinstance(before, nodes.comment) and before.astext() == RUN
        place = f"{path.relative_to(ROOT)}: {block.astext().splitlines()[0]!r}"
        yield Sample(place, (classes or [""])[0], block.astext(), run)
