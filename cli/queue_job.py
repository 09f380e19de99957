# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``odoo-bin queue_job``: look after the job queue from a shell.

Odoo finds this file by its name and loads it alone; the add-on is imported once
its configuration is read. It looks for it before it reads ``-c``: a folder of add-ons
that only the configuration file names is known when ``ODOO_RC`` names that file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading

import psycopg2

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.cli.command import Command
from odoo.modules.registry import Registry
from odoo.service.server import load_server_wide_modules
from odoo.sql_db import db_connect
from odoo.tools import config

#: exit codes besides 0; argparse ends with 2 as well
NOT_WELL = 1
REFUSED = 2

_STATES = "wait_dependencies pending enqueued started done cancelled failed".split()


class QueueJob(Command):
    """Look after the job queue: status, check, list, show, run, requeue, cancel, …"""

    name = "queue_job"
    epilog = """
        Where only the configuration file names the folder of this add-on, say first
        which file that is, as -c is read too late for that:
        ODOO_RC=odoo.conf odoo-bin queue_job status -d production

        Exit codes: 0 all is as it was asked for; 1 it is not (status: jobs do not run
        as they should; run: a job failed; requeue, cancel: no job matches; bench: not
        all jobs were done); 2 what was asked for cannot be done, the message says why.
    """

    def run(self, args: list[str]) -> None:
        """Execute the sub-command that the arguments name, and exit."""
        options = _parse(self, args)
        try:
            database = _database(options)
            needs = database if options.act in _BY_CURSOR else _registry(database)
            found, text = options.act(options, needs)
        except _refusals() as error:
            _write(sys.stderr, f"{self.prog} {options.command}: {error}")
            sys.exit(REFUSED)
        if options.json:
            _write(sys.stdout, json.dumps(found, indent=2, default=str))
        else:
            _write(sys.stdout, text(found))
        sys.exit(0 if found["ok"] else NOT_WELL)


class _NoDatabase(Exception):
    """The database cannot be used; the message says why."""


def _write(stream, text: str) -> None:
    """Show a text that holds texts of others: they command no terminal."""
    from odoo.addons.queue_job.core.plain import screen

    stream.write(screen(text) + "\n")


def _refusals() -> tuple[type[Exception], ...]:
    from odoo.addons.queue_job.console import Refused

    return _NoDatabase, Refused, psycopg2.OperationalError, psycopg2.InterfaceError


def _database(options: argparse.Namespace) -> str:
    given = ["--no-http"]
    given += [] if options.verbose else ["--log-level=warn"]
    given += ["-c", options.config] if options.config else []
    given += ["-d", options.database] if options.database else []
    config.parse_config(given, setup_logging=True)
    names = config["db_name"]
    if len(names) != 1:
        raise _NoDatabase("name one database with -d")
    return names[0]


def _registry(database: str) -> Registry:
    load_server_wide_modules()
    try:
        registry = Registry(database)
    except psycopg2.OperationalError as error:
        raise _NoDatabase(str(error).strip()) from error
    if "queue.job" not in registry:
        raise _NoDatabase(f"queue_job is not installed in database {database}")
    return registry


# --------------------------------------------------------------------- sub-commands


def _status(options, database):
    from odoo.addons.queue_job.console import reading, texts

    with _cursor(database) as cr:
        return reading.status(cr), texts.status


def _check(options, registry):
    from odoo.addons.queue_job.console import checking, texts

    with registry.cursor() as cr:
        return checking.check(Environment(cr, SUPERUSER_ID, {})), texts.check


def _channels(options, database):
    from odoo.addons.queue_job.console import reading, texts

    with _cursor(database) as cr:
        return reading.channels(cr), texts.channels


def _list(options, database):
    from odoo.addons.queue_job.console import reading, texts

    with _cursor(database) as cr:
        found = reading.list_jobs(
            cr,
            options.uuid,
            options.state,
            options.channel,
            options.method,
            options.limit,
        )
    return found, texts.jobs


def _show(options, database):
    from odoo.addons.queue_job.console import reading, texts

    with _cursor(database) as cr:
        return reading.show(cr, options.uuid), texts.job


@contextlib.contextmanager
def _cursor(database: str):
    """A cursor on the database, which has the queue, without its registry."""
    from odoo.addons.queue_job.storage import presence

    with db_connect(database).cursor() as cr:
        if not presence.installed(cr):
            raise _NoDatabase(f"queue_job is not installed in database {database}")
        yield cr


#: what has no need of models, and of overrides by other add-ons
_BY_CURSOR = (_status, _channels, _list, _show)


def _run(options, registry):
    from odoo.addons.queue_job.console import commands, texts

    found = commands.run(registry, options.wait, options.seconds, _stop())
    return found, texts.run


def _release(options, registry):
    from odoo.addons.queue_job.console import commands, texts

    with registry.cursor() as cr:
        found = commands.release(Environment(cr, SUPERUSER_ID, {}))
    registry.signal_changes()
    return found, texts.release


