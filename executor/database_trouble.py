# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Errors of the database that no job is to blame for."""

from __future__ import annotations

import psycopg2
from psycopg2 import errorcodes

from odoo.sql_db import PoolError

#: classes of errors: connection lost, resources used up, an operator's intervention,
#: a trouble of the system below
_CLASSES = frozenset({"08", "53", "57", "58"})
#: a standby took over, or the database is being moved
_CODES = frozenset({errorcodes.READ_ONLY_SQL_TRANSACTION})
#: the function of PostgreSQL that says "cached plan must not change result type", in
#: whatever language
_STALE_PLAN = "RevalidateCachedQuery"


def is_of_database(error: BaseException) -> bool:
    """Whether another try may go well, without anything being changed in the job.

    The disk is full, memory or connections are used up, an administrator cancelled the
    query, a fail-over left a standby that only reads, a column changed its type under
    a prepared statement.
    """
    if isinstance(error, PoolError):
        return True
    if not isinstance(error, psycopg2.Error):
        return False
    code = error.pgcode
    if code is None:
        # PostgreSQL says no code when it takes no connection.
        return isinstance(error, psycopg2.OperationalError)
    return code[:2] in _CLASSES or code in _CODES or is_stale_plan(error)


def is_stale_plan(error: BaseException) -> bool:
    """Whether a statement that the connection has prepared fits the table no more."""
    return (
        isinstance(error, psycopg2.errors.FeatureNotSupported)
        and error.diag.source_function == _STALE_PLAN
    )
