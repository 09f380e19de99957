# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One function per sub-command: what it does, and what it has to tell.

Each returns a dictionary that can be written as JSON; ``ok`` says whether all is as
it was asked for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from odoo.fields import Domain

from .. import storage
from ..core import states
from .draining import Busy, Drain, Resting
from .selection import Refused, complete

#: the states that are meant when none is given
REQUEUED = (states.FAILED,)
CANCELLED = states.NOT_STARTED
_BATCH = 1000


def run(registry, wait: float, seconds: float | None, stop) -> dict[str, Any]:
    """Execute jobs in this process; ``ok``: none of them failed."""
    try:
        found = Drain(registry, wait, seconds, stop).run()
    except Busy as error:
        raise Refused(str(error)) from error
    except Resting as reason:
        raise Refused(
            f"This database is a copy ({reason}): nothing is executed here until it is"
            " released: odoo-bin queue_job release."
        ) from reason
    return {
        "executed": sum(found.values()),
        "done": found[states.DONE],
        "failed": found[states.FAILED],
        "retry": found[states.PENDING],
        "cancelled": found[states.CANCELLED],
        "ok": not found[states.FAILED],
    }


def release(env) -> dict[str, Any]:
    """Have the jobs of a copy executed; ``ok``: it was one that rested.

    Transaction: part of the current one.
    """
    reason = storage.home.reason(env.cr)
    if reason:
        env["queue.job"].release_copy()
    return {"reason": reason, "ok": bool(reason)}


def pause(env, name: str, paused: bool) -> dict[str, Any]:
    """Pause or resume a channel; ``ok``: it is in force.

    Transaction: part of the current one.
    """
    channel = _channel(env, name)
    channel.paused = paused
    in_force = channel.effective_paused == paused
    note = "" if in_force else channel.configuration_note or _why_still_paused(channel)
    return {
        "channel": channel.complete_name,
        "paused": channel.effective_paused,
        "note": note,
        "ok": in_force,
    }


def _why_still_paused(channel) -> str:
    return f"Its capacity is {channel.effective_capacity}: nothing runs."


def _channel(env, name: str):
    """The record of a channel, with or without "root." before its name."""
    full_name = complete(name)
    channels = env["queue.job.channel"]
    channel = channels.search([("complete_name", "=", full_name)])
    if channel:
        return channel
    if full_name in channels._known_names():
        raise Refused(
            f"Channel {full_name} has no record: it is in the server's configuration"
            " alone. Pause it there, or create it under Job Queue > Queue > Channels."
        )
    raise _no_channel(full_name, channels._known_names())


def _no_channel(name: str, known) -> Refused:
    close = difflib.get_close_matches(name, list(known), 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    text = f"There is no channel {name}.{meant} There are: {', '.join(sorted(known))}."
    return Refused(text)


def check_channels(env, names: Sequence[str]) -> None:
    """:raises Refused: neither a channel nor a job has one of these names"""
    known = env["queue.job.channel"]._known_names()
    for name in map(complete, names):
        if name not in known and not env["queue.job"].search(
            _of_channel(name), limit=1
        ):
            raise _no_channel(name, known)


# ----------------------------------------------------------------- jobs, selected


def domain(
    uuids: Sequence[str] = (),
    chosen: Sequence[str] = (),
    channels: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> Domain:
    """The jobs that all of the conditions hold for.

    :param chosen: states
    :param channels: with those below them
    :param methods: ``model.method`` each
    """
    found = Domain.TRUE
    if uuids:
        found &= Domain("uuid", "in", list(uuids))
    if chosen:
        found &= Domain("state", "in", list(chosen))
    if channels:
        found &= Domain.OR(_of_channel(name) for name in channels)
    if methods:
        found &= Domain.OR(_of_method(text) for text in methods)
    return found


def _of_channel(name: str) -> Domain:
    full_name = complete(name)
    pattern = re.sub(r"([\\%_])", r"\\\1", full_name) + ".%"
    return Domain("channel", "=", full_name) | Domain("channel", "=like", pattern)


def _of_method(text: str) -> Domain:
    model, _dot, method = text.replace("<", "").replace(">", "").rpartition(".")
    if not model:
        raise Refused(f"{text!r} is no method: write model.method (res.partner.write).")
    return Domain("model_name", "=", model) & Domain("method_name", "=", method)


def requeue(env, wanted: Domain, dry_run: bool = False) -> dict[str, Any]:
    """Put the jobs back into the queue, in transactions of their own."""
    return _move(env, wanted, dry_run, "requeued", _requeue)


def cancel(env, wanted: Domain, dry_run: bool = False) -> dict[str, Any]:
    """Cancel jobs, ask running ones to stop, in transactions of their own."""
    return _move(env, wanted, dry_run, "cancelled", _cancel)


def done(env, wanted: Domain, dry_run: bool = False) -> dict[str, Any]:
    """Set the jobs done without executing them, in transactions of their own."""
    return _move(env, wanted, dry_run, "set done", _set_done)


def _set_done(jobs):
    return jobs._change_job_state(states.DONE, "Set done from the command line")


def _requeue(jobs):
    return jobs._change_job_state(states.PENDING)


def _cancel(jobs):
    return jobs._cancel_or_stop("Cancelled from the command line")


def _move(env, wanted, dry_run, word, act) -> dict[str, Any]:
    """Act on the jobs, the oldest first, a batch at a time."""
    jobs, last, found, moved = env["queue.job"], 0, 0, 0
    while True:
        page = Domain("id", ">", last) & wanted
        batch = jobs.search(page, order="id", limit=_BATCH)
        if not batch:
            break
        last = batch[-1].id
        found += len(batch)
        if not dry_run:
            moved += len(act(batch))
            env.cr.commit()
    return {"found": found, word: moved, "ok": bool(found), "dry_run": dry_run}
