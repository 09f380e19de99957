# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Ends of jobs that runners wrote by SQL: who has to know of them is told later.

A runner has no models: followers, ``on_fail`` methods and other add-ons are told by a
worker that the runner asks for it. What is to be told is written with the end itself.
"""

from __future__ import annotations

from typing import NamedTuple

#: stands for the uuid of a job in the request to tell
REQUEST = "untold"

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
# around a statement that ends jobs and returns their ids and states
_NOTED = """
WITH ended AS ({})
INSERT INTO queue_job_untold (job_id, state) SELECT id, state FROM ended
RETURNING job_id
"""
_DUE = f"""
SELECT (SELECT value FROM ir_config_parameter WHERE key = 'database.secret')
  FROM queue_job_untold WHERE due <= {_UTC} LIMIT 1
"""
# Taken for a while: whoever dies over it leaves it to the next one, but not for ever.
_TAKE = f"""
UPDATE queue_job_untold
   SET tries = tries + 1, due = {_UTC} + interval '1 minute'
 WHERE id = (
    SELECT id FROM queue_job_untold WHERE due <= {_UTC}
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
 )
RETURNING id, job_id, state, tries
"""
_SETTLE_CANCELLED = """
WITH settled AS (
    DELETE FROM queue_job_untold
     WHERE id = ANY(ARRAY(SELECT id FROM queue_job_untold WHERE state = 'cancelled'
                           ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED))
    RETURNING job_id
)
SELECT job.id FROM settled JOIN queue_job AS job ON job.id = settled.job_id
 WHERE job.state = 'cancelled'
"""
_SETTLE = "DELETE FROM queue_job_untold WHERE id = %s AND tries = %s"


class News(NamedTuple):
    """The end of a job that nobody was told of yet."""

    id: int
    job_id: int
    state: str
    tries: int


def noted(statement: str) -> str:
    """The statement that ends jobs, with a note for each to be told later.

    :param statement: returns ``id`` and ``state`` of the jobs
    """
    return _NOTED.format(statement)


def due(cr) -> str | None:
    """The secret of the database when there is something to tell, else None."""
    cr.execute(_DUE)
    row = cr.fetchone()
    return row[0] if row else None


def take(cr) -> News | None:
    """Take what is to be told first; nobody else gets it within a minute.

    Transaction: commit it before telling, so that a death over it counts.
    """
    cr.execute(_TAKE)
    row = cr.fetchone()
    return News._make(row) if row else None


def settle(cr, news: News) -> bool:
    """Note that it is told, in the transaction that does it.

    :return: False when somebody else has it by now
    """
    cr.execute(_SETTLE, (news.id, news.tries))
    return bool(cr.rowcount)


def settle_cancelled(cr) -> list[int]:
    """Note that all cancelled jobs are told of; return those that still are."""
    cr.execute(_SETTLE_CANCELLED)
    return [row[0] for row in cr.fetchall()]
