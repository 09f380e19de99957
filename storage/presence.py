# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Runners in a database: whether they have work there, and that they are alive."""

from __future__ import annotations

from .locks import RUNNER

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"

# Two steps, for a database may hold anything, or nothing yet.
_HAS_TABLES = """
SELECT to_regclass('ir_module_module') IS NOT NULL
   AND to_regclass('queue_job_runner') IS NOT NULL
   AND to_regclass('queue_job_throttle') IS NOT NULL
   AND to_regclass('queue_job_rollup') IS NOT NULL
   AND EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = to_regclass('queue_job') AND attname = 'attempt')
   AND EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = to_regclass('queue_job_runner')
                  AND attname = 'configuration')
"""
_IS_INSTALLED = """
SELECT EXISTS (SELECT FROM ir_module_module
                WHERE name = 'queue_job'
                  AND state IN ('installed', 'to upgrade', 'to remove'))
"""
# Whatever the database or the role has as defaults, which suit others: a runner waits
# for nobody, is idle on purpose, and reads and writes what it expects. Names that the
# server does not know are left out; behind a pooler the session is not ours to set.
_SETTINGS = {
    "lock_timeout": "250ms",
    "statement_timeout": "10s",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "standard_conforming_strings": "on",
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "bytea_output": "hex",
    "synchronous_commit": "off",
}
_SET_UP = """
SELECT set_config(given.name, given.value, false)
  FROM unnest(%(names)s::text[], %(values)s::text[]) AS given (name, value)
  JOIN pg_settings AS known ON lower(known.name) = given.name
 WHERE pg_backend_pid() = %(pid)s
"""
_LISTEN = "LISTEN queue_job"
_PROBE = "SELECT pg_notify('queue_job', %s)"
_BACKEND = "SELECT pg_backend_pid()"
# Held in an open transaction, which has no snapshot and so keeps no dead row.  The
# server notices by itself when our machine is gone.
_HOLD_RUNNER = f"""
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL tcp_keepalives_idle = 10;
SET LOCAL tcp_keepalives_interval = 5;
SET LOCAL tcp_keepalives_count = 3;
SELECT pg_advisory_xact_lock_shared({RUNNER}, %s)
"""
_HOLD_RUNNER_HERE = f"SELECT pg_advisory_xact_lock_shared({RUNNER}, %s)"
# Updated first: an insertion would burn a number each time, though the row is there.
_HEARTBEAT = f"""
WITH seen AS (
    UPDATE queue_job_runner
       SET seen_at = {_UTC}, passes = %(passes)s, dispatched = %(dispatched)s,
           rescued = %(rescued)s, configuration = %(configuration)s
     WHERE number = %(number)s
    RETURNING number
)
INSERT INTO queue_job_runner AS runner
       (number, node, pid, version, kind, started_at, seen_at,
        passes, dispatched, rescued, configuration)
SELECT %(number)s, %(node)s, %(pid)s, %(version)s, %(kind)s, {_UTC}, {_UTC},
       %(passes)s, %(dispatched)s, %(rescued)s, %(configuration)s
 WHERE NOT EXISTS (SELECT FROM seen)
    ON CONFLICT (number) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET_GONE = f"""
DELETE FROM queue_job_runner
 WHERE id = ANY(ARRAY(SELECT id FROM queue_job_runner
               WHERE seen_at < {_UTC} - interval '1 hour' FOR UPDATE SKIP LOCKED))
"""
_IS_SERVED = f"""
SELECT EXISTS (SELECT FROM queue_job_runner
                WHERE seen_at > {_UTC} - interval '15 seconds')
"""
_LEAVE = "DELETE FROM queue_job_runner WHERE number = %s"
# The databases that belong to the user, as Odoo lists them.
_LIST_DATABASES = """
SELECT datname FROM pg_database
 WHERE datdba = (SELECT usesysid FROM pg_user
                  WHERE usename = coalesce(%(user)s, current_user))
   AND NOT datistemplate AND datallowconn AND datname <> ALL(%(without)s)
 ORDER BY datname
"""


def installed(cr) -> bool:
    """Whether the queue of this version is in use in the database."""
    cr.execute(_HAS_TABLES)
    if not cr.fetchone()[0]:
        return False
    cr.execute(_IS_INSTALLED)
    return cr.fetchone()[0]


def set_up(cr, pid: int) -> None:
    """Have the session keep to the runner's limits, whatever its defaults are.

    :param pid: of the server process that the client knows; behind a pooler it is
        another one, and nothing is set
    """
    params = {"names": list(_SETTINGS), "values": list(_SETTINGS.values()), "pid": pid}
    cr.execute(_SET_UP, params)


def listen(cr) -> None:
    """Have the connection told of new jobs."""
    cr.execute(_LISTEN)


def probe(cr, text: str) -> None:
    """Wake all who listen, to see who does."""
    cr.execute(_PROBE, (text,))


def backend_pid(cr) -> int:
    """The server process that answers; behind a pooler not the one we know."""
    cr.execute(_BACKEND)
    return cr.fetchone()[0]


def hold_runner(cr, number: int) -> None:
    """Show that the runner lives while the connection (in autocommit mode) does."""
    cr.execute(_HOLD_RUNNER, (number,))


def hold_runner_here(cr, number: int) -> None:
    """Show that the runner lives until the caller's transaction ends."""
    cr.execute(_HOLD_RUNNER_HERE, (number,))


def heartbeat(cr, number: int, values: dict) -> None:
    """Say that the runner lives, for those who look at the dashboard.

    :param values: ``node pid version kind passes dispatched rescued``, and
        ``configuration`` (JSON), what its server goes by
    """
    cr.execute(_HEARTBEAT, {"configuration": None, **values, "number": number})


def is_served(cr) -> bool:
    """Whether a runner was seen here some seconds ago."""
    cr.execute(_IS_SERVED)
    return cr.fetchone()[0]


def forget_gone(cr) -> None:
    """Remove the runners that nobody has seen for an hour."""
    cr.execute(_FORGET_GONE)


def leave(cr, number: int) -> None:
    """Remove the runner, which stops."""
    cr.execute(_LEAVE, (number,))


def list_databases(cr, user: str | None, without: list[str]) -> list[str]:
    """The names of the databases of ``user`` (default: who is connected)."""
    cr.execute(_LIST_DATABASES, {"user": user, "without": without})
    return [row[0] for row in cr.fetchall()]
