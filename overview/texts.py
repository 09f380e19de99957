# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people are told of a queue that is not well, with the remedy.

``env`` translates: Odoo's environment where somebody reads it in his language,
:class:`English` in a shell. Odoo's export finds the texts by the name of the method.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..core import health, home


class Translator(Protocol):
    """What :class:`odoo.api.Environment` has for texts."""

    def _(self, source: str, /, *values: Any) -> str: ...


class English:
    """The texts as they are written."""

    @staticmethod
    def _(source: str, /, *values: Any) -> str:
        return source % values if values else source


def rest(env: Translator, reason: str | None) -> str | None:
    """Why nothing is executed in a copy of a database."""
    texts = {
        home.NEUTRALIZED: env._("this database is neutralized."),
        home.DUPLICATED: env._(
            "this database is a duplicate of the one whose jobs it has."
        ),
        home.CLONED: env._(
            "this database is a copy, under another name, of the one whose jobs it has."
        ),
    }
    return reason and texts.get(reason, reason)


def problem(env: Translator, code: str, names: str) -> str:
    """What is wrong.

    :param names: what it concerns
    """
    return _problems(env, names)[code]


def _problems(env, names):
    return {
        health.RESTING: env._(
            "No job is executed: %s Release it on the dashboard of the queue, or"
            " with odoo-bin queue_job release, if its jobs are to be executed here"
            " as well.",
            names,
        ),
        health.ROOT_OFF: env._(
            "Nothing runs: the root channel is paused or has capacity 0. Resume it"
            " under Job Queue > Queue > Channels, or change it in the server's"
            " configuration if that names it."
        ),
        health.NO_RUNNER: env._(
            "Nobody executes jobs: no runner was seen for 15 seconds, and the"
            " scheduled action that would stand in is off or not called. Look for"
            " 'queue job runner' in the log of the server, and restart it; a server"
            " started with --no-http or --stop-after-init has no runner."
        ),
        health.NO_CRON: env._(
            "Nobody executes jobs: the scheduled action 'Job Queue: run jobs' is"
            " switched off or deleted. Activate it, or better add queue_job to"
            " server_wide_modules in the server's configuration and restart it."
        ),
        health.CRON_OVERDUE: env._(
            "Nobody executes jobs: the scheduled action 'Job Queue: run jobs' is"
            " due for some minutes, but no server calls it. Start a server with"
            " max_cron_threads of at least 1, or better add queue_job to"
            " server_wide_modules in the server's configuration and restart it."
        ),
        health.RUNNER_MISSING: env._(
            "No runner was seen for 15 seconds: a scheduled action executes the"
            " jobs meanwhile, one by one and late. Look for 'queue job runner' in"
            " the log of the server, and restart it."
        ),
        health.CRON_ONLY: env._(
            "A scheduled action executes the jobs, one by one. Add queue_job to"
            " server_wide_modules in the server's configuration and restart it to"
            " have them executed at once and side by side."
        ),
        health.BUSY: env._(
            "No job is started: modules are marked to be installed, updated or"
            " removed. Finish that under Apps, or cancel it there."
        ),
        health.VERSIONS: env._(
            "Runners of different versions are at work: restart all servers with"
            " the same version of the add-on."
        ),
        health.BAD_CHANNELS: env._(
            "The channels of the configuration cannot be read; those that could be"
            " read last are in force. Correct it and restart the servers. %s",
            names,
        ),
        health.CLOCK: env._(
            "The clock of the database is %s seconds away from that of this server:"
            " jobs go by the clock of the database, but dates that other code"
            " writes do not. Have both machines set their clocks by NTP.",
            names,
        ),
        health.STALLED: env._(
            "Jobs wait although their channels have room: %s. The requests of the"
            " runner do not get through to the server: look for 'queue job runner'"
            " in its log, and check scheme, host and port in the section"
            " [queue_job] of its configuration.",
            names,
        ),
        health.LATE: env._(
            "Jobs wait for longer than queue_job.health_max_wait allows: %s. Raise"
            " the capacity of their channels, or find out what takes so long.",
            names,
        ),
    }
