# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A slot served: the job that was asked for, then the next ones of its channel."""

from __future__ import annotations

import decimal
import logging
import time
from contextvars import copy_context

from odoo.sql_db import Cursor

from .. import clock, storage
from ..core import states
from ..exception import JobError, JobRefused, RetryableJobError
from ..log_lines import get_logger
from . import body_transaction, logs, performing, session, telling
from .claiming import Lease
from .recording import record_failure
from .server_limits import between_jobs

_logger = get_logger(__name__)

#: seconds after which a job is looked at again whose add-on is not loaded here yet
_LOAD_WAIT = 2
#: seconds since its creation for which that is expected
_LOAD_PATIENCE = 600


def serve(env, hooks, uuid: str, attempt: int, seconds: float) -> int:
    """Execute the enqueued job, then further ready ones of its channel.

    :param env: of the request; the bodies run on its cursor
    :param hooks: class with the hooks of ``RunJobController``
    :param seconds: no further job is taken after this time (D2)
    :return: how many jobs were executed
    """
    executed = 0
    if uuid == storage.untold.REQUEST:
        telling.tell(env)
        return executed
    with Lease(env, seconds) as lease:
        going = lease.start(uuid, attempt)
        while going:
            copy_context().run(_run_apart, lease, hooks)
            executed += 1
            going = (
                lease.reserved is not None
                and between_jobs(env)
                and session.renew(lease)
                and lease.start_next()
            )
    return executed


def _run_apart(lease: Lease, hooks) -> None:
    """Execute a job; what its body sets for its context ends with it."""
    # The one of decimals is changed in place: the variable alone does not tell.
    decimal.setcontext(decimal.getcontext().copy())
    run_once(lease, hooks)


def run_once(lease: Lease, hooks) -> None:
    """Execute the job that the lease has started."""
    row = lease.row
    env = _env_of_job(lease)
    began = time.monotonic()
    try:
        job = hooks._acquire_job(env, row.uuid)
    except Exception as error:
        _refuse(lease, env, error)
        return
    if job is None:
        return
    try:
        hooks._runjob(job.env, job)
    except Exception:
        if job.state != states.FAILED:
            raise
        # Its own error, which is written: only those who wrap the step needed it.
    if _logger.isEnabledFor(logging.DEBUG):
        seconds = time.monotonic() - began
        _logger.debug(
            "job %s channel=%s attempt=%s: %s in %.3f s",
            row.uuid,
            row.channel,
            row.attempt,
            job.state,
            seconds,
            extra=logs.fields(row, job.state, seconds),
        )


def _env_of_job(lease: Lease):
    """A new environment; changes of registry and caches made elsewhere are seen."""
    cr = lease.env.cr
    if type(cr) is not Cursor:
        return lease.env
    lease.see_changes()
    env = performing.new_env(cr)
    body_transaction.overhear(cr)
    lease.env = env
    cr._queue_job_lease = lease
    return env


def _refuse(lease: Lease, env, error: Exception) -> None:
    """Fail a job whose call cannot be read back: model, method or arguments gone."""
    from .unreadable import UnreadableJob

    if not isinstance(error, JobError):
        row = lease.row
        extra = logs.fields(row, states.STARTED)
        _logger.exception("job %s cannot be read", row.uuid, extra=extra)
    # Nothing that is loaded later makes a refused job a sound one.
    if not isinstance(error, JobRefused) and _is_early(lease, env):
        text = f"An add-on was just installed and is not loaded here yet: {error}"
        error = RetryableJobError(text, seconds=_LOAD_WAIT, ignore_retry=True)
    record_failure(UnreadableJob(env, lease), error)


def _is_early(lease: Lease, env) -> bool:
    """Whether the job may be of an add-on that this process is about to load.

    Race: who installs an add-on commits what its hooks did before others are told to
    load their registries anew.
    """
    cr = env.cr
    if type(cr) is Cursor:
        cr.rollback()  # whatever the reading did; and to see what was committed since
    age = (clock.now(cr) - lease.row.date_created).total_seconds()
    loaded = env.registry._init_modules
    return age < _LOAD_PATIENCE and storage.execution.has_more_modules(cr, loaded)
