# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Text of others, made plain: whatever they made of it, nothing here raises.

What a body raises or returns is anybody's object: its ``__str__`` may raise, exit or
return a text that no database takes. :func:`text` is the one way from there to a text
that is stored, :func:`one_line` and :func:`block` the one way into a line of the log.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

#: characters at most of what is kept of an error, and of a result
MOST = {
    "exc_name": 200,
    "exc_message": 10_000,
    "exc_info": 100_000,
    "result": 100_000,
}
#: characters at most of a text within a line of the log
MOST_IN_LINE = 10_000

# Controls, and what else ends a line or turns its direction in a terminal.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROLS_IN_BLOCK = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def text(value: object, most: int | None = None) -> str:
    """The value as a text that can be stored: valid, without NUL, not too long.

    What cannot be encoded is shown as its escape, what is cut is said.
    """
    found = _safely(lambda: str(value), None)
    if found is None:
        found = _safely(lambda: repr(value), None)
    if found is None:
        return f"<a {name_of(type(value))} that cannot be shown>"
    return cut(_storable(found), most)


def _storable(found: str) -> str:
    # A heir of str may do anything in its methods, those of str do what they say.
    exact = str.__str__(found)
    encoded = exact.encode("utf-8", "backslashreplace")
    return encoded.decode("utf-8").replace("\x00", "\\x00")


def cut(found: str, most: int | None) -> str:
    """The text without its middle where it is longer, with a note instead."""
    if most is None or len(found) <= most:
        return found
    note = f"\n[... {len(found) - most} characters left out ...]\n"
    head = most // 2
    return found[:head] + note + found[len(found) - (most - head) :]


def one_line(value: object, most: int | None = MOST_IN_LINE) -> str:
    """The value as part of a line of the log, which it cannot end nor colour."""
    return _CONTROLS.sub(_escape, text(value, most))


def block(value: object) -> str:
    """A text of several lines below a line of the log: none looks like one of its."""
    lines = _CONTROLS_IN_BLOCK.sub(_escape, text(value)).split("\n")
    return "\n".join(f"    {line}" for line in lines)


def screen(value: object) -> str:
    """A text for a terminal, which it cannot command; its lines stay lines."""
    return _CONTROLS_IN_BLOCK.sub(_escape, text(value))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


# -------------------------------------------------------------------------- errors


def name_of(klass: type) -> str:
    """The dotted name of a class; the bare one of Python's own."""
    module = _part(klass, "__module__")
    name = _part(klass, "__qualname__") or "Exception"
    full = name if module in (None, "builtins") else f"{module}.{name}"
    return cut(full, MOST["exc_name"])


def _part(klass: type, name: str) -> str | None:
    found = _safely(lambda: getattr(klass, name), None)
    return _storable(found) if isinstance(found, str) else None


def message_of(error: BaseException, said: Callable[[object], str] = text) -> str:
    """What the error says.

    :param said: turns its first argument into text, where that is what it says
    """
    args = _safely(lambda: tuple(error.args), ())
    first = args[0] if args else None
    # Python's errors of the system have words of their own about their arguments; a
    # KeyError just quotes its one.
    own = type(error).__str__ is not BaseException.__str__
    if own and not issubclass(type(error), KeyError):
        found = _safely(lambda: str(error), None)
        if found is not None:
            return text(found, MOST["exc_message"])
    if isinstance(first, str) or _is_lazy(first):
        return cut(_safely(lambda: said(first), text(first)), MOST["exc_message"])
    found = _safely(lambda: str(error), None)
    shown = first if found is None and args else found
    return text("" if shown is None else shown, MOST["exc_message"])


def _is_lazy(value: object) -> bool:
    """Whether it is a text that waits for a language, as Odoo's lazy ones do."""
    klass: Any = type(value)
    return bool(_safely(lambda: callable(klass._translate), False))


def traceback_of(error: BaseException) -> str:
    """The traceback of the error, as far as it can be shown."""
    found = _safely(lambda: "".join(traceback.format_exception(error)), None)
    if found is None:
        trail = _safely(lambda: "".join(traceback.format_tb(error.__traceback__)), "")
        head = "Traceback (most recent call last):\n"
        found = f"{head}{trail}{name_of(type(error))}: {message_of(error)}\n"
    return text(found, MOST["exc_info"])


def _safely(read: Callable[[], Any], instead: Any) -> Any:
    # Whatever an object of others does when it is looked at, an exit included, is no
    # news about the job.
    try:
        return read()
    except BaseException:
        return instead
