# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What must be true at the end, whatever the order of steps was."""

from __future__ import annotations

from collections.abc import Iterator

from .scenes import Scene
from .world import World

_EFFECTS = """
SELECT job.id, job.state, count(effect.id)
  FROM queue_job AS job
  LEFT JOIN test_queue_effect AS effect ON effect.job_uuid = job.uuid
 GROUP BY job.id, job.state
"""
_STRANDED = """
SELECT id, state FROM queue_job
 WHERE state IN ('pending', 'enqueued', 'started')
    OR (state = 'wait_dependencies' AND NOT EXISTS (
            SELECT FROM queue_job_edge AS edge JOIN queue_job AS parent
                ON parent.id = edge.parent_id
             WHERE edge.barrier_id = queue_job.barrier_id
               AND parent.state IN ('failed', 'cancelled')))
"""
_KEYS = """
SELECT identity_key FROM queue_job
 WHERE state IN ('wait_dependencies', 'pending', 'enqueued') AND NOT identity_twin
   AND identity_key IS NOT NULL
 GROUP BY identity_key HAVING count(*) > 1
"""
_FAILED = """
SELECT id, exc_name, coalesce(exc_info, exc_message) FROM queue_job
 WHERE state = 'failed'
"""
# What somebody changed, and relied on a job with his key to see it.
_UNSEEN = """
SELECT change.name FROM test_queue_effect AS change
 WHERE job_uuid IS NULL AND NOT EXISTS (
        SELECT FROM test_queue_effect AS effect
         WHERE effect.job_uuid IS NOT NULL AND strpos(effect.name, change.name) > 0)
"""
_DUE = "SELECT id FROM queue_job WHERE release_due"


def problems(world: World, scene: Scene, faults: int) -> list[str]:
    """What is wrong when all has been done that was to do.

    :param faults: how many befell the actors
    """
    world.witness.check_beginnings(1 + faults + scene.requeues)
    return [
        *world.witness.problems,
        *_wrong_effects(world, scene),
        *(f"job {job} is stranded: {state}" for job, state in world.query(_STRANDED)),
        *(f"key {key} waits twice" for (key,) in world.query(_KEYS)),
        *(f"nobody has seen: {change}" for (change,) in world.query(_UNSEEN)),
        *(f"job {row[0]} has failed: {row[1:]}" for row in world.query(_FAILED)),
        *(f"job {job} has not released the next" for (job,) in world.query(_DUE)),
    ]


def _wrong_effects(world: World, scene: Scene) -> Iterator[str]:
    for job, state, effects in world.query(_EFFECTS):
        least, most = _expected(state, scene)
        if not least <= effects <= most:
            yield f"job {job} is {state} and has {effects} effects"
        if job in world.cancelled and state != "cancelled":
            yield f"job {job} was cancelled and is {state}"


def _expected(state: str, scene: Scene) -> tuple[int, int]:
    if state == "done":
        return (0 if scene.sets_done else 1), 1 + scene.requeues
    return 0, scene.requeues
