# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs leave the table."""

from __future__ import annotations

from typing import NamedTuple

from psycopg2 import sql

# Per state by its own partial index, oldest first, and never more than a batch: the
# locks and the dead rows of one transaction stay few.
_OLD = """
(SELECT id FROM queue_job
  WHERE state = 'done' AND channel = %(channel)s
    AND date_done < (now() AT TIME ZONE 'UTC') - %(days)s * interval '1 day'
    AND NOT release_due {functions} {free}
  ORDER BY date_done LIMIT %(limit)s)
UNION ALL
(SELECT id FROM queue_job
  WHERE state = 'cancelled' AND channel = %(channel)s
    AND date_cancelled < (now() AT TIME ZONE 'UTC') - %(days)s * interval '1 day'
    {functions} {free}
  ORDER BY date_cancelled LIMIT %(limit)s)
"""
_ONLY = "AND job_function_id = ANY(%(only)s)"
_BUT = "AND (job_function_id IS NULL OR job_function_id <> ALL(%(but)s))"
# Rows of other tables that refer to jobs, and let none go that they refer to.
_REFERENCES = """
SELECT namespace.nspname, relation.relname, attname
  FROM pg_constraint AS reference
  JOIN pg_class AS relation ON relation.oid = reference.conrelid
  JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
  JOIN pg_attribute ON attrelid = relation.oid AND attnum = reference.conkey[1]
 WHERE reference.contype = 'f' AND reference.confrelid = 'queue_job'::regclass
   AND reference.confdeltype IN ('a', 'r')
 ORDER BY 1, 2, 3
"""
_REFERRED = "EXISTS (SELECT FROM {} AS other WHERE other.{} = queue_job.id)"
# ... with what hangs on them; their tries go by their foreign key
_REMOVE = """
WITH messages AS (
    DELETE FROM mail_message WHERE model = 'queue.job' AND res_id = ANY(%(ids)s)
), followers AS (
    DELETE FROM mail_followers WHERE res_model = 'queue.job' AND res_id = ANY(%(ids)s)
), activities AS (
    DELETE FROM mail_activity WHERE res_model = 'queue.job' AND res_id = ANY(%(ids)s)
), progress AS (
    DELETE FROM queue_job_progress WHERE job_id = ANY(%(ids)s)
), stops AS (
    DELETE FROM queue_job_stop WHERE job_id = ANY(%(ids)s)
)
DELETE FROM queue_job WHERE id = ANY(%(ids)s)
"""
# The channels of such jobs: from one name to the next in the index of a state.
_CHANNELS = """
WITH RECURSIVE name AS (
    (SELECT channel FROM queue_job WHERE state = %(state)s AND channel IS NOT NULL
      ORDER BY channel LIMIT 1)
     UNION ALL
    SELECT (SELECT channel FROM queue_job
             WHERE state = %(state)s AND channel > name.channel
             ORDER BY channel LIMIT 1)
      FROM name WHERE name.channel IS NOT NULL
)
SELECT channel FROM name WHERE channel IS NOT NULL
"""


class Rule(NamedTuple):
    """How long the jobs of a channel are kept.

    only: of these functions alone; but: of all functions but these (record ids)
    """

    channel: str
    days: int
    only: tuple[int, ...] = ()
    but: tuple[int, ...] = ()


def old(cr, rule: Rule, limit: int, referred: bool = False) -> list[int]:
    """Jobs that are over for longer than they are kept, at most ``limit`` a state.

    :param referred: those that cannot go, because rows of other tables refer to them,
        instead of those that can
    """
    functions = _ONLY if rule.only else _BUT if rule.but else ""
    params = {
        "channel": rule.channel,
        "days": rule.days,
        "only": list(rule.only),
        "but": list(rule.but),
        "limit": limit,
    }
    references = _references(cr)
    if referred and not references:
        return []
    any_ = sql.SQL(" OR ").join(references)
    free = sql.SQL("AND {}({})").format(sql.SQL("" if referred else "NOT "), any_)
    query = sql.SQL(_OLD).format(
        functions=sql.SQL(functions), free=free if references else sql.SQL("")
    )
    cr.execute(query, params)
    return [row[0] for row in cr.fetchall()]


def _references(cr) -> list[sql.Composed]:
    cr.execute(_REFERENCES)
    return [
        sql.SQL(_REFERRED).format(sql.Identifier(schema, table), sql.Identifier(column))
        for schema, table, column in cr.fetchall()
    ]


def channels(cr) -> set[str]:
    """The names of all channels of jobs that are over, whether they exist or not."""
    found: set[str] = set()
    for state in ("done", "cancelled"):
        cr.execute(_CHANNELS, {"state": state})
        found.update(row[0] for row in cr.fetchall())
    return found


def remove(cr, ids: list[int]) -> int:
    """Remove the jobs with all that hangs on them; return how many went."""
    cr.execute(_REMOVE, {"ids": ids})
    return cr.rowcount
