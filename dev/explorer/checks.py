# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# ruff: noqa: E501
"""What must be true at the end, whatever the order of steps was."""

from __future__ import annotations

from .world import World

_EFFECTS = """
SELECT job.id, job.state, count(effect.id)
  FROM queue_job AS job LEFT JOIN test_queue_effect AS effect ON effect.job_uuid = job.uuid
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
_FAILED = "SELECT id, exc_name, coalesce(exc_info, exc_message) FROM queue_job WHERE state = 'failed'"
_LEFT = "SELECT count(*) FROM queue_job WHERE release_due"


def problems(world: World, requeued: bool, set_done: bool) -> list[str]:
    """What is wrong with the tables when all has been done that was to do.

    :param requeued: somebody may have asked for a job to be done once more
    :param set_done: somebody may have set a job done that did not run
    """
    found = list(world.problems)
    for job, state, effects in world.query(_EFFECTS):
        least, most = _expected(state, requeued, set_done)
        if not least <= effects <= most:
            found.append(f"job {job} is {state} and has {effects} effects")
    found += [
        f"job {job} is stranded: {state}" for job, state in world.query(_STRANDED)
    ]
    found += [
        f"job {job} was cancelled and is {state}"
        for job, state, _effects in world.query(_EFFECTS)
        if job in world.cancelled and state != "cancelled"
    ]
    found += [f"key {key} waits twice" for (key,) in world.query(_KEYS)]
    found += [
        f"job {job} has failed: {name} {message}"
        for job, name, message in world.query(_FAILED)
    ]
    if world.query(_LEFT)[0][0]:
        found.append("a job that is done has not released who waits for it")
    return found


def _expected(state: str, requeued: bool, set_done: bool) -> tuple[int, int]:
    if state == "done":
        return (0 if set_done else 1), (2 if requeued else 1)
    return 0, (1 if requeued else 0)
