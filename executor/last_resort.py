# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What became of a job, in few words: when nothing else could be written."""

from __future__ import annotations

from odoo.sql_db import db_connect

from .. import storage
from ..core import outcome, states
from ..log_lines import get_logger
from . import logs

_logger = get_logger(__name__)

#: characters of the texts
_SHORT = 1_000


def write(job, decision: outcome.Retry | outcome.Failed | outcome.Cancelled) -> None:
    """Write the state and a short text by one statement, on another connection.

    Followers, ``on_fail`` and other add-ons are told of an end later, as of one that a
    runner wrote.

    :raises psycopg2.Error: the database is away; the job is still started
    """
    texts = {
        name: (getattr(decision, name, None) or "")[:_SHORT] or None
        for name in ("exc_name", "exc_message", "reason")
    }
    seconds = getattr(decision, "seconds", 0)
    retry = job.tries_before + int(getattr(decision, "count", True))
    with db_connect(job.env.cr.dbname).cursor() as cr:
        state = storage.last_resort.write(
            cr, type(decision), job._id, job.attempt, retry, seconds, texts
        )
    job.state = state or states.STARTED
    _logger.warning(
        "job %s channel=%s attempt=%s: %s, written as the last resort",
        job.uuid,
        job.channel,
        job.attempt,
        job.state,
        extra=logs.fields(job, job.state),
    )
