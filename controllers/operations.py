# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``/queue_job/health`` and ``/queue_job/metrics``: for who watches over servers."""

from __future__ import annotations

import hmac

from werkzeug.exceptions import NotFound, Unauthorized

from odoo import SUPERUSER_ID, http

from .. import storage
from ..core.exposition import (
    CONTENT_TYPE,
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Metric,
    render,
)
from ..core.health import ERRORS
from ..jobrunner import config as runner_config
from ..storage.rollup import OUTCOMES

_PREFIX = "queue_job_"
_ROUTE = {
    "type": "http",
    "auth": "none",
    "methods": ["GET"],
    "save_session": False,
    "readonly": True,
}


class OperationsController(http.Controller):
    """What monitors ask, once a token is configured.

    The token is ``metrics_token`` of the server's configuration (section
    ``[queue_job]`` or ``ODOO_QUEUE_JOB_METRICS_TOKEN``), else the system parameter
    ``queue_job.metrics_token`` of the database. It is given as
    ``Authorization: Bearer <token>``, or ``?token=`` where that cannot be.
    """

    @http.route("/queue_job/health", **_ROUTE)
    def health(self, token="", **_kwargs):
        """Whether jobs run as they should: status 200, else 503 with the reasons."""
        env = _verified_env(token)
        well, reasons = env["queue.job.stat"]._health()
        content = {"status": "ok" if well else "degraded", "reasons": reasons}
        return http.request.make_json_response(content, status=200 if well else 503)

    @http.route("/queue_job/metrics", **_ROUTE)
    def metrics(self, token="", **_kwargs):
        """The figures of the database in Prometheus' text format."""
        env = _verified_env(token)
        overview = env["queue.job.stat"]._overview()
        metrics = [
            *_of_channels(overview["channels"]),
            *_of_ends(storage.figures.totals(env.cr)),
            *_of_runners(overview["runners"]),
            *_of_problems(overview),
        ]
        return http.request.make_response(
            render(metrics), headers=[("Content-Type", CONTENT_TYPE)]
        )


def _verified_env(token: str):
    """An environment for who knows the token; without any there is no such page."""
    if not http.request.db:
        raise NotFound()
    env = http.request.env(user=SUPERUSER_ID, context={})
    # Nobody is logged in here; the token is compared, and goes no further.
    parameters = env["ir.config_parameter"].sudo()
    wanted = (runner_config.get().metrics_token or "").strip()
    wanted = wanted or parameters.get_param("queue_job.metrics_token", "").strip()
    if not wanted:
        raise NotFound()
    authorization = http.request.httprequest.headers.get("Authorization", "")
    scheme, _space, bearer = authorization.partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else token
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        challenge = http.request.make_response("", status=401)
        challenge.headers["WWW-Authenticate"] = "Bearer"
        raise Unauthorized(response=challenge)
    return env


def _metric(name: str, kind: str, text: str) -> Metric:
    return Metric(_PREFIX + name, kind, text)


def _of_channels(channels) -> list[Metric]:
    """Of each channel without those below it, so that they can be added."""
    capacity = _metric(
        "channel_capacity",
        GAUGE,
        "Jobs of the channel and those below it that run at most at the same time;"
        " without a limit of its own there is no sample.",
    )
    paused = _metric("channel_paused", GAUGE, "1 when the channel starts no jobs.")
    oldest = _metric(
        "oldest_waiting_seconds",
        GAUGE,
        "How long the job waits that waits longest, of those that may run.",
    )
    counts = {
        "running": "Jobs enqueued or started.",
        "started": "Jobs being executed.",
        "pending": "Jobs that may run and wait for a place; at least, when very many"
        " have just come in.",
        "scheduled": "Jobs that wait for their date.",
        "failed": "Jobs that failed and wait for somebody's decision.",
    }
    metrics = {name: _metric(name, GAUGE, text) for name, text in counts.items()}
    for channel in channels:
        label = {"channel": channel["name"]}
        capacity.add(channel["capacity"], **label)
        if channel["paused"] is not None:
            paused.add(int(channel["paused"]), **label)
        oldest.add(channel["own"]["oldest"] or 0, **label)
        for name, metric in metrics.items():
            metric.add(channel["own"][name], **label)
    return [capacity, paused, *metrics.values(), oldest]


def _of_ends(totals) -> list[Metric]:
    """What was added up since the counting began; some seconds late."""
    ended = _metric(
        "ended_total",
        COUNTER,
        "Ends of jobs and of their tries: done, failed, retry (tried again later),"
        " cancelled, died (the worker did, and the job was rescued).",
    )
    wait = _metric(
        "wait_seconds",
        HISTOGRAM,
        "How long jobs that could run waited for their first start.",
    )
    run = _metric(
        "run_seconds", HISTOGRAM, "How long tries lasted, however they ended."
    )
    for channel, sums in totals.items():
        for outcome in OUTCOMES:
            ended.add(getattr(sums, outcome), channel=channel, outcome=outcome)
        wait.add_histogram(sums.wait_histogram, sums.wait_seconds, channel=channel)
        run.add_histogram(sums.run_histogram, sums.run_seconds, channel=channel)
    return [ended, wait, run]


def _of_runners(runners) -> list[Metric]:
    alive = _metric("runners", GAUGE, "Runners that are alive.")
    alive.add(len(runners))
    counts = {
        "passes": "Looks of the runner at the database.",
        "dispatched": "Requests to execute jobs that the runner sent.",
        "rescued": "Jobs whose worker died that the runner put back or gave up.",
    }
    # One that was restarted in a container may have the name of the one before.
    latest = {
        (runner["node"] or "", str(runner["pid"])): runner
        for runner in sorted(runners, key=lambda each: each["started_at"])
    }
    metrics = []
    for name, text in counts.items():
        metric = _metric(f"runner_{name}_total", COUNTER, text)
        for (node, pid), runner in latest.items():
            metric.add(runner[name], node=node, pid=pid)
        metrics.append(metric)
    return [alive, *metrics]


def _of_problems(overview) -> list[Metric]:
    healthy = _metric("healthy", GAUGE, "1 when jobs run as they should.")
    problem = _metric("problem", GAUGE, "1 for each thing that is wrong, by its code.")
    present = {each["code"] for each in overview["problems"]}
    healthy.add(int(not present & ERRORS))
    for code in sorted(ERRORS):
        problem.add(int(code in present), code=code)
    return [healthy, problem]
