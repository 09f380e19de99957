# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long a job waits before its next try."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Protocol

from .plain import name_of
from .wording import Refusal, _lt

RETRY_INTERVAL = 600
PG_RETRY = 5

Delay = int | tuple[int, int]
Pattern = Mapping[int, Delay]

# It fits the database's integers and keeps an eta within the calendar.
MOST_SECONDS = 2**31 - 1
_DIGITS = re.compile(r"[0-9]{1,10}")
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")
_CLASS_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
# The braces are those of the example.
# pylint: disable-next=translation-positional-used
_ACCEPTED = _lt(
    "A retry pattern is a dictionary {retry: delay}: the retry is a whole number"
    " from 0, the delay a number of whole seconds or a pair (least, most) of them;"
    " for example {1: 60, 5: (300, 600)}."
)


class Rng(Protocol):
    """What is asked of a source of chance; the module `random` is one."""

    def randint(self, a: int, b: int, /) -> int: ...

    def random(self) -> float: ...


def validate_pattern(obj: object) -> dict[int, Delay]:
    """The retry pattern `obj` with its numbers as such, ordered by retry.

    JSON has neither numbers as keys nor tuples: "5" stands for 5 and a list for
    a pair.  None is the empty pattern.  Raises ValueError that names the
    offending key or value and says what is accepted.
    """
    if obj is None:
        return {}
    if not isinstance(obj, Mapping):
        raise Refusal(
            _lt("%(value)s is not a retry pattern.", value=repr(obj)), _ACCEPTED
        )
    pattern: dict[int, Delay] = {}
    for key, value in obj.items():
        retry = _whole(key)
        if retry is None:
            raise Refusal(
                _lt("Key %(key)s of a retry pattern.", key=repr(key)), _ACCEPTED
            )
        if retry in pattern:
            raise Refusal(
                _lt("Key %(key)s is twice in a retry pattern.", key=repr(key)),
                _ACCEPTED,
            )
        delay = _delay(value)
        if delay is None:
            text = _lt(
                "Delay %(value)s for key %(key)s of a retry pattern.",
                value=repr(value),
                key=repr(key),
            )
            raise Refusal(text, _ACCEPTED)
        pattern[retry] = delay
    return dict(sorted(pattern.items()))


def _delay(value: object) -> Delay | None:
    if not isinstance(value, (list, tuple)):
        return _whole(value)
    if len(value) != 2:
        return None
    least, most = _whole(value[0]), _whole(value[1])
    if least is None or most is None or least > most:
        return None
    return (least, most)


def _whole(value: object) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value <= MOST_SECONDS
    ):
        return value
    return None


def seconds_for(pattern: Pattern | None, retry: int, rng: Rng = random) -> int:
    """Seconds to wait before retry number `retry` (1 after the first try).

    A key takes effect at the retry of its number and holds until the next key;
    before the first key it is RETRY_INTERVAL.  `pattern` is a validated one.
    """
    reached = [key for key in pattern or () if key <= retry]
    if not pattern or not reached:
        return RETRY_INTERVAL
    delay = pattern[max(reached)]
    if isinstance(delay, tuple):
        return rng.randint(*delay)
    return delay


