# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Running jobs that have to stop: somebody asked, or their time is over.

One thread a process looks once a second at the jobs that the process executes. A job
that has to stop is interrupted in steps, each harsher than the one before:

1. its query is cancelled, and an :class:`Interrupted` is raised in its thread;
2. after some seconds, where a worker is a process of its own (prefork): the outcome is
   written and the process killed. Nothing else ends a sleep or a wait for a socket.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from odoo import sql_db
from odoo.service import server

from .. import storage
from ..core.outcome import Kind
from ..log_lines import get_logger

_logger = get_logger(__name__)

#: seconds between two looks; a job is first looked at when it is that old
INTERVAL = 1.0
#: seconds from the first step to the second one
PATIENCE = 1.5


class Interrupted(BaseException):
    """Raised in the thread of a job that has to stop; no body's business to catch."""


@dataclass(eq=False)
class Watched:
    """A job that runs in this process.

    extra: tells what a line of the log about it has besides its text.
    verdict: why it has to stop: the kind and a text; None while it may go on.
    """

    job_id: int
    uuid: str
    dbname: str
    timeout: float
    connection: object
    bury: object
    extra: Callable[[], dict]
    thread_id: int = field(default_factory=threading.get_ident)
    began: float = field(default_factory=time.monotonic)
    verdict: tuple[Kind, str] | None = None
    stopped_at: float | None = None

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
        with self._lock:
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
        while True:
            self._wake.wait()
            time.sleep(INTERVAL)
            with self._lock:
                if not self._jobs:
                    self._wake.clear()
                    continue
                jobs = [each for each in self._jobs if each.age() >= INTERVAL]
            try:
                self._look(jobs)
            except Exception:
                _logger.exception("The watch over running jobs stumbled")

    def _look(self, jobs: list[Watched]):
        self._judge_by_time(jobs)
        self._judge_by_request([each for each in jobs if not each.verdict])
        for each in jobs:
            if each.verdict:
                self._stop(each)

    @staticmethod
    def _judge_by_time(jobs):
        for each in jobs:
            if each.timeout and not each.verdict and each.age() > each.timeout:
                text = f"The job ran longer than its time limit of {each.timeout:g} s."
                each.verdict = (Kind.TIMEOUT, text)

    @staticmethod
    def _judge_by_request(jobs):
        for dbname in {each.dbname for each in jobs}:
            here = {each.job_id: each for each in jobs if each.dbname == dbname}
            with sql_db.db_connect(dbname).cursor() as cr:
                requests = storage.transition.stops(cr, list(here))
            for job_id, reason in requests.items():
                here[job_id].verdict = (Kind.CANCELLED, reason or "Stopped")

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
        try:
            each.bury(*each.verdict)
        except Exception:
            text = "job %s: its end could not be written"
            _logger.exception(text, each.uuid, extra=each.extra())
        os.kill(os.getpid(), signal.SIGKILL)


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
