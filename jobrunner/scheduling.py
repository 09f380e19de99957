# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One pass over a database: which jobs run now, as a function of its tables.

Whoever executes jobs makes passes: a runner, which sends requests for what is
returned, and the scheduled action, which executes it on the spot.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..core import channel_config, channels, proof
from ..log_lines import get_logger
from ..storage import home, presence, recovery, schedule, untold
from . import configured
from .config import Config

_logger = get_logger(__name__)

#: jobs that are let into the queue at once when their date has come
PROMOTE_LIMIT = 2000
#: seconds after which it is looked for the date after those that have come
_NEXT_DATE = 0.05
#: seconds until it is looked again whether modules are still being installed
_BUSY_WAIT = 1.0
#: how often the front of a queue is read again when somebody keeps hold of it
_ROUNDS = 3


class Request(NamedTuple):
    """A job that is to be executed now."""

    id: int
    uuid: str
    attempt: int
    channel: str
    proof: str


@dataclass
class Scheduled:
    """What a pass did.

    wake_after: seconds until the next pass is due, None: when something happens
    full: jobs wait for a place, and nothing but the end of one gives it
    cut: more jobs may run now than were wanted
    left: jobs wait, and another runner sees to them at this moment
    busy: modules are being installed: nothing runs meanwhile
    running: jobs are enqueued or started
    rest: why nothing is executed in this database (core/home.py), if so
    """

    requests: list[Request]
    wake_after: float | None = None
    full: bool = False
    cut: bool = False
    left: bool = False
    busy: bool = False
    running: bool = False
    rest: str | None = None


def schedule_once(
    cr, config: Config, runner: int, limit: int | None = None
) -> list[Request]:
    """Enqueue jobs that may run now, for whoever executes them without a runner.

    They are taken in the order in which they are returned.  The caller executes them;
    what it does not start goes back to the queue soon after its transaction that
    holds :func:`storage.presence.hold_runner_here` has ended.

    :param runner: a number of the caller's own, 31 bits
    :param limit: at most so many
    Transaction: must be new, becomes READ COMMITTED; commit it at once.
    """
    cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cr.execute("SELECT current_database()")
    database = cr.fetchone()[0]
    look = schedule.look(cr)
    return run(cr, look, database, config, runner, limit).requests


def run(
    cr,
    look: schedule.Look,
    database: str,
    config: Config,
    runner: int,
    limit: int | None = None,
) -> Scheduled:
    """Make the pass that ``look`` has begun, within its transaction.

    :param limit: at most so many requests; None: as many as there are places
    """
    if look.busy:
        return Scheduled([], _BUSY_WAIT, busy=True, running=look.running)
    if rest := look.rest or _settle(cr, look):
        return Scheduled([], rest=rest)
    if not look.mine:
        left = look.ready or look.due
        return Scheduled([], look.next_eta, left=left, running=look.running)
    promoted = schedule.promote_due(cr, PROMOTE_LIMIT) if look.due else 0
    wake = _after_promotion(promoted, look)
    if not look.ready and not promoted:
        return Scheduled([], wake, running=look.running)
    result = _enqueue(cr, database, config, runner, limit)
    result.wake_after = _soonest(wake, result.wake_after)
    return result


def _settle(cr, look: schedule.Look) -> str | None:
    """Why nothing may be executed in a place that the database is new in.

    A database in which no job was ever taken is at home wherever it is copied to.
    """
    if look.at_home is None:
        unknown = look.ready or look.due or look.running
    else:
        unknown = not look.at_home
    return home.settle(cr) if unknown else None


def _after_promotion(promoted: int, look: schedule.Look) -> float | None:
    if not look.due:
        return look.next_eta
    if promoted >= PROMOTE_LIMIT:
        return 0.0
    # The date after those that have come is not known before the next look; a job
    # that somebody holds stays due for as long as he likes.
    return _NEXT_DATE if promoted else _BUSY_WAIT


def _enqueue(cr, database, config, runner, limit) -> Scheduled:
    state = schedule.read(cr)
    if not state.secret:
        _logger.error("Database %s has no database.secret: no job can run", database)
        return Scheduled([], running=bool(state.running))
    specs = configured.channels(cr, config)
    tree = in_force(state.records, specs)
    last_starts = _last_starts(cr, tree, state.ages)
    choice = _Choice(tree, state.running, last_starts, runner)
    for _round in range(_ROUNDS):
        left = None if limit is None else limit - len(choice.taken)
        if not choice.take(cr, left):
            break
    requests = _requests(cr, database, state.secret, choice.taken)
    running = bool(choice.running)
    return Scheduled(requests, choice.wake, choice.full, choice.cut, running=running)


