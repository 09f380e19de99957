# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that runners have ended, told to who has to know of them.

A job whose worker died once too often, that was stopped by the death of its worker, or
whose channel is gone, is ended by a runner, by SQL. What belongs to an end and takes
the models of Odoo is done here, once a job, in one transaction with the note that it
is done: the message to followers, the method ``on_fail``, the writes that other
add-ons want to see (D6), the end of jobs that waited for a cancelled one.
"""

from __future__ import annotations

import time

from odoo import SUPERUSER_ID
from odoo.api import Environment

from .. import listeners, moves, storage
from ..core import states
from ..job import Job
from ..log_lines import get_logger
from ..sentinel import EDIT_SENTINEL, QUIET, machine
from ..storage.untold import News
from . import performing, recording

_logger = get_logger(__name__)

#: seconds after which the rest is left to the next request
SECONDS = 10.0
#: how often it is tried to tell of a job: a method on_fail may kill its worker as well
TRIES = 3
#: what a write of an end says, by the state
_WRITTEN = {
    states.FAILED: ("state", "exc_name", "exc_message", "exc_info"),
    states.CANCELLED: ("state", "date_cancelled", "result"),
}


def tell(env) -> int:
    """Tell of the jobs that runners have ended, oldest first; return of how many.

    Transaction: makes its own; that of ``env`` is not used.
    """
    registry = env.registry.check_signaling()
    end = time.monotonic() + SECONDS
    with registry.cursor() as cr:
        number = _settle_cancelled(Environment(cr, SUPERUSER_ID, {}))
    while time.monotonic() < end:
        with registry.cursor() as cr:
            news = storage.untold.take(cr)
        if news is None:
            break
        number += _tell_safely(registry, news)
    return number


def _settle_cancelled(env) -> int:
    """All those at once that only the jobs behind them have to know of."""
    if listeners.of(env).write:
        return 0
    ids = storage.untold.settle_cancelled(env.cr)
    moves.cancel_dependents(env, ids)
    return len(ids)


def _tell_safely(registry, news: News) -> bool:
    try:
        with registry.cursor() as cr:
            told = _tell(Environment(cr, SUPERUSER_ID, {}), news)
    except performing.CONCURRENCY_ERRORS as error:
        # Somebody changes the job at this moment; there will be another request.
        _logger.info("The end of job %s is told later: %s", news.job_id, error)
    except Exception:
        _logger.exception("The end of job %s could not be told", news.job_id)
    else:
        registry.signal_changes()
        return told
    registry.reset_changes()
    return False


def _tell(env, news: News) -> bool:
    """Race: two workers may be at it after a minute; who settles it first tells."""
    if not storage.untold.settle(env.cr, news):
        return False
    job = env["queue.job"].browse(news.job_id).exists()
    if not job or job.state != news.state:
        return False  # somebody has decided otherwise meanwhile
    if news.tries > TRIES:
        _logger.error("The end of job %s killed who told of it: not told", job.uuid)
        return False
    if listeners.of(env).write:
        _write_again(job)
    if job.state == states.CANCELLED:
        moves.cancel_dependents(env, job.ids)
    else:
        _tell_failure(env, job)
    return True


def _write_again(job) -> None:
    """Have other add-ons see the write that the runner made."""
    values = {name: job[name] for name in _WRITTEN[job.state]}
    machine(job).with_context(**{QUIET: EDIT_SENTINEL}).write(values)


def _tell_failure(env, record) -> None:
    recording.post_failure(env, record.id, record.uuid)
    try:
        job = Job._load_from_db_record(record)
    except Exception as error:
        # Its method, or what it is called with, is gone: so is who would be told.
        _logger.info("Job %s cannot be read: %s", record.uuid, error)
        return
    kept = {name: record[name] or None for name in performing.KEPT}
    recording.call_on_fail(env, job, kept)
