# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that have not started, by their identity keys: found, and kept waiting."""

from __future__ import annotations

from psycopg2.errors import SerializationFailure

#: the partial unique index that lets a key be waiting but once
INDEX = "queue_job_identity_uniq"

# One that still waits rather than one on its way to a worker; the newest, for an older
# one that stands beside it has started, or is about to.
_FIND = """
SELECT DISTINCT ON (identity_key) identity_key, id, uuid, state
  FROM queue_job
 WHERE identity_key = ANY(%s)
   AND state IN ('wait_dependencies', 'pending', 'enqueued')
 ORDER BY identity_key, state = 'enqueued', id DESC
"""
_ON_THEIR_WAY = """
SELECT uuid FROM queue_job WHERE uuid = ANY(%s) AND state <> 'wait_dependencies'
   AND state <> 'pending'
"""
# FOR SHARE: it excludes whoever wants to start or change the job, who locks its row FOR
# NO KEY UPDATE, and no other transaction that found the same twin. Nobody waits here.
_SAVEPOINT = "SAVEPOINT queue_job_twin"
_HOLD = """
SELECT 1 FROM queue_job
 WHERE id = %s AND state IN ('wait_dependencies', 'pending')
   FOR SHARE SKIP LOCKED
"""
_RELEASE = "RELEASE SAVEPOINT queue_job_twin"
_UNDO = "ROLLBACK TO SAVEPOINT queue_job_twin; RELEASE SAVEPOINT queue_job_twin"
_HOLD_MANY = """
WITH held AS (
    SELECT id FROM queue_job
     WHERE identity_key = ANY(%(keys)s)
       AND state IN ('wait_dependencies', 'pending')
       FOR SHARE SKIP LOCKED
)
SELECT DISTINCT ON (identity_key) identity_key, id, uuid,
       EXISTS (SELECT FROM held WHERE held.id = job.id) AS held
  FROM queue_job AS job
 WHERE identity_key = ANY(%(keys)s)
   AND state IN ('wait_dependencies', 'pending', 'enqueued')
 ORDER BY identity_key, held DESC, id DESC
"""


def find(cr, keys: list[str]) -> dict[str, tuple[int, str, str]]:
    """``{key: (id, uuid, state)}`` of the not yet started jobs with these keys."""
    cr.execute(_FIND, (keys,))
    return {key: (id_, uuid, state) for key, id_, uuid, state in cr.fetchall()}


def on_their_way(cr, uuids: list[str]) -> set[str]:
    """Those of the jobs that are not waiting any more; others may not be there yet."""
    cr.execute(_ON_THEIR_WAY, (uuids,))
    return {uuid for (uuid,) in cr.fetchall()}


def hold(cr, job_id: int) -> bool:
    """Keep a waiting job from starting until the transaction ends.

    :return: False when it has started, or is about to, or somebody is changing it
    """
    try:
        cr.execute(f"{_SAVEPOINT}; {_HOLD}", (job_id,), log_exceptions=False)
    except SerializationFailure:
        # it has changed since our snapshot
        cr.execute(_UNDO)
        return False
    held = cr.fetchone() is not None
    cr.execute(_RELEASE)
    return held


def hold_many(cr, keys: list[str]) -> dict[str, tuple[int, str, bool]]:
    """``{key: (id, uuid, held)}``; the same for what is committed at this moment.

    :param cr: a cursor that has not read yet
    """
    for left in (2, 1, 0):
        try:
            cr.execute(_HOLD_MANY, {"keys": keys}, log_exceptions=False)
            break
        except SerializationFailure:
            # one was started between the snapshot and the look at its row
            cr.rollback()
            if not left:
                return {}
    return {key: (id_, uuid, held) for key, id_, uuid, held in cr.fetchall()}
