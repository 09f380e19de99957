# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where the jobs of a database are executed: a copy of it rests (D22).

Two system parameters say it: ``queue_job.home``, written when the first jobs are taken,
and ``queue_job.rest``, there as long as nothing may be executed.
"""

from __future__ import annotations

from ..core import home

_KEY = "queue_job.home"
_REST = "queue_job.rest"
#: why nothing is executed, NULL when jobs are
REST = f"(SELECT value FROM ir_config_parameter WHERE key = '{_REST}')"
#: whether jobs are executed; what a start asks for
AWAKE = f"NOT EXISTS (SELECT FROM ir_config_parameter WHERE key = '{_REST}')"
_OID = "(SELECT oid::text FROM pg_database WHERE datname = current_database())"
#: whether the last jobs were taken under this very name in this very place, NULL when
#: none ever were
AT_HOME = f"""
(SELECT starts_with(home.value, own.value || '/' || {_OID} || '/')
        AND right(home.value, length(current_database()) + 1)
            = '/' || current_database()
   FROM ir_config_parameter AS home, ir_config_parameter AS own
  WHERE home.key = '{_KEY}' AND own.key = 'database.uuid')
"""
_READ = f"""
SELECT (SELECT value FROM ir_config_parameter WHERE key = '{_KEY}'),
       (SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'),
       (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'),
       {_OID}, current_database()
"""
# Whoever may not read that has one sign less of a database that was renamed.
_MAY_READ_SYSTEM = "SELECT has_function_privilege('pg_control_system()', 'execute')"
_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_WRITE = """
INSERT INTO ir_config_parameter (key, value, create_date, write_date)
VALUES (%s, %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""
_WAKE = f"DELETE FROM ir_config_parameter WHERE key = '{_REST}'"
_RESTS = f"SELECT {REST}"


def settle(cr) -> str | None:
    """Make a database that is not known here at home, or have it rest.

    :return: why nothing may be executed, None when jobs may be
    """
    known, neutralized, here = _read(cr)
    reason = home.reason_to_rest(home.parse(known), here, neutralized)
    if reason:
        cr.execute(_WRITE, (_REST, reason))
    elif known != str(here):
        cr.execute(_WRITE, (_KEY, str(here)))
    return reason


def release(cr) -> None:
    """Have jobs executed here from now on, whatever database this was a copy of."""
    cr.execute(_WAKE)
    cr.execute(_WRITE, (_KEY, str(_read(cr)[2])))


def rest(cr) -> str | None:
    """Why nothing is executed, as far as it was noticed; None when jobs are."""
    cr.execute(_RESTS)
    return cr.fetchone()[0]


def reason(cr) -> str | None:
    """Why nothing is executed, or would not be; None when jobs are."""
    known, neutralized, here = _read(cr)
    return rest(cr) or home.reason_to_rest(home.parse(known), here, neutralized)


def _read(cr) -> tuple[str | None, bool, home.Place]:
    cr.execute(_READ)
    known, neutralized, uuid, oid, name = cr.fetchone()
    place = home.Place(uuid or "", oid, _system(cr), name)
    return known, neutralized == "true", place


def _system(cr) -> str:
    cr.execute(_MAY_READ_SYSTEM)
    if not cr.fetchone()[0]:
        return ""
    cr.execute(_SYSTEM)
    return cr.fetchone()[0]
