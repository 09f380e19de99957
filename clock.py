# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The time of day: the database's, for all that is compared or stored.

Servers may disagree about the time; the database is one. How far its clock is from
the local one is kept for each database, and renewed by statements that tell the time
anyway, else at most once a minute.
"""

from __future__ import annotations

import functools
import time
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from psycopg2.errors import InFailedSqlTransaction

from .storage import moment

#: seconds for which the distance between two clocks is taken as known
_KNOWN = 60.0
#: seconds that the local clock may be changed by without being asked for it anew
_STEP = 0.5
_EPOCH = datetime(1970, 1, 1)
# Not by their names: a test that freezes the time does not change how far two clocks
# are apart.
_wall = functools.partial(time.time)
_steady = functools.partial(time.monotonic)


class _Distance(NamedTuple):
    """By how many seconds a database's clock is ahead of ours: from low to high."""

    low: float
    high: float
    wall: float
    steady: float

    @property
    def seconds(self) -> float:
        """Clocks that may be equal are taken as equal; a way there and back says no
        more than that, and a duration never gets negative by it."""
        return max(self.low, min(self.high, 0.0))

    def is_known(self) -> bool:
        passed = _steady() - self.steady
        return passed < _KNOWN and abs(_wall() - self.wall - passed) < _STEP


_distances: dict[str, _Distance] = {}


def utcnow() -> datetime:
    """The present by this machine's clock: UTC, naive."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def now(cr) -> datetime:
    """The present by the clock of the cursor's database, as Odoo stores it.

    Transaction: any; once a minute the database is asked.
    """
    known = _distances.get(cr.dbname)
    if known is None or not known.is_known():
        known = _ask(cr) or known
    if known is None or not known.seconds:
        return utcnow()
    return utcnow() + timedelta(seconds=known.seconds)


def not_before(cr, start: datetime | None) -> datetime:
    """The present, for what began at ``start``: no duration is negative."""
    present = now(cr)
    return max(present, start) if start else present


def skew(cr) -> float:
    """By how many seconds this machine's clock is behind that of the database."""
    found = _ask(cr)
    return found.seconds if found else 0.0


def tick() -> float:
    """When a statement is sent that tells the time; for :func:`note`."""
    return _wall()


def note(database: str, sent: float, told: datetime) -> None:
    """Note what the database's clock told, by a statement of ours.

    :param sent: the :func:`tick` before it
    """
    seconds = (told - _EPOCH).total_seconds()
    wall, steady = _wall(), _steady()
    low, high = seconds - wall, seconds - sent
    known = _distances.get(database)
    if known is not None and known.is_known():
        # What both say is nearer; when they disagree, a clock was changed.
        both = max(low, known.low), min(high, known.high)
        low, high = both if both[0] <= both[1] else (low, high)
    _distances[database] = _Distance(low, high, wall, steady)


def _ask(cr) -> _Distance | None:
    sent = tick()
    try:
        told = moment.read(cr)
    except InFailedSqlTransaction:
        # Whatever this time is for is not written in this transaction.
        return None
    note(cr.dbname, sent, told)
    return _distances[cr.dbname]
