# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database that a runner serves: its connections, and when it is due."""

from __future__ import annotations

import logging
from typing import NamedTuple

import psycopg2
from psycopg2 import errors

from ..log_lines import get_logger
from ..storage import presence, recovery, schedule
from . import connection
from .backoff import Backoff
from .config import Config
from .dispatch import Outcome
from .flights import Flights
from .holder import Holder
from .housekeeping import LOOK_AFTER, Housekeeper
from .loop import Loop, Watched, clock, close_quietly, forks, line_of
from .scheduling import Request, Scheduled, run, telling

_logger = get_logger(__name__)

#: seconds between two passes at least, when nothing but notifications asks for them
GAP = 0.01
#: the same when all places are taken: only the end of a job gives one
FULL_GAP = 0.1
#: the same when another runner was faster, the first and the most: of many runners one
#: is enough, and it has to be missed for no longer than this
_LEFT = (0.05, 1.0)
#: seconds in which the ends of several requests make one pass
_END_GAP = 0.002
#: seconds between two looks at a database that cannot tell of new jobs
_BLIND_POLL = 1.0
#: seconds between two attempts to connect, the first and the most
_RETRY = (0.5, 15.0)
#: seconds after which it is looked again whether the queue is in use, first and most
_ABSENT = (15.0, 45.0)
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
        self._retry = Backoff(*_RETRY)
        self._absent = Backoff(*_ABSENT)
        self.closed = False
        self.flights = Flights()
        self._last_pass = 0.0
        self._left = Backoff(*_LEFT)
        self._gap = GAP
        #: jobs wait for requests of others to end, not only of this database
        self.hungry = False
        #: when it was last served with requests
        self.fed_at = 0.0
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
            self.due = min(self.due, max(now, self._last_pass + self._gap))

    # --------------------------------------------------------------------- pass

    def pass_(self, now: float, most: int | None = None) -> Pass:
        """Look what there is to do, do it, and say what is to be sent.

        Errors of the database are this object's own business.

        :param now: seconds on the loop's clock
        :param most: so many requests at most; 0: nobody could take one, and runners of
            other servers are left to make the pass
        """
        requests: list[Request] = []
        self.due = now + self._poll_seconds()
        if self._session is None:
            self.flights.forget_ended()
            if now >= self._retry_at and not self._connecting:
                self._connect(now)
            self.due = max(now, self._retry_at) + _RETRY[0]
            return Pass(requests, self.due - now)
        try:
            with self._session.connection.cursor() as cr:
                if refused := self.flights.give_back(cr, now):
                    self.say("refused", logging.WARNING, refused)
                if most == 0:
                    self.hungry = True
                    self.due = min(self.due, now + LOOK_AFTER)
                elif now >= self.flights.paused_until:
                    requests = self._schedule(cr, now, most)
                else:
                    self.due = min(self.due, self.flights.paused_until)
            self._take_notifications(now)
        except psycopg2.Error as error:
            self._trouble(error, now)
        return Pass(requests, max(0.0, self.due - now))

    def _poll_seconds(self) -> float:
        if self._session is not None and not self._session.listens:
            return min(_BLIND_POLL, self.config.poll_seconds)
        return self.config.poll_seconds

    def feed(self) -> None:
        """Somebody can take a request again."""
        if self.hungry:
            self.due = min(self.due, clock() + _END_GAP)

    def _schedule(self, cr, now: float, most: int | None) -> list[Request]:
        self.passes += 1
        look = schedule.begin(cr)
        result = run(cr, look, self.name, self.config, self.number, most)
        schedule.commit(cr)
        self._last_pass = now
        self.hungry = result.cut
        if result.requests:
            self.fed_at = now
        self._gap = self._gap_after(result)
        self._plan(result, now)
        self.flights.take_off(result.requests)
        self.sent += len(result.requests)
        return result.requests

    def _gap_after(self, result: Scheduled) -> float:
        if result.left:
            return self._left.fail()
        self._left.reset()
        return FULL_GAP if result.full else GAP

    def ended(self, request: Request, outcome: Outcome) -> None:
        """A request is over, whatever became of its job."""
        self.flights.land(request, outcome)
        self.due = min(self.due, clock() + _END_GAP)

    def _plan(self, result: Scheduled, now: float) -> None:
        if result.rest and not self._housekeeper.rest:
            _logger.warning(
                "queue job runner: database %s is a copy (%s): it executes no job until"
                " somebody releases it, see odoo-bin queue_job status",
                self.name,
                result.rest,
            )
        self._housekeeper.rest = result.rest
        if result.wake_after is not None:
            self.due = min(self.due, now + result.wake_after)
        if result.left:
            self.due = min(self.due, now + self._gap)
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

    def keep_house(self, now: float) -> list[Request]:
        """Show that the runner lives, and put in order what is due; to be called once
        the requests of a pass are on their way, which do not wait for that.

        Errors of the database are this object's own business.

        :return: what is to be sent besides
        """
        requests: list[Request] = []
        self._holder.refresh(now)
        if self._session is None:
            return requests
        try:
            with self._session.connection.cursor() as cr:
                self._keep_house(cr, now)
                requests = self._tell(cr, now)
            self._take_notifications(now)
        except psycopg2.Error as error:
            self._trouble(error, now)
        return requests

    def _keep_house(self, cr, now: float) -> None:
        flying = self.flights.flying
        try:
            if self._housekeeper.run(cr, now, flying, self.passes, self.sent):
                self.due = min(self.due, now + GAP)
        except psycopg2.Error:
            raise
        except Exception:
            # Nobody foresaw it, and the passes are not to suffer from it.
            _logger.exception("queue job runner: database %s", self.name)
            schedule.rollback(cr)

    def _tell(self, cr, now: float) -> list[Request]:
        """Have a worker tell of the jobs that runners have ended."""
        if self._busy_since is not None or 0 in self.flights.flying:
            return []
        secret = self._housekeeper.to_tell(cr, now)
        if not secret:
            return []
        requests = [telling(self.name, secret)]
        self.flights.take_off(requests)
        return requests

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
