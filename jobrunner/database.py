# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database that a runner serves: its connections, and when it is due."""

from __future__ import annotations

import logging
from typing import NamedTuple

import psycopg2
from psycopg2 import errors

from ..storage import presence, recovery, schedule
from . import connection
from .config import Config
from .dispatch import Outcome
from .holder import Holder
from .housekeeping import LOOK_AFTER, Housekeeper
from .loop import Loop, Watched, clock, close_quietly, forks, line_of
from .scheduling import Request, Scheduled, run, telling

_logger = logging.getLogger(__name__)

#: seconds between two passes at least, when nothing but notifications asks for them
GAP = 0.01
#: the same when all places are taken: only the end of a job gives one
FULL_GAP = 0.1
#: seconds in which the ends of several requests make one pass
_END_GAP = 0.002
#: seconds between two looks at a database that cannot tell of new jobs
_BLIND_POLL = 1.0
#: seconds between two attempts to connect, the first and the most
_RETRY = (0.5, 15.0)
#: seconds after which it is looked again whether the queue is in use, first and most
_ABSENT = (15.0, 45.0)
#: seconds without a request after some were refused, the first and the most
_PAUSE = (0.2, 5.0)
#: seconds after which a pass that had to wait for a lock is made again
_LOCKED_WAIT = 1.0
#: seconds between two messages about the same trouble
_QUIET = 60.0
#: seconds after which it is worth telling that modules are still being installed
_LONG_BUSY = 120.0

# The connection lives on, somebody else was just faster or holds a lock.
_HARMLESS = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)
_NOT_OURS = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)


class Pass(NamedTuple):
    """What is to be sent now, and after how many seconds to look again."""

    dispatch: list[Request]
    wake_after: float


class _Backoff:
    """Times that double from one failure to the next."""

    def __init__(self, least: float, most: float):
        self._least, self._most = least, most
        self._next = least

    def fail(self) -> float:
        wait, self._next = self._next, min(self._next * 2, self._most)
        return wait

    def reset(self) -> None:
        self._next = self._least


