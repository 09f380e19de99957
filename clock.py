# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The time of day."""

from datetime import datetime, timezone


def utcnow() -> datetime:
    """The present as Odoo stores it: UTC, naive."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
