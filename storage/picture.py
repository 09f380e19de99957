# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a graph of jobs looks like, with its barriers as they are stored."""

from __future__ import annotations

_BEHIND = """
SELECT barrier_id, array_agg(id ORDER BY id) FROM queue_job
 WHERE id = ANY(%s) AND barrier_id IS NOT NULL GROUP BY barrier_id
"""
_BEFORE = """
SELECT barrier_id, array_agg(parent_id ORDER BY parent_id) FROM queue_job_edge
 WHERE barrier_id = ANY(%(barriers)s) AND parent_id = ANY(%(ids)s)
 GROUP BY barrier_id
"""


def barriers(cr, ids: list[int]) -> list[tuple[int, list[int], list[int]]]:
    """``[(barrier, jobs before it, jobs behind it)]`` among the jobs."""
    ids = list(ids)
    cr.execute(_BEHIND, (ids,))
    behind = dict(cr.fetchall())
    cr.execute(_BEFORE, {"barriers": list(behind), "ids": ids})
    return [(barrier, before, behind[barrier]) for barrier, before in cr.fetchall()]
