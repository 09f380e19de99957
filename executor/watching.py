# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Running jobs that have to stop: somebody asked, or their time is over.

One thread a process looks once a second at the jobs that the process executes. A job
that has to stop is interrupted in steps, each harsher than the one before:

1. its query is cancelled, and an :class:`Interrupted` is raised in its thread;
2. after some seconds, where a worker is a process of its own (prefork): the outcome is
   written and the process killed. Nothing else ends a sleep or a wait for a socket.

More often it looks whether each job is still held. A hold whose connection was lost is
regained; a job that cannot be held any more has to stop, before anybody takes it for
lost and executes it once more: in ``storage.locks.REGAIN`` seconds when the database
takes no connection, at once when the body's own is lost as well. What remains is a body
of a threaded server that no interruption reaches (within a long call of C code), and,
behind a pooler, where no sign of the worker stays, the second until that rescue.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2

from odoo import sql_db
from odoo.service import server

from .. import storage
from ..core.outcome import Kind
from ..log_lines import get_logger
from ..storage.locks import REGAIN
from . import connections
from .claiming import Hold, Lease

_logger = get_logger(__name__)

#: seconds between two looks; a job is first looked at when it is that old
INTERVAL = 1.0
#: seconds between two looks whether the jobs are held
TICK = 0.25
#: seconds from the first step to the second one
PATIENCE = 1.5
#: seconds for the outcome of a job to be written before its process is killed
_BURIAL = 1.0
#: what a connection tells whose other end is gone, whatever is left to be read
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class Interrupted(BaseException):
    """Raised in the thread of a job that has to stop; no body's business to catch."""


@dataclass(eq=False)
class Watched:
    """A job that runs in this process.

    extra: tells what a line of the log about it has besides its text.
    lease: holds it, None: nobody does; its connection is idle while the body runs.
    verdict: why it has to stop: the kind and a text; None while it may go on.
    lost_at: since when it is not held.
    """

    job_id: int
    uuid: str
    dbname: str
    timeout: float
    connection: object
    bury: object
    extra: Callable[[], dict]
    lease: Lease | None = None
    thread_id: int = field(default_factory=threading.get_ident)
    began: float = field(default_factory=time.monotonic)
    verdict: tuple[Kind, str] | None = None
    stopped_at: float | None = None
    lost_at: float | None = None
    #: kept while its lease is looked at: the body's thread does not use it meanwhile
    looking: threading.Lock = field(default_factory=threading.Lock)

    def age(self) -> float:
        return time.monotonic() - self.began


