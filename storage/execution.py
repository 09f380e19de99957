# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job in the hands of its executor: started, finished, the next one taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .home import AWAKE
from .prepared import execute
from .statement import Statement

_UTC = "clock_timestamp() AT TIME ZONE 'UTC'"
_COLUMNS = """
          job.id, job.ctid::text, job.uuid, job.model_name, job.method_name,
          job.records::text, job.args::text, job.kwargs::text, job.user_id,
          job.company_id, job.retry, job.max_retries, job.priority, job.eta,
          job.channel, job.attempt, job.timeout, job.date_created, job.date_started,
          job.name, job.identity_key, job.graph_uuid, job.date_enqueued, job.trace,
          job.sealed IS TRUE AS sealed,
          (SELECT active FROM res_users WHERE id = job.user_id) AS user_active,
          EXISTS (SELECT 1 FROM queue_job_edge
                   WHERE parent_id = job.id AND NOT met) AS has_dependents,
          EXISTS (SELECT 1 FROM queue_job_stop WHERE job_id = job.id) AS stopped
"""
# start: the job that the request names, in the attempt that its proof is for
# A throttled channel, its own or one above it, counts its gap from here: one statement,
# since a pass between the start and a later stamp would see the gap as over.
_START = f"""
WITH started AS (
    UPDATE queue_job AS job
       SET state = 'started', date_started = {_UTC},
           worker = %s::varchar, worker_pid = %s::int
     WHERE uuid = %s::varchar AND state = 'enqueued' AND attempt = %s::int
       AND {AWAKE}
    RETURNING {_COLUMNS}
), stamped AS (
    UPDATE queue_job_throttle AS throttle SET last_start = {_UTC} FROM started
     WHERE started.channel = throttle.channel
        OR starts_with(started.channel, throttle.channel || '.')
    RETURNING 1
)
SELECT started.*, EXISTS (SELECT 1 FROM stamped), ARRAY[{{signals}}] FROM started
"""
# start: the next ready job of the channel; others look elsewhere meanwhile
_START_NEXT = f"""
UPDATE queue_job AS job
   SET state = 'started', date_started = {_UTC}, date_enqueued = {_UTC},
       attempt = attempt + 1, worker = %s::varchar, worker_pid = %s::int
 WHERE id = (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND ready AND channel = %s::varchar
       AND (eta IS NULL OR eta <= {_UTC})
       AND {AWAKE}
     ORDER BY channel, priority, date_created, id
     LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
 )
RETURNING {_COLUMNS}, false, ARRAY[{{signals}}]
"""
# What Odoo compares before each request, to see what others have changed in registry
# and caches: read along with the start, in one round trip.
_SIGNAL = "(SELECT max(id) FROM {})"
# The order of the index is the order of execution; a plan that was made while the
# table was small must not read it row by row when it has grown. (A forbidden plan that
# is the only one looks so expensive that PostgreSQL would compile it.)
_PLANS = """
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
SET jit = off;
"""
# A machine that vanishes without a word holds its jobs no longer than this, whether
# PostgreSQL waits for it or has an answer for it under way (ms).
_LIVENESS = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3; SET tcp_user_timeout = 15000
"""
# A start waits for no disk. The commit of the job itself does, and comes after it in
# the log: either a crash of PostgreSQL keeps both, or the job's work is undone as well
# and it runs once more.
_LAZY = """
SET synchronous_commit = off;
"""
_SESSION = _LAZY + _PLANS + _LIVENESS
_STAMP_THROTTLE = f"""
UPDATE queue_job_throttle SET last_start = {_UTC} WHERE channel = ANY(%s)
"""
# the same two starts, told apart from the write that follows
_FIND_STARTABLE = f"""
SELECT id FROM queue_job
 WHERE {{condition}} AND state IN ('enqueued', 'pending')
   AND {AWAKE}
   FOR NO KEY UPDATE SKIP LOCKED
"""
_FIND_NEXT = f"""
SELECT id FROM queue_job
 WHERE state = 'pending' AND ready AND channel = %s
   AND (eta IS NULL OR eta <= {_UTC})
 ORDER BY channel, priority, date_created, id
 LIMIT 1
"""
_READ = f"""
SELECT {_COLUMNS}, %s FROM queue_job job WHERE id = %s
"""
# finish: in the body's own transaction, so that effects and state commit together.
# By the place of the row: nobody writes it while the job is started.
_FINISH = """
UPDATE queue_job
   SET state = 'done', retry = %s::int, date_done = %s::timestamp,
       exec_time = %s::float8, result = %s::text,
       exc_name = NULL, exc_message = NULL, exc_info = NULL, release_due = %s::bool
 WHERE ctid = %s::tid AND id = %s::bigint AND state = 'started' AND attempt = %s::int
"""
# ... unless the table was written anew meanwhile (VACUUM FULL)
_FINISH_BY_ID = _FINISH.replace("ctid = %s::tid AND ", "")

# Is the job still being executed in this very attempt? Nobody takes it away then.
_KEEP = """
SELECT 1 FROM queue_job
 WHERE id = %s AND attempt = %s AND state = 'started'
   FOR NO KEY UPDATE
