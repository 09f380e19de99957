# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Between two jobs of a lease: what Odoo's server does between two requests."""

from __future__ import annotations

import signal
import threading
import time

from odoo.service import server


def between_jobs(env) -> bool:
    """Renew the server's limits for the next job; return whether it may start.

    Odoo counts its limits of time, CPU and memory per request. A lease is one request
    with several jobs, so each job gets what a request of its own would have; and a
    worker that was asked to stop, or has to, takes no further one.
    """
    worker = _prefork_worker()
    if worker is not None:
        worker.check_limits()
        worker.multi.pipe_ping(worker.watchdog_pipe)
        return worker.alive
    threading.current_thread().start_time = time.time()
    return not getattr(server.server, "quit_signals_received", 0)


def _prefork_worker():
    """The prefork worker that this process is; None in another kind of server."""
    # Odoo keeps no name for it: its signal handler is a method of it
    handler = signal.getsignal(signal.SIGINT)
    worker = getattr(handler, "__self__", None)
    return worker if isinstance(worker, server.Worker) else None
