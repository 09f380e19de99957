# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the queue is doing: channels, runners, and what is wrong."""

from __future__ import annotations

from datetime import timedelta

from odoo import api, models
from odoo.tools import config as odoo_config

from .. import buffer, clock, storage
from ..core import health, home
from ..core.channels import ROOT, lineage
from ..jobrunner import config as runner_config
from ..jobrunner import configured
from ..storage.backlog import Backlog

_SUMMED = ("enqueued", "started", "running", "pending", "scheduled", "failed")
#: a scheduled action that is late by so much is not called by anybody
_OVERDUE = timedelta(minutes=5)


class QueueJobStat(models.Model):
    _inherit = "queue.job.stat"

    @api.model
    def _overview(self):
        """How the queue is doing at this moment.

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
        buffer.flush(self.env)
        cr = self.env.cr
        backlog, oldest = storage.backlog.backlog(cr), storage.backlog.oldest(cr)
        runners = storage.figures.runners(cr)
        # A shell, or one server of several, may have another configuration.
        told = [runner.configuration for runner in runners]
        wanted = configured.of_servers(cr, told, runner_config.get())
        effective = self.env["queue.job.channel"]._in_force(configured=wanted)
        channels = _channels(effective, backlog, oldest)
        facts = self._facts(effective, runners, channels[0])
        names = self._rest_text(facts.rest)
        problems = [self._problem(code, names) for code in health.problems(facts)]
        problems += self._unreadable(told) + self._skewed(facts)
        problems += self._delays(effective, backlog, oldest, facts)
        return {
            "channels": channels,
            "runners": [runner._asdict() for runner in runners],
            "executed_by": health.executed_by(facts),
            "problems": problems,
            "warning": "\n".join(each["text"] for each in problems) or False,
        }

    @api.model
    def _health(self):
        """``(whether jobs run as they should, [texts why not])``"""
        errors = [each for each in self._overview()["problems"] if each["error"]]
        return not errors, [each["text"] for each in errors]

    def _facts(self, effective, runners, root):
        cron = self.env.ref("queue_job.ir_cron_queue_job_run", raise_if_not_found=False)
        cron = cron and cron.sudo().exists()
        overdue = cron and cron.nextcall < clock.now(self.env.cr) - _OVERDUE
        top = effective[ROOT].channel
        return health.Facts(
            runners=len(runners),
            server_wide="queue_job" in odoo_config["server_wide_modules"],
            root_off=top.paused or top.places == 0,
            cron=bool(cron and cron.active),
            # The action is not called again as long as a job that it runs lasts.
            cron_overdue=bool(overdue and not root["running"]),
            busy=storage.figures.is_busy(self.env.cr),
            rest=storage.home.reason(self.env.cr),
            versions=frozenset(runner.version or "" for runner in runners),
            skew=clock.skew(self.env.cr),
        )

    def _unreadable(self, told):
        """What is said of a channels option with a mistake in it."""
        errors = configured.errors(told, runner_config.get())
        return [self._problem(health.BAD_CHANNELS, " ".join(errors))] if errors else []

    def _skewed(self, facts):
        """What is said of the clock of the server that answers."""
        if not health.is_skewed(facts):
            return []
        return [self._problem(health.CLOCK, f"{facts.skew:+.0f}")]

    # ------------------------------------------------------------------- delays

    def _delays(self, effective, backlog, oldest, facts):
        """Jobs that wait although somebody is there to execute them."""
        found = []
        stalled = []
        if health.executed_by(facts) != health.NOBODY and not facts.busy:
            stalled = self._stalled(effective, backlog, oldest)
        if stalled:
            found.append(self._problem(health.STALLED, ", ".join(stalled)))
        most = self._most_seconds()
        late = sorted(name for name, age in oldest.items() if most and age > most)
        if late:
            found.append(self._problem(health.LATE, ", ".join(late)))
        return found

    def _stalled(self, effective, backlog, oldest):
        tree = {name: each.channel for name, each in effective.items()}
        loads = {
            name: health.Load(jobs.started, oldest.get(name), jobs.scheduled)
            for name, jobs in backlog.items()
        }
        found = []
        for name in health.suspects(tree, loads):
            # Nothing runs there at this moment, but perhaps a job has just ended.
            age = storage.figures.last_end(self.env.cr, name)
            if age is None or age > health.PATIENCE:
                found.append(name)
        return found

    def _most_seconds(self):
        """After how many seconds a waiting job is late; 0: never."""
        parameters = self.env["ir.config_parameter"].sudo()
        text = parameters.get_param("queue_job.health_max_wait") or ""
        return int(text) if text.isdecimal() else 0

    # -------------------------------------------------------------------- texts

    def _rest_text(self, reason):
        texts = {
            home.NEUTRALIZED: self.env._("this database is neutralized."),
            home.DUPLICATED: self.env._(
                "this database is a duplicate of the one whose jobs it has."
            ),
            home.CLONED: self.env._(
                "this database is a copy, under another name, of the one whose jobs it"
                " has."
            ),
        }
        return reason and texts.get(reason, reason)

    def _problem(self, code, names=""):
        return {
            "code": code,
            "error": code in health.ERRORS,
            "text": self._problem_texts(names)[code],
        }

    def _problem_texts(self, names):
        return {
            health.RESTING: self.env._(
                "No job is executed: %s Release it on the dashboard of the queue, or"
                " with odoo-bin queue_job release, if its jobs are to be executed here"
                " as well.",
                names,
            ),
            health.ROOT_OFF: self.env._(
                "Nothing runs: the root channel is paused or has capacity 0. Resume it"
                " under Job Queue > Queue > Channels, or change it in the server's"
                " configuration if that names it."
            ),
            health.NO_RUNNER: self.env._(
                "Nobody executes jobs: no runner was seen for 15 seconds, and the"
                " scheduled action that would stand in is off or not called. Look for"
                " 'queue job runner' in the log of the server, and restart it; a server"
                " started with --no-http or --stop-after-init has no runner."
            ),
            health.NO_CRON: self.env._(
                "Nobody executes jobs: the scheduled action 'Job Queue: run jobs' is"
                " switched off or deleted. Activate it, or better add queue_job to"
                " server_wide_modules in the server's configuration and restart it."
            ),
            health.CRON_OVERDUE: self.env._(
                "Nobody executes jobs: the scheduled action 'Job Queue: run jobs' is"
                " due for some minutes, but no server calls it. Start a server with"
                " max_cron_threads of at least 1, or better add queue_job to"
                " server_wide_modules in the server's configuration and restart it."
            ),
            health.RUNNER_MISSING: self.env._(
                "No runner was seen for 15 seconds: a scheduled action executes the"
                " jobs meanwhile, one by one and late. Look for 'queue job runner' in"
                " the log of the server, and restart it."
            ),
            health.CRON_ONLY: self.env._(
                "A scheduled action executes the jobs, one by one. Add queue_job to"
                " server_wide_modules in the server's configuration and restart it to"
                " have them executed at once and side by side."
            ),
            health.BUSY: self.env._(
                "No job is started: modules are marked to be installed, updated or"
                " removed. Finish that under Apps, or cancel it there."
            ),
            health.VERSIONS: self.env._(
                "Runners of different versions are at work: restart all servers with"
                " the same version of the add-on."
            ),
            health.BAD_CHANNELS: self.env._(
                "The channels of the configuration cannot be read; those that could be"
                " read last are in force. Correct it and restart the servers. %s",
                names,
            ),
            health.CLOCK: self.env._(
                "The clock of the database is %s seconds away from that of this server:"
                " jobs go by the clock of the database, but dates that other code"
                " writes do not. Have both machines set their clocks by NTP.",
                names,
            ),
            health.STALLED: self.env._(
                "Jobs wait although their channels have room: %s. The requests of the"
                " runner do not get through to the server: look for 'queue job runner'"
                " in its log, and check scheme, host and port in the section"
                " [queue_job] of its configuration.",
                names,
            ),
            health.LATE: self.env._(
                "Jobs wait for longer than queue_job.health_max_wait allows: %s. Raise"
                " the capacity of their channels, or find out what takes so long.",
                names,
            ),
        }


def _channels(effective, backlog, oldest):
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
