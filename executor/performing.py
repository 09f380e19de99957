# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The body of a job in its transaction, and its error as a value."""

from __future__ import annotations

import traceback
from contextlib import contextmanager, nullcontext
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.exceptions import ConcurrencyError
from odoo.modules import module as odoo_module
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.sql_db import Cursor

from .. import listeners, moves, rows, storage, tracing
from ..core import outcome, states
from ..core.retry import class_names
from ..exception import (
    JobCancelled,
    JobTimeout,
    NothingToDoJob,
    RetryableJobError,
)
from . import logs
from .watching import Watched, watch

CONCURRENCY_ERRORS = (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, ConcurrencyError)


def new_env(cr) -> Environment:
    """An environment that knows nothing of the job before."""
    cr.transaction = None
    cr.cache.clear()
    return Environment(cr, SUPERUSER_ID, {})


def perform(job) -> None:
    """Run the body and set the job done; both commit together.

    Whatever the body raises comes out of here, with the transaction as it is then.
    """
    with tracing.around(job):
        _perform(job)


def _perform(job) -> None:
    cr = job.env.cr
    if job._lease is None:
        _start(job)
    with (
        undone_in_test(job._lease, cr),
        forbid_commit(cr, unless=job.job_config.allow_commit),
        watch.over(_watched(job)),
    ):
        try:
            job.perform()
        except NothingToDoJob as nothing:
            job.result = str(nothing)
        cr.flush()
    _finish(job)
    commit(job._lease, cr)
    job.env.registry.signal_changes()


def _start(job) -> None:
    """Start a job that somebody performs by hand, whatever became of it before."""
    if job.db_record().sudo().state != states.STARTED:
        job.tries_before = job.retry
        job.set_started()
        job.store()


def _watched(job) -> Watched:
    from .recording import bury

    job.watched = Watched(
        job._id,
        job.uuid,
        job.env.cr.dbname,
        job.timeout,
        job.env.cr._cnx,
        partial(bury, job),
        partial(logs.fields, job, states.STARTED),
    )
    return job.watched


def _finish(job) -> None:
    job.set_done()
    lease = job._lease
    if lease is not None and lease.may_go_on():
        lease.hold_slot()
    extra = rows.extra_values(job)
    if lease is None or extra or listeners.of(job.env).write:
        _finish_seen(job, extra)
        return
    row = lease.row
    values = {
        "retry": job.retry,
        "date_done": job.date_done,
        "exec_time": job.exec_time,
        "result": rows.result_text(job.result),
    }
    if not storage.execution.finish(job.env.cr, row, values):
        raise LostJob(f"Job {job.uuid} is not ours any more: its work is undone.")
    job.release_due = row.has_dependents


def _finish_seen(job, extra: dict) -> None:
    """The same with a write that other add-ons see (D6)."""
    env = job.env
    record = job.db_record()
    values = {
        "state": states.DONE,
        "retry": job.retry,
        "date_done": job.date_done,
        "exec_time": job.exec_time,
        "result": rows.result_text(job.result),
        "exc_name": None,
        "exc_message": None,
        "exc_info": None,
        "release_due": storage.graph.has_dependents(env.cr, record.id),
    }
    if not moves.move(env, "finish", record.ids, values, extra):
        raise LostJob(f"Job {job.uuid} is not ours any more: its work is undone.")
    job.release_due = values["release_due"]


class LostJob(Exception):
    """The row of the running job was taken away: its transaction is rolled back."""


def in_test(lease, cr) -> bool:
    """Is the transaction that of a test, which alone ends it?"""
    return lease is None and type(cr) is Cursor and bool(odoo_module.current_test)


def undone_in_test(lease, cr):
    """Have a failed body undone where there is no transaction to roll back."""
    return cr.savepoint() if in_test(lease, cr) else nullcontext()


def commit(lease, cr) -> None:
    """End the transaction, unless it is a test's."""
    if in_test(lease, cr):
        cr.flush()
    else:
        cr.commit()  # pylint: disable=invalid-commit


@contextmanager
def forbid_commit(cr, unless: bool = False):
    """Have ``cr.commit()`` raise: half a job's work must not stay when it fails.

    :param unless: the job's function may commit
    """
    if unless:
        yield
        return

    def commit():
        raise RuntimeError(
            "A job may not commit: it would be done by halves if it failed later. If"
            " the method is made for that, allow it on its job function (Allow Commit"
            ") or with @job(allow_commit=True)."
        )

    before = vars(cr).get("commit")  # a test has one of its own
    cr.commit = commit
    try:
        yield
    finally:
        if before is None:
            del cr.commit
        else:
            cr.commit = before


# ------------------------------------------------------------------------ its error


def trouble_of(job, error: BaseException, values: dict) -> outcome.Trouble:
    """What went wrong, as a value for ``core.outcome.decide()``.

    :param values: what is to be kept of the error, see :func:`failure_values`
    """
    watched = getattr(job, "watched", None)
    if watched is not None and watched.verdict:
        # whatever it looks like, this is why the body ended
        return trouble_of_verdict(*watched.verdict, traceback_of(error))
    kind = _kind_of(job, error)
    seconds, ignore_retry = None, False
    if isinstance(error, RetryableJobError):
        seconds, ignore_retry = error.seconds, error.ignore_retry
    return outcome.Trouble(
        kind,
        **{name: _text(values[name]) for name in KEPT if name in values},
        seconds=seconds,
        ignore_retry=ignore_retry,
    )


def trouble_of_verdict(kind: outcome.Kind, text: str, info: str) -> outcome.Trouble:
    """The end of a job that had to stop."""
    error = JobTimeout if kind is outcome.Kind.TIMEOUT else JobCancelled
    return outcome.Trouble(kind, _dotted(error), text, info)


def _kind_of(job, error: BaseException) -> outcome.Kind:
    if isinstance(error, JobCancelled):
        return outcome.Kind.CANCELLED
    if isinstance(error, JobTimeout):
        return outcome.Kind.TIMEOUT
    if isinstance(error, RetryableJobError):
        return outcome.Kind.RETRYABLE
    if isinstance(error, CONCURRENCY_ERRORS) or _has_lost_its_connection(job, error):
        return outcome.Kind.CONCURRENCY
    policy = policy_of(job)
    if policy is not None and policy.matches(class_names(type(error))):
        return outcome.Kind.POLICY
    return outcome.Kind.OTHER


def _has_lost_its_connection(job, error: BaseException) -> bool:
    """PostgreSQL or the network went away under the body, which did nothing then."""
    lost = isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return lost and bool(job.env.cr._cnx.closed)


def policy_of(job):
    """The retry policy of the job's function; None without."""
    return job.job_config.retry_policy


def failure_values(job, traceback_text: str, error: BaseException) -> dict:
    """What a failed job keeps of its error."""
    return {
        "exc_info": traceback_text,
        "exc_name": _dotted(type(error)),
        "exc_message": message_of(error),
    }


#: what a failed job keeps of its error
KEPT = ("exc_name", "exc_message", "exc_info")


def _text(value) -> str | None:
    # A hook may give any type; PostgreSQL takes no NUL.
    return None if value is None else str(value).replace("\x00", "")


def traceback_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def message_of(error: BaseException) -> str:
    """The message of an error; its first argument, as Odoo's errors have it."""
    args = getattr(error, "args", None)
    return str(args[0]) if args else str(error)


def _dotted(klass: type) -> str:
    if klass.__module__ in (None, "builtins"):
        return klass.__qualname__
    return f"{klass.__module__}.{klass.__qualname__}"
