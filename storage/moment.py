# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The clock of the database."""

from __future__ import annotations

from datetime import datetime

_READ = "SELECT clock_timestamp() AT TIME ZONE 'UTC'"


def read(cr) -> datetime:
    """What time it is at the database: UTC, naive."""
    # An aborted transaction is the caller's affair: not logged as a bad query.
    cr.execute(_READ, log_exceptions=False)
    return cr.fetchone()[0]
