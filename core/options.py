# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What may be said of a job beside its call, checked where it is said.

Each function returns the value in the form in which a job keeps it. What it does not
accept is a TypeError or ValueError that names the option and says what is possible.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import reprlib
from collections.abc import Collection, Iterable
from datetime import timedelta

DEFAULT_PRIORITY = 10
DEFAULT_MAX_RETRIES = 5
# the database's integers
MOST = 2**31 - 1
# A row of an index holds 2,704 bytes, a second column and headers among them; a key
# that is longer is known by its hash.
_LONGEST_KEY = 2600
_KEPT_OF_KEY = 128
_LONGEST_TEXT = 10_000

#: what other queues call these options
_ELSEWHERE = {
    "queue": ("channel", "default_channel"),
    "channel": ("default_channel",),
    "default_channel": ("channel",),
    "countdown": ("eta",),
    "delay": ("eta",),
    "run_at": ("eta",),
    "when": ("eta",),
    "key": ("identity_key",),
    "unique": ("identity_key",),
    "label": ("description",),
    "name": ("description",),
    "max_tries": ("max_retries",),
    "retries": ("max_retries",),
    "time_limit": ("timeout",),
    "on_error": ("on_fail",),
    "on_failure": ("on_fail",),
    "on_fail_method": ("on_fail",),
}

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60
#: a short text of any value, whatever its own one does
shown = _repr.repr


def priority(value: object) -> int:
    return _whole("priority", value, -MOST - 1, "0 is the highest, 10 the usual one")


def max_retries(value: object) -> int:
    return _whole("max_retries", value, 0, "0 for no limit, 5 is usual")


def _whole(name: str, value: object, least: int, hint: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} is {shown(value)}: a whole number is needed; {hint}"
            + _as_number(value)
        )
    if not least <= value <= MOST:
        raise ValueError(
            f"{name} is {shown(value)}: {least} to {MOST} is possible; {hint}"
        )
    return int(value)


def _as_number(value: object) -> str:
    """A text is never taken for a number: it may be one by chance."""
    if isinstance(value, str) and value.strip().isdecimal():
        return f". Did you mean {int(value)} without quotation marks?"
    return ""


def size(value: object) -> int:
    """How many records a part has."""
    return _whole("The size of a part", value, 1, "split(100) makes parts of 100")


def timeout(value: object) -> float:
    """Seconds, 0 for no limit."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"timeout is {shown(value)}: a number of seconds or a timedelta is needed;"
            f" 0 for no limit{_as_number(value)}"
        )
    if not 0 <= value <= MOST:  # nan is not, either
        raise ValueError(
            f"timeout is {shown(value)}: 0 (no limit) to {MOST} seconds are possible"
        )
    return value


def seconds(value: float) -> timedelta:
    """Seconds from now, as ``eta`` takes them.

    :raises ValueError: there is no such moment
    """
    if not math.isfinite(value):
        raise ValueError(f"eta is {value!r}: a finite number of seconds is needed")
    try:
        return timedelta(seconds=value)
    except OverflowError:
        raise too_far(value) from None


def too_far(value: object) -> ValueError:
    return ValueError(
        f"eta is {shown(value)}: that is not within the years 1 to 9999; seconds from"
        " now, a timedelta or a datetime is needed"
    )


def text(name: str, value: object) -> str:
    """A text that the database can hold."""
    if not isinstance(value, str):
        raise TypeError(
            f"{name} is {shown(value)} ({type(value).__name__}): a text is needed"
        )
    found = str.__str__(value)
    if "\0" in found:
        raise ValueError(f"{name} is {shown(value)}: a NUL character cannot be stored")
    if not found.isascii():
        try:
            found.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{name} is {shown(value)}: half a character (a lone surrogate) cannot"
                " be stored"
            ) from None
    return found


def name_of(function: object) -> str:
    return str(getattr(function, "__name__", None) or shown(function))


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}: True or False is needed")
    return value


def method_name(name: str, value: object) -> str:
    """The name of a method, which is looked for later."""
    if not isinstance(value, str):
        own = getattr(value, "__name__", "")
        meant = f". Did you mean {own!r}?" if isinstance(own, str) and own else ""
        raise TypeError(
            f"{name} is {name_of(value)}: the name of a method is needed, as a text"
            + meant
        )
    if not value.isidentifier():
        raise ValueError(f"{name} is {shown(value)}: that is no name of a method")
    return value


def description(value: object) -> str:
    return cut(text("description", value), _LONGEST_TEXT)


def identity_key(value: object) -> str:
    """The key as it is stored and searched for: a long one by its hash."""
    key = text("identity_key", value)
    if len(key) * 4 <= _LONGEST_KEY or len(key.encode()) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode(), usedforsecurity=False).hexdigest()
    return f"{key[:_KEPT_OF_KEY]}...sha256:{digest}"


def cut(value: str, most: int) -> str:
    """The text, with a note at its end when it is longer than ``most`` characters."""
    if len(value) <= most:
        return value
    note = f"... [{len(value)} characters in all]"
    return value[: max(most - len(note), 0)] + note


def unknown(call: str, given: Iterable[str], known: Collection[str]) -> TypeError:
    """The error of a call with an option that does not exist."""
    name = str(next(iter(given)))
    return TypeError(
        f"{call} has no option {name!r}.{_option_meant(name, known)} Its options:"
        f" {', '.join(known)}."
    )


def _option_meant(name: str, known: Collection[str]) -> str:
    meant = [each for each in _ELSEWHERE.get(name, ()) if each in known]
    if not meant and name:
        meant = [each for each in known if each.startswith(name)]
    if len(meant) == 1:
        return f" Did you mean {meant[0]!r}?"
    return did_you_mean(name, known)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to append to an error: the nearest of the known names."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