class _Choice:
    """The jobs that a pass takes, in rounds.

    A job that somebody else holds, for as long as he likes, cannot be taken; the next
    round looks behind it, but where the order is strict.
    """

    def __init__(self, tree, running, last_starts, runner: int):
        self.tree = tree
        self.running = dict(running)
        self.last_starts = last_starts
        self.runner = runner
        self.strict = channels.strict(tree)
        self.without: set[int] = set()
        self.taken: list[schedule.Enqueued] = []
        self.wake: float | None = None
        self.full = self.cut = False

    def take(self, cr, left: int | None) -> bool:
        """Take jobs, at most ``left``; return whether another round may find more."""
        free = channels.free(self.tree, self.running, self.last_starts, 0.0)
        limits = {name: number for name, number in free.items() if number}
        self.full = not limits
        rows = self._candidates(cr, limits) if limits else []
        decision = channels.decide(self.tree, self.running, rows, self.last_starts, 0.0)
        self.wake = decision.wake_after
        ids = decision.ids if left is None else decision.ids[:left]
        self.cut = len(ids) < len(decision.ids)
        if len(decision.ids) >= channels.FETCH_LIMIT and not self.cut:
            self.wake = 0.0
        missing = set(ids) - self._mark(cr, ids)
        passable = {row.id for row in rows if row.channel not in self.strict}
        self.without |= missing & passable
        return bool(missing & passable)

    def _candidates(self, cr, limits) -> list[channels.Candidate]:
        rows = schedule.candidates(cr, limits, self.strict, self.without)
        return [channels.Candidate._make(row) for row in rows]

    def _mark(self, cr, ids) -> set[int]:
        marked = schedule.mark_enqueued(cr, ids, self.runner) if ids else []
        self.taken += marked
        for job in marked:
            enqueued, started = self.running.get(job.channel, (0, 0))
            self.running[job.channel] = (enqueued + 1, started)
        return {job.id for job in marked}


@functools.lru_cache(maxsize=64)
def _in_force(records, wanted) -> dict[str, channels.Channel]:
    specs = [
        channel_config.ChannelSpec(name, capacity or None, sequential, throttle, paused)
        for name, capacity, sequential, throttle, paused in records
    ]
    return channel_config.scheduled(channel_config.merge(specs, wanted))


def in_force(
    records: Iterable[Iterable], specs: tuple[channel_config.ChannelSpec, ...]
) -> dict[str, channels.Channel]:
    """The channels by the table's rows and the configuration, which wins.

    :param records: name, capacity, sequential, throttle, paused
    """
    rows = tuple(sorted(map(tuple, records)))
    return _in_force(rows, specs)


def _last_starts(cr, tree, ages) -> dict[str, float]:
    """When throttled channels last started a job, on a clock that stands at 0 now."""
    throttled = {name for name, channel in tree.items() if channel.throttle > 0}
    # A lease takes no second job where it stamps a row.  In a sequential channel it
    # must not either: it sees neither the jobs there that wait for their dates nor
    # those of other channels below it.
    stamped = throttled.union(name for name, each in tree.items() if each.sequential)
    if stamped != set(ages):
        schedule.set_throttles(cr, stamped)
    return {
        name: -age
        for name, age in ages.items()
        if name in throttled and age is not None
    }


def _requests(cr, database, secret, taken) -> list[Request]:
    requests = []
    for job in taken:
        try:
            signed = proof.sign(secret or "", database, job.uuid, job.attempt)
        except ValueError as error:
            # A row that another tool wrote; it would come back for ever.
            _logger.error("job %s channel=%s: %s", job.uuid, job.channel, error)
            recovery.refuse_enqueued(cr, job.id, "ValueError", str(error))
            continue
        requests.append(Request(*job, signed))
    return requests


def telling(database: str, secret: str) -> Request:
    """A request to tell of jobs that runners have ended."""
    signed = proof.sign(secret, database, untold.REQUEST, 0)
    return Request(0, untold.REQUEST, 0, "", signed)


def hold_number(cr, runner: int) -> None:
    """Show that who made :func:`schedule_once` lives, until the transaction ends."""
    presence.hold_runner_here(cr, runner)


def _soonest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)
