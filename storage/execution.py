# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job in the hands of its executor: started, finished, the next one taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg2

from . import session
from .home import AWAKE
from .locks import JOB_KEYS, job_key
from .prepared import execute, text
from .statement import Statement

_UTC = "clock_timestamp() AT TIME ZONE 'UTC'"
_COLUMNS = """
          job.id, job.ctid::text, job.uuid, job.model_name, job.method_name,
          job.records::text, job.args::text, job.kwargs::text, job.user_id,
          job.company_id, job.retry, job.max_retries, job.priority, job.eta,
          job.channel, job.attempt, job.timeout, job.date_created, job.date_started,
          job.name, job.identity_key, job.graph_uuid, job.date_enqueued, job.trace,
          job.run_id,
          job.sealed IS TRUE AS sealed,
          (SELECT active FROM res_users WHERE id = job.user_id) AS user_active,
          EXISTS (SELECT 1 FROM queue_job_edge
                   WHERE parent_id = job.id AND NOT met) AS has_dependents,
          EXISTS (SELECT 1 FROM queue_job_stop WHERE job_id = job.id) AS stopped
"""
# start: the job of this attempt, unless somebody holds its row: then it goes back soon.
# A throttled channel, its own or one above it, counts its gap from here: one statement,
# since a pass between the start and a later stamp would see the gap as over.
_START = f"""
WITH started AS (
    UPDATE queue_job AS job
       SET state = 'started', date_started = {_UTC},
           worker = %s::varchar, worker_pid = %s::int, run_id = %s::bigint
     WHERE id = (
        SELECT id FROM queue_job
         WHERE uuid = %s::varchar AND state = 'enqueued' AND attempt = %s::int
           AND {AWAKE}
           FOR NO KEY UPDATE SKIP LOCKED
     )
    RETURNING channel
)
UPDATE queue_job_throttle AS throttle SET last_start = {_UTC} FROM started
 WHERE started.channel = throttle.channel
    OR starts_with(started.channel, throttle.channel || '.')
"""
# The sign of life of the run.  A job that is tried again at once may start before the
# lease of its last try has let go: it waits for that.  The transaction that holds a job
# has no lock on the table: it would keep every ALTER TABLE waiting for the body.
_FIND = """
SELECT set_config('queue_job_lease.started', coalesce((
    SELECT id::text FROM queue_job
     WHERE uuid = %s::varchar AND run_id = %s::bigint), ''), false)
"""
_HOLD = f"""
SELECT pg_advisory_xact_lock(
    {JOB_KEYS} + nullif(current_setting('queue_job_lease.started'), '')::bigint)
"""
_LOOK, _LOOKED = "SAVEPOINT queue_job_look;", "ROLLBACK TO SAVEPOINT queue_job_look"
# Read under the lock, in one round trip with it: who came too late, for the network or
# the machine stood still between start and lock, finds that the job is not his.
_READ_STARTED = f"""
SELECT {_COLUMNS},
       EXISTS (SELECT FROM queue_job_throttle AS throttle
                WHERE job.channel = throttle.channel
                   OR starts_with(job.channel, throttle.channel || '.')),
       ARRAY[{{signals}}]
  FROM queue_job AS job
 WHERE uuid = %s::varchar AND state = 'started' AND run_id = %s::bigint
"""
# reserve: the next ready job of the channel; others look elsewhere meanwhile.  As long
# as it has the number of the run behind which it waits, it has no place of its own.
_RESERVE = f"""
WITH head AS MATERIALIZED (
    SELECT id, priority FROM queue_job
     WHERE state = 'pending' AND ready AND channel = %s::varchar
       AND (eta IS NULL OR eta <= {_UTC})
       AND NOT EXISTS (SELECT FROM queue_job_channel
                        WHERE complete_name = ANY(%s::varchar[]) AND paused)
       AND {AWAKE} {{behind}}
     ORDER BY channel, priority, date_created, id
     LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
), reserved AS (
    UPDATE queue_job AS job
       SET state = 'enqueued', date_enqueued = {_UTC}, runner = NULL,
           attempt = coalesce(job.attempt, 0) + 1, run_id = %s::bigint
      FROM head
     WHERE job.id = head.id AND job.state = 'pending' {{fair}}
    RETURNING job.uuid, job.attempt
)
SELECT set_config('queue_job_lease.reserved',
    coalesce((SELECT uuid || ' ' || attempt FROM reserved), ''), false)
"""
# Behind a job that was taken: the index is entered there, past the dead entries that a
# long transaction keeps at its head.
_BEHIND = """
       AND (priority, date_created, id) > (%s::int, %s::timestamp, %s::bigint)
"""
# No job with a better priority waits in another channel that is not paused: from one
# name to the next in the index, never job by job.
_FAIR = """
       AND NOT EXISTS (
        WITH RECURSIVE name AS (
            (SELECT channel FROM queue_job WHERE state = 'pending' AND ready
              ORDER BY channel LIMIT 1)
             UNION ALL
            SELECT (SELECT channel FROM queue_job
                     WHERE state = 'pending' AND ready AND channel > name.channel
                     ORDER BY channel LIMIT 1)
              FROM name WHERE name.channel IS NOT NULL
        )
        SELECT FROM name
         WHERE (SELECT priority FROM queue_job AS other
                 WHERE other.state = 'pending' AND other.ready
                   AND other.channel = name.channel
                 ORDER BY channel, priority, date_created, id
                 LIMIT 1) < head.priority
           AND NOT EXISTS (
                SELECT FROM queue_job_channel AS closed
                 WHERE closed.paused
                   AND (closed.complete_name = name.channel
                     OR starts_with(name.channel, closed.complete_name || '.')))
       )
"""
_GIVE_BACK = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, run_id = NULL
 WHERE uuid = %s AND attempt = %s AND state = 'enqueued'
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
# the same start, told apart from the write that follows
_FIND_STARTABLE = f"""
SELECT id FROM queue_job
 WHERE uuid = %s AND attempt = %s AND state = 'enqueued'
   AND {AWAKE}
   FOR NO KEY UPDATE SKIP LOCKED
"""
_STAMP_RUN = "UPDATE queue_job SET run_id = %s WHERE id = %s"
# finish: in the body's own transaction, so that effects and state commit together.
# By the place of the row: nobody writes it while the job is started.  Who does all the
# same, or holds the row, is not waited for: the end is noted instead.
_FINISH = """
UPDATE queue_job
   SET state = 'done', retry = %s::int, date_done = %s::timestamp,
       exec_time = %s::float8, result = %s::text,
       exc_name = NULL, exc_message = NULL, exc_info = NULL, release_due = %s::bool
 WHERE ctid = (
    SELECT ctid FROM queue_job
     WHERE ctid = %s::tid AND id = %s::bigint AND state = 'started'
       AND run_id = %s::bigint
       FOR NO KEY UPDATE SKIP LOCKED
 )
"""
_TRIAL = "SAVEPOINT queue_job_end; "
_UNDO_TRIAL = "ROLLBACK TO SAVEPOINT queue_job_end"
# An end that could not be written on its row; nothing conflicts with an insertion.
_NOTE_END = """
INSERT INTO queue_job_end
       (run_id, job_id, retry, date_done, exec_time, result, release_due)
VALUES (%(run_id)s, %(job_id)s, %(retry)s, %(date_done)s, %(exec_time)s, %(result)s,
        %(release_due)s)
"""
# finish: what was noted, by the lease or by whoever comes first; rows that somebody
# holds have their turn later, notes of runs that were taken away go
_APPLY_ENDS = """
WITH free AS (
    SELECT job.id, job.run_id FROM queue_job_end AS note
      JOIN queue_job AS job ON job.id = note.job_id
     WHERE job.run_id = note.run_id AND job.state = 'started' {of_run}
       FOR NO KEY UPDATE OF job SKIP LOCKED
), applied AS (
    UPDATE queue_job AS job
       SET state = 'done', retry = note.retry, date_done = note.date_done,
           exec_time = note.exec_time, result = note.result,
           exc_name = NULL, exc_message = NULL, exc_info = NULL,
           release_due = note.release_due
      FROM queue_job_end AS note JOIN free ON free.run_id = note.run_id
     WHERE job.id = free.id
    RETURNING job.id, job.run_id
), gone AS (
    DELETE FROM queue_job_end AS note
     WHERE (run_id IN (SELECT run_id FROM applied)
        OR NOT EXISTS (SELECT FROM queue_job AS job
                        WHERE job.id = note.job_id AND job.run_id = note.run_id
                          AND job.state = 'started')) {of_run}
)
SELECT id FROM applied
"""
_OF_RUN = "AND note.run_id = %(run_id)s"
_TAKE_END = """
DELETE FROM queue_job_end WHERE run_id = %s;
SELECT FROM queue_job WHERE id = %s FOR NO KEY UPDATE NOWAIT
"""

