# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the queue is doing at this moment, and what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from odoo.tools import config as odoo_config

from .. import clock, storage
from ..core import channel_config, health
from ..core.channel_config import Effective
from ..core.channels import ROOT
from ..jobrunner import config as runner_config
from ..jobrunner import configured
from ..storage.backlog import Backlog
from . import texts
from .channels import channels

#: a scheduled action that is late by so much is not called by anybody
_OVERDUE = timedelta(minutes=5)


def overview(cr, env: texts.Translator | None = None) -> dict[str, Any]:
    """How the queue is doing at this moment.

    :param env: translates (default: English)
    :return:
        ``channels``: by name, each with ``name``; ``capacity`` (None: no limit of
        its own), ``sequential``, ``throttle``, ``paused`` as they are in force and
        ``configured`` (the server's configuration says so); ``enqueued``,
        ``started``, ``running`` (both), ``pending``, ``scheduled`` (for a date)
        and ``failed`` jobs, ``capped`` (there are more of them, which would have
        taken too long to count) and ``oldest`` (seconds that a job waits, None),
        all with the channels below it; the same without these as ``own``;
        ``runners``: those that are alive;
        ``executed_by``: ``runner``, ``cron`` or ``nobody``;
        ``problems``: ``code``, ``error`` (jobs do not run as they should) and
        ``text`` with the remedy, the worst first;
        ``warning``: the texts of them as one, or False.
    """
    env = env or texts.English()
    backlog, oldest = storage.backlog.backlog(cr), storage.backlog.oldest(cr)
    runners = storage.figures.runners(cr)
    # A shell, or one server of several, may have another configuration.
    told = [runner.configuration for runner in runners]
    effective = in_force(cr, configured.of_servers(cr, told, runner_config.get()))
    found = channels(effective, backlog, oldest)
    facts = _facts(cr, effective, runners, found[0])
    codes = dict.fromkeys(health.problems(facts), texts.rest(env, facts.rest))
    codes |= _unreadable(told) | _skewed(facts)
    codes |= _delays(cr, effective, backlog, oldest, facts)
    problems = [_problem(env, code, names) for code, names in codes.items()]
    return {
        "channels": found,
        "runners": [runner._asdict() for runner in runners],
        "executed_by": health.executed_by(facts),
        "problems": problems,
        "warning": "\n".join(each["text"] for each in problems) or False,
    }


def in_force(cr, wanted: configured.Specs) -> Mapping[str, Effective]:
    """The channels by their stored records and a configuration, which wins."""
    records = [
        channel_config.ChannelSpec(name, capacity or None, *settings)
        for name, capacity, *settings in storage.channel.records(cr)
    ]
    return channel_config.merge(records, wanted)


def _facts(cr, effective, runners, root) -> health.Facts:
    cron = storage.figures.cron(cr)
    overdue = cron and cron.nextcall < clock.now(cr) - _OVERDUE
    top = effective[ROOT].channel
    return health.Facts(
        runners=len(runners),
        server_wide="queue_job" in odoo_config["server_wide_modules"],
        root_off=top.paused or top.places == 0,
        cron=bool(cron and cron.active),
        # The action is not called again as long as a job that it runs lasts.
        cron_overdue=bool(overdue and not root["running"]),
        busy=storage.figures.is_busy(cr),
        rest=storage.home.reason(cr),
        versions=frozenset(runner.version or "" for runner in runners),
        skew=clock.skew(cr),
    )


def _problem(env: texts.Translator, code: str, names: str | None) -> dict[str, Any]:
    text = texts.problem(env, code, names or "")
    return {"code": code, "error": code in health.ERRORS, "text": text}


def _unreadable(told: Collection[str | None]) -> dict[str, str]:
    """A channels option with a mistake in it."""
    errors = configured.errors(told, runner_config.get())
    return {health.BAD_CHANNELS: " ".join(errors)} if errors else {}


def _skewed(facts: health.Facts) -> dict[str, str]:
    """The clock of the machine that answers."""
    if not health.is_skewed(facts):
        return {}
    return {health.CLOCK: f"{facts.skew:+.0f}"}


# ------------------------------------------------------------------------------ delays


def _delays(cr, effective, backlog, oldest, facts) -> dict[str, str]:
    """Jobs that wait although somebody is there to execute them."""
    found = {}
    stalled = []
    if health.executed_by(facts) != health.NOBODY and not facts.busy:
        stalled = _stalled(cr, effective, backlog, oldest)
    if stalled:
        found[health.STALLED] = ", ".join(stalled)
    most = storage.figures.most_wait(cr)
    late = sorted(name for name, age in oldest.items() if most and age > most)
    if late:
        found[health.LATE] = ", ".join(late)
    return found


def _stalled(
    cr,
    effective: Mapping[str, Effective],
    backlog: Mapping[str, Backlog],
    oldest: Mapping[str, float],
) -> list[str]:
    tree = {name: each.channel for name, each in effective.items()}
    loads = {
        name: health.Load(jobs.started, oldest.get(name), jobs.scheduled)
        for name, jobs in backlog.items()
    }
    found = []
    for name in health.suspects(tree, loads):
        # Nothing runs there at this moment, but perhaps a job has just ended.
        age = storage.figures.last_end(cr, name)
        if age is None or age > health.PATIENCE:
            found.append(name)
    return found
