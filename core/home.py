# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Is a database the one whose jobs are executed, or a copy of it that has to rest?"""

from __future__ import annotations

from typing import NamedTuple

# Why nothing is executed in a database.
NEUTRALIZED = "neutralized"
DUPLICATED = "duplicated"
CLONED = "cloned"
REASONS = (NEUTRALIZED, DUPLICATED, CLONED)


class Place(NamedTuple):
    """Where a database is.

    uuid: Odoo's own, new in what Odoo knows to be a copy.
    oid: PostgreSQL's number of it, kept when it is renamed.
    system: of PostgreSQL's cluster, kept by its replicas; empty when unknown.
    """

    uuid: str
    oid: str
    system: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)


def parse(text: str | None) -> Place | None:
    """What ``str`` made of a place; None when it is none."""
    parts = (text or "").split("/", 3)
    return Place(*parts) if len(parts) == 4 else None


def reason_to_rest(home: Place | None, here: Place, neutralized: bool) -> str | None:
    """Why nothing may be executed here; None when it may.

    A database is at home under its name, wherever it was restored or failed over to,
    and under another name when it was renamed. With Odoo's number for it, or in another
    place under another name, it is a copy.

    :param home: where jobs were executed last, None when they never were
    """
    if home is None:
        return NEUTRALIZED if neutralized else None
    if home.uuid != here.uuid:
        return DUPLICATED
    renamed = (home.oid, home.system) == (here.oid, here.system)
    return None if home.name == here.name or renamed else CLONED
