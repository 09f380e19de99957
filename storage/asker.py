# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The jobs of whoever asked for them, and of a record."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from psycopg2 import sql

from . import catalogue

# Running ones that told how far they are, and those that were shown already.
_ASKED = """
SELECT job.id, job.name, job.state, told.done, told.total, told.message,
       job.result, job.exc_message
  FROM (
    SELECT id FROM queue_job
     WHERE state IN ('enqueued', 'started') AND user_id = %(user)s
     UNION
    SELECT id FROM queue_job WHERE id = ANY(%(ids)s) AND user_id = %(user)s
  ) AS mine
  JOIN queue_job AS job ON job.id = mine.id
  JOIN queue_job_progress AS told ON told.job_id = job.id
 ORDER BY job.id
"""
# Only the jobs of models that ask for it are in such an index.
_INDEX = """
CREATE INDEX IF NOT EXISTS {name} ON queue_job
 USING gin ((records -> 'ids') jsonb_path_ops) WHERE model_name = {model}
"""
# The model stands in the text itself: the planner must see that the index fits.
_OF_RECORDS = """
SELECT wanted.id, job.id
  FROM unnest(%(ids)s::int[]) AS wanted (id)
  JOIN queue_job AS job ON job.model_name = {model}
   AND job.records -> 'ids' @> to_jsonb(ARRAY[wanted.id])
"""


class Asked(NamedTuple):
    """A job that tells its progress, for whoever asked for it."""

    id: int
    name: str | None
    state: str
    done: float
    total: float
    message: str | None
    result: str | None
    error: str | None


def asked(cr, user_id: int, ids: list[int]) -> list[Asked]:
    """The jobs of a user that told how far they are: the running ones and ``ids``."""
    cr.execute(_ASKED, {"user": user_id, "ids": list(ids)})
    return [Asked._make(row) for row in cr.fetchall()]


def index_records(cr, model: str) -> None:
    """Have the jobs of a model's records found without a look at all jobs."""
    digest = hashlib.sha1(model.encode()).hexdigest()[:10]
    name = f"queue_job_records_{digest}_idx"
    query = sql.SQL(_INDEX).format(name=sql.Identifier(name), model=sql.Literal(model))
    catalogue.create_missing(cr, {name: query})


def of_records(cr, model: str, ids: list[int]) -> dict[int, list[int]]:
    """``{id of a record: ids of its jobs}``"""
    found: dict[int, list[int]] = {id_: [] for id_ in ids}
    query = sql.SQL(_OF_RECORDS).format(model=sql.Literal(model))
    cr.execute(query, {"ids": list(ids)})
    for record, job in cr.fetchall():
        found[record].append(job)
    return found
