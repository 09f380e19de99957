# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The typed errors of the job queue."""

from datetime import datetime, timezone

from .core.retry import asked_seconds


def _utcnow() -> datetime:
    # The date of a header is told by somebody else's clock, so any will do.
    return datetime.now(timezone.utc).replace(tzinfo=None)


class BaseQueueJobError(Exception):
    """Base of every error of the job queue."""


class JobError(BaseQueueJobError):
    """A job cannot be stored, found or executed."""


class NoSuchJobError(JobError):
    """The job does not exist (any more)."""


class FailedJobError(JobError):
    """Raise it in a job to make the job fail at once, whatever its retries."""


class RetryableJobError(JobError):
    """Raise it in a job to have the job tried again later.

    :param msg: the reason, kept on the job
    :param seconds: delay before the next try: a number, a timedelta, or the text of a
        ``Retry-After`` header (a number of seconds, or a date); the retry pattern of
        the job's function (or 600 s) when omitted
    :param ignore_retry: the try does not count against ``max_retries``
    :raises TypeError: ``seconds`` is something else
    :raises ValueError: ``seconds`` is negative, without end, or no number
    """

    # of heirs that do not call our constructor
    seconds = None
    ignore_retry = False

    def __init__(self, msg, seconds=None, ignore_retry=False):
        super().__init__(msg)
        self.seconds = None if seconds is None else asked_seconds(seconds, _utcnow)
        self.ignore_retry = ignore_retry


class NothingToDoJob(JobError):
    """The job had nothing to do: it is done, the message is its result."""


class JobNotDeclaredError(JobError):
    """The method was not declared as one that may be delayed."""


class JobRefused(JobError):
    """The job must not be executed: the enqueuing code did not write what it calls."""


class JobDecodeError(JobError):
    """The stored arguments of a job cannot be read back."""


class JobCancelled(JobError):
    """Somebody asked the running job to stop."""


class JobTimeout(JobError):
    """The job ran longer than its time limit."""


class ChannelNotFound(BaseQueueJobError):
    """The channel does not exist."""
