# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Statements that a connection plans once.

Planning takes longer than executing them. They are prepared on the
connections of a lease, unless a pooler in transaction mode stands in between:
there the next transaction may meet another server process, and the statements are
sent whole. It pays from a lease's second job on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .statement import Statement

_BACKEND = "SELECT pg_backend_pid()"


def ensure(cr, statements: Iterable[Statement]) -> bool:
    """Prepare the statements for the life of the cursor, once.

    Odoo's pool hands its connections out as if they were new, so it is the cursor
    that knows of them.

    :return: whether something was executed. Transaction: preparing is not undone by a
        rollback, but opens a transaction on a cursor that is not in autocommit mode.
    """
    if getattr(cr, "_queue_job_prepared", None) is not None:
        return False
    cr.execute(_BACKEND)
    if cr.fetchone()[0] != cr._cnx.get_backend_pid():
        cr._queue_job_prepared = ()
        return True
    cr._queue_job_prepared = prepare(cr, statements)
    return True


def prepare(cr, statements: Iterable[Statement]) -> frozenset[str]:
    """Prepare the statements; return their names.

    A connection that keeps these as its attribute ``prepared`` has them executed by
    name by all its cursors. No pooler may stand in between.
    """
    statements = list(statements)
    cr.execute("; ".join(each.preparation for each in statements))
    return frozenset(each.name for each in statements)


def text(cr, statement: Statement) -> str:
    """What executes a statement: its name where the connection knows it."""
    known: Collection[str] | None = getattr(cr, "_queue_job_prepared", None)
    if known is None:
        known = getattr(getattr(cr, "connection", None), "prepared", None) or ()
    return statement.call if statement.name in known else statement.query


def execute(cr, statement: Statement, params: tuple = (), before: str = "") -> None:
    """Execute a statement, by its name where the connection knows it.

    :param before: statements of the caller's own that go along in one round trip
    """
    cr.execute(before + text(cr, statement), params)