# Is the job still being executed in this very run, and its end not noted yet? Nobody
# takes it away then.
_IS_OURS = """
SELECT 1 FROM queue_job AS job
 WHERE id = %s AND run_id = %s AND state = 'started'
   AND NOT EXISTS (SELECT FROM queue_job_end AS note WHERE note.run_id = job.run_id)
"""
_HOLD_AGAIN = "SELECT pg_try_advisory_xact_lock(%s)"
_KEEP = _IS_OURS + " FOR NO KEY UPDATE"

_HAS_MORE_MODULES = """
SELECT EXISTS (SELECT FROM ir_module_module
                WHERE state IN ('installed', 'to upgrade') AND name <> ALL(%s))
"""

# the key of the proofs
_SECRET = "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"

SECRET = Statement("queue_job_secret", _SECRET)


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
    run_id: int
    sealed: bool
    #: None: the user is gone
    user_active: bool | None
    has_dependents: bool
    #: somebody asked the job to stop before it was started
    stopped: bool
    #: one of the job's channels is throttled
    throttled: bool


class Starting(NamedTuple):
    """The statements of a lease, see :func:`start`."""

    start: Statement
    find: Statement
    read: Statement
    reserve: Statement
    reserve_fairly: Statement
    reserve_behind: Statement


def start_statements(tables: Iterable[str]) -> Starting:
    """The statements for :func:`start` and :func:`reserve`.

    :param tables: those of Odoo's signals, whose last ids are read along
    """
    signals = ", ".join(_SIGNAL.format(table) for table in tables)
    return Starting(
        Statement("queue_job_start", _START),
        Statement("queue_job_find", _FIND),
        Statement("queue_job_read", _READ_STARTED.format(signals=signals)),
        Statement("queue_job_reserve", _RESERVE.format(fair="", behind="")),
        Statement("queue_job_reserve_fairly", _RESERVE.format(fair=_FAIR, behind="")),
        Statement("queue_job_reserve_behind", _RESERVE.format(fair="", behind=_BEHIND)),
    )


