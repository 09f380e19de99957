# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Numbers that the machine gives out: 64 bits wherever they are kept.

Odoo makes ids of 32 bits; at a thousand jobs a second these last for 25 days.
"""

from __future__ import annotations

from psycopg2 import sql

from . import catalogue

#: the columns with numbers of jobs and of what the machine makes for them
COLUMNS = {
    "queue_job": ("id", "barrier_id"),
    "queue_job_try": ("id", "job_id"),
    "queue_job_lock": ("id", "queue_job_id"),
    "queue_job_stat": ("id",),
    "queue_job_stop": ("job_id",),
    "queue_job_barrier": ("id",),
    "queue_job_edge": ("barrier_id", "parent_id"),
    "queue_job_untold": ("id", "job_id"),
    "queue_job_progress": ("job_id",),
    "queue_job_rollup": ("running_ids",),
    "queue_job_touch": ("id",),
}
# The columns above, and those of tables between jobs and others (wizards).
_NARROW = """
SELECT relation.relname, attname, atttypid = 'int4[]'::regtype
  FROM pg_attribute JOIN pg_class AS relation ON relation.oid = attrelid
 WHERE relation.oid = ANY(ARRAY(SELECT to_regclass(each) FROM unnest(%(tables)s) each))
   AND atttypid IN ('int4'::regtype, 'int4[]'::regtype) AND NOT attisdropped
   AND relation.relname || '.' || attname = ANY(%(columns)s)
 UNION
SELECT relation.relname, attname, false
  FROM pg_constraint AS reference
  JOIN pg_class AS relation ON relation.oid = reference.conrelid
  JOIN pg_attribute ON attrelid = relation.oid AND attnum = ANY(reference.conkey)
 WHERE reference.contype = 'f' AND reference.confrelid = to_regclass('queue_job')
   AND atttypid = 'int4'::regtype AND relation.relname LIKE '%%\\_rel'
 ORDER BY 1, 2
"""
_SEQUENCES = """
SELECT relname FROM pg_sequence JOIN pg_class ON pg_class.oid = seqrelid
 WHERE seqtypid = 'int4'::regtype
   AND pg_class.oid = ANY(ARRAY(SELECT to_regclass(each) FROM unnest(%s) AS each))
"""


def widen(cr) -> None:
    """Give every such column 64 bits; only what has 32 is locked and written anew."""
    narrow: dict[str, list[tuple[str, str]]] = {}
    params = {
        "tables": list(COLUMNS),
        "columns": [f"{table}.{name}" for table, of in COLUMNS.items() for name in of],
    }
    cr.execute(_NARROW, params)
    for table, column, is_array in cr.fetchall():
        type_ = "bigint[]" if is_array else "bigint"
        narrow.setdefault(table, []).append((column, type_))
    for table, columns in narrow.items():
        catalogue.alter(cr, _alter(table, columns))
    cr.execute(_SEQUENCES, ([f"{table}_id_seq" for table in COLUMNS],))
    for (name,) in cr.fetchall():
        query = sql.SQL("ALTER SEQUENCE {} AS bigint").format(sql.Identifier(name))
        catalogue.alter(cr, query)


def _alter(table: str, columns: list[tuple[str, str]]) -> sql.Composed:
    """All the columns of a table at once: it is written anew only once."""
    parts = [
        sql.SQL("ALTER COLUMN {} TYPE {}").format(sql.Identifier(name), sql.SQL(type_))
        for name, type_ in columns
    ]
    return sql.SQL("ALTER TABLE {} {}").format(
        sql.Identifier(table), sql.SQL(", ").join(parts)
    )
