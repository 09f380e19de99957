# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs taken from the table by a lease."""

from __future__ import annotations

import os
import socket
import time

import psycopg2

from odoo.sql_db import Cursor

from .. import clock, listeners, moves, rows, storage
from ..admission import admit
from ..core import states
from ..core.channels import lineage
from ..job import Job
from ..log_lines import get_logger
from . import connections

_logger = get_logger(__name__)
_HOST = socket.gethostname()
_START, _NEXT = connections.STATEMENTS


class Lease:
    """A request's hold on one slot of a channel, on a connection of its own.

    Life of a job on that connection, each line one transaction::

        start                                             (visible to all at once)
        lock the job ... body runs ... lock out passes, start the next

    The advisory lock of the job says that it lives, and ends with this connection
    when the worker dies. It is not on the body's cursor: a body may commit.

    :param env: the environment of the request; bodies run on its cursor
    :param seconds: after that time no further job is taken
    """

    def __init__(self, env, seconds: float):
        self.env = env
        self.seconds = seconds
        self.began = time.monotonic()
        self.row: storage.execution.Started | None = None
        self._cr = None
        self.signals: list[int] | None = None
        # In a test everything happens in the test's own transaction.
        self._real = type(env.cr) is Cursor

    def __enter__(self) -> Lease:
        if self._real:
            # Short statements, each seeing what others committed just before (D3);
            # transactions are begun and ended by word, so that several statements
            # make one round trip.
            connections.notice_silence(self.env.cr._cnx)
            self._cr = connections.take(self.env.cr.dbname)
        else:
            self._cr = self.env.cr
        self.env.cr._queue_job_lease = self
        return self

    def __exit__(self, *exc_info) -> None:
        self.env.cr._queue_job_lease = None
        if self._real:
            try:
                self._end()
            except psycopg2.Error as error:
                # Whatever ended the lease is what counts; its locks are free.
                _logger.info("The connection of a lease was lost: %s", error)
            finally:
                connections.give_back(self._cr)

    @property
    def cr(self):
        """The lease's own cursor: short statements, READ COMMITTED."""
        return self._cr

    # ------------------------------------------------------------------- claims

    def start(self, uuid: str, attempt: int) -> bool:
        """Start the job of the request, if it is still there in this attempt."""
        if self._real:
            # What the request read so far gave its transaction a snapshot in which
            # the job has not been started: the body needs a later one.
            self.env.cr.rollback()
        sent = clock.tick()
        if listeners.of(self.env).write:
            self.row = self._start_seen("uuid = %s AND attempt = %s", (uuid, attempt))
        else:
            self.row, self.signals = storage.execution.start(
                self._cr, _START, uuid, attempt, *worker()
            )
        return self._hold(sent)

    def hold_slot(self) -> None:
        """From now on until the next job is started no pass sees the slot free."""
        storage.locks.hold_slot(self._cr)

    def start_next(self) -> bool:
        """Start the next ready job of the channel in the place of the one that ended.

        Race: the end of one job and the start of the next are two transactions. The
        shared lock of :meth:`hold_slot` covers both, so that no pass gives the slot
        away in between and capacity holds by construction.
        """
        if storage.prepared.ensure(self.env.cr, storage.execution.OF_BODY):
            self.env.cr.rollback()
        channel = self.row.channel
        sent = clock.tick()
        if listeners.of(self.env).write:
            found = storage.execution.find_next(self._cr, channel)
            self.row = found and self._start_seen("id = %s", (found,))
        else:
            self.row, self.signals = storage.execution.start_next(
                self._cr, _NEXT, channel, *worker()
            )
        return self._hold(sent)

    def see_changes(self) -> None:
        """Have the registry see what others changed before the job was started."""
        registry = self.env.registry
        seen = [registry.registry_sequence, *registry.cache_sequences.values()]
        if self.signals != seen:
            registry.check_signaling()
        self.signals = None

    def may_go_on(self) -> bool:
        """Is there time, and the right, for another job in this slot?"""
        return (
            self._real
            and not self.row.throttled
            and not self.env.cr.closed
            and time.monotonic() - self.began < self.seconds
        )

    def _hold(self, sent: float) -> bool:
        if self.row is None:
            self._end()
            return False
        if not listeners.of(self.env).write:
            clock.note(self.env.cr.dbname, sent, self.row.date_started)
        if self._real:
            storage.locks.commit_and_hold_job(self._cr, self.row.id)
        else:
            # pylint: disable-next=invalid-commit
            self._cr.commit()  # a test's cursor: a savepoint behind the start
        return True

    def _start_seen(self, condition: str, params: tuple):
        """Start a job with a write that other add-ons see (D6)."""
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr)
            job_id = storage.execution.find_startable(cr, condition, params)
            if job_id is None:
                return None
            name, pid = worker()
            values = {
                "state": states.STARTED,
                "date_started": clock.now(cr),
                "worker": name,
                "worker_pid": pid,
            }
            moves.move(env, "start", [job_id], values)
            channel = env["queue.job"].sudo().browse(job_id).channel
            throttled = storage.execution.stamp_throttle(cr, lineage(channel))
            return storage.execution.read_started(cr, job_id, throttled)

    def _end(self) -> None:
        if self._real:
            storage.locks.end(self._cr)


def of(env) -> Lease | None:
    """The lease that the environment's cursor works for."""
    return getattr(env.cr, "_queue_job_lease", None)


def acquire(env, job_uuid: str) -> Job | None:
    """The started job with that uuid as an object on the cursor of ``env``.

    Under a lease it is the job that the lease started. Without one (a test) the job
    is started here, in the current transaction.

    :return: None when the job is not to be executed now
    :raises JobDecodeError: its call cannot be read back
    """
    lease = of(env)
    if lease is None or lease.row is None or lease.row.uuid != job_uuid:
        return _acquire_directly(env, job_uuid)
    job = rows.from_started(Job, env, lease.row)
    job._lease = lease
    return job


def _acquire_directly(env, job_uuid: str) -> Job | None:
    record = Job.db_record_from_uuid(env, job_uuid)
    if not record or record.sudo().state != states.ENQUEUED:
        extra = {"job_uuid": job_uuid}
        _logger.warning("job %s is not enqueued: not executed", job_uuid, extra=extra)
        return None
    admit(env, storage.sealing.warrant(env.cr, record.id))
    job = Job._load_from_db_record(record)
    job.set_started()
    job.store()
    return job


def worker() -> tuple[str, int]:
    """What this process is known by: with its host's name, and its number."""
    pid = os.getpid()
    return f"{_HOST}:{pid}", pid
