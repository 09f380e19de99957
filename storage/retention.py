# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs leave the table."""

from __future__ import annotations

# Per state by its own partial index, oldest first, and never more than a batch: the
# locks and the dead rows of one transaction stay few.
_REMOVE = """
WITH old AS (
    (SELECT id FROM queue_job
      WHERE state = 'done' AND channel = %(channel)s
        AND date_done < (now() AT TIME ZONE 'UTC') - %(days)s * interval '1 day'
        AND NOT release_due
      ORDER BY date_done LIMIT %(limit)s)
    UNION ALL
    (SELECT id FROM queue_job
      WHERE state = 'cancelled' AND channel = %(channel)s
        AND date_cancelled < (now() AT TIME ZONE 'UTC') - %(days)s * interval '1 day'
      ORDER BY date_cancelled LIMIT %(limit)s)
), messages AS (
    DELETE FROM mail_message
     WHERE model = 'queue.job' AND res_id IN (SELECT id FROM old)
), followers AS (
    DELETE FROM mail_followers
     WHERE res_model = 'queue.job' AND res_id IN (SELECT id FROM old)
), progress AS (
    DELETE FROM queue_job_progress WHERE job_id IN (SELECT id FROM old)
)
DELETE FROM queue_job WHERE id IN (SELECT id FROM old)
"""


def remove(cr, channel: str, days: int, limit: int = 5000) -> int:
    """Remove jobs that are over for more than ``days``; return how many went.

    :param limit: at most so many per state; call again until none is left
    """
    cr.execute(_REMOVE, {"channel": channel, "days": days, "limit": limit})
    return cr.rowcount