"""

_HAS_MORE_MODULES = """
SELECT EXISTS (SELECT FROM ir_module_module
                WHERE state IN ('installed', 'to upgrade') AND name <> ALL(%s))
"""

# the key of the proofs
_SECRET = "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"

SECRET = Statement("queue_job_secret", _SECRET)
FINISH = Statement("queue_job_finish", _FINISH)
#: what a lease executes again and again on the connection of the bodies
OF_BODY = (FINISH,)


class Started(NamedTuple):
    """The row of a job that was just started."""

    id: int
    ctid: str
    uuid: str
    model_name: str
    method_name: str
    records: Any
    args: Any
    kwargs: Any
    user_id: int
    company_id: int | None
    retry: int
    max_retries: int
    priority: int
    eta: Any
    channel: str
    attempt: int
    timeout: float | None
    date_created: Any
    date_started: Any
    name: str
    identity_key: str | None
    graph_uuid: str | None
    date_enqueued: Any
    trace: str | None
    sealed: bool
    #: None: the user is gone
    user_active: bool | None
    has_dependents: bool
    #: somebody asked the job to stop before it was started
    stopped: bool
    #: one of the job's channels is throttled
    throttled: bool


def start_statements(tables: Iterable[str]) -> tuple[Statement, Statement]:
    """The statements for :func:`start` and :func:`start_next`.

    :param tables: those of Odoo's signals, whose last ids are read along
    """
    signals = ", ".join(_SIGNAL.format(table) for table in tables)
    return (
        Statement("queue_job_start", _START.format(signals=signals)),
        Statement("queue_job_start_next", _START_NEXT.format(signals=signals)),
    )


def start(cr, statement: Statement, uuid: str, attempt: int, worker: str, pid: int):
    """Start the enqueued job, if it is still there in this attempt.

    :param statement: of :func:`start_statements`
    :return: the :class:`Started` row and the last ids of the signals; None, None
    """
    execute(cr, statement, (worker, pid, uuid, attempt))
    return _with_signals(cr.fetchone())


def start_next(cr, statement: Statement, channel: str, worker: str, pid: int):
    """Start the first ready job of the channel; None when there is none.

    The caller gives back the slot of a job that ended, in a transaction that holds
    :func:`locks.hold_slot` since before that end.

    :param statement: of :func:`start_statements`
    :return: as :func:`start`
    """
    execute(cr, statement, (worker, pid, channel))
    return _with_signals(cr.fetchone())


def secret(cr) -> str:
    """The database's own secret; empty when it has none."""
    execute(cr, SECRET)
    row = cr.fetchone()
    return row[0] if row else ""


def keep_to_indexes(cr) -> None:
    """Have the session of a lease plan by the indexes alone, wait for no disk, and
    notice its end."""
    cr.execute(_SESSION)


def has_more_modules(cr, loaded: Iterable[str]) -> bool:
    """Whether add-ons are installed that are not among the loaded ones."""
    cr.execute(_HAS_MORE_MODULES, (list(loaded),))
    return cr.fetchone()[0]


def stamp_throttle(cr, channels: Iterable[str]) -> bool:
    """Note that a job of these channels (one and its ancestors) starts now.

    :return: whether one of them is throttled
    """
    cr.execute(_STAMP_THROTTLE, (list(channels),))
    return bool(cr.rowcount)


def find_startable(cr, condition: str, params: tuple) -> int | None:
    """Lock and return the id of a job that may start; None when there is none.

    :param condition: SQL of the caller's own, with ``params`` for its values
    """
    cr.execute(_FIND_STARTABLE.format(condition=condition), params)
    row = cr.fetchone()
    return row[0] if row else None


def find_next(cr, channel: str) -> int | None:
    """The id of the channel's first ready job."""
    cr.execute(_FIND_NEXT, (channel,))
    row = cr.fetchone()
    return row[0] if row else None


def read_started(cr, job_id: int, throttled: bool) -> Started:
    """The row of a started job."""
    cr.execute(_READ, (throttled, job_id))
    return Started._make(cr.fetchone())


def finish(cr, row: Started, values: dict) -> bool:
    """Set the started job done; return whether it was still ours.

    :param values: ``retry``, ``date_done``, ``exec_time``, ``result``
    """
    written = (
        values["retry"],
        values["date_done"],
        values["exec_time"],
        values["result"],
        row.has_dependents,
    )
    execute(cr, FINISH, (*written, row.ctid, row.id, row.attempt))
    if not cr.rowcount:
        cr.execute(_FINISH_BY_ID, (*written, row.id, row.attempt))
    return bool(cr.rowcount)


def _with_signals(row):
    return (Started._make(row[:-1]), row[-1]) if row else (None, None)


def keep(cr, job_id: int, attempt: int) -> bool:
    """Whether the job is still started in this attempt; if so, it stays so until the
    transaction ends."""
    cr.execute(_KEEP, (job_id, attempt))
    return cr.fetchone() is not None
