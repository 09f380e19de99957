# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What holds for a connection: limits of time, and what a body left on it."""

from __future__ import annotations

import json

from .locks import WORKER

#: how a lease begins its transactions, whatever the defaults of the database are
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
# Limits that are set for a database or a role are meant for those who forget a
# transaction. A lease is idle in one on purpose: it holds the job that runs.
_LIMITS = {
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "statement_timeout": "20s",
    "lock_timeout": "10s",
}
_SET_LIMITS = """
SELECT set_config(name, %s::jsonb ->> name, false)
  FROM pg_settings WHERE name IN (SELECT jsonb_object_keys(%s::jsonb))
"""
# those that end a body which is busy elsewhere: a job has its own limit of time
_IDLE = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
# since which PostgreSQL there are those that are not in each
_SINCE = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
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
        if _is_known(name, server_version)
    )
    return BEGIN + limits


def lift(server_version: int, scope: str = "SESSION") -> str:
    """Statements that lift the limits of idle time, whether they are set or not.

    Nobody can know that they are not: they may have been set since another connection
    was made, and behind a pooler a session may be newer than its connection.

    :param scope: or LOCAL, for the transaction
    """
    known = [name for name in _IDLE if _is_known(name, server_version)]
    return "".join(f"SET {scope} {name} = 0;" for name in known)


def _is_known(name: str, server_version: int) -> bool:
    return server_version >= _SINCE.get(name, 0)


def enter(cr, worker: str | None) -> None:
    """Have the connection of the bodies last as long as a body, in one round trip.

    :param worker: its name, a sign that it lives; None: behind a pooler, where the
        session is not ours
    Transaction: none may be open; the next one is begun, and has read nothing.
    """
    _begin_body(cr, "", worker)


def reset(cr, worker: str | None) -> None:
    """Undo what was set in the session; the rest is that of :func:`enter`."""
    _begin_body(cr, _RESET, worker)


def _begin_body(cr, before: str, worker: str | None) -> None:
    parts: tuple[str, ...]
    version = cr._cnx.server_version
    if worker is None:
        parts = (before, _BEGIN_BODY, lift(version, "LOCAL"))
    else:
        parts = (before, lift(version), _SIGN, _BEGIN_BODY)
    cr.execute("".join(parts), (worker,) if worker else None)
