# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs within the traces of what enqueued them.

Nothing is traced unless somebody registers two functions, here those of OpenTelemetry::

    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import (
        TraceContextTextMapPropagator,
    )
    from odoo.addons.queue_job import tracing

    PROPAGATOR = TraceContextTextMapPropagator()

    def inject():
        carrier = {}
        PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def extract(job, text):
        parent = PROPAGATOR.extract({"traceparent": text}) if text else None
        tracer = trace.get_tracer("queue_job")
        return tracer.start_as_current_span(job.func_string, context=parent)

    tracing.register(inject, extract)

The text travels with the job, in its field ``trace``. An error of either function is
logged and disturbs no job.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from .log_lines import get_logger

_logger = get_logger(__name__)

Inject = Callable[[], str | None]
Extract = Callable[[Any, str | None], AbstractContextManager]


class _Hooks(NamedTuple):
    inject: Inject
    extract: Extract


_hooks: _Hooks | None = None
_NOTHING = nullcontext()


def register(inject: Inject, extract: Extract) -> Callable[[], None]:
    """Have jobs carry a context from where they are enqueued to where they run.

    :param inject: called when a job is enqueued; returns what describes the present
        context, or None
    :param extract: called with the ``Job`` and that text when the job is executed;
        returns a context manager for the time of its execution, commit included, which
        sees the error of a body that fails
    :return: a function that undoes the registration
    :raises ValueError: somebody else has registered already
    """
    global _hooks
    if _hooks is not None:
        raise ValueError("Functions to trace jobs are registered already.")
    hooks = _hooks = _Hooks(inject, extract)

    def unregister() -> None:
        global _hooks
        if _hooks is hooks:
            _hooks = None

    return unregister


def current() -> str | None:
    """What describes the present context; None without."""
    if _hooks is None:
        return None
    try:
        text = _hooks.inject()
    except Exception:
        _logger.exception("A job is enqueued without its trace context")
        return None
    return str(text) if text else None


def around(job) -> AbstractContextManager:
    """The context manager for the execution of the job."""
    return _NOTHING if _hooks is None else _guarded(_hooks.extract, job)


@contextmanager
def _guarded(extract: Extract, job) -> Iterator[None]:
    try:
        manager = extract(job, job.trace)
        manager.__enter__()
    except Exception:
        _logger.exception("Job %s is executed without its trace", job.uuid)
        yield
        return
    try:
        yield
    except BaseException:
        _leave(manager, job, sys.exc_info())
        raise
    _leave(manager, job, (None, None, None))


def _leave(manager: AbstractContextManager, job, exc_info) -> None:
    """End the trace; whatever it says, an error stays what it is."""
    try:
        manager.__exit__(*exc_info)
    except Exception as error:
        if error is not exc_info[1]:
            _logger.exception("The trace of job %s did not end well", job.uuid)
