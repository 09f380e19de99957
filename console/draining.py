# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs executed in this process, until none is left that may run."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager

from odoo import SUPERUSER_ID, api

from .. import executor, storage
from ..jobrunner import config as runner_config
from ..jobrunner import scheduling
from ..jobrunner.housekeeping import SHELL, Housekeeper
from ..log_lines import get_logger

_logger = get_logger(__name__)

#: seconds between two looks while others have all places
_FULL_WAIT = 0.1
#: seconds between two looks while nothing is left
_IDLE_WAIT = 0.5
#: seconds that a pass which somebody else makes at the moment is waited for at most
_PATIENCE = 0.1


class Busy(Exception):
    """Modules are being installed: nothing is executed."""


class Resting(Exception):
    """The database is a copy: nothing is executed until somebody releases it."""


class Drain:
    """Makes passes and executes what they return, one job after the other.

    The rules of the channels hold, beside any number of runners. What is put in order
    between the passes of a runner is put in order here as well.

    :param wait: seconds after the last job in which more is waited for: dates that
        come, gaps of throttled channels, what others enqueue, rescue or release
    :param seconds: no job is started after this time; None: no end
    :param stop: set from elsewhere, to end after the job under way
    """

    def __init__(
        self,
        registry,
        wait: float = 0.0,
        seconds: float | None = None,
        stop: threading.Event | None = None,
    ):
        self.registry = registry
        self.config = runner_config.get()
        self.number = random.SystemRandom().getrandbits(31)
        self.stop = stop or threading.Event()
        #: how many jobs ended in which state; ``pending``: to be tried again
        self.states: Counter[str] = Counter()
        self._wait = wait
        self._idle_since = time.monotonic()
        self._end = None if seconds is None else time.monotonic() + seconds
        self._passes = self._sent = 0
        self._housekeeper = Housekeeper(
            registry.db_name, self.config, self.number, SHELL
        )

    @property
    def is_late(self) -> bool:
        """Whether the time is up: there may be more to execute."""
        return self._end is not None and time.monotonic() >= self._end

    def run(self) -> Counter[str]:
        """Execute jobs; return how many ended in which state.

        :raises Busy: modules are being installed, updated or removed
        :raises Resting: the database is a copy that nobody has released
        """
        self._look_for_rest()
        with self._held():
            pause: float | None = 0.0
            while pause is not None and self._may_go_on(pause):
                self._keep_house()
                pause = self._turn()
        return self.states

    def _look_for_rest(self) -> None:
        with self.registry.cursor() as cr:
            reason = storage.home.reason(cr)
        if reason:
            raise Resting(reason)

    def _may_go_on(self, pause: float) -> bool:
        left = None if self._end is None else self._end - time.monotonic()
        if left is not None and left < pause:
            return False
        return not self.stop.wait(pause)

    def _turn(self) -> float | None:
        """Make a pass, execute what it returns.

        :return: seconds until the next one, None when there is nothing left
        """
        scheduled = self._schedule()
        if scheduled.busy:
            raise Busy("Modules are being installed, updated or removed.")
        if scheduled.rest:
            raise Resting(scheduled.rest)
        for request in scheduled.requests:
            self._execute(request)
        if scheduled.requests:
            self._idle_since = time.monotonic()
            return 0.0
        if scheduled.full and scheduled.running:
            return _FULL_WAIT
        left = self._idle_since + self._wait - time.monotonic()
        wake = scheduled.wake_after
        if wake is not None and wake <= max(left, _PATIENCE) and not scheduled.full:
            return min(wake, _IDLE_WAIT)
        return min(left, _IDLE_WAIT) if left > 0 else None

    def _schedule(self) -> scheduling.Scheduled:
        self._passes += 1
        with self.registry.cursor() as cr:
            storage.rollup.begin(cr)
            look = storage.schedule.look(cr)
            return scheduling.run(
                cr, look, self.registry.db_name, self.config, self.number, limit=1
            )

    def _execute(self, request: scheduling.Request) -> None:
        self._sent += 1
        hooks = _Tally(executor.hooks_of(self.registry), self.states)
        # Its transactions are ended by whoever serves, the last one too.
        with closing(self.registry.cursor()) as cr:
            number = executor.serve(
                api.Environment(cr, SUPERUSER_ID, {}),
                hooks,
                request.uuid,
                request.attempt,
                self.config.lease_seconds,
            )
        # what could not even be read back has failed
        self.states["failed"] += number - hooks.seen

    def _keep_house(self) -> None:
        with _autocommit(self.registry) as cr:
            now = time.monotonic()
            self._housekeeper.run(cr, now, (), self._passes, self._sent)
            tell = self._housekeeper.to_tell(cr, now)
        if tell:
            with self.registry.cursor() as cr:
                executor.tell(api.Environment(cr, SUPERUSER_ID, {}))

    @contextmanager
    def _held(self):
        """Nobody takes our enqueued jobs from us; in the end they are given back."""
        with _autocommit(self.registry) as cr:
            storage.presence.hold_runner(cr, self.number)
            try:
                yield
            finally:
                storage.locks.end(cr)
                storage.recovery.release_all(cr, self.number)
                storage.presence.leave(cr, self.number)


class _Tally:
    """The hooks of the executor, and what becomes of each job."""

    def __init__(self, hooks, states: Counter[str]):
        self._acquire_job = hooks._acquire_job
        self._hooks = hooks
        self._states = states
        self.seen = 0

    def _runjob(self, env, job) -> None:
        try:
            self._hooks._runjob(env, job)
        finally:
            self.seen += 1
            self._states[job.state] += 1
            _logger.info(
                "job %s channel=%s attempt=%s: %s",
                job.uuid,
                job.channel,
                job.attempt,
                job.state,
                extra=executor.logs.fields(job, job.state),
            )


@contextmanager
def _autocommit(registry):
    with registry.cursor() as cr:
        cr._cnx.autocommit = True
        try:
            yield cr
        finally:
            storage.locks.end(cr)
