# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How far the bodies of running jobs say they are."""

from __future__ import annotations

_WRITE = """
INSERT INTO queue_job_progress AS progress (job_id, done, total, message, updated_at)
VALUES (%(job_id)s, %(done)s, %(total)s, %(message)s,
        clock_timestamp() AT TIME ZONE 'UTC')
    ON CONFLICT (job_id) DO UPDATE
   SET done = excluded.done, total = excluded.total,
       message = coalesce(excluded.message, progress.message),
       updated_at = excluded.updated_at
"""
_READ = """
SELECT job_id, done, total, message FROM queue_job_progress WHERE job_id = ANY(%s)
"""


def write(cr, job_id: int, done: float, total: float, message: str | None) -> None:
    """Note the progress of a job."""
    params = {"job_id": job_id, "done": done, "total": total, "message": message}
    cr.execute(_WRITE, params)


def read(cr, ids: list[int]) -> dict[int, tuple[float, float, str | None]]:
    """``{job id: (done, total, message)}`` of the jobs that told something."""
    cr.execute(_READ, (list(ids),))
    return {row[0]: tuple(row[1:]) for row in cr.fetchall()}
