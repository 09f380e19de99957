# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The body of a job in its transaction, and its error as a value."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.exceptions import ConcurrencyError
from odoo.modules import module as odoo_module
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.sql_db import Cursor
from odoo.tools.translate import LazyGettext

from .. import listeners, moves, rows, storage, tracing
from ..clock import utcnow
from ..core import outcome, plain, states
from ..core.plain import MOST, traceback_of
from ..core.retry import asked_seconds, class_names
from ..exception import (
    FailedJobError,
    JobCancelled,
    JobTimeout,
    NothingToDoJob,
    RetryableJobError,
)
from ..log_lines import get_logger
from . import body_transaction, logs
from .database_trouble import is_of_database
from .server_limits import from_signal
from .watching import Watched, watch

_logger = get_logger(__name__)

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
    may_commit = job.job_config.allow_commit
    if job._lease is None:
        _start(job)
    with (
        undone_in_test(job._lease, cr),
        forbid_commit(cr, unless=may_commit),
        watch.over(_watched(job)),
        body_transaction.in_this_process(),
    ):
        _heed_stop(job)
        try:
            job.perform()
        except NothingToDoJob as nothing:
            job.result = str(nothing)
        cr.flush()
        body_transaction.check(cr, may_commit)
    _finish(job)
    commit(job._lease, cr)
    if job.noted_end:
        _apply_end(job)
    job.env.registry.signal_changes()


def _heed_stop(job) -> None:
    """Leave out a body whose job was asked to stop before it was started.

    Race: the request may have been committed while the job went back to the queue.
    """
    row = job._lease.row if job._lease is not None else None
    if row is not None and row.stopped:
        reasons = storage.transition.stops(job.env.cr, [job._id])
        raise JobCancelled(reasons.get(job._id, storage.transition.STOPPED))


def _start(job) -> None:
    """Start a job that somebody performs by hand, whatever became of it before."""
    if job.db_record().sudo().state != states.STARTED:
        job.tries_before = job.retry
        job.set_started()
        job.store()


def _watched(job) -> Watched:
    from .recording import bury

    lease = job._lease
    job.watched = Watched(
        job._id,
        job.uuid,
        job.env.cr.dbname,
        job.timeout,
        job.env.cr._cnx,
        partial(bury, job),
        partial(logs.fields, job, states.STARTED),
        lease if lease is not None and lease._real else None,
    )
    return job.watched


def _finish(job) -> None:
    """Write that the job is done, and take the next one; both without waiting."""
    job.set_done()
    lease = job._lease
    end = {
        "retry": job.retry,
        "date_done": job.date_done,
        "exec_time": job.exec_time,
        "result": rows.result_text(job.result),
    }
    if lease is None:
        _finish_seen(job, end, rows.extra_values(job))
        return
    _write_end(job, lease, end)
    lease.reserve_next()


def _write_end(job, lease, end: dict) -> None:
    """Write the end on the job's row; note it when somebody else is at the row.

    Race: nobody writes a row that is started, but for people and their tools. Neither
    that, nor a row that somebody holds, nor a table that was written anew, undoes what
    the body did: its transaction notes the end, which is applied after the commit.
    """
    extra = rows.extra_values(job)
    if extra or listeners.of(job.env).write:
        with storage.execution.trial(job.env.cr) as tried:
            _finish_seen(job, end, extra)
            tried.moved = True
    else:
        tried = storage.execution.finish(job.env.cr, lease.row, end)
    if tried.moved:
        job.release_due = lease.row.has_dependents
        return
    if not lease.is_ours():
        raise LostJob(f"Job {job.uuid} is not ours any more: its work is undone.")
    job.env.invalidate_all(flush=False)
    storage.execution.note_end(job.env.cr, lease.row, end)
    job.noted_end = (end, extra)


def _apply_end(job) -> None:
    """Apply the end that was noted; who holds the row has a runner do it later."""
    end, extra = job.noted_end
    lease = job._lease
    if not extra and not listeners.of(job.env).write:
        job.release_due = lease.apply_end() and lease.row.has_dependents
        return
    try:
        with job.env.registry.cursor() as cr:
            storage.execution.take_end(cr, lease.row.id, lease.row.run_id)
            _finish_seen(job, end, extra, Environment(cr, SUPERUSER_ID, {}))
    except psycopg2.Error as error:
        _logger.info("The end of job %s is written later: %s", job.uuid, error)
        job.release_due = False


def _finish_seen(job, end: dict, extra: dict, env=None) -> None:
    """The same with a write that other add-ons see (D6)."""
    env = env or job.env
    job_id = job.db_record().id
    values = {
        "state": states.DONE,
        **end,
        "exc_name": None,
        "exc_message": None,
        "exc_info": None,
        "release_due": storage.graph.has_dependents(env.cr, job_id),
    }
    if not moves.move(env, "finish", [job_id], values, extra):
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
        _commit(cr)


def _commit(cr) -> None:
    """Commit; what hooks do after that is no news about the job, but logged."""
    committed: list[bool] = []
    # Ahead of all others: from here on what comes out of the commit is theirs.
    cr.postcommit._funcs.appendleft(partial(committed.append, True))
    try:
        cr.commit()  # pylint: disable=invalid-commit
    except BaseException as error:
        if not committed or from_signal(error):
            raise
        _log_hook(cr)
        _run_rest(cr)


def _run_rest(cr) -> None:
    """Call the hooks that are left; an error of one keeps none of them from it."""
    while len(cr.postcommit):
        try:
            cr.postcommit.run()
        except BaseException as error:
            _log_hook(cr)
            if from_signal(error):
                raise
    cr.postcommit.clear()


