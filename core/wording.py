# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is told to people, to be said in their language by whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Text(NamedTuple):
    """A text with places like %(name)s, and what is put there."""

    source: str
    values: dict[str, str]


def _lt(source: str, **values: str) -> Text:
    """Mark a text: Odoo's export finds it by the name of this function."""
    return Text(source, values)


class Refusal(ValueError):
    """What somebody wrote is not accepted; as a string, it says so in English."""

    def __init__(self, *texts: Text) -> None:
        super().__init__(" ".join(text.source % text.values for text in texts))
        self.texts = texts


def worded(error: Exception, translate: Callable[..., str]) -> str:
    """The words of an error, translated if it is a Refusal.

    translate: takes the source of a text and its values by name, like `env._`.
    """
    if not isinstance(error, Refusal):
        return str(error)
    return " ".join(translate(text.source, **text.values) for text in error.texts)
