# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs taken from the table by a lease."""

from __future__ import annotations

import enum
import os
import secrets
import socket
import threading
import time

import psycopg2

from odoo.exceptions import ConcurrencyError
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
#: seconds after which a lease looks for better jobs of other channels, and how many
#: times as long as that look took it does not look again
_FAIR_AFTER, _FAIR_SHARE = 0.25, 50
#: seconds for which a new connection is waited for while the job runs
_CONNECT = 3
#: what ends a connection, or tells that it has ended
LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)


class Hold(enum.Enum):
    """What became of the hold on a running job whose connection was lost."""

    OURS = "the job is held by a new connection"
    LOST = "the job is not ours any more"
    TAKEN = "somebody holds it, be it our lost session: nobody can take it away"
    AWAY = "the database takes no connection"


class Lease:
    """A request's hold on one slot of a channel, on a connection of its own.

    Life of a job on that connection, each line one round trip::

        start; commit; lock the job, and look whether it is ours
        ... body runs ... reserve the next job of the channel; commit

    The advisory lock of the job says that it lives, and ends with this connection
    when the worker dies. It is not on the body's cursor: a body may commit. Nothing is
    held while the body's transaction commits, however long that, or what hangs on it,
    takes: the reserved job goes back to the queue meanwhile, by any runner.

    An error of this connection is not the body's. What could not be done is done once
    more on a new one, or the lease takes no further job.

    :param env: the environment of the request; bodies run on its cursor
    :param seconds: after that time no further job is taken
    """

    def __init__(self, env, seconds: float):
        self.env = env
        self.seconds = seconds
        self.began = self._fair_at = time.monotonic()
        self.row: storage.execution.Started | None = None
        self.reserved: tuple[str, int] | None = None
        self._cr = None
        self.signals: list[int] | None = None
        # In a test everything happens in the test's own transaction.
        self._real = type(env.cr) is Cursor
        self._lock = threading.Lock()

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
                self._give_back()
                self._end()
            except LOST as error:
                # Whatever ended the lease is what counts; its locks are free.
                _logger.info("The connection of a lease was lost: %s", error)
            finally:
                connections.give_back(self._cr)

    @property
    def cr(self):
        """The lease's own cursor: short statements, READ COMMITTED."""
        return self._cr

    @property
    def known_as(self) -> str | None:
        """The name that the session of the bodies shows (``storage.session.enter``)."""
        return worker()[0] if self._cr.direct else None

    # ------------------------------------------------------------------- claims

    def start(self, uuid: str, attempt: int) -> bool:
        """Start the job of the request, if it is still there in this attempt."""
        if self._real:
            # What the request read so far gave its transaction a snapshot in which
            # the job has not been started: the body needs a later one.
            self.env.cr.rollback()
            storage.session.enter(self.env.cr, self.known_as)
        return self._start(uuid, attempt)

    def reserve_next(self) -> None:
        """Take the next ready job of the channel, to start it when this one has ended.

        To be called before that end is committed: see ``storage.execution.reserve``.
        When it cannot be committed, the one that was taken for it stays taken.
        """
        if self.reserved is not None or not self._may_go_on():
            return
        now, used = time.monotonic(), self._cr
        how = self._how(now)
        try:
            taken = storage.execution.reserve(
                used,
                connections.STATEMENTS,
                self.row,
                lineage(self.row.channel),
                how,
            )
        except psycopg2.Error as error:
            self._lose(used, error)
            return
        self.reserved = taken.job
        after = time.monotonic()
        if how != storage.execution.BEHIND:
            used.heads.looked(self.row.channel, after, taken.seconds)
        if how == storage.execution.FAIRLY:
            self._fair_at = after + _FAIR_SHARE * (after - now) - _FAIR_AFTER

    def _how(self, now: float) -> str:
        """Where to look for the next job."""
        row = self.row
        placed = row.priority is not None and row.date_created is not None
        if placed and not self._cr.heads.are_due(row.channel, now):
            return storage.execution.BEHIND
        fairly = now >= self._fair_at + _FAIR_AFTER
        return storage.execution.FAIRLY if fairly else storage.execution.HEAD

    def start_next(self) -> bool:
        """Start the reserved job; return whether there is one that is still ours."""
        uuid, attempt = self.reserved
        self.reserved = None
        try:
            return self._start(uuid, attempt)
        except LOST as error:
            # Nobody has started it, or nobody holds it: it comes back by itself.
            _logger.warning("A lease ends, its connection is lost: %s", error)
            return False

    def see_changes(self) -> None:
        """Have the registry see what others changed before the job was started."""
        registry = self.env.registry
        seen = [registry.registry_sequence, *registry.cache_sequences.values()]
        if self.signals != seen:
            registry.check_signaling()
        self.signals = None

    def _may_go_on(self) -> bool:
        """Is there time, and the right, for another job in this slot?"""
        return (
            self._real
            and not self.row.throttled
            and not self.env.cr.closed
            and time.monotonic() - self.began < self.seconds
        )

    def _start(self, uuid: str, attempt: int) -> bool:
        # Never that of a start which a crash of the database has undone.
        run = storage.execution.Run(uuid, attempt, secrets.randbits(62), *worker())
        sent = clock.tick()
        for again in (True, False):
            try:
                self.row, self.signals = self._start_run(run)
                break
            except LOST:
                if not again or not self._real or not self._cr.lost:
                    raise
                self._renew()
        if self.row is None:
            self._end()
            return False
        if not listeners.of(self.env).write:
            clock.note(self.env.cr.dbname, sent, self.row.date_started)
        return True

    def _start_run(self, run: storage.execution.Run):
        seen = listeners.of(self.env).write
        statements = connections.STATEMENTS
        if seen:
            self._start_seen(run)
        if self._real:
            return storage.execution.start_and_hold(self._cr, statements, run, seen)
        if not seen:
            storage.execution.start(self._cr, statements, run)
        found = storage.execution.read_started(self._cr, statements, run)
        # pylint: disable-next=invalid-commit
        self._cr.commit()  # a test's cursor: a savepoint behind the start
        return found

    def _start_seen(self, run: storage.execution.Run) -> None:
        """Start a job with a write that other add-ons see (D6)."""
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr)
            job_id = storage.execution.find_startable(cr, run)
            if job_id is None:
                return
            storage.execution.stamp_run(cr, job_id, run.run_id)
            values = {
                "state": states.STARTED,
                "date_started": clock.now(cr),
                "worker": run.worker,
                "worker_pid": run.pid,
            }
            moves.move(env, "start", [job_id], values)
            channel = env["queue.job"].sudo().browse(job_id).channel
            storage.execution.stamp_throttle(cr, lineage(channel))

    def _give_back(self) -> None:
        """A reserved job that was not started waits for nobody."""
        if self.reserved is not None:
            storage.execution.give_back(self._cr, *self.reserved)
            self.reserved = None

    def _end(self) -> None:
        if self._real:
            storage.locks.end(self._cr)

    # ------------------------------------------------------------ its connection

    def is_ours(self) -> bool:
        """Is the running job still executed in this run?

        :raises ConcurrencyError: nobody can tell at this moment
        """
        row, used = self.row, self._cr
        try:
            return storage.execution.is_ours(used, row.id, row.run_id)
        except LOST as error:
            self._lose(used, error)
            hold = self.regain() if self._real else Hold.AWAY
            if hold not in (Hold.OURS, Hold.LOST):
                raise ConcurrencyError(
                    f"The connection that holds job {row.uuid} is lost"
                ) from error
            return hold is Hold.OURS

    def apply_end(self) -> bool:
        """Apply the end of the run that was noted; False: somebody does it later."""
        used = self._cr
        try:
            return bool(storage.execution.apply_ends(used, self.row.run_id))
        except psycopg2.Error as error:
            self._lose(used, error)
            return False

    @property
    def lost(self) -> bool:
        """Is the connection that holds the job gone? To be asked while it is idle."""
        return self._cr.lost

    def stop_reason(self) -> str | None:
        """Why the running job is asked to stop; None: it is not.

        To be asked while the body runs: the connection is idle then.
        """
        return storage.transition.stop_reason(self._cr, self.row.id)

    def regain(self) -> Hold:
        """Hold the running job on a new connection when the old one is lost."""
        with self._lock:
            return self._hold_again() if self._cr.lost else Hold.OURS

    def _hold_again(self) -> Hold:
        fresh, hold = None, Hold.AWAY
        row = self.row
        try:
            fresh = connections.LeaseCursor(self.env.cr.dbname, _CONNECT)
            hold = _HOLDS[storage.execution.hold_again(fresh, row.id, row.run_id)]
        except psycopg2.Error as error:
            _logger.info("A lease cannot be regained yet: %s", error)
        if hold is Hold.OURS:
            self._cr.close()
            self._cr = fresh
            _logger.info("job %s: its lease has a new connection", row.uuid)
        elif fresh is not None:
            fresh.close()
        return hold

    @staticmethod
    def _lose(used, error: psycopg2.Error) -> None:
        """The transaction that held the job is over, in whatever state its connection
        is: no further job is taken."""
        _logger.info("A lease has lost its transaction: %s", error)
        used.close()

    def _renew(self) -> None:
        self._cr.close()
        self._cr = connections.LeaseCursor(self.env.cr.dbname)


_HOLDS = {True: Hold.OURS, False: Hold.LOST, None: Hold.TAKEN}


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
    job._lease, job._run_id = lease, lease.row.run_id
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
