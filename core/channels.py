# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The scheduler: which jobs may be enqueued now.  Pure, the clock is passed in.

Channels form a tree by their dotted names.  What runs in a channel takes up
room in it and in every channel above it.  A channel that is named nowhere
limits nothing.  What is paused or throttled holds for everything below it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

ROOT = "root"

# More than that many candidates of one channel are not worth reading at once.
FETCH_LIMIT = 100

# A job that is enqueued but not started yet is looked at again after this many
# seconds at the earliest, however short the throttle.
_SHORTEST_WAIT = 0.05


@dataclass(frozen=True)
class Channel:
    """A channel as it is in force.

    capacity: jobs running at the same time, None for no limit of its own.
    sequential: strictly one by one, in order; a job that must wait holds up
    the rest.
    throttle: seconds between two starts at least, 0 for none.
    """

    name: str
    capacity: int | None = None
    sequential: bool = False
    throttle: float = 0.0
    paused: bool = False

    @property
    def places(self) -> int | None:
        """Jobs running at the same time, None for no limit of its own."""
        if self.sequential and (self.capacity is None or self.capacity > 1):
            return 1
        return self.capacity


class Candidate(NamedTuple):
    """A pending job.  One that is not ready only holds up sequential channels."""

    id: int
    channel: str
    priority: int
    created: Any  # a timestamp of any kind, the same for all
    eta_ready: bool = True


@dataclass(frozen=True)
class Decision:
    """What a pass does: enqueue `ids` in this order, look again after
    `wake_after` seconds at the latest (None: nothing here asks for it)."""

    ids: tuple[int, ...]
    wake_after: float | None = None


Channels = Mapping[str, Channel]
Running = Mapping[str, tuple[int, int]]
LastStart = Mapping[str, float]


@lru_cache(maxsize=8192)
def lineage(name: str) -> tuple[str, ...]:
    """The channel and its ancestors, nearest first."""
    names = [name]
    while (dot := name.rfind(".")) >= 0:
        name = name[:dot]
        names.append(name)
    return tuple(names)


def ancestors(name: str) -> tuple[str, ...]:
    """The names of the channels above `name`, nearest first."""
    return lineage(name)[1:]


def nearest(name: str, known: Container[str]) -> str:
    """`name` when it is known, else its nearest known ancestor, else the root.

    The jobs of a channel that has gone are served there.
    """
    return next((each for each in lineage(name) if each in known), ROOT)


def strict(channels: Channels) -> frozenset[str]:
    """The channels that run one by one: the sequential ones and all below them.

    Their first job in order is a candidate even when it is not ready.  A channel
    below a sequential one that is paused or waits for its throttle leaves the
    line until it may go on.
    """
    heads = {name for name, channel in channels.items() if channel.sequential}
    if not heads:
        return frozenset()
    return frozenset(name for name in channels if not heads.isdisjoint(lineage(name)))


def free(
    channels: Channels,
    running: Running,
    last_start: LastStart,
    now: float,
    limit: int = FETCH_LIMIT,
) -> dict[str, int]:
    """How many candidates of each channel are worth reading, at most `limit`.

    running: jobs enqueued and started, of each channel itself.
    last_start: when a job of the channel was last started, in seconds on the
    same clock as `now`; only the throttled channels and those below matter.
    """
    pass_ = _Pass(channels, running, last_start, now)
    own = {name: min(limit, pass_.room(name)) for name in channels}
    # Where nothing starts at the top, nothing starts anywhere.
    if own.get(ROOT, limit) <= 0:
        return dict.fromkeys(channels, 0)
    return {
        name: min(own.get(each, limit) for each in lineage(name)) for name in channels
    }


def decide(
    channels: Channels,
    running: Running,
    candidates: Iterable[Candidate],
    last_start: LastStart,
    now: float,
) -> Decision:
    """The candidates to enqueue, by priority, then age, then id.

    The arguments are those of `free`; candidates of an unknown channel count
    as jobs of the nearest one that is known.
    """
    pass_ = _Pass(channels, running, last_start, now)
    held: set[str] = set()
    ids = []
    for candidate in sorted(candidates, key=_order):
        name = nearest(candidate.channel, channels)
        line = lineage(name)
        if not held.isdisjoint(line) or not all(pass_.room(each) > 0 for each in line):
            continue
        if candidate.eta_ready:
            pass_.take(line)
            ids.append(candidate.id)
        else:
            # Those after it in a sequential channel must not overtake it.
            held.update(each for each in line if pass_.is_sequential(each))
    return Decision(tuple(ids), pass_.wake_after())


def _order(candidate: Candidate) -> tuple[int, Any, int]:
    return candidate.priority, candidate.created, candidate.id


_PLENTY = 2**31


class _Pass:
    """What is known of the channels within one pass, and what it has taken."""

    def __init__(
        self,
        channels: Channels,
        running: Running,
        last_start: LastStart,
        now: float,
    ) -> None:
        self._channels = channels
        self._now = now
        # Sums over a channel and all below it.
        self._used: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._room: dict[str, int] = {}
        # Somebody below was enqueued and has not started yet.
        self._in_flight: set[str] = set()
        for name, (enqueued, started) in running.items():
            line = lineage(nearest(name, channels))
            for each in line:
                self._used[each] = self._used.get(each, 0) + enqueued + started
            if enqueued:
                self._in_flight.update(line)
        for name, start in last_start.items():
            for each in lineage(nearest(name, channels)):
                self._last[each] = max(start, self._last.get(each, start))

    def is_sequential(self, name: str) -> bool:
        channel = self._channels.get(name)
        return channel is not None and channel.sequential

    def room(self, name: str) -> int:
        """How many jobs the channel itself lets start now."""
        room = self._room.get(name)
        if room is None:
            room = self._room[name] = self._compute_room(name)
        return room

    def take(self, line: tuple[str, ...]) -> None:
        """Count one more job as enqueued."""
        for name in line:
            self._room[name] = self.room(name) - 1
            self._used[name] = self._used.get(name, 0) + 1
        self._in_flight.update(line)

    def wake_after(self) -> float | None:
        """Seconds until a gap ends in a throttled channel that has places.

        Nobody else tells of that: a channel that is full or paused is looked at
        again when a job ends or somebody changes the channel.
        """
        waits = [
            self._gap(channel)
            for channel in self._channels.values()
            if channel.throttle > 0 and self._has_places(channel.name)
        ]
        return min((wait for wait in waits if wait > 0), default=None)

    def _compute_room(self, name: str) -> int:
        channel = self._channels.get(name)
        if channel is None:
            return _PLENTY
        if channel.paused:
            return 0
        places = channel.places
        room = _PLENTY if places is None else places - self._used.get(name, 0)
        if channel.throttle > 0:
            room = min(room, 0 if self._gap(channel) > 0 else 1)
        return max(room, 0)

    def _gap(self, channel: Channel) -> float:
        """Seconds until the throttle lets the next job start, 0 for now."""
        # Until that one has started, nobody knows when its gap will end.
        if channel.name in self._in_flight:
            return max(channel.throttle, _SHORTEST_WAIT)
        last = self._last.get(channel.name)
        return 0.0 if last is None else max(0.0, last + channel.throttle - self._now)

    def _has_places(self, name: str) -> bool:
        for each in lineage(name):
            channel = self._channels.get(each)
            if channel is None:
                continue
            if channel.paused:
                return False
            places = channel.places
            if places is not None and places <= self._used.get(each, 0):
                return False
        return True