def asked_seconds(value: object, now: Callable[[], datetime]) -> float:
    """The wait that somebody asks for, in seconds.

    value: a number, a timedelta, or the text of a Retry-After header: a number or a
    date (of the past: no wait).
    now: the present, naive UTC.

    Raises TypeError for another type, ValueError for what is no wait.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, str):
        value = _seconds_of_header(value, now)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError(
            f"seconds is {value!r}: a number of seconds, a timedelta or the text of a"
            " Retry-After header is needed"
        )
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"seconds is {value!r}: a finite number from 0 is needed")
    return float(value) if isinstance(value, Decimal) else value


def _seconds_of_header(text: str, now: Callable[[], datetime]) -> float:
    if _SECONDS.fullmatch(text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text.strip())
    except (TypeError, ValueError, IndexError):
        raise ValueError(
            f"seconds is {text!r}: a number of seconds or the date of a Retry-After"
            " header is needed"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return max(0.0, (moment - now()).total_seconds())


def class_names(exc_type: type[BaseException]) -> tuple[str, ...]:
    """The dotted names of an exception class and its ancestors, nearest first."""
    return tuple(_full_name(cls) for cls in exc_type.__mro__)


def _full_name(cls: type) -> str:
    name = name_of(cls)
    return f"builtins.{name}" if "." not in name else name


@dataclass(frozen=True)
class RetryPolicy:
    """Which exceptions are retried, how often, and after which time.

    exceptions: names of exception classes, bare or dotted; heirs count as well.
    max_tries: tries at most; 0 leaves it to the job's own max_retries.
    base_seconds: wait after the first try, multiplied by `factor` after each
    further one, up to max_seconds.
    jitter: 0 to 1, the part of the wait that is left to chance.
    """

    exceptions: tuple[str, ...]
    max_tries: int = 0
    base_seconds: float = 60.0
    factor: float = 2.0
    max_seconds: float = 3600.0
    jitter: float = 0.1

    def delay(self, tries: int, rng: Rng = random) -> float:
        """Seconds to wait after `tries` tries, the one just ended included."""
        try:
            full = self.base_seconds * self.factor ** max(tries - 1, 0)
        except OverflowError:
            full = self.max_seconds
        full = min(full, self.max_seconds)
        # Chance only shortens: max_seconds stays a promise.
        return full * (1.0 - self.jitter * rng.random())

    def matches(self, mro_names: Iterable[str]) -> bool:
        """Whether one of these class names (see `class_names`) is retried."""
        wanted = frozenset(self.exceptions)
        return any(
            name in wanted or name.rpartition(".")[2] in wanted for name in mro_names
        )


def parse_policy(source: object) -> RetryPolicy | None:
    """The policy written as a JSON object or a dictionary; None when there is none.

    Raises ValueError that names the offending key and says what is accepted.
    """
    if isinstance(source, str):
        source = _from_json(source)
    if source is None or source is False or source == {}:
        return None
    if not isinstance(source, Mapping):
        raise Refusal(
            _lt(
                "%(value)s is not a retry policy: a JSON object is needed, for example"
                ' {"exceptions": ["ConnectionError"], "max_tries": 5,'
                ' "base_seconds": 60}.',
                value=repr(source),
            )
        )
    known = [field.name for field in fields(RetryPolicy)]
    for key in source:
        if key not in known:
            raise Refusal(
                _lt(
                    "Unknown key %(key)s of a retry policy; known: %(known)s.",
                    key=repr(key),
                    known=", ".join(known),
                )
            )
    return RetryPolicy(
        exceptions=_exceptions(source.get("exceptions")),
        max_tries=_tries(source.get("max_tries", RetryPolicy.max_tries)),
        base_seconds=_number(source, "base_seconds", 0.0, MOST_SECONDS),
        factor=_number(source, "factor", 1.0, 1000.0),
        max_seconds=_number(source, "max_seconds", 0.0, MOST_SECONDS),
        jitter=_number(source, "jitter", 0.0, 1.0),
    )


def _from_json(text: str) -> object:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        refusal = Refusal(
            _lt("A retry policy must be JSON: %(error)s", error=str(error))
        )
        raise refusal from error


def _exceptions(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    if isinstance(value, (list, tuple)) and value:
        names = [name for name in value if isinstance(name, str)]
        if len(names) == len(value) and all(map(_CLASS_NAME.fullmatch, names)):
            return tuple(names)
    raise Refusal(
        _lt(
            "Key 'exceptions' of a retry policy is %(value)s: a list of names of"
            ' exception classes is needed, for example ["ConnectionError"].',
            value=repr(value),
        )
    )


def _tries(value: object) -> int:
    tries = _whole(value)
    if tries is None:
        raise Refusal(
            _lt(
                "Key 'max_tries' of a retry policy is %(value)s: a whole number is"
                " needed, 0 for the job's own max_retries.",
                value=repr(value),
            )
        )
    return tries


def _number(
    source: Mapping[object, object], key: str, least: float, most: float
) -> float:
    value = source.get(key, getattr(RetryPolicy, key))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and least <= value <= most:
            return float(value)
    raise Refusal(
        _lt(
            "Key %(key)s of a retry policy is %(value)s: a number from %(least)s to"
            " %(most)s is needed.",
            key=repr(key),
            value=repr(value),
            least=f"{least:g}",
            most=f"{most:g}",
        )
    )
