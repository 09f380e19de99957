# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What became of a job, written; and who waited for it, released."""

from __future__ import annotations

import copy
import sys
import traceback
from datetime import timedelta
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.sql_db import Cursor

from .. import clock, listeners, moves, rows, storage
from ..core import outcome, plain, states
from ..core.plain import MOST
from ..log_lines import Block, get_logger
from . import body_transaction, last_resort, logs, performing, session
from .claiming import worker
from .server_limits import from_signal

_logger = get_logger(__name__)


def record_failure(job, error: BaseException, values_of=None) -> bool:
    """Decide what becomes of a job whose try ended with ``error``, and write it.

    The body's transaction is rolled back first. The state is written first, what
    belongs to it after that, each step in a savepoint of its own. When all that cannot
    be written, the state and a short text are, on another connection; and when not even
    that (the database is away), the job stays started without a lock: a runner
    rescues it.

    :param values_of: what the failed job keeps of its error, of
        ``(job, traceback, error)``
    :return: whether the job has failed for good
    """
    trouble = _trouble(job, error, values_of or performing.failure_values)
    decision = outcome.decide(trouble, _terms(job))
    try:
        with _recording_env(job) as env:
            _bring(job, env)
            if not _is_ours(env, job):
                return False
            if job._lease is not None:
                job._lease.reserve_next()
            decision = _write(env, job, decision, trouble)
    except BaseException as wrong:
        job.state = states.STARTED  # as it is in the table: this error is not written
        if from_signal(wrong) or performing.in_test(job._lease, job.env.cr):
            raise
        _say_trouble(job, "The end of job %s is written shortly", job.uuid)
        last_resort.write(job, decision)
    return isinstance(decision, outcome.Failed)


def _trouble(job, error: BaseException, values_of) -> outcome.Trouble:
    """What went wrong; whatever is wrong with that itself, it becomes a value."""
    error, told = body_transaction.real_error(job.env.cr, error)
    info = plain.traceback_of(error) + told
    try:
        return performing.trouble_of(job, error, values_of(job, info, error))
    except BaseException:
        _say_trouble(job, "What job %s keeps of its error is not to be had", job.uuid)
    try:
        values = performing.failure_values(job, info, error)
        return performing.trouble_of(job, error, values)
    except BaseException:
        name = plain.name_of(type(error))
        message = plain.message_of(error)
        return outcome.Trouble(outcome.Kind.OTHER, name, message, info)


def _is_ours(env, job) -> bool:
    """Whether what becomes of the job is still ours to say.

    Race: a job that was taken for lost, as its lease's connection was, is executed
    elsewhere meanwhile. How our try ended must not end that one.
    """
    if job._lease is None or storage.execution.keep(env.cr, job._id, job._run_id):
        return True
    _logger.warning(
        "job %s channel=%s attempt=%s: is not ours any more, its work is undone",
        job.uuid,
        job.channel,
        job.attempt,
        extra=logs.fields(job, "lost", _seconds(job, clock.now(env.cr))),
    )
    job.state = states.STARTED  # elsewhere, or that is over as well
    return False


def _bring(job, env) -> None:
    """Bring the job into the new transaction: it reads there from now on."""
    job.env = job.env(cr=env.cr)
    recordset = getattr(job, "recordset", None)
    if recordset is not None:
        job.recordset = recordset.with_env(recordset.env(cr=env.cr))


def _terms(job) -> outcome.Terms:
    try:
        return _agreed(job)
    except Exception:
        _say_trouble(job, "The settings of job %s cannot be read", job.uuid)
        return outcome.Terms(job.tries_before, job.max_retries)


def _agreed(job) -> outcome.Terms:
    return outcome.Terms(
        retry=job.tries_before,
        max_retries=job.max_retries,
        pattern=job.job_config.retry_pattern or None,
        policy=performing.policy_of(job),
    )


def bury(job, kind: outcome.Kind, text: str) -> None:
    """Write the end of a job that does not react any more, from another thread."""
    frame = sys._current_frames().get(job.watched.thread_id)
    info = "".join(traceback.format_stack(frame)) if frame else ""
    trouble = performing.trouble_of_verdict(kind, text, info)
    decision = outcome.decide(trouble, _terms(job))
    job = copy.copy(job)  # the body's thread goes on with its own
    with job.env.registry.cursor() as cr:
        env = Environment(cr, SUPERUSER_ID, {})
        _bring(job, env)
        if _is_ours(env, job):
            _write(env, job, decision, trouble)