def _log_hook(cr) -> None:
    text = "A hook failed after the commit of a job; what the job did stays"
    _logger.exception(text)
    cr.clear()
    cr._cnx.rollback()  # what is left open or broken is not the next one's


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

    with _replaced(cr, "commit", commit):
        yield


def forbid_rollback(cr):
    """Have ``cr.rollback()`` raise: it would undo what others have written before."""

    def rollback():
        raise RuntimeError("Nothing is rolled back here: it is not yours alone.")

    return _replaced(cr, "rollback", rollback)


@contextmanager
def _replaced(cr, name: str, instead):
    before = vars(cr).get(name)  # a test has one of its own
    setattr(cr, name, instead)
    try:
        yield
    finally:
        if before is None:
            delattr(cr, name)
        else:
            setattr(cr, name, before)


# ------------------------------------------------------------------------ its error


def trouble_of(job, error: BaseException, values: dict) -> outcome.Trouble:
    """What went wrong, as a value for ``core.outcome.decide()``.

    :param values: what is to be kept of the error, see :func:`failure_values`
    """
    watched = getattr(job, "watched", None)
    if watched is not None and watched.verdict:
        # whatever it looks like, this is why the body ended
        return trouble_of_verdict(*watched.verdict, traceback_of(error))
    seconds, ignore_retry = None, False
    if issubclass(type(error), RetryableJobError):
        seconds, ignore_retry = _asked_by(error)
    return outcome.Trouble(
        _kind_of(job, error),
        **kept_text(values),
        seconds=seconds,
        ignore_retry=ignore_retry,
    )


def _asked_by(error) -> tuple[float | None, bool]:
    """The wait that the error asks for; none when what it has there is no wait.

    The constructor refuses such a one, but attributes can be written later.
    """
    try:
        seconds = error.seconds
        if seconds is not None:
            seconds = asked_seconds(seconds, utcnow)
        return seconds, bool(error.ignore_retry)
    except Exception as wrong:
        _logger.warning("The wait of a RetryableJobError is not heeded: %s", wrong)
        return None, False


def trouble_of_verdict(kind: outcome.Kind, text: str, info: str) -> outcome.Trouble:
    """The end of a job that had to stop."""
    return outcome.Trouble(kind, plain.name_of(_VERDICTS[kind]), text, info)


_VERDICTS = {
    outcome.Kind.TIMEOUT: JobTimeout,
    outcome.Kind.CANCELLED: JobCancelled,
    outcome.Kind.DATABASE: ConcurrencyError,
}


def _kind_of(job, error: BaseException) -> outcome.Kind:
    # Its type says what it is: its attribute __class__ may say, or do, anything.
    klass = type(error)
    for own, kind in _OWN_KINDS:
        if issubclass(klass, own):
            return kind
    if issubclass(klass, CONCURRENCY_ERRORS) or _has_lost_its_connection(job, error):
        return outcome.Kind.CONCURRENCY
    if from_signal(error):
        return outcome.Kind.INTERRUPTED
    policy = policy_of(job)
    if policy is not None and policy.matches(class_names(klass)):
        return outcome.Kind.POLICY
    if is_of_database(error):
        return outcome.Kind.DATABASE
    return _kind_behind(job, error)


def _kind_behind(job, error: BaseException) -> outcome.Kind:
    """What an error of the body's own hides: that it could not go well this time."""
    if issubclass(type(error), FailedJobError):
        return outcome.Kind.OTHER  # for good, it says, whatever it was for
    cr = job.env.cr
    for each in body_transaction.behind(cr, error):
        if issubclass(type(each), CONCURRENCY_ERRORS):
            return outcome.Kind.CONCURRENCY
    if cr._cnx.closed:  # since a statement of the body, which was told so
        return outcome.Kind.CONCURRENCY
    return outcome.Kind.OTHER


_OWN_KINDS = (
    (JobCancelled, outcome.Kind.CANCELLED),
    (JobTimeout, outcome.Kind.TIMEOUT),
    (RetryableJobError, outcome.Kind.RETRYABLE),
)


def _has_lost_its_connection(job, error: BaseException) -> bool:
    """PostgreSQL or the network went away under the body, which did nothing then."""
    lost = issubclass(type(error), (psycopg2.OperationalError, psycopg2.InterfaceError))
    return lost and bool(job.env.cr._cnx.closed)


def policy_of(job):
    """The retry policy of the job's function; None without."""
    return job.job_config.retry_policy


def failure_values(job, traceback_text: str, error: BaseException) -> dict:
    """What a failed job keeps of its error."""
    return {
        "exc_info": traceback_text,
        "exc_name": plain.name_of(type(error)),
        "exc_message": plain.message_of(error, partial(_said_to_user, job)),
    }


#: what a failed job keeps of its error
KEPT = ("exc_name", "exc_message", "exc_info")


def kept_text(values) -> dict[str, str | None]:
    """What is kept of an error, as texts to be stored; a hook may give any type."""
    return {
        name: None if values[name] is None else plain.text(values[name], MOST[name])
        for name in KEPT
        if name in values
    }


def _said_to_user(job, words) -> str:
    """The words of an error; those that wait for a language in that of the user."""
    if isinstance(words, LazyGettext):
        words = words._translate(_lang_of(job))
    return plain.text(words)


def _lang_of(job) -> str:
    """The language in which the job's user reads; its own transaction may be broken."""
    env = getattr(job, "recordset", job).env
    lang = env.context.get("lang")
    if lang:
        return lang
    if in_test(job._lease, env.cr):
        return env.user.lang or "en_US"
    with env.registry.cursor() as cr:
        return env(cr=cr).user.lang or "en_US"