def _pause(options, registry):
    from odoo.addons.queue_job.console import commands, texts

    with registry.cursor() as cr:
        env = Environment(cr, SUPERUSER_ID, {})
        paused = options.command == "pause"
        found = commands.pause(env, options.channel, paused)
    registry.signal_changes()
    return found, texts.pause


def _move(options, registry):
    from odoo.addons.queue_job.console import commands, texts

    act, usual = {
        "requeue": (commands.requeue, commands.REQUEUED),
        "retry": (commands.requeue, commands.REQUEUED),
        "done": (commands.done, commands.CANCELLED),
        "cancel": (commands.cancel, commands.CANCELLED),
    }[options.command]
    chosen = options.state or ([] if options.uuid else usual)
    wanted = commands.domain(options.uuid, chosen, options.channel, options.method)
    with registry.cursor() as cr:
        env = Environment(cr, SUPERUSER_ID, {})
        commands.check_channels(env, options.channel)
        found = act(env, wanted, options.dry_run)
    return found, texts.move


def _bench(options, registry):
    from odoo.addons.queue_job.console import benchmark, texts

    run = benchmark.Benchmark(
        registry, options.channel, options.here, options.seconds, _stop()
    )
    return run.run(options.number), texts.bench


def _stop() -> threading.Event:
    """An event that the first Ctrl-C sets; the second one ends at once."""
    event = threading.Event()

    def ask(number, _frame):
        if event.is_set():
            raise KeyboardInterrupt
        sys.stderr.write(
            "Stopping after the job under way; once more to end at once.\n"
        )
        event.set()

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return event


# ------------------------------------------------------------------------ arguments


def _parse(command: Command, args: list[str]) -> argparse.Namespace:
    parser = command.parser
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-c", "--config", help="Odoo's configuration file")
    common.add_argument("-d", "--database", help="name of the database")
    common.add_argument("--json", action="store_true", help="write the result as JSON")
    common.add_argument(
        "-v", "--verbose", action="store_true", help="log at Odoo's usual level"
    )

    def add(name, act, text):
        added = subparsers.add_parser(
            name, parents=[common], help=text, description=text
        )
        added.set_defaults(act=act)
        return added

    add("status", _status, "tell how the queue is doing")
    add("check", _check, "name each mistake of the deployment")
    add("channels", _channels, "tell the channels as they are in force")
    _add_list(add("list", _list, "list jobs, the latest first"))
    add("show", _show, "tell all about one job").add_argument("uuid")
    _add_run(add("run", _run, "execute jobs in this process until none is ready"))
    add("release", _release, "have the jobs of a copy of a database executed")
    for name, text in (
        ("pause", "have a channel and those below it start no jobs"),
        ("resume", "have a paused channel start jobs again"),
    ):
        add(name, _pause, text).add_argument("channel", help="such as root.export")
    for name, text, usual in (
        ("requeue", "put jobs back into the queue", "failed"),
        ("retry", "the same as requeue", "failed"),
        ("done", "set jobs done without executing them", "those not yet started"),
        ("cancel", "cancel jobs, ask running ones to stop", "those not yet started"),
    ):
        _add_selection(add(name, _move, text), usual)
    _add_bench(add("bench", _bench, "measure how fast empty jobs come in and out"))
    options = parser.parse_args(args)
    if options.act is _move and not (
        options.uuid or options.state or options.channel or options.method
    ):
        parser.error(f"{options.command}: give at least one condition, or --state")
    return options


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="end when there was nothing to execute for so long (default: 0)",
    )
    parser.add_argument(
        "--seconds", type=float, help="start no job after this time (default: no end)"
    )


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_conditions(parser, "all")
    parser.add_argument(
        "--limit", type=_number, default=50, help="at most so many (default: 50)"
    )


def _add_selection(parser: argparse.ArgumentParser, usual: str) -> None:
    _add_conditions(parser, usual)
    parser.add_argument(
        "--dry-run", action="store_true", help="tell how many jobs match, do nothing"
    )


def _add_conditions(parser: argparse.ArgumentParser, usual: str) -> None:
    parser.epilog = (
        "Each condition may be given several times; a job must fulfil one of each kind."
    )
    add = parser.add_argument
    add("--uuid", action="append", default=[])
    add(
        "--state",
        action="append",
        default=[],
        choices=_STATES,
        help=f"default, without --uuid: {usual}",
    )
    add("--channel", action="append", default=[], help="with the channels below it")
    add("--method", action="append", default=[], metavar="MODEL.METHOD")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("number", type=_number, nargs="?", default=1000, help="of jobs (default: 1000)")
    add("--channel", default="root", help="complete name (default: root)")
    add("--here", action="store_true", help="execute them in this process")
    add("--seconds", type=float, default=300, help="wait at most so long (300)")


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError("a number from 1 to 1000000 is needed")
    return number