class _recording_env:
    """An environment on a clean transaction, committed at its end."""

    def __init__(self, job):
        self.job = job
        self.own = None

    def __enter__(self):
        cr = self.job.env.cr
        registry = self.job.env.registry
        if performing.in_test(self.job._lease, cr):
            self.cr = cr
            return self._test_env(cr)
        try:
            if cr.closed:
                raise ConnectionError
            cr.rollback()
            if type(cr) is Cursor:
                session.ensure_opened(cr)
        except Exception:
            _logger.info(
                "job %s lost its cursor",
                self.job.uuid,
                extra=logs.fields(self.job, self.job.state),
            )
            cr = self.own = registry.cursor()
        registry.reset_changes()
        self.cr = cr
        return performing.new_env(cr) if type(cr) is Cursor else self._test_env(cr)

    @staticmethod
    def _test_env(cr):
        return Environment(cr, SUPERUSER_ID, {})

    def __exit__(self, exc_type, *exc_info):
        try:
            if exc_type is None:
                performing.commit(self.job._lease, self.cr)
            elif not performing.in_test(self.job._lease, self.cr):
                self.cr.rollback()
        finally:
            if self.own is not None:
                self.own.close()


def _write(env, job, decision, trouble):
    """Write what becomes of the job; return it: a stop overrides another try."""
    if isinstance(decision, outcome.Retry):
        # Who asked for the stop does not ask for one try, but for the job to end.
        stop = storage.transition.take_stop(env.cr, job._id)
        if stop is not None:
            decision = outcome.Cancelled(stop)
    if isinstance(decision, outcome.Retry):
        _retry(env, job, decision)
    elif isinstance(decision, outcome.Cancelled):
        _cancel(env, job, decision)
    else:
        _fail(env, job, decision)
    _apart(
        env,
        partial(_keep_try, env, job, decision, trouble),
        partial(_say_trouble, job, "The attempt of job %s cannot be kept", job.uuid),
    )
    return decision


def _move(env, job, verb: str, values: dict, extra: dict) -> None:
    """Write a state as others see it; without them where they do not let it pass."""
    say = partial(_say_trouble, job, "Others disturb the end of job %s", job.uuid)
    ids = [job._id]
    if _apart(env, partial(moves.move, env, verb, ids, values, extra), say) is _FAILED:
        storage.transition.move(env.cr, verb, ids, values)


_FAILED = object()


def _apart(env, step, say):
    """Take a step in a savepoint of its own, whatever it does; return its result.

    A step that swallowed an error of the database, that wants to exit, or to commit,
    is undone and logged, and returns ``_FAILED``.
    """
    cr = env.cr
    savepoint = cr.savepoint()
    try:
        with performing.forbid_commit(cr), performing.forbid_rollback(cr):
            found = step()
            savepoint.close(rollback=False)
    except BaseException as error:
        savepoint.close(rollback=True)
        if from_signal(error):
            raise
        say()
        return _FAILED
    return found


def _retry(env, job, decision: outcome.Retry) -> None:
    job.retry = job.tries_before + int(decision.count)
    eta = clock.now(env.cr) + timedelta(seconds=decision.seconds)
    job.state, job.eta = states.PENDING, eta
    _move(
        env,
        job,
        "retry",
        {
            "state": states.PENDING,
            "retry": job.retry,
            "eta": eta,
            "ready": decision.seconds <= 0,
            "identity_twin": True,
            "date_enqueued": None,
            "date_started": None,
            "worker": None,
            "worker_pid": None,
            "exc_name": decision.exc_name,
            "exc_message": decision.exc_message,
            "exc_info": decision.exc_info,
        },
        _extra(env, job),
    )
    storage.insertion.notify(env.cr)
    _logger.info(
        "job %s channel=%s attempt=%s: retry in %d s (%s: %s)",
        job.uuid,
        job.channel,
        job.attempt,
        decision.seconds,
        decision.exc_name,
        decision.exc_message,
        extra=logs.fields(job, "retry", _seconds(job, clock.now(env.cr))),
    )


def _cancel(env, job, decision: outcome.Cancelled) -> None:
    now = clock.not_before(env.cr, job.date_started)
    values = {
        "state": states.CANCELLED,
        "retry": job.tries_before + 1,
        "date_cancelled": now,
        "exec_time": _seconds(job, now),
        "result": plain.text(decision.reason, MOST["result"]),
    }
    _move(env, job, "stop", values, {})
    job.state = states.CANCELLED
    storage.transition.take_stop(env.cr, job._id)
    _apart(
        env,
        partial(moves.cancel_dependents, env, [job._id]),
        partial(_say_trouble, job, "Who waits for job %s is not told", job.uuid),
    )
    _logger.info(
        "job %s channel=%s attempt=%s: stopped",
        job.uuid,
        job.channel,
        job.attempt,
        extra=logs.fields(job, job.state, _seconds(job, now)),
    )


