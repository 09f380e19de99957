# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's place in Odoo's servers: a thread of the main process."""

from __future__ import annotations

import functools
import os
import threading

import odoo
from odoo.service import server
from odoo.tools import config as odoo_config

from ..core.channels import ROOT
from ..log_lines import get_logger
from . import config as configuration
from .runner import QueueJobRunner, start_thread

_logger = get_logger(__name__)

#: seconds that a server that stops waits for the runner
_PATIENCE = 2.0
_MODULE = "queue_job"


class _Place:
    """The runner of this process."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.runner: QueueJobRunner | None = None
        self.pid = 0
        self.stopped = False

    def ensure(self, kind: str) -> None:
        """Start the runner, unless it runs or is not wanted here."""
        if self.pid != os.getpid():
            # A forked process: the thread is its parent's.
            self.thread, self.runner, self.pid = None, None, os.getpid()
        if self.stopped or (self.thread is not None and self.thread.is_alive()):
            return
        if not wanted():
            self.stopped = True
            return
        if self.thread is not None:
            _logger.error("queue job runner: its thread had died, starts again")
        self.thread, self.runner = start_thread(kind)

    def stop(self) -> None:
        """Stop the runner, when the server stops."""
        self.stopped = True
        if self.runner is None or self.pid != os.getpid():
            return
        self.runner.stop()
        self.thread.join(_PATIENCE)


_place = _Place()
_originals: dict[tuple[type, str], object] = {}


def wanted() -> bool:
    """Whether a runner is to work in this process."""
    if _MODULE not in odoo_config["server_wide_modules"] or odoo.evented:
        return False
    if odoo_config["stop_after_init"] or odoo_config["test_enable"]:
        return False
    if not odoo_config["http_enable"]:
        return False
    channels = configuration.get().channels
    if any(spec.name == ROOT and spec.capacity == 0 for spec in channels):
        _logger.info("queue job runner: not started, the root channel has capacity 0")
        return False
    return True


def install() -> None:
    """Have Odoo's servers start the runner, when they are ready to serve."""
    if _originals or _MODULE not in odoo_config["server_wide_modules"]:
        return
    _place.stopped = False
    _patch(server.ThreadedServer, "cron_spawn", "threaded")
    # Called again and again, after the workers are forked: a thread that has died is
    # started again.
    _patch(server.PreforkServer, "process_spawn", "prefork")
    server.CommonServer.on_stop(_place.stop)


def uninstall() -> None:
    """Undo :func:`install`, and stop the runner."""
    for (klass, name), original in _originals.items():
        setattr(klass, name, original)
    _originals.clear()
    callbacks = server.CommonServer._on_stop_funcs
    while _place.stop in callbacks:
        callbacks.remove(_place.stop)
    _place.stop()


def _patch(klass: type, name: str, kind: str) -> None:
    original = getattr(klass, name)

    @functools.wraps(original)
    def spawn(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        _place.ensure(kind)
        return result

    _originals[klass, name] = original
    setattr(klass, name, spawn)
