# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What holds for a connection: limits of time, and what a body left on it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .locks import WORKER

#: how a lease begins its transactions, whatever the defaults of the database are
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
# Limits that are set for a database or a role are meant for those who forget a
# transaction. A lease is idle in one on purpose: it holds the job that runs.
_LIMITS = {
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",  # since PostgreSQL 17
    "statement_timeout": "20s",
    "lock_timeout": "10s",
}
_SET_LIMITS = """
SELECT set_config(name, %s::jsonb ->> name, false)
  FROM pg_settings WHERE name IN (SELECT jsonb_object_keys(%s::jsonb))
"""
#: those that end a body which is busy elsewhere: a job has its own limit of time
_IDLE = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
_IDLE_LIMITS = """
SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting <> '0'
"""
# Odoo's pool has DISCARD ALL executed, which cannot be a part of a round trip. These
# are its parts; plans are kept, they are nobody's state.
_RESET = """
SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;
"""
_BEGIN_BODY = "COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE;"
# The worker lives, whatever becomes of the connections of its leases.
_SIGN = f"SELECT pg_try_advisory_lock_shared({WORKER}, hashtext(%s));"


def set_limits(cr) -> None:
    """Have the session of a lease keep to its own limits of time."""
    limits = json.dumps(_LIMITS)
    cr.execute(_SET_LIMITS, (limits, limits))


def begin_pooled(server_version: int) -> str:
    """The same for the transactions of a connection that is not ours alone."""
    limits = "".join(
        f"SET LOCAL {name} = '{value}';"
        for name, value in _LIMITS.items()
        if name != "transaction_timeout" or server_version >= 170000
    )
    return BEGIN + limits


def idle_limits(cr) -> tuple[str, ...]:
    """The limits that would end a body which is busy elsewhere, as they are set."""
    cr.execute(_IDLE_LIMITS, (list(_IDLE),))
    return tuple(row[0] for row in cr.fetchall())


def lift(limits: Iterable[str], scope: str = "SESSION") -> str:
    """Statements that lift these limits.

    :param scope: or LOCAL, for the transaction
    """
    return "".join(f"SET {scope} {name} = 0;" for name in limits if name in _IDLE)


def enter(cr, limits: Iterable[str], worker: str | None) -> None:
    """Have the connection of the bodies last as long as a body, in one round trip.

    :param limits: of :func:`idle_limits`, which are lifted
    :param worker: its name, a sign that it lives; None: behind a pooler, where the
        session is not ours
    Transaction: none may be open; the next one is begun, and has read nothing.
    """
    _begin_body(cr, "", limits, worker)


def reset(cr, limits: Iterable[str], worker: str | None) -> None:
    """Undo what was set in the session; the rest is that of :func:`enter`."""
    _begin_body(cr, _RESET, limits, worker)


def _begin_body(cr, before: str, limits, worker: str | None) -> None:
    parts: tuple[str, ...]
    if worker is None:
        parts = (before, _BEGIN_BODY, lift(limits, "LOCAL"))
    else:
        parts = (before, lift(limits), _SIGN, _BEGIN_BODY)
    cr.execute("".join(parts), (worker,) if worker else None)