def _fail(env, job, decision: outcome.Failed) -> None:
    now = clock.not_before(env.cr, job.date_started)
    job.retry = job.tries_before + 1
    kept = {name: getattr(decision, name) for name in performing.KEPT}
    written = {
        "state": states.FAILED,
        "retry": job.retry,
        "exec_time": _seconds(job, now),
        **kept,
    }
    job.state = states.FAILED
    for name, value in kept.items():
        setattr(job, name, value)
    _move(env, job, "fail", written, _extra(env, job))
    storage.transition.take_stop(env.cr, job._id)
    _logger.error(
        "job %s channel=%s attempt=%s failed: %s: %s\n%s",
        job.uuid,
        job.channel,
        job.attempt,
        kept["exc_name"],
        kept["exc_message"],
        Block(kept["exc_info"] or ""),
        extra=logs.fields(job, job.state, _seconds(job, now)),
    )
    post_failure(env, job._id, job.uuid)
    call_on_fail(env, job, kept)


def post_failure(env, job_id: int, uuid: str) -> None:
    """Post the failure to the job's followers; a trouble there is not the job's."""
    record = env["queue.job"].browse(job_id)

    def say():
        text = "The failure of job %s could not be posted"
        _logger.exception(text, uuid, extra={"job_uuid": uuid})

    _apart(env, record._message_post_on_failure, say)


def call_on_fail(env, job, kept: dict) -> None:
    """Call the method that the job's function names; its trouble is not the job's.

    It is kept on the job, below the error that the method was called for.
    """
    name = job.job_config.on_fail_method_name
    if not name:
        return

    def say():
        _say_trouble(job, "Method %s of failed job %s failed", name, job.uuid)
        said = plain.traceback_of(sys.exc_info()[1])
        added = f"\n\nMethod {name}, called for this failure, failed as well:\n{said}"
        storage.transition.add_to_info(env.cr, job._id, added)
        env["queue.job"].browse(job._id).invalidate_recordset(["exc_info"])

    _apart(env, partial(job.on_fail, kept), say)


def _extra(env, job) -> dict:
    """What the job's model stores of it in fields of other add-ons."""
    text = "Further values of job %s cannot be stored"
    say = partial(_say_trouble, job, text, job.uuid)
    found = _apart(env, partial(rows.extra_values, job), say)
    return {} if found is _FAILED else found


def _say_trouble(job, text: str, *args) -> None:
    """Log the error under way, which disturbs the end of the job no further."""
    _logger.exception(text, *args, extra=logs.fields(job, job.state))


def _keep_try(env, job, decision, trouble) -> None:
    now = clock.not_before(env.cr, job.date_started)
    kind = type(decision)
    storage.tries.insert(
        env.cr,
        {
            "job_id": job._id,
            "attempt": job.tries_before + 1,
            "outcome": _OUTCOMES[kind],
            "date_started": job.date_started,
            "date_ended": now,
            "exec_time": _seconds(job, now),
            "seconds": decision.seconds if kind is outcome.Retry else None,
            "worker": worker()[0],
            "exc_name": trouble.exc_name,
            "exc_message": trouble.exc_message,
            "exc_info": trouble.exc_info,
        },
    )


_OUTCOMES = {
    outcome.Retry: "retry",
    outcome.Failed: "failed",
    outcome.Cancelled: "cancelled",
}


def _seconds(job, now) -> float | None:
    if not job.date_started:
        return None
    return max(0.0, (now - job.date_started).total_seconds())


def release_dependents(job) -> None:
    """Let those into the queue that waited only for this job, which is done.

    On the lease's cursor: counting down a barrier meets other jobs that count down
    the same one, which a body's transaction would pay for with its work.
    """
    if job.state != states.DONE:
        return
    lease = job._lease
    if lease is not None and not job.release_due:
        return  # its end was written here, and with it that nobody waits
    if lease is None or not lease._real:
        moves.release(job.env, job.db_record().ids)
        performing.commit(lease, job.env.cr)
        return
    try:
        _release(job, lease)
    except psycopg2.Error as error:
        # Somebody is at a job that waits, or at what it waits behind; or the
        # connection is lost. A runner does it as soon as it can be done.
        _logger.info("Who waited for job %s is released later: %s", job.uuid, error)


def _release(job, lease) -> None:
    if listeners.of(job.env).write:
        with job.env.registry.cursor() as cr:
            storage.locks.wait_shortly(cr)
            moves.release(Environment(cr, SUPERUSER_ID, {}), [job._id])
        return
    with storage.execution.trial(lease.cr) as tried:
        storage.locks.wait_shortly(lease.cr)
        moves.release_unseen(lease.cr, [job._id])
        tried.moved = True
    if not tried.moved:
        _logger.info("Who waited for job %s is released later", job.uuid)
