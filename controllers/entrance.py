# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The short way to ``/queue_job/runjob``, before Odoo's own dispatch of requests.

Session, routing, a cursor to look for changes, another one to serve: what Odoo does
before it calls a route takes longer than all the rest of a job's way from its commit to
its start. A runner's request needs none of it. It is answered here: the proof first,
then the lease. Where this is not in place (the add-on is not loaded server-wide) the
route of ``RunJobController`` does the same.
"""

from __future__ import annotations

import functools
import threading
from contextlib import closing
from urllib.parse import parse_qs

import psycopg2

from odoo import SUPERUSER_ID, http
from odoo.api import Environment
from odoo.modules.registry import Registry
from odoo.service.server import thread_local
from odoo.tools.misc import real_time

from .. import executor
from ..jobrunner import config as runner_config
from ..log_lines import get_logger

_logger = get_logger(__name__)

PATH = "/queue_job/runjob"

_original = None


def install() -> None:
    """Answer requests to run jobs before Odoo dispatches them."""
    global _original
    if _original is None:
        _original = http.Application.__call__
        http.Application.__call__ = _answering(_original)


def uninstall() -> None:
    """Leave all requests to Odoo."""
    global _original
    if _original is not None:
        http.Application.__call__, _original = _original, None


def _answering(original):
    @functools.wraps(original)
    def __call__(self, environ, start_response):
        if environ.get("PATH_INFO") != PATH or "HTTP_X_ODOO_DATABASE" not in environ:
            return original(self, environ, start_response)
        status = _status(environ)
        start_response(
            status, [("Content-Type", "text/plain"), ("Content-Length", "0")]
        )
        return [b""]

    return __call__


def _status(environ) -> str:
    try:
        database = _database(environ["HTTP_X_ODOO_DATABASE"])
        uuid, attempt, proof = parse(parse_qs(environ.get("QUERY_STRING", "")))
        if not _proven(environ, database, uuid, attempt, proof):
            return "403 FORBIDDEN"
        _serve(database, uuid, attempt, environ)
        return "200 OK"
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        # It went away, or has no connection to give: what was under way is rescued,
        # and the runner comes again.
        _logger.warning("A request to run a job failed with PostgreSQL: %s", error)
        return "503 SERVICE UNAVAILABLE"
    except Exception:
        _logger.exception("A request to run a job failed")
        return "500 INTERNAL SERVER ERROR"


def _database(header: str) -> str:
    """The name that was sent: a header's bytes reach an application as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def parse(query: dict[str, list[str]]) -> tuple[str, int, str]:
    """Job, attempt and proof of a request; what is not one fits no proof."""
    attempt = query.get("attempt", [""])[-1]
    number = -1
    if attempt.isascii() and attempt.isdecimal() and len(attempt) < 10:
        number = int(attempt)
    return query.get("job_uuid", [""])[-1], number, query.get("proof", [""])[-1]


def _proven(environ, database: str, uuid: str, attempt: int, proof: str) -> bool:
    """Before anything else: does a runner of this very database ask? (D12)"""
    if not http.db_filter([database], host=environ.get("HTTP_HOST", "")):
        return False
    return executor.prove(database, uuid, attempt, proof)


def _serve(database: str, uuid: str, attempt: int, environ) -> None:
    _present(database, environ)
    registry = Registry(database)
    with closing(registry.cursor()) as cr:
        env = Environment(cr, SUPERUSER_ID, {})
        seconds = runner_config.get().lease_seconds
        executor.serve(env, executor.hooks_of(registry), uuid, attempt, seconds)


def _present(database: str, environ) -> None:
    """What the log and Odoo's limits know of a thread that serves a request."""
    thread = threading.current_thread()
    thread.query_count = 0
    thread.query_time = 0
    thread.perf_t0 = real_time()
    thread.cursor_mode = "rw"
    thread.dbname = database
    thread.url = environ.get("PATH_INFO")
    if hasattr(thread, "uid"):
        del thread.uid
    # of an earlier request that this thread has served
    thread_local.rpc_model_method = ""
