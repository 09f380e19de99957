# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a change of a channel means for its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..core import states
from .insertion import notify as wake  # noqa: F401  the runners read the channels anew

# A started job is left alone: its row belongs to its executor until it ends. The
# scheduler serves a channel that is not there any more from the nearest one above.
_MOVABLE = (states.WAIT_DEPENDENCIES, states.PENDING, states.ENQUEUED, states.FAILED)

# One statement, so that a name may go to another channel at the same time.
_RENAME = """
UPDATE queue_job AS job SET channel = renamed.new
  FROM unnest(%(old)s::varchar[], %(new)s::varchar[]) AS renamed (old, new)
 WHERE job.channel = renamed.old AND job.state = ANY(%(states)s)
"""
_FORGET_THROTTLE = "DELETE FROM queue_job_throttle WHERE channel = ANY(%s)"

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

    :param new_names: complete name of a channel before, and after
    """
    moves = {old: new for old, new in new_names.items() if old != new}
    if not moves:
        return
    old, new = list(moves), list(moves.values())
    cr.execute(_RENAME, {"old": old, "new": new, "states": list(_MOVABLE)})
    cr.execute(_FORGET_THROTTLE, (old,))


def counts(cr) -> dict[str, Counts]:
    """The running, pending and failed jobs by the complete name of their channel."""
    cr.execute(_COUNT)
    return {name: Counts(*map(int, numbers)) for name, *numbers in cr.fetchall()}
