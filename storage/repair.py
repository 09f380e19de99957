# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What runners put in order between jobs that wait for others (see :mod:`.graph`).

Every statement is harmless when it is repeated, and waits for nobody's row.
"""

from __future__ import annotations

from typing import NamedTuple

from . import graph
from .graph import LEFT
from .untold import noted

#: jobs that a runner releases at a time: some tenths of a second of its thread
BATCH = 5000

# release: the jobs behind open barriers, a bounded number at a time; whoever holds one
# of them is not waited for
_RELEASE_SOME = """
UPDATE queue_job
   SET state = 'pending',
       ready = (eta IS NULL OR eta <= now() AT TIME ZONE 'UTC')
 WHERE id = ANY(ARRAY(
        SELECT id FROM queue_job
         WHERE barrier_id = ANY(%(barriers)s) AND state = 'wait_dependencies'
         LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED))
"""
# Barriers that are open, written like those that are counted down: whoever closes one
# of them again, or puts a job behind it, comes before us or after us.
_HOLD_OPEN = """
UPDATE queue_job_barrier AS barrier SET remaining = barrier.remaining
 WHERE id = ANY(ARRAY(
        SELECT id FROM queue_job_barrier
         WHERE id IN ({barriers}) AND remaining <= 0
         ORDER BY id FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id
"""
_AFTER = "SELECT barrier_id FROM queue_job_edge WHERE parent_id = ANY(%(ids)s)"
_THESE = "SELECT unnest(%(ids)s::bigint[])"
_STILL_DUE = f"""
UPDATE queue_job AS parent SET release_due = true
 WHERE id = ANY(ARRAY(
        SELECT id FROM queue_job AS parent
         WHERE id = ANY(%s) AND state = 'done' AND release_due IS NOT TRUE AND {LEFT}
           FOR NO KEY UPDATE SKIP LOCKED))
"""
# Edges that nobody met although their job is over (it was attached while that job
# ended, or somebody else's SQL was at work), and edges of jobs that are gone: looked at
# in turns, a bounded number each, so that graphs of any size wait for their turn.
_UNMET = """
WITH looked AS (
    SELECT DISTINCT parent_id FROM queue_job_edge
     WHERE NOT met AND parent_id > %(after)s
     ORDER BY parent_id LIMIT %(limit)s
)
SELECT looked.parent_id, job.state,
       job.id IS NULL OR job.state IN ('done', 'cancelled')
  FROM looked LEFT JOIN queue_job job ON job.id = looked.parent_id
 ORDER BY looked.parent_id
"""
# Barriers behind which somebody waits: from one to the next in the index, never job by
# job; are they open? (Somebody's old snapshot, or SQL, has put a job behind them.)
_WAITED_FOR = """
WITH RECURSIVE next AS (
    (SELECT barrier_id FROM queue_job
      WHERE state = 'wait_dependencies' AND barrier_id > %(after)s
      ORDER BY barrier_id LIMIT 1)
     UNION ALL
    SELECT (SELECT barrier_id FROM queue_job
             WHERE state = 'wait_dependencies' AND barrier_id > next.barrier_id
             ORDER BY barrier_id LIMIT 1)
      FROM next WHERE next.barrier_id IS NOT NULL
), looked AS MATERIALIZED (
    SELECT barrier_id FROM next WHERE barrier_id IS NOT NULL LIMIT %(limit)s
)
SELECT looked.barrier_id, coalesce(barrier.remaining, 1) <= 0
  FROM looked LEFT JOIN queue_job_barrier AS barrier ON barrier.id = looked.barrier_id
 ORDER BY looked.barrier_id
"""
_CANCEL = noted("""
UPDATE queue_job
   SET state = 'cancelled', date_cancelled = now() AT TIME ZONE 'UTC',
       result = %(reason)s
 WHERE state = 'wait_dependencies'
   AND id = ANY(ARRAY(SELECT id FROM queue_job
               WHERE id = ANY(%(ids)s) AND state = 'wait_dependencies'
                 FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id, state
""")


class Turn(NamedTuple):
    """How far a repair has come."""

    parent: int = 0
    barrier: int = 0


#: where a repair begins, and where it is when it has seen everything
START = Turn()


def repair(cr, after: Turn = START, limit: int = 5000) -> Turn:
    """Do what a crash between a job's end and the release of its dependants left.

    :param after: where to go on looking, what the last call returned
    :return: where the next call goes on
    """
    let_go(cr, graph.release_due(cr))
    parent = _repair_edges(cr, after.parent, limit)
    return Turn(parent, _repair_barriers(cr, after.barrier, limit))


def _repair_edges(cr, after: int, limit: int) -> int:
    cr.execute(_UNMET, {"after": after, "limit": limit})
    looked = cr.fetchall()
    let_go(cr, [id_ for id_, state, over in looked if over and state == "done"])
    never = [id_ for id_, state, over in looked if over and state != "done"]
    if never:
        reason = "A job that it depends on was cancelled or deleted."
        params = {"ids": graph.descendants(cr, never)[:BATCH], "reason": reason}
        cr.execute(_CANCEL, params)
    return looked[-1][0] if len(looked) == limit else 0


def _repair_barriers(cr, after: int, limit: int) -> int:
    cr.execute(_WAITED_FOR, {"after": after, "limit": limit})
    looked = cr.fetchall()
    opened = [barrier for barrier, is_open in looked if is_open]
    if opened:
        _release_open(cr, _THESE, opened, BATCH)
    return looked[-1][0] if len(looked) == limit else 0


def let_go(cr, done: list[int], limit: int = BATCH) -> bool:
    """Release who waited for these done jobs; harmless when that has been done.

    :param limit: at most so many; the done jobs stay due while more wait
    :return: whether another call would release more
    """
    if not done:
        return False
    graph.meet(cr, done, wait=False)
    more = _release_open(cr, _AFTER, done, limit)
    cr.execute(_STILL_DUE, (list(done),))
    graph.released(cr, done)
    return more


def _release_open(cr, barriers: str, ids: list[int], limit: int) -> bool:
    cr.execute(_HOLD_OPEN.format(barriers=barriers), {"ids": list(ids)})
    opened = [row[0] for row in cr.fetchall()]
    cr.execute(_RELEASE_SOME, {"barriers": opened, "limit": limit})
    return cr.rowcount >= limit
