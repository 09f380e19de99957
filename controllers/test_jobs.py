# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ``/queue_job/create_test_job`` is asked for, within bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

from werkzeug.exceptions import BadRequest


class Bounds(NamedTuple):
    """A number that a request may give: its type, and from where to where."""

    kind: type
    least: float
    most: float


BOUNDS = {
    "size": Bounds(int, 1, 1000),
    "priority": Bounds(int, 0, 10_000),
    "max_retries": Bounds(int, 0, 1000),
    "failure_rate": Bounds(float, 0, 1),
    "job_duration": Bounds(float, 0, 3600),
    "failure_retry_seconds": Bounds(int, 0, 86_400),
}
#: characters of a description
LONGEST = 200


def number(name: str, value: Any):
    """The number that a request gives under that name.

    :raises BadRequest: it is none, or out of bounds
    """
    kind, least, most = BOUNDS[name]
    try:
        found = kind(value)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} is {value[:40]!r}: a number is needed") from error
    if not least <= found <= most:  # nan is not
        raise BadRequest(f"{name} is {found}: {least} to {most} is possible")
    return found


def options(priority, max_retries, channel, description) -> dict[str, Any]:
    """What is said of the jobs.

    :raises BadRequest: what cannot be
    """
    found: dict[str, Any] = {"description": str(description)[:LONGEST]}
    if priority:
        found["priority"] = number("priority", priority)
    if max_retries:
        found["max_retries"] = number("max_retries", max_retries)
    if channel:
        found["channel"] = channel
    return found
