# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Dependencies between jobs: barriers instead of edges from each to each.

A barrier stands for "all of these jobs are done"; any number of jobs wait behind one
barrier. A group of a thousand behind a group of a thousand is one barrier with a
thousand edges, not a million edges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

_TAKE_BARRIERS = """
SELECT nextval('queue_job_barrier_id_seq') FROM generate_series(1, %s)
"""
_INSERT_BARRIERS = "INSERT INTO queue_job_barrier (id, remaining) VALUES %s"
# a parent that is done already does not count
_INSERT_EDGES = """
INSERT INTO queue_job_edge (barrier_id, parent_id, met)
SELECT new.barrier_id, new.parent_id, coalesce(job.state = 'done', false)
  FROM unnest(%(barriers)s::bigint[], %(parents)s::bigint[])
       AS new (barrier_id, parent_id)
  LEFT JOIN queue_job job ON job.id = new.parent_id
    ON CONFLICT DO NOTHING
"""
_COUNT_REMAINING = """
UPDATE queue_job_barrier barrier
   SET remaining = (
       SELECT count(*) FROM queue_job_edge edge
        WHERE edge.barrier_id = barrier.id AND NOT edge.met)
 WHERE id = ANY(%s)
RETURNING id, remaining
"""
# The parents became done: each edge is met once, whoever comes first, so that a
# repetition after a crash counts nothing twice. Barriers are locked first, and in one
# order: two jobs before the same two barriers never wait for each other in a circle.
_MEET = """
WITH locked AS (
    SELECT id FROM queue_job_barrier
     WHERE id IN (SELECT barrier_id FROM queue_job_edge
                   WHERE parent_id = ANY(%(parents)s) AND NOT met)
     ORDER BY id FOR NO KEY UPDATE {skip}
), met AS (
    UPDATE queue_job_edge AS edge SET met = true FROM locked
     WHERE edge.parent_id = ANY(%(parents)s) AND edge.barrier_id = locked.id
       AND NOT edge.met
    RETURNING edge.barrier_id
), counted AS (
    SELECT barrier_id, count(*) AS number FROM met GROUP BY barrier_id
)
UPDATE queue_job_barrier barrier SET remaining = remaining - counted.number
  FROM counted
 WHERE barrier.id = counted.barrier_id
RETURNING barrier.id, barrier.remaining
"""
# release: the jobs behind barriers that are open
_RELEASE = """
UPDATE queue_job
   SET state = 'pending',
       ready = (eta IS NULL OR eta <= now() AT TIME ZONE 'UTC')
 WHERE barrier_id = ANY(%s) AND state = 'wait_dependencies'
RETURNING id
"""
# What was done counts anew: its edges are met again when it is done again. Barriers
# are locked in one order, as above.
_REARM = """
WITH again AS (
    UPDATE queue_job_edge AS edge SET met = false
      FROM queue_job AS job
     WHERE job.id = edge.parent_id AND job.id = ANY(%s) AND job.state = 'done'
       AND edge.met
    RETURNING edge.barrier_id
), counted AS (
    SELECT barrier_id, count(*) AS number FROM again GROUP BY barrier_id
), locked AS (
    SELECT id FROM queue_job_barrier WHERE id IN (SELECT barrier_id FROM counted)
     ORDER BY id FOR NO KEY UPDATE
)
UPDATE queue_job_barrier barrier SET remaining = remaining + counted.number
  FROM counted JOIN locked ON locked.id = counted.barrier_id
 WHERE barrier.id = locked.id
RETURNING barrier.id
"""
_PENDING_BEHIND = """
SELECT id FROM queue_job WHERE barrier_id = ANY(%s) AND state = 'pending'
"""
_BEHIND = """
SELECT id FROM queue_job
 WHERE barrier_id = ANY(%s) AND state = 'wait_dependencies'
"""
#: Somebody waits for the job ``parent``, though it is done: his row was held, or too
#: many wait.
LEFT = """
EXISTS (SELECT FROM queue_job_edge AS edge
          JOIN queue_job_barrier AS barrier ON barrier.id = edge.barrier_id
         WHERE edge.parent_id = parent.id
           AND (NOT edge.met OR barrier.remaining <= 0
                AND EXISTS (SELECT FROM queue_job AS waiting
                             WHERE waiting.barrier_id = barrier.id
                               AND waiting.state = 'wait_dependencies')))
"""
_RELEASED = f"""
UPDATE queue_job AS parent SET release_due = false
 WHERE id = ANY(ARRAY(
        SELECT id FROM queue_job AS parent
         WHERE id = ANY(%s) AND release_due AND NOT {LEFT}
           FOR NO KEY UPDATE SKIP LOCKED))
"""
_RELEASE_DUE = """
SELECT id FROM queue_job
 WHERE release_due AND date_done < (now() AT TIME ZONE 'UTC') - interval '2 seconds'
 LIMIT 1000
"""
# the jobs that wait, however far down, for one of the jobs
_DESCENDANTS = """
WITH RECURSIVE closed AS (
    SELECT barrier_id FROM queue_job_edge WHERE parent_id = ANY(%s) AND NOT met
    UNION
    SELECT edge.barrier_id FROM closed
      JOIN queue_job job ON job.barrier_id = closed.barrier_id
       AND job.state = 'wait_dependencies'
      JOIN queue_job_edge edge ON edge.parent_id = job.id AND NOT edge.met
)
SELECT job.id FROM closed
  JOIN queue_job job ON job.barrier_id = closed.barrier_id
 WHERE job.state = 'wait_dependencies'
"""
_HAS_DEPENDENTS = "SELECT EXISTS (SELECT 1 FROM queue_job_edge WHERE parent_id = %s)"
_EDGES = """
SELECT edge.parent_id, job.id FROM queue_job_edge edge
  JOIN queue_job job ON job.barrier_id = edge.barrier_id
 WHERE edge.parent_id = ANY(%(ids)s) OR job.id = ANY(%(ids)s)
"""
_PARENTS = "SELECT parent_id FROM queue_job_edge WHERE barrier_id = %s"
# barriers that nobody waits behind any more, and their edges
_PRUNE = """
WITH gone AS (
    DELETE FROM queue_job_barrier
     WHERE id IN (
        SELECT barrier.id FROM queue_job_barrier barrier
         WHERE NOT EXISTS (
            SELECT 1 FROM queue_job job WHERE job.barrier_id = barrier.id)
         LIMIT %s)
    RETURNING id
), edges AS (
    DELETE FROM queue_job_edge USING gone WHERE barrier_id = gone.id
)
SELECT count(*) FROM gone
"""


