# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``odoo-bin queue_job check``: each mistake of a deployment by its name."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from odoo import http
from odoo.tools import config as odoo_config

from .. import storage
from ..core.channels import ROOT
from ..jobrunner import config as runner_config
from ..jobrunner import configured

#: seconds that the clocks of this machine and PostgreSQL may differ
SKEW = 2.0


class Finding(NamedTuple):
    """Something to put right, or (no error) to know."""

    code: str
    error: bool
    text: str


def check(env) -> dict[str, Any]:
    """Look for mistakes of the deployment; ``ok``: there is no error."""
    found = [*_of_overview(env), *_of_configuration(env), *_of_jobs(env)]
    found += [*_of_functions(env), *_of_server(env)]
    return {
        "database": env.cr.dbname,
        "findings": [finding._asdict() for finding in found],
        "ok": not any(finding.error for finding in found),
    }


def _of_overview(env) -> Iterator[Finding]:
    for problem in env["queue.job.stat"]._overview()["problems"]:
        yield Finding(problem["code"], problem["error"], problem["text"])


def _of_configuration(env) -> Iterator[Finding]:
    errors: list[ValueError] = []
    config = runner_config.load(report=errors.append)
    for error in errors:
        yield Finding("bad_option", True, f"{error} The option is left out.")
    names = set(env["queue.job.channel"].sudo().search([]).mapped("complete_name"))
    for spec in config.channels:
        if spec.name not in names:
            yield Finding(
                "unknown_channel",
                False,
                f"The configuration names the channel {spec.name}, which has no record"
                f" and so no function.{_did_you_mean(spec.name, names)}",
            )


def _of_jobs(env) -> Iterator[Finding]:
    specs = configured.channels(env.cr, runner_config.get())
    known = env["queue.job.channel"]._known_names()
    named = [spec.name for spec in specs]
    for name in storage.recovery.unknown_channels(env.cr, named):
        yield Finding(
            "jobs_in_unknown_channel",
            True,
            f"Jobs wait in the channel {name}, which does not exist: create it, or move"
            f" them.{_did_you_mean(name, known)}",
        )
    for model, method, number in storage.listing.waiting_methods(env.cr):
        if model not in env or not hasattr(type(env[model]), method or ""):
            yield Finding(
                "method_gone",
                True,
                f"{number} jobs wait for {model}.{method}, which does not exist: they"
                " will fail. Install the add-on that has it, or cancel them: odoo-bin"
                f" queue_job cancel --method {model}.{method}",
            )


def _of_functions(env) -> Iterator[Finding]:
    for function in env["queue.job.function"].sudo().search([]):
        if function.method_missing:
            text = "the model has no such method (any more): delete the function."
            yield Finding("function_gone", False, f"{function.name}: {text}")
        elif function.decorator_missing:
            text = "the code does not declare it any more: it cannot be delayed."
            yield Finding("undeclared", False, f"{function.name}: {text}")


def _of_server(env) -> Iterator[Finding]:
    """Mistakes of the configuration that this command was given, too."""
    config = runner_config.get()
    if "queue_job" not in odoo_config["server_wide_modules"]:
        yield Finding(
            "not_server_wide",
            False,
            "queue_job is not among server_wide_modules: a scheduled action executes"
            " the jobs, one by one.",
        )
    if not http.db_filter([env.cr.dbname], host=config.host):
        yield Finding(
            "dbfilter",
            True,
            f"dbfilter {odoo_config['dbfilter']!r} does not let the host {config.host}"
            f" see the database {env.cr.dbname}: requests of the runner are refused.",
        )
    yield from _of_workers(env)
    skew = time.time() - storage.listing.clock(env.cr)
    if abs(skew) > SKEW:
        yield Finding(
            "clock_skew",
            True,
            f"The clock of this machine differs from PostgreSQL's by {skew:.1f} s: have"
            " both follow a time server.",
        )


def _of_workers(env) -> Iterator[Finding]:
    workers = odoo_config["workers"]
    capacity = env["queue.job.channel"]._in_force()[ROOT].channel.places
    if workers and (capacity is None or capacity > workers):
        yield Finding(
            "capacity_above_workers",
            False,
            f"The root channel lets {capacity or 'any number of'} jobs run at once, the"
            f" server has {workers} workers: give root at most that many, less those"
            " that people need.",
        )


def _did_you_mean(name: str, names) -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    return f" Did you mean {close[0]}?" if close else ""
