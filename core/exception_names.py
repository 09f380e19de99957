# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Do the exception classes exist that a retry policy names?"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from . import options


def mistake(name: str) -> str | None:
    """What is wrong with the name of an exception class; None when nothing is.

    A name with dots is that of a class of a module, which is imported to look; one
    without is that of any class there is at this moment.
    """
    if "." in name:
        return _mistake_in_module(name)
    known = {each.__name__ for each in _heirs(BaseException)}
    if name in known:
        return None
    return (
        f"there is no exception class {name!r}.{options.did_you_mean(name, known)} One"
        " of a library is written with its module, like requests.exceptions.Timeout"
    )


def _heirs(base: type[BaseException]) -> Iterator[type[BaseException]]:
    seen, front = set(), [base]
    while front:
        found = front.pop()
        if found not in seen:
            seen.add(found)
            front += type.__subclasses__(found)
            yield found


def _mistake_in_module(name: str) -> str | None:
    parts = name.split(".")
    for number in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:number])
        try:
            found: Any = importlib.import_module(module)
        except ImportError:
            continue
        return _mistake_in(found, module, parts[number:])
    return f"there is no module {'.'.join(parts[:-1])!r} for the exception {name!r}"


def _mistake_in(found: Any, module: str, rest: list[str]) -> str | None:
    for part in rest:
        found = getattr(found, part, None)
    if _is_exception(found):
        return None
    there = vars(importlib.import_module(module))
    known = [each for each, value in there.items() if _is_exception(value)]
    return (
        f"module {module} has no exception class {'.'.join(rest)!r}."
        f"{options.did_you_mean(rest[-1], known)}"
    )


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)