class Database:
    """One database of a runner; an error of one never disturbs another.

    All methods are called in the thread of the loop.

    :param number: of the runner
    """

    def __init__(
        self, name: str, config: Config, number: int, loop: Loop, kind: str = ""
    ):
        self.name = name
        self.config = config
        self.number = number
        #: when the next pass is due, on the loop's steady clock
        self.due = 0.0
        self.passes = self.sent = 0
        self.loop = loop
        self._session: connection.Session | None = None
        self._watched: Watched | None = None
        self._connecting = False
        self._retry_at = 0.0
        self._retry = _Backoff(*_RETRY)
        self._absent = _Backoff(*_ABSENT)
        self.closed = False
        #: jobs with requests under way, and their attempts
        self.flying: dict[int, int] = {}
        self._ended: list[tuple[int, int, Outcome]] = []
        self._pause = _Backoff(*_PAUSE)
        self._paused_until = 0.0
        self._last_pass = 0.0
        self._full = False
        self._busy_since: float | None = None
        self._holder = Holder(self)
        self._quiet: dict[str, float] = {}
        self._housekeeper = Housekeeper(name, config, number, kind)

    # --------------------------------------------------------------- connection

    @property
    def connected(self) -> bool:
        return self._session is not None

    def _connect(self, now: float) -> None:
        self._connecting = True
        before = forks()
        self.loop.background(
            lambda: connection.open_session(self.name, self.config, self.number),
            lambda session, error: self._connected(session, error, before),
        )

    def _connected(self, session, error, before: int) -> None:
        self._connecting = False
        now = clock()
        if session is not None and (self.closed or before != forks()):
            # A process that was forked meanwhile has it too, and would keep it open.
            close_quietly(session.connection)
            self._retry_at = self.due = now
        elif session is not None:
            self._retry.reset()
            self._absent.reset()
            self._session = session
            self._watched = self.loop.watch_connection(
                session.connection, self._readable
            )
            self.due = now
            _logger.info(
                "queue job runner: serves database %s%s",
                self.name,
                "" if session.listens else ", looking every second: it cannot LISTEN",
            )
        elif error is None:
            self._retry_at = self.due = now + self._absent.fail()
            self.say("absent", logging.DEBUG, "the queue is not in use there")
        else:
            self._retry_at = self.due = now + self._retry.fail()
            self.say("connect", logging.WARNING, f"cannot connect: {line_of(error)}")

    def _disconnect(self, retry_at: float) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._watched.close()
        self._retry_at = self.due = retry_at

    def _readable(self) -> None:
        """The server tells of new jobs, or hangs up."""
        if self._session is None:
            return
        now = clock()
        try:
            self._session.connection.poll()
            self._take_notifications(now)
        except psycopg2.Error as error:
            self._trouble(error, now)

    def _take_notifications(self, now: float) -> None:
        notifies = self._session.connection.notifies
        if notifies:
            notifies.clear()
            gap = FULL_GAP if self._full else GAP
            self.due = min(self.due, max(now, self._last_pass + gap))

    # --------------------------------------------------------------------- pass

    def pass_(self, now: float) -> Pass:
        """Look what there is to do, do it, and say what is to be sent.

        Errors of the database are this object's own business.

        :param now: seconds on the loop's clock
        """
        requests: list[Request] = []
        self.due = now + self._poll_seconds()
        if self._session is None:
            self._ended.clear()
            if now >= self._retry_at and not self._connecting:
                self._connect(now)
            self.due = max(now, self._retry_at) + _RETRY[0]
            return Pass(requests, self.due - now)
        try:
            with self._session.connection.cursor() as cr:
                self._give_back(cr, now)
                if now >= self._paused_until:
                    requests = self._schedule(cr, now)
                else:
                    self.due = min(self.due, self._paused_until)
                self._keep_house(cr, now)
                requests += self._tell(cr, now)
            self._take_notifications(now)
        except psycopg2.Error as error:
            self._trouble(error, now)
        return Pass(requests, max(0.0, self.due - now))

    def _poll_seconds(self) -> float:
        if self._session is not None and not self._session.listens:
            return min(_BLIND_POLL, self.config.poll_seconds)
        return self.config.poll_seconds

    def _schedule(self, cr, now: float) -> list[Request]:
        self.passes += 1
        look = schedule.begin(cr)
        result = run(cr, look, self.name, self.config, self.number)
        schedule.commit(cr)
        self._last_pass = now
        self._full = result.full
        self._plan(result, now)
        for request in result.requests:
            self.flying[request.id] = request.attempt
        self.sent += len(result.requests)
        return result.requests

    def hold(self, now: float) -> None:
        """Show other runners that ours lives, after requests were sent."""
        self._holder.refresh(now)

    def _plan(self, result: Scheduled, now: float) -> None:
        if result.wake_after is not None:
            self.due = min(self.due, now + result.wake_after)
        if result.running or result.requests:
            self.due = min(self.due, now + LOOK_AFTER)
        if not result.busy:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = now
        elif now - self._busy_since > _LONG_BUSY:
            self.say(
                "busy",
                logging.WARNING,
                "no job runs: modules are marked to be installed, updated or removed",
            )

    def _keep_house(self, cr, now: float) -> None:
        try:
            if self._housekeeper.run(cr, now, self.flying, self.passes, self.sent):
                self.due = min(self.due, now + GAP)
        except psycopg2.Error:
            raise
        except Exception:
            # The jobs of this pass are to be requested nevertheless.
            _logger.exception("queue job runner: database %s", self.name)
            schedule.rollback(cr)

    def _tell(self, cr, now: float) -> list[Request]:
        """Have a worker tell of the jobs that runners have ended."""
        if self._busy_since is not None or 0 in self.flying:
            return []
        secret = self._housekeeper.to_tell(cr, now)
        if not secret:
            return []
        request = telling(self.name, secret)
        self.flying[request.id] = request.attempt
        return [request]

    def _trouble(self, error: psycopg2.Error, now: float) -> None:
        """A statement failed: go on a little later, or connect anew."""
        cnx = self._session.connection
        if isinstance(error, _HARMLESS) and not cnx.closed:
            try:
                with cnx.cursor() as cr:
                    schedule.rollback(cr)
                self.due = now + _LOCKED_WAIT
                self.say("locked", logging.INFO, f"has to wait: {line_of(error)}")
                return
            except psycopg2.Error as another:
                error = another
        if isinstance(error, _NOT_OURS):
            self._disconnect(now + self._absent.fail())
            self.say("gone", logging.WARNING, f"is not served: {line_of(error)}")
        else:
            self._disconnect(now + self._retry.fail())
            self.say("lost", logging.WARNING, f"connection lost: {line_of(error)}")

    def give_up(self, now: float) -> None:
        """Something unforeseen happened: connect anew, later."""
        self._disconnect(now + self._retry.fail())

    # ----------------------------------------------------------------- requests

    def ended(self, request: Request, outcome: Outcome) -> None:
        """A request is over, whatever became of its job."""
        self._ended.append((request.id, request.attempt, outcome))
        if self.flying.get(request.id) == request.attempt:
            del self.flying[request.id]
        self.due = min(self.due, clock() + _END_GAP)

    def _give_back(self, cr, now: float) -> None:
        """Free the places of requests that did not get as far as a job's start."""
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        attempts = {(job_id, attempt) for job_id, attempt, _outcome in ended}
        back = set(recovery.release_enqueued(cr, attempts))
        if len(back) < len(attempts):
            self._pause.reset()
        if not back:
            return
        # Whatever hinders them hinders the next ones too: do not hammer at it.
        self._paused_until = now + self._pause.fail()
        reasons = {o.reason or "nothing was done" for i, _a, o in ended if i in back}
        text = f"{len(back)} requests failed, their jobs wait: {', '.join(reasons)}"
        self.say("refused", logging.WARNING, text)

    # ---------------------------------------------------------------------- end

    def leave(self) -> None:
        """Give back what was not started: other runners go on at once."""
        if self._session is None:
            return
        try:
            with self._session.connection.cursor() as cr:
                schedule.begin_short(cr)
                recovery.release_all(cr, self.number)
                presence.leave(cr, self.number)
                schedule.commit(cr)
        except psycopg2.Error as error:
            _logger.info(
                "Database %s: nothing given back: %s", self.name, line_of(error)
            )

    def close(self) -> None:
        """Close the connections."""
        self.closed = True
        self._disconnect(0.0)
        self._holder.close()

    def say(self, topic: str, level: int, text: str) -> None:
        """Log it, unless that was done a moment ago."""
        now = clock()
        if now >= self._quiet.get(topic, 0.0):
            self._quiet[topic] = now + _QUIET
            _logger.log(level, "queue job runner: database %s %s", self.name, text)