class Run(NamedTuple):
    """A start: of which job in which attempt, by whom, under which number."""

    uuid: str
    attempt: int
    run_id: int
    worker: str
    pid: int


def start(cr, statements: Starting, run: Run) -> None:
    """Start the enqueued job, if it is still there in this attempt."""
    execute(cr, statements.start, _start_params(run))


def start_and_hold(
    cr, statements: Starting, run: Run, started: bool = False
) -> tuple[Started, list[int]] | tuple[None, None]:
    """Start the job, show that it lives and read it, in one round trip; the next one
    lets go of the table.

    Transaction: ends the open one; the next one holds the job. A repetition with the
    same run, after an answer that was lost, does no harm.

    :param started: by the caller, who committed that
    :return: the :class:`Started` row and the last ids of the signals; None, None
    """
    params: tuple = (run.uuid, run.run_id) * 2
    first = f"{text(cr, statements.find)}; COMMIT;"
    if not started:
        first = f"{text(cr, statements.start)}; {first}"
        params = (*_start_params(run), *params)
    if not cr.in_transaction:
        first = f"BEGIN; {first}"
    read = text(cr, statements.read)
    cr.execute(f"{first}{cr.begin}{_HOLD};{_LOOK}{read}", params)
    found = _with_signals(cr.fetchone())
    cr.execute(_LOOKED)
    return found


def read_started(cr, statements: Starting, run: Run):
    """What :func:`start_and_hold` returns, of a job that was started before."""
    execute(cr, statements.read, (run.uuid, run.run_id))
    return _with_signals(cr.fetchone())


class Reserved(NamedTuple):
    """What :func:`reserve` took, if anything."""

    job: tuple[str, int] | None  # uuid and attempt
    seconds: float  # that the server needed


#: how :func:`reserve` looks for a job: at the head of the queue, not while a job with a
#: better priority waits in another channel, or behind the running job
HEAD, FAIRLY, BEHIND = "head", "fairly", "behind"


def reserve(
    cr, statements: Starting, row: Started, lineage: Iterable[str], how: str = HEAD
) -> Reserved:
    """Take the next job of the running one's channel.

    Race: the end of the one and the start of the other are two transactions, and a
    pass between them must not give their place away. What is reserved is counted with
    the running job until that ends, and for it from then on.

    Transaction: commits. The lock of the running job has no gap: it is the session's
    for the time of a batch, which a pooler leaves on one connection.

    :param lineage: the channel and those above it: none of them may be paused
    :param how: ``HEAD``, ``FAIRLY`` or ``BEHIND``
    """
    take = {
        HEAD: statements.reserve,
        FAIRLY: statements.reserve_fairly,
        BEHIND: statements.reserve_behind,
    }[how]
    place = (row.priority, row.date_created, row.id) if how == BEHIND else ()
    key = job_key(row.id)
    cr.execute(
        f"{text(cr, take)}; SELECT pg_advisory_lock(%s); COMMIT; {cr.begin}"
        "SELECT pg_advisory_xact_lock(%s);"
        "SELECT pg_advisory_unlock(%s), current_setting('queue_job_lease.reserved'),"
        " extract(epoch FROM clock_timestamp() - statement_timestamp())::float8",
        (row.channel, list(lineage), *place, row.run_id, key, key, key),
    )
    _unlocked, found, seconds = cr.fetchone()
    if not found:
        return Reserved(None, seconds)
    uuid, attempt = found.split(" ")
    return Reserved((uuid, int(attempt)), seconds)


