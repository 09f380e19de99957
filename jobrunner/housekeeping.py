# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a runner puts in order between its passes: nothing stays lost."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Collection

import psycopg2

from odoo.modules import module as odoo_module

from ..core.outcome import Cancelled, Failed, after_death
from ..log_lines import get_logger
from ..storage import (
    channel,
    execution,
    graph,
    locks,
    presence,
    recovery,
    repair,
    rollup,
    schedule,
    untold,
)
from . import configured
from .config import Config
from .loop import clock, line_of

_logger = get_logger(__name__)

#: seconds between two looks at what runs: a place is free again some two seconds after
#: its worker died
LOOK_AFTER = 0.5
#: seconds between two signs of life
SHOW = 5.0
#: seconds between two rounds through the rest
TIDY = 10.0
#: seconds after a request to tell of jobs before the next one
TELL_AGAIN = 5.0
#: seconds of such a round that are for the figures, when there are many to add up
ADD_UP = 0.2
#: seconds at a time for those who waited for done jobs, and for the repair of graphs
LET_GO = REPAIR = 0.2
#: how often a job's worker may die when nobody says otherwise
MAX_DEATHS = 3
#: seconds between two messages about the same trouble
_QUIET = 60.0
#: kind of a process whose configuration is not that of the database's servers
SHELL = "command"
_BATCH = 1000
_NODE = socket.gethostname()


