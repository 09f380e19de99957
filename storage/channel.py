# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a change of a channel means for its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..core import states
from .insertion import notify as wake  # noqa: F401  the runners read the channels anew

# A started job is left alone: its row belongs to its executor until it ends. When it
# goes back to the queue, the old name leads it to where the others went.
_MOVABLE = (states.WAIT_DEPENDENCIES, states.PENDING, states.ENQUEUED, states.FAILED)

# One statement, so that a name may go to another channel at the same time.
_RENAME = """
UPDATE queue_job AS job SET channel = renamed.new
  FROM unnest(%(old)s::varchar[], %(new)s::varchar[]) AS renamed (old, new)
 WHERE job.channel = renamed.old AND job.state = ANY(%(states)s)
"""
_FORGET_THROTTLE = "DELETE FROM queue_job_throttle WHERE channel = ANY(%(old)s)"
_FOLLOW_ALIASES = """
UPDATE queue_job_channel_alias AS alias SET heir = renamed.new
  FROM unnest(%(old)s::varchar[], %(new)s::varchar[]) AS renamed (old, new)
 WHERE alias.heir = renamed.old
"""
_KEEP_ALIASES = """
INSERT INTO queue_job_channel_alias (name, heir)
SELECT * FROM unnest(%(old)s::varchar[], %(new)s::varchar[])
    ON CONFLICT (name) DO UPDATE SET heir = excluded.heir
"""
_FORGET_ALIASES = "DELETE FROM queue_job_channel_alias WHERE name = ANY(%s)"
_ALIASES = "SELECT name, heir FROM queue_job_channel_alias"
# The few jobs that ran when their channel got another name.
_REHOME = """
WITH moved AS (
    SELECT job.id, alias.heir
      FROM queue_job_channel_alias AS alias
      JOIN queue_job AS job ON job.channel = alias.name
     WHERE job.state = 'pending' AND job.ready
       FOR NO KEY UPDATE OF job SKIP LOCKED
)
UPDATE queue_job AS job SET channel = moved.heir FROM moved WHERE job.id = moved.id
"""
_RECORDS = """
SELECT complete_name, coalesce(capacity, 0), coalesce(sequential, false),
       coalesce(throttle, 0)::float8, coalesce(paused, false)
  FROM queue_job_channel WHERE complete_name IS NOT NULL
"""

# Each part reads a partial index that holds nothing but the rows it counts.
_COUNT = """
SELECT channel, sum(running), sum(pending), sum(failed) FROM (
    SELECT channel, count(*) AS running, 0 AS pending, 0 AS failed
      FROM queue_job WHERE state IN ('enqueued', 'started') GROUP BY channel
    UNION ALL
    SELECT channel, 0, count(*), 0
      FROM queue_job WHERE state = 'pending' AND ready GROUP BY channel
    UNION ALL
    SELECT channel, 0, count(*), 0
      FROM queue_job WHERE state = 'pending' AND NOT ready GROUP BY channel
    UNION ALL
    SELECT channel, 0, 0, count(*)
      FROM queue_job WHERE state = 'failed' GROUP BY channel
) AS part GROUP BY channel
"""


class Counts(NamedTuple):
    """Jobs of one channel, those of the channels below it not included."""

    running: int = 0
    pending: int = 0
    failed: int = 0


def rename(cr, new_names: Mapping[str, str]) -> None:
    """Have the jobs that are neither started nor over follow their channels.

    :param new_names: complete name of a channel before, and after; of one that goes
        away, the name of its heir
    """
    moves = {old: new for old, new in new_names.items() if old != new}
    if not moves:
        return
    names = {"old": list(moves), "new": list(moves.values())}
    cr.execute(_RENAME, {**names, "states": list(_MOVABLE)})
    cr.execute(_FORGET_THROTTLE, names)
    cr.execute(_FOLLOW_ALIASES, names)
    cr.execute(_KEEP_ALIASES, names)
    forget_aliases(cr, names["new"])


def forget_aliases(cr, names: Iterable[str]) -> None:
    """There are channels of these names (again): nothing leads away from them."""
    cr.execute(_FORGET_ALIASES, (list(names),))


def aliases(cr) -> dict[str, str]:
    """``{complete name that a channel had: complete name of the channel or heir}``."""
    cr.execute(_ALIASES)
    return dict(cr.fetchall())


def rehome(cr) -> int:
    """Lead the jobs that wait in a channel's former name to it; return how many."""
    cr.execute(_REHOME)
    return cr.rowcount


def counts(cr) -> dict[str, Counts]:
    """The running, pending and failed jobs by the complete name of their channel."""
    cr.execute(_COUNT)
    return {name: Counts(*map(int, numbers)) for name, *numbers in cr.fetchall()}


def records(cr) -> list[tuple[str, int, bool, float, bool]]:
    """Complete name, capacity, sequential, throttle and paused of each record."""
    cr.execute(_RECORDS)
    return cr.fetchall()
