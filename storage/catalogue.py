# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The schema, looked up before it is altered: only what differs is.

``ALTER TABLE``, ``CREATE INDEX IF NOT EXISTS`` and their like wait for everybody, and
everybody waits for them, whether they change anything or not; an update of any add-on
that inherits a model of the queue comes here, beside servers at work.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from psycopg2 import errors, sql

from ..log_lines import get_logger

_logger = get_logger(__name__)

#: seconds for which an alteration is attempted
PATIENCE = 120

_MISSING = "SELECT name FROM unnest(%s) AS name WHERE to_regclass(name) IS NULL"
_COLUMNS = """
SELECT attname, pg_get_expr(adbin, adrelid)
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_OPTIONS = "SELECT reloptions FROM pg_class WHERE oid = %s::regclass"
_ALTER = "ALTER TABLE {} {}"
_WAITING_TIME = "SELECT current_setting('lock_timeout')"
_SET_WAITING_TIME = "SELECT set_config('lock_timeout', %s, true)"


def missing(cr, names: Collection[str]) -> list[str]:
    """Those of the tables and indexes that do not exist."""
    cr.execute(_MISSING, (list(names),))
    return [row[0] for row in cr.fetchall()]


def create_missing(cr, definitions: Mapping[str, str | sql.Composed]) -> list[str]:
    """Create the tables and indexes that do not exist; return their names.

    :param definitions: ``{name: statement}``
    """
    lacking = missing(cr, definitions)
    for name in definitions:
        if name in lacking:
            alter(cr, definitions[name])
    return lacking


def defaults(cr, table: str) -> dict[str, str | None]:
    """The default of each column of the table, None without one."""
    cr.execute(_COLUMNS, (table,))
    return dict(cr.fetchall())


def add_columns(cr, table: str, columns: Mapping[str, str]) -> list[str]:
    """Add the columns that the table lacks; return their names.

    :param columns: ``{name: type}``
    """
    have = defaults(cr, table)
    lacking = [name for name in columns if name not in have]
    _change(cr, table, [f"ADD COLUMN {name} {columns[name]}" for name in lacking])
    return lacking


def set_defaults(cr, table: str, wanted: Mapping[str, str]) -> None:
    """Have what another tool inserts by SQL get these values."""
    have = defaults(cr, table)
    wrong = [name for name in wanted if have.get(name) != wanted[name]]
    changes = [f"ALTER COLUMN {name} SET DEFAULT {wanted[name]}" for name in wrong]
    _change(cr, table, changes)


def set_options(cr, table: str, wanted: Mapping[str, str]) -> None:
    """Give the table these storage parameters."""
    cr.execute(_OPTIONS, (table,))
    have = dict(option.split("=", 1) for option in cr.fetchone()[0] or ())
    differ = [name for name in wanted if have.get(name) != wanted[name]]
    wrong = [f"{name} = {wanted[name]}" for name in differ]
    _change(cr, table, [f"SET ({', '.join(wrong)})"] if wrong else [])


def _change(cr, table: str, changes: list[str]) -> None:
    if changes:
        parts = sql.SQL(", ").join(map(sql.SQL, changes))
        alter(cr, sql.SQL(_ALTER).format(sql.Identifier(table), parts))


def alter(cr, query: str | sql.Composed) -> None:
    """Execute what locks a table, without making others wait behind it for long.

    Who waits for such a lock stops all who come later, though nobody has it yet. So
    each attempt waits for half a second, and lets the others go on in between.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return _attempt(cr, query)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > end:
                raise
            _logger.info("A table of the queue is in use, its alteration waits.")
            time.sleep(0.5)


def _attempt(cr, query: str | sql.Composed) -> None:
    cr.execute(_WAITING_TIME)
    (usual,) = cr.fetchone()
    with cr.savepoint(flush=False):
        cr.execute(_SET_WAITING_TIME, ("500ms",))
        cr.execute(query, log_exceptions=False)
        cr.execute(_SET_WAITING_TIME, (usual,))
