# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is done to many jobs at once."""

from __future__ import annotations

from psycopg2 import sql

# A job that somebody is at this moment writing is left to him.
_HOLD = """
SELECT id FROM queue_job
 WHERE id = ANY(%(ids)s) AND state = ANY(%(states)s)
 ORDER BY id
   FOR NO KEY UPDATE SKIP LOCKED
"""
# Race: a job starts while somebody writes it. Whoever began later learns of the other
# and begins anew.
_HOLD_IDLE = """
SELECT id FROM queue_job
 WHERE id = ANY(%s) AND state <> 'started' ORDER BY id FOR NO KEY UPDATE
"""
# The row of a started job belongs to who executes it (D3).
_REWRITE = """
UPDATE queue_job AS job SET func_string = told.text
  FROM unnest(%s::bigint[], %s::text[]) AS told (id, text)
 WHERE job.id = told.id AND job.state <> 'started'
"""
_COPY_NOTE = """
INSERT INTO mail_message (res_id, {columns})
SELECT job_id, {columns}
  FROM mail_message CROSS JOIN unnest(%(ids)s::bigint[]) AS jobs (job_id)
 WHERE id = %(note)s
"""


def begin(cr) -> None:
    """Have a new transaction see what is there at each statement."""
    cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def hold(cr, ids: list[int], states) -> list[int]:
    """Lock and return the jobs that are in one of the states."""
    cr.execute(_HOLD, {"ids": list(ids), "states": list(states)})
    return [row[0] for row in cr.fetchall()]


def hold_idle(cr, ids: list[int]) -> list[int]:
    """Lock and return the jobs that nobody executes."""
    cr.execute(_HOLD_IDLE, (list(ids),))
    return [row[0] for row in cr.fetchall()]


def rewrite_texts(cr, texts: dict[int, str]) -> None:
    """Have calls told by other texts."""
    if texts:
        cr.execute(_REWRITE, (list(texts), list(texts.values())))


def copy_note(cr, note: int, columns: list[str], ids: list[int]) -> None:
    """Have other jobs noted what a message notes on one.

    :param columns: of the table of messages that say what it says
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL(_COPY_NOTE).format(columns=names)
    cr.execute(query, {"ids": list(ids), "note": note})
