# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Between two jobs of a lease: what Odoo's server does between two requests."""

from __future__ import annotations

import dis
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


#: signals that end a process
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def from_signal(error: BaseException) -> bool:
    """Whether a signal that ends the process has raised it, and not a body.

    Odoo's servers stop without raising anything in the thread of a job: a prefork
    worker finishes its request or is killed, the threads of the other server are waited
    for. But a command executes jobs in the main thread, where the handlers of signals
    run: what they raise comes out of whatever is executed at this moment.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if not issubclass(type(error), (KeyboardInterrupt, SystemExit)):
        return False
    trail = error.__traceback__
    if trail is None:
        return False
    while trail.tb_next is not None:
        trail = trail.tb_next
    handlers = [signal.getsignal(number) for number in _ENDING]
    if trail.tb_frame.f_code in [getattr(each, "__code__", None) for each in handlers]:
        return True
    # Python's own handler has no frame: the error comes out of the middle of code
    # that did not raise it.
    by_default = type(error) is KeyboardInterrupt and (
        handlers[0] is signal.default_int_handler
    )
    step = trail.tb_frame.f_code.co_code[trail.tb_lasti]
    return by_default and dis.opname[step] not in ("RAISE_VARARGS", "RERAISE")
