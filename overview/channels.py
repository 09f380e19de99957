# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels with what is in force and what waits there."""

from __future__ import annotations

from ..core.channels import ROOT, lineage
from ..storage.backlog import Backlog

_SUMMED = ("enqueued", "started", "running", "pending", "scheduled", "failed")


def channels(effective, backlog, oldest):
    """The channels in force and those that have jobs besides, by name."""
    names = sorted({*effective, *backlog}, key=lambda name: name.split("."))
    names.remove(ROOT)
    found = {}
    for name in (ROOT, *names):
        own = _jobs(backlog.get(name, Backlog()), oldest.get(name))
        found[name] = {
            "name": name,
            **_settings(effective.get(name)),
            **own,
            "own": own,
        }
    for name in names:
        for above in lineage(name)[1:]:
            if above in found:
                _add(found[above], found[name]["own"])
    return list(found.values())


def _settings(effective):
    if effective is None:
        # its record has gone: only the channels above it count
        return dict.fromkeys(("capacity", "sequential", "throttle", "paused")) | {
            "configured": False
        }
    channel = effective.channel
    return {
        "capacity": channel.places,
        "sequential": channel.sequential,
        "throttle": channel.throttle,
        "paused": channel.paused or channel.places == 0,
        "configured": effective.configured,
    }


def _jobs(jobs, age):
    return {**jobs._asdict(), "running": jobs.enqueued + jobs.started, "oldest": age}


def _add(above, own):
    for name in _SUMMED:
        above[name] += own[name]
    above["capped"] = above["capped"] or own["capped"]
    if own["oldest"] is not None:
        above["oldest"] = max(own["oldest"], above["oldest"] or 0.0)