class _Watch:
    def __init__(self):
        self._lock = threading.Lock()
        self._jobs: set[Watched] = set()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, watched: Watched):
        """Watch over a job while the block runs."""
        with self._lock:
            self._jobs.add(watched)
            self._ensure_thread()
        if not self._wake.is_set():
            self._wake.set()
        try:
            yield watched
        finally:
            try:
                self._dismiss(watched)
            except Interrupted:
                self._dismiss(watched)  # it arrived on the way there

    def _dismiss(self, watched: Watched):
        # Race: from here on the body's thread uses the connection that is looked at.
        with watched.looking, self._lock:
            self._jobs.discard(watched)
        if watched.stopped_at is not None:
            _absorb_interruption()

    def _ensure_thread(self):
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._run, name="queue_job.watch", daemon=True
            )
            self._thread.start()

    # Python 3.11 does not let this thread be traced: see dev/coverage_site.
    def _run(self):  # pragma: no cover
        next_look = time.monotonic() + INTERVAL
        while True:
            self._wake.wait()
            time.sleep(min(TICK, INTERVAL))
            with self._lock:
                if not self._jobs:
                    self._wake.clear()
                    continue
                jobs = list(self._jobs)
            try:
                self._look_at_holds(jobs)
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + INTERVAL
                    self._look([each for each in jobs if each.age() >= INTERVAL])
            except Exception:
                _logger.exception("The watch over running jobs stumbled")

    def _look(self, jobs: list[Watched]):
        self._judge_by_time(jobs)
        self._judge_by_request([each for each in jobs if not each.verdict])
        for each in jobs:
            if each.verdict:
                self._stop(each)

    def _look_at_holds(self, jobs: list[Watched]):
        for each in jobs:
            if each.lease is not None and not each.verdict:
                self._judge_by_hold(each)
            if each.lost_at is not None and each.verdict:
                self._stop(each)

    def _judge_by_hold(self, each: Watched):
        """Regain the hold on a job; when that is too late, or takes too long, the body
        has to stop."""
        with each.looking:
            if each not in self._jobs or not each.lease.lost:
                each.lost_at = None
                return
            each.lost_at = each.lost_at or time.monotonic()
            hold = each.lease.regain()
        if hold in (Hold.OURS, Hold.TAKEN):
            each.lost_at = None
        elif hold is Hold.LOST or self._is_too_late(each):
            text = "The connection that holds the job was lost, and is not to be had."
            each.verdict = (Kind.DATABASE, text)

    @staticmethod
    def _is_too_late(each: Watched) -> bool:
        """Is the body's own connection gone as well, or may the job be taken soon?"""
        late = time.monotonic() - each.lost_at >= REGAIN
        # Its thread may be using it: what is left to be read says nothing.
        return late or connections.shows(each.connection, _HUNG_UP)

    @staticmethod
    def _judge_by_time(jobs):
        for each in jobs:
            if each.timeout and not each.verdict and each.age() > each.timeout:
                text = f"The job ran longer than its time limit of {each.timeout:g} s."
                each.verdict = (Kind.TIMEOUT, text)

    def _judge_by_request(self, jobs):
        """Over the connections that hold the jobs, which are idle: no further ones."""
        for each in jobs:
            reason = self._reason(each)
            if reason is not None:
                each.verdict = (Kind.CANCELLED, reason)

    def _reason(self, each: Watched) -> str | None:
        if each.lease is None:
            with sql_db.db_connect(each.dbname).cursor() as cr:
                found = storage.transition.stops(cr, [each.job_id])
            return found.get(each.job_id)
        try:
            with each.looking:
                return each.lease.stop_reason() if each in self._jobs else None
        except psycopg2.Error as error:
            _logger.info(
                "job %s: nobody knows whether to stop it: %s", each.uuid, error
            )
            return None

    def _stop(self, each: Watched):
        with self._lock:
            if each not in self._jobs:
                return
            first = each.stopped_at is None
            if first:
                each.stopped_at = time.monotonic()
                reason = each.verdict[1]
                _logger.info(
                    "job %s has to stop: %s", each.uuid, reason, extra=each.extra()
                )
            elif time.monotonic() - each.stopped_at >= PATIENCE and _is_prefork():
                self._kill(each)
            _raise_in(each.thread_id, Interrupted)
            # Before anybody else has the connection: it may be the next job's.
            try:
                each.connection.cancel()
            except Exception:
                text = "job %s: no query to cancel"
                _logger.debug(text, each.uuid, extra=each.extra())

    @staticmethod
    def _kill(each: Watched):
        """Write what becomes of the job, then end the process under it.

        Race: the body may end in this moment. Both write with a guard on the state,
        so one of them finds the job moved and leaves it alone.
        """
        text = "job %s does not react: its worker is killed"
        _logger.warning(text, each.uuid, extra=each.extra())
        # Beside this thread: a network that is silent makes it last.
        burial = threading.Thread(target=_bury, args=(each,), daemon=True)
        burial.start()
        burial.join(_BURIAL)
        os.kill(os.getpid(), signal.SIGKILL)


def _bury(each: Watched) -> None:
    try:
        each.bury(*each.verdict)
    except Exception:
        text = "job %s: its end could not be written"
        _logger.exception(text, each.uuid, extra=each.extra())


def _raise_in(thread_id: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(exception)
    )


def _absorb_interruption() -> None:
    """Have an interruption of this thread arrive here, where it hits no other job.

    Python can take back one that has not arrived yet, but goes on looking for it at
    every step then (3.11 for ever at the first one, in a thread that is traced).
    """
    try:
        _raise_in(threading.get_ident(), Interrupted)
        while True:  # pragma: no cover - it arrives before, unless Python is 3.10
            pass
    except Interrupted:
        return


def _is_prefork() -> bool:
    return isinstance(
        getattr(signal.getsignal(signal.SIGINT), "__self__", None), server.Worker
    )


watch = _Watch()
