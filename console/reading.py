# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Commands that read alone: a cursor is enough, no registry is loaded for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..jobrunner import configured
from ..overview import reading, series
from ..storage import listing
from .selection import Refused, complete, plain


def status(cr) -> dict[str, Any]:
    """How the queue is doing; ``ok``: jobs run as they should."""
    overview = reading.overview(cr)
    runners = [_plainly(runner) for runner in overview["runners"]]
    for runner in runners:
        runner["configuration"] = configured.understood(runner["configuration"])
    return {
        **overview,
        "runners": runners,
        "ok": not any(each["error"] for each in overview["problems"]),
        "database": cr.dbname,
        "last_hour": series.series(cr, "hour")["total"],
    }


def channels(cr) -> dict[str, Any]:
    """The channels as they are in force, with their jobs."""
    return {"channels": reading.overview(cr)["channels"], "ok": True}


def list_jobs(
    cr,
    uuids: Sequence[str] = (),
    chosen: Sequence[str] = (),
    channels: Sequence[str] = (),
    methods: Sequence[str] = (),
    limit: int = 50,
) -> dict[str, Any]:
    """The latest jobs that all of the conditions hold for; ``ok``: there is one."""
    names = [complete(name) for name in channels]
    methods = [text.replace("<", "").replace(">", "") for text in methods]
    found = listing.jobs(cr, uuids, chosen, names, methods, limit)
    return {"jobs": [_plainly(job) for job in found], "ok": bool(found)}


def show(cr, uuid: str) -> dict[str, Any]:
    """All about one job."""
    found = listing.job(cr, uuid)
    if found is None:
        raise Refused(f"There is no job {uuid}: see odoo-bin queue_job list.")
    found["attempts"] = [_plainly(each) for each in found["attempts"]]
    return {"job": _plainly(found), "ok": True}


def _plainly(row: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}
