# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the arguments of the commands mean, and what is said when they mean nothing."""

from __future__ import annotations

from typing import Any

from ..core.channel_config import normalize_name


class Refused(Exception):
    """What was asked for cannot be done; the message says why."""


def complete(name: str) -> str:
    """The complete name of a channel, given with or without "root."."""
    try:
        return normalize_name(name)
    except ValueError as error:
        raise Refused(str(error)) from error


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value
