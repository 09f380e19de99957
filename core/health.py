# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Is the queue being worked off, and if not, what is wrong?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import channels

# Who executes jobs.
RUNNER = "runner"
CRON = "cron"
NOBODY = "nobody"

# What may be wrong; with the ERRORS jobs do not run as they should.
RESTING = "resting"
ROOT_OFF = "root_off"
NO_RUNNER = "no_runner"
NO_CRON = "no_cron"
CRON_OVERDUE = "cron_overdue"
BUSY = "busy"
STALLED = "stalled"
LATE = "late"
RUNNER_MISSING = "runner_missing"
CRON_ONLY = "cron_only"
VERSIONS = "versions"
BAD_CHANNELS = "bad_channels"
CLOCK = "clock"
ERRORS = frozenset(
    {
        RESTING,
        ROOT_OFF,
        NO_RUNNER,
        NO_CRON,
        CRON_OVERDUE,
        BUSY,
        BAD_CHANNELS,
        STALLED,
        LATE,
    }
)

#: seconds that a job may wait in a channel that has room and runs nothing
PATIENCE = 60.0
#: seconds that two clocks may be apart before it is worth telling
MAX_SKEW = 5.0


@dataclass(frozen=True)
class Facts:
    """What is known of a database.

    runners: how many are alive.
    server_wide: this server loads the add-on for all databases, so that it has one.
    root_off: the root channel lets nothing run.
    cron: the scheduled action is there and active.
    cron_overdue: it was due some minutes ago, and nothing runs that held it up.
    busy: modules are marked to be installed, updated or removed.
    versions: of the runners.
    skew: by how many seconds the database's clock is ahead of this server's.
    rest: why nothing is executed in a copy (core/home.py), None where jobs are.
    """

    runners: int = 0
    server_wide: bool = True
    root_off: bool = False
    cron: bool = True
    cron_overdue: bool = False
    busy: bool = False
    versions: frozenset[str] = frozenset()
    skew: float = 0.0
    rest: str | None = None


def executed_by(facts: Facts) -> str:
    """Who executes the jobs of the database."""
    if facts.rest or facts.root_off:
        return NOBODY
    if facts.runners:
        return RUNNER
    return CRON if facts.cron and not facts.cron_overdue else NOBODY


def problems(facts: Facts) -> list[str]:
    """What is wrong, the worst first, each one with another remedy."""
    found = []
    if facts.rest:
        # Whatever else is wrong matters once it is released.
        return [RESTING]
    if facts.root_off:
        found.append(ROOT_OFF)
    elif not facts.runners:
        found.append(_without_runner(facts))
    if facts.busy:
        found.append(BUSY)
    if len(facts.versions) > 1:
        found.append(VERSIONS)
    return found


def is_skewed(facts: Facts) -> bool:
    """Whether this server's clock is so wrong that people should know."""
    return abs(facts.skew) >= MAX_SKEW


def _without_runner(facts: Facts) -> str:
    if executed_by(facts) == CRON:
        return RUNNER_MISSING if facts.server_wide else CRON_ONLY
    if facts.server_wide:
        return NO_RUNNER
    return CRON_OVERDUE if facts.cron else NO_CRON


@dataclass(frozen=True)
class Load:
    """What a channel has to do, the channels below it not included.

    oldest: seconds that a job waits already that might run, None without any.
    scheduled: jobs that wait for their date.
    """

    started: int = 0
    oldest: float | None = None
    scheduled: int = 0


def suspects(tree: channels.Channels, loads: Mapping[str, Load]) -> list[str]:
    """Channels that have room, and jobs that wait for long, but run nothing.

    Either nobody gets through to the server, or a job has just ended: that is for
    the caller to find out.
    """
    running = {name: (0, load.started) for name, load in loads.items()}
    free = channels.free(tree, running, {}, 0.0)
    strict = channels.strict(tree)
    found = []
    for name, load in loads.items():
        known = channels.nearest(name, tree)
        held_up = known in strict and load.scheduled
        if load.started or held_up or not free.get(known):
            continue
        if load.oldest is not None and load.oldest > _patience(tree, known):
            found.append(name)
    return sorted(found)


def _patience(tree: channels.Channels, name: str) -> float:
    """A throttled channel may have nothing to run for the length of its gap."""
    line = (tree[each] for each in channels.lineage(name) if each in tree)
    return PATIENCE + max((channel.throttle for channel in line), default=0.0)