def take_barriers(cr, number: int) -> list[int]:
    """Reserve the ids of ``number`` barriers."""
    cr.execute(_TAKE_BARRIERS, (number,))
    return [row[0] for row in cr.fetchall()]


def insert(cr, parents_of: dict[int, list[int]]) -> dict[int, int]:
    """Write barriers; return how many parents each still waits for.

    :param parents_of: ``{barrier id: ids of the jobs before it}``; all are stored
    """
    cr.execute_values(
        _INSERT_BARRIERS,
        [(barrier, len(parents)) for barrier, parents in parents_of.items()],
        page_size=1000,
    )
    pairs = [(b, parent) for b, parents in parents_of.items() for parent in parents]
    params = {"barriers": [b for b, _p in pairs], "parents": [p for _b, p in pairs]}
    cr.execute(_INSERT_EDGES, params)
    cr.execute(_COUNT_REMAINING, (list(parents_of),))
    return dict(cr.fetchall())


def meet(cr, parent_ids: list[int], wait: bool = True) -> list[int]:
    """Note that these jobs are done; return the barriers that are open now.

    :param wait: for whoever holds a barrier; else it is left alone
    """
    query = _MEET.format(skip="" if wait else "SKIP LOCKED")
    cr.execute(query, {"parents": list(parent_ids)})
    return [barrier for barrier, remaining in cr.fetchall() if remaining <= 0]


def rearm(cr, parent_ids: list[int]) -> list[int]:
    """Have the done ones among these jobs counted anew by those behind them.

    :return: the barriers that are closed again
    """
    cr.execute(_REARM, (list(parent_ids),))
    return [row[0] for row in cr.fetchall()]


def pending_behind(cr, barriers: list[int]) -> list[int]:
    """The jobs behind these barriers that have been let into the queue already."""
    cr.execute(_PENDING_BEHIND, (list(barriers),))
    return [row[0] for row in cr.fetchall()]


def behind(cr, barriers: list[int]) -> list[int]:
    """The jobs that wait behind these barriers."""
    cr.execute(_BEHIND, (list(barriers),))
    return [row[0] for row in cr.fetchall()]


def release(cr, barriers: list[int]) -> list[int]:
    """Let the jobs behind open barriers into the queue; return their ids."""
    cr.execute(_RELEASE, (list(barriers),))
    return [row[0] for row in cr.fetchall()]


def released(cr, parent_ids: list[int]) -> None:
    """Note that all who waited for these jobs were looked after."""
    cr.execute(_RELEASED, (list(parent_ids),))


def release_due(cr) -> list[int]:
    """Done jobs whose dependants were not looked after, some seconds after."""
    cr.execute(_RELEASE_DUE)
    return [row[0] for row in cr.fetchall()]


def descendants(cr, ids: list[int]) -> list[int]:
    """The jobs that wait for one of these, directly or not."""
    cr.execute(_DESCENDANTS, (list(ids),))
    return [row[0] for row in cr.fetchall()]


def has_dependents(cr, job_id: int) -> bool:
    """Whether other jobs wait, or waited, for this one."""
    cr.execute(_HAS_DEPENDENTS, (job_id,))
    return cr.fetchone()[0]


def edges(cr, ids: Iterable[int]) -> dict[int, tuple[list[int], list[int]]]:
    """``{id: (ids of its parents, ids of its children)}`` for the given jobs."""
    found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for id_ in ids:
        found[id_]  # in the order of the jobs
    cr.execute(_EDGES, {"ids": list(found)})
    for parent, child in cr.fetchall():
        if child in found:
            found[child][0].append(parent)
        if parent in found:
            found[parent][1].append(child)
    return found


def parents(cr, barrier_id: int) -> list[int]:
    """The jobs before a barrier."""
    cr.execute(_PARENTS, (barrier_id,))
    return [row[0] for row in cr.fetchall()]


def prune(cr, limit: int) -> int:
    """Remove barriers without a job behind them; return how many went."""
    cr.execute(_PRUNE, (limit,))
    return cr.fetchone()[0]
