# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What becomes of a job after a try: decided here, written elsewhere."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field

from . import retry as retry_rules


@dataclass(frozen=True)
class Done:
    """The body came to its end; `result` is what it returned."""

    result: object = None


@dataclass(frozen=True)
class Retry:
    """The job runs again in `seconds`; `count`: this try counts as one."""

    seconds: float
    count: bool = True
    exc_name: str | None = None
    exc_message: str | None = None
    exc_info: str | None = None


@dataclass(frozen=True)
class Failed:
    """The job is given up until somebody requeues it."""

    exc_name: str | None = None
    exc_message: str | None = None
    exc_info: str | None = None


@dataclass(frozen=True)
class Cancelled:
    """The job stopped because it was asked to."""

    reason: str | None = None


Outcome = Done | Retry | Failed | Cancelled


class Kind(enum.Enum):
    """Why a try did not come to its end."""

    RETRYABLE = "the body asked for another try"
    CONCURRENCY = "the database could not serialize it with others"
    POLICY = "the function's retry policy names the error"
    CANCELLED = "somebody asked it to stop"
    TIMEOUT = "it took longer than allowed"
    DATABASE = "the database had a trouble that is not the job's"
    INTERRUPTED = "the process that ran it was told to end"
    OTHER = "any other error"


# Not the job's own error, but its having been tried too often, is the reason.
_GIVEN_UP = frozenset({Kind.RETRYABLE, Kind.CONCURRENCY})


@dataclass(frozen=True)
class Trouble:
    """How a try went wrong.

    seconds: the wait that the error itself asks for, None when it does not.
    ignore_retry: the error asks that this try does not count (RETRYABLE only).
    """

    kind: Kind
    exc_name: str | None = None
    exc_message: str | None = None
    exc_info: str | None = None
    seconds: float | None = None
    ignore_retry: bool = False


@dataclass(frozen=True)
class Terms:
    """What was agreed for the job.

    retry: the tries finished before this one.
    max_retries: tries at most, 0 for no end.
    pattern: a validated retry pattern, None for the usual interval.
    """

    retry: int
    max_retries: int
    pattern: retry_rules.Pattern | None = field(default=None, hash=False)
    policy: retry_rules.RetryPolicy | None = None


def decide(
    trouble: Trouble, terms: Terms, rng: retry_rules.Rng = random
) -> Retry | Failed | Cancelled:
    """The outcome of a try that went wrong."""
    if trouble.kind is Kind.CANCELLED:
        return Cancelled(trouble.exc_message)
    if trouble.kind is Kind.OTHER:
        return Failed(trouble.exc_name, trouble.exc_message, trouble.exc_info)
    if trouble.kind is Kind.INTERRUPTED:
        kept = (trouble.exc_name, trouble.exc_message, trouble.exc_info)
        return Retry(0, False, *kept)
    count = not (trouble.ignore_retry and trouble.kind is Kind.RETRYABLE)
    limit = _limit(trouble, terms)
    if count and 0 < limit <= terms.retry + 1:
        return _exhausted(trouble, limit)
    return Retry(
        _wait(trouble, terms, rng),
        count,
        trouble.exc_name,
        trouble.exc_message,
        trouble.exc_info,
    )


def _limit(trouble: Trouble, terms: Terms) -> int:
    if trouble.kind is Kind.POLICY and terms.policy and terms.policy.max_tries:
        return terms.policy.max_tries
    return terms.max_retries


def _wait(trouble: Trouble, terms: Terms, rng: retry_rules.Rng) -> float:
    if trouble.seconds is not None:
        return min(max(0, trouble.seconds), retry_rules.MOST_SECONDS)
    if trouble.kind is Kind.CONCURRENCY:
        return retry_rules.PG_RETRY
    if trouble.kind is Kind.DATABASE:
        # It takes a while to free a disk, or for a standby to take over.
        doublings = min(max(terms.retry, 0), 10)
        wait: int = retry_rules.PG_RETRY << doublings
        return min(wait, retry_rules.RETRY_INTERVAL)
    if trouble.kind is Kind.POLICY and terms.policy:
        return terms.policy.delay(terms.retry + 1, rng)
    return retry_rules.seconds_for(terms.pattern, terms.retry + 1, rng)


def _exhausted(trouble: Trouble, limit: int) -> Failed:
    name = "FailedJobError" if trouble.kind in _GIVEN_UP else trouble.exc_name
    message = f"Max. retries ({limit}) reached: {trouble.exc_message or ''}"
    return Failed(name, message, trouble.exc_info)


def after_death(deaths: int, max_deaths: int) -> Retry | Failed:
    """What becomes of a job whose process died while it ran.

    deaths: how often it has died, this death included.
    max_deaths: deaths at most, 0 for no end.

    A death counts as such and not as a try: the body had no say in it.
    """
    of = f" of at most {max_deaths}" if max_deaths else ""
    message = (
        f"The process that ran the job died (death {deaths}{of}): killed, out of"
        " memory, over a limit of the server, or the machine stopped."
    )
    if 0 < max_deaths <= deaths:
        return Failed("WorkerDied", message)
    return Retry(0, count=False, exc_name="WorkerDied", exc_message=message)