def give_back(cr, uuid: str, attempt: int) -> None:
    """Put a reserved job back that was not started."""
    cr.execute(_GIVE_BACK, (uuid, attempt))


def _start_params(run: Run) -> tuple:
    return run.worker, run.pid, run.run_id, run.uuid, run.attempt


def secret(cr) -> str:
    """The database's own secret; empty when it has none."""
    execute(cr, SECRET)
    row = cr.fetchone()
    return row[0] if row else ""


def keep_to_indexes(cr) -> None:
    """Have the session of a lease plan by the indexes alone, wait for no disk, notice
    its end, and last as long as the job."""
    cr.execute(_SESSION)
    session.set_limits(cr)


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


def find_startable(cr, run: Run) -> int | None:
    """Lock and return the id of the job when it may start; None when it may not."""
    cr.execute(_FIND_STARTABLE, (run.uuid, run.attempt))
    row = cr.fetchone()
    return row[0] if row else None


def stamp_run(cr, job_id: int, run_id: int) -> None:
    """Give a job that is being started the number of its run."""
    cr.execute(_STAMP_RUN, (run_id, job_id))


class Trial:
    """What :func:`trial` tells: whether it went through."""

    moved = False


@contextmanager
def trial(cr, begin: bool = True) -> Iterator[Trial]:
    """Undo what PostgreSQL refuses within the block, and go on behind it.

    :raises psycopg2.Error: when the transaction or the connection is lost before
    """
    tried = Trial()
    try:
        if begin:
            cr.execute(_TRIAL)
        yield tried
    except psycopg2.Error as error:
        tried.moved = False
        if isinstance(error, psycopg2.errors.InFailedSqlTransaction) or cr._cnx.closed:
            raise
        cr.execute(_UNDO_TRIAL)


def finish(cr, row: Started, values: Mapping[str, Any]) -> Trial:
    """Set the started job done; tell whether that could be written.

    Transaction: nothing of it is lost when it could not, and nobody is waited for.

    :param values: ``retry``, ``date_done``, ``exec_time``, ``result``
    """
    params = (
        values["retry"],
        values["date_done"],
        values["exec_time"],
        values["result"],
        row.has_dependents,
        *(row.ctid, row.id, row.run_id),
    )
    with trial(cr, begin=False) as tried:
        # a refusal is no news for the log
        cr.execute(_TRIAL + _FINISH, params, log_exceptions=False)
        tried.moved = bool(cr.rowcount)
    return tried


def note_end(cr, row: Started, values: Mapping[str, Any]) -> None:
    """Note that the job is done, for :func:`apply_ends` after the commit.

    :param values: as for :func:`finish`
    """
    params = {
        **values,
        "run_id": row.run_id,
        "job_id": row.id,
        "release_due": row.has_dependents,
    }
    cr.execute(_NOTE_END, params)


def apply_ends(cr, run_id: int | None = None) -> list[int]:
    """Set jobs done whose ends were noted; return their ids.

    Jobs that somebody holds are left for the next time.

    :param run_id: of this run alone
    """
    query = _APPLY_ENDS.format(of_run="" if run_id is None else _OF_RUN)
    cr.execute(query, {"run_id": run_id})
    return [row[0] for row in cr.fetchall()]


def take_end(cr, job_id: int, run_id: int) -> None:
    """Remove a note whose writer applies it himself, in this transaction.

    :raises psycopg2.errors.LockNotAvailable: somebody is at the row of the job
    """
    cr.execute(_TAKE_END, (run_id, job_id))


def _with_signals(row):
    return (Started._make(row[:-1]), row[-1]) if row else (None, None)


def is_ours(cr, job_id: int, run_id: int) -> bool:
    """Whether the job is still executed in this run."""
    cr.execute(_IS_OURS, (job_id, run_id))
    return cr.fetchone() is not None


def hold_again(cr, job_id: int, run_id: int) -> bool | None:
    """Begin to hold a running job whose first hold is lost; return whether it is ours.

    Race: who rescues it holds it, and commits before he lets go.

    :return: None: it cannot be told yet, for somebody holds it, be it our lost session
    """
    cr.execute(cr.begin + _HOLD_AGAIN, (job_key(job_id),))
    if not cr.fetchone()[0]:
        return None
    cr.execute(_LOOK + _IS_OURS, (job_id, run_id))
    ours = cr.fetchone() is not None
    cr.execute(_LOOKED)
    return ours


def keep(cr, job_id: int, run_id: int) -> bool:
    """The same; if so, it stays so until the transaction ends."""
    cr.execute(_KEEP, (job_id, run_id))
    return cr.fetchone() is not None