class Housekeeper:
    """Rescues, repairs and signs of life in one database.

    :param name: of the database
    :param number: of the runner
    """

    def __init__(self, name: str, config: Config, number: int, kind: str = ""):
        self.name = name
        self.config = config
        self.number = number
        self.kind = kind
        self.rescued = 0
        #: why nothing is executed in this database (core/home.py), if so
        self.rest: str | None = None
        self._published: str | None = None
        self._suspects: dict[tuple[int, int], float] = {}
        self._next_look = 0.0
        self._next_show = 0.0
        self._next_tidy = 0.0
        self._next_tell = 0.0
        self._repaired_up_to = repair.START
        self._quiet: dict[str, float] = {}

    def run(
        self, cr, now: float, flying: Collection[int], passes: int, sent: int
    ) -> bool:
        """Do what is due; return whether jobs came back to the queue.

        :param now: seconds on a steady clock
        :param flying: ids of the jobs that we have requests under way for
        """
        changed = False
        if now >= self._next_show:
            # First: what comes behind may have to wait, and we live nevertheless.
            self._next_show = now + SHOW
            self._step(cr, self._show, passes, sent)
            if self._published is None and self.kind != SHELL:
                if self._step(cr, self._publish):
                    self._step(cr, self._show, passes, sent)
        if self.rest:
            # What a copy took over is as it was there, until somebody releases it.
            self._next_look = self._next_tidy = now + LOOK_AFTER
        if now >= self._next_look:
            self._next_look = now + LOOK_AFTER
            changed = bool(self._step(cr, self.look_after, now, flying))
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY
            self.tidy(cr)
        return changed

    def _step(self, cr, step: Callable, *args):
        """Do what one step does; when it has to wait, or fails, it is tried again when
        it is due again, and the others go on.

        :raises psycopg2.Error: the connection is lost, or the queue is gone
        """
        try:
            return step(cr, *args)
        except psycopg2.ProgrammingError:
            raise
        except Exception as error:
            if cr.connection.closed:
                raise
            schedule.rollback(cr)
            self._say(step.__name__, error)
            return None

    def _say(self, step: str, error: Exception) -> None:
        if clock() < self._quiet.get(step, 0.0):
            return
        self._quiet[step] = clock() + _QUIET
        text = "queue job runner: database %s: %s is done later: %s"
        name = step.strip("_")
        unforeseen = None if isinstance(error, psycopg2.Error) else error
        _logger.warning(text, self.name, name, line_of(error), exc_info=unforeseen)

    def to_tell(self, cr, now: float) -> str | None:
        """The secret of the database when somebody has to be told of jobs' ends.

        They were written by runners, which have no models to tell of them: whoever
        has (``executor.tell``) is to be asked for it.
        """
        if self.rest or now < self._next_tell:
            return None
        self._next_tell = now + LOOK_AFTER
        secret = self._step(cr, self._due)
        self._next_tell = now + (LOOK_AFTER if secret is None else TELL_AGAIN)
        return secret

    def _due(self, cr) -> str | None:
        schedule.begin_short(cr)
        secret = untold.due(cr)
        schedule.commit(cr)
        return secret

    # ---------------------------------------------------------------- what runs

    def look_after(self, cr, now: float, flying: Collection[int]) -> bool:
        """Give back what lost its runner, rescue what lost its worker."""
        schedule.begin_short(cr)
        ended = execution.apply_ends(cr)
        released = recovery.release_stale(cr, self.number, flying)
        orphans = recovery.orphans(cr)
        release_due = graph.release_due(cr)
        schedule.commit(cr)
        for job in released:
            _logger.warning(
                "job %s channel=%s attempt=%s: its request was lost with the runner"
                " that sent it, it goes back to the queue",
                job.uuid,
                job.channel,
                job.attempt,
                extra={
                    "job_uuid": job.uuid,
                    "job_channel": job.channel,
                    "job_attempt": job.attempt,
                },
            )
        rescued = [
            self._step(cr, self._rescue, *job) for job in self._lost(orphans, now)
        ]
        if release_due:
            # Whoever did these jobs died before he released who waited for them.
            self._step(cr, self._let_go, release_due)
        return bool(ended or released or release_due) or any(rescued)

    def _lost(self, orphans, now: float) -> list[tuple[int, int]]:
        """Those that were without a sign of life for long enough.

        One look alone proves nothing: a job takes its lock a moment after its start. A
        worker that lives gets time to regain it, or to stop the body.
        """
        seen, self._suspects, lost = self._suspects, {}, []
        for *job, lives in orphans:
            since = self._suspects[tuple(job)] = seen.get(tuple(job), now)
            patience = locks.RESCUE_FROM_THE_LIVING if lives else LOOK_AFTER
            if now - since >= patience:
                lost.append(tuple(job))
        return lost

    def _let_go(self, cr, done: list[int]) -> None:
        """Release who waited, a bounded number at once; the others at the next look."""
        end = clock() + LET_GO
        more = True
        while more and clock() < end:
            schedule.begin_short(cr)
            more = repair.let_go(cr, done)
            schedule.commit(cr)

    def _rescue(self, cr, job_id: int, attempt: int) -> bool:
        schedule.begin_short(cr)
        dead = recovery.seize(cr, job_id, attempt)
        if dead is None:
            schedule.rollback(cr)
            return False
        outcome = self._outcome(cr, dead)
        recovery.rescue(cr, dead, outcome)
        schedule.commit(cr)
        self.rescued += 1
        self._next_tell = 0.0
        _logger.warning(
            "job %s channel=%s attempt=%s: its worker %s died (%s times), it is %s",
            dead.uuid,
            dead.channel,
            dead.attempt,
            dead.worker,
            dead.deaths,
            _WORDS.get(type(outcome), "rescued"),
            extra={
                "job_uuid": dead.uuid,
                "job_channel": dead.channel,
                "job_attempt": dead.attempt,
                "job_state": "died",
            },
        )
        return True

    def _outcome(self, cr, dead: recovery.Dead):
        if dead.stopped:
            # This is how a stop ends when nothing less helps.
            return Cancelled(dead.reason)
        most = self.config.max_deaths
        if most is None:
            most = recovery.max_deaths(cr, MAX_DEATHS)
        return after_death(dead.deaths, most)

    # ----------------------------------------------------------------- the rest

    def tidy(self, cr) -> None:
        """Fail what waits in channels that have gone, repair graphs, add up."""
        for step in (
            self._fail_unknown,
            self._add_up,
            self._prune,
            self._repair,
            self._forget_gone,
        ):
            self._step(cr, step)

    def _forget_gone(self, cr) -> None:
        schedule.begin_short(cr)
        presence.forget_gone(cr)
        schedule.commit(cr)

    def _repair(self, cr) -> None:
        """Look at the edges in turns, as many as there is time for."""
        end = clock() + REPAIR
        more = True
        while more and clock() < end:
            schedule.begin_short(cr)
            self._repaired_up_to = repair.repair(cr, self._repaired_up_to)
            schedule.commit(cr)
            more = self._repaired_up_to != repair.START

    def _fail_unknown(self, cr) -> None:
        schedule.begin_short(cr)
        names = [spec.name for spec in configured.channels(cr, self.config)]
        # Jobs that ran while their channel was renamed come back under its old name.
        channel.rehome(cr)
        recovery.adopt_channelless(cr)
        unknown = recovery.unknown_channels(cr, names)
        failed = []
        for name in unknown:
            text = (
                f"The channel {name} does not exist (any more): create it, or move the"
                " job to another channel, and requeue it."
            )
            failed += recovery.refuse_pending(cr, name, "ChannelNotFound", text, _BATCH)
        schedule.commit(cr)
        if failed:
            self._next_tell = 0.0
            _logger.error(
                "Database %s: %d jobs failed, for their channels do not exist: %s",
                self.name,
                len(failed),
                ", ".join(unknown),
            )

    def _add_up(self, cr) -> None:
        """Add what ended to the figures; after long without a runner, bit by bit."""
        end = clock() + ADD_UP
        more = True
        while more and clock() < end:
            schedule.begin_short(cr)
            more = rollup.add_up(cr)
            schedule.commit(cr)

    def _prune(self, cr) -> None:
        schedule.begin_short(cr)
        rollup.prune(cr)
        schedule.commit(cr)

    def _show(self, cr, passes: int, sent: int) -> None:
        values = {
            "node": _NODE,
            "pid": os.getpid(),
            "version": version(),
            "kind": self.kind,
            "passes": passes,
            "dispatched": sent,
            "rescued": self.rescued,
            "configuration": self._published,
        }
        schedule.begin_short(cr)
        presence.heartbeat(cr, self.number, values)
        schedule.commit(cr)

    def _publish(self, cr) -> bool:
        """Find out once by which configuration this server goes: it never changes."""
        schedule.begin_short(cr)
        configured.keep(cr, self.config)
        published = configured.published(cr, self.config)
        schedule.commit(cr)
        self._published = published
        return True


_WORDS = {Failed: "failed", Cancelled: "cancelled"}


@functools.cache
def version() -> str:
    """The version of the add-on, to tell runners of different ones apart."""
    try:
        return odoo_module.Manifest.for_addon("queue_job").version
    except Exception:
        return ""
