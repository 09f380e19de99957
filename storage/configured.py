# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels string that servers used last: what counts when theirs is unreadable."""

from __future__ import annotations

_KEY = "queue_job.channels"
_READ = f"SELECT value FROM ir_config_parameter WHERE key = '{_KEY}'"
# Written only when it differs: every server of the database comes here.
_KEEP = f"""
INSERT INTO ir_config_parameter AS known (key, value, create_date, write_date)
VALUES ('{_KEY}', %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
    ON CONFLICT (key) DO UPDATE
   SET value = excluded.value, write_date = excluded.write_date
 WHERE known.value <> excluded.value
"""
_FORGET = f"DELETE FROM ir_config_parameter WHERE key = '{_KEY}'"


def read(cr) -> str:
    """The last channels string that a server could read; empty without any."""
    cr.execute(_READ)
    row = cr.fetchone()
    return row[0] if row else ""


def keep(cr, text: str) -> None:
    """Remember the channels string that is in force."""
    if text:
        cr.execute(_KEEP, (text,))
    else:
        cr.execute(_FORGET)
