# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The typed errors of the job queue."""


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
    :param seconds: delay before the next try; the retry pattern of the job's
        function (or 600 s) when omitted
    :param ignore_retry: the try does not count against ``max_retries``
    """

    def __init__(self, msg, seconds=None, ignore_retry=False):
        super().__init__(msg)
        self.seconds = seconds
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
