# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: ``self.env.job``, what a body may say to the job that runs it."""

from __future__ import annotations

import time

import psycopg2

from odoo.api import Environment

from . import storage
from .core import plain
from .exception import JobCancelled
from .log_lines import get_logger

_logger = get_logger(__name__)

#: characters at most of what is being done
_MOST = 1_000
#: seconds between two writes of the progress
_PACE = 1.0


class JobHandle:
    """The job that runs at this moment; outside of a job nothing happens.

    A body can so be called directly as well.
    """

    def __init__(self, uuid: str | None, lease):
        self.uuid = uuid
        self._lease = lease

    def __bool__(self) -> bool:
        return self._lease is not None

    @property
    def _row(self):
        return self._lease.row

    def progress(self, done: float, total: float = 0, message: str | None = None):
        """Show how far the body is: a bar on the job, and for who asked for it.

        Seen at once, before the body's transaction commits; written once a second at
        the most, so it may be called in every turn of a loop.

        :param done: units of work done
        :param total: units of work in all; 0: unknown
        :param message: what is being done
        :raises psycopg2.OperationalError: the body's own connection is lost
        """
        if not self:
            return
        self._check_connection()
        try:
            if self._is_time(done, total):
                self._tell(done, total, message)
        except Exception as error:
            # To tell something never changes what becomes of the job.
            _logger.info("The progress of job %s is not told: %s", self.uuid, error)

    def _tell(self, done: float, total: float, message: str | None) -> None:
        if message is not None:
            message = plain.text(message, _MOST)
        with self._lease.env.registry.cursor() as cr:
            storage.progress.write(cr, self._row.id, done, total, message)
            env = Environment(cr, self._row.user_id, {})
            env["queue.job"]._tell_progress(self._row.id, done, total, message)

    def _is_time(self, done: float, total: float) -> bool:
        now = time.monotonic()
        told = getattr(self._lease, "progress_told", 0.0)
        if now - told < _PACE and not (total and done >= total):
            return False
        self._lease.progress_told = now
        return True

    def _check_connection(self) -> None:
        """End a body whose work cannot be committed any more.

        A server that stops closes the connections of its jobs. One that went on and
        on without its own would keep the server from its end.
        """
        if self._lease.env.cr.closed:
            raise psycopg2.OperationalError("The connection of the job is lost")

    def check_cancelled(self) -> None:
        """End the body neatly when somebody asked the job to stop.

        :raises JobCancelled: somebody did; what the body did is rolled back
        :raises psycopg2.OperationalError: the body's own connection is lost
        """
        if not self:
            return
        self._check_connection()
        try:
            with self._lease.env.registry.cursor() as cr:
                reason = storage.transition.stops(cr, [self._row.id]).get(self._row.id)
        except Exception as error:
            # The watch over running jobs looks as well.
            _logger.info("Job %s cannot look for a stop: %s", self.uuid, error)
            return
        if reason is not None:
            raise JobCancelled(reason)


def _handle(env: Environment) -> JobHandle:
    uuid = env.context.get("job_uuid")
    lease = getattr(env.cr, "_queue_job_lease", None) if uuid else None
    if lease is not None and (lease.row is None or lease.row.uuid != uuid):
        lease = None
    return JobHandle(uuid, lease)


def install() -> None:
    """Give environments their ``job``."""
    Environment.job = property(_handle, doc="The job that runs, see JobHandle.")
