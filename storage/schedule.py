# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A pass of a runner: who may make it, what there is to do, which jobs are taken.

All of these run in one transaction, READ COMMITTED and some milliseconds long:
:func:`begin` (or :func:`look`), :func:`promote_due`, :func:`hold_and_read`,
:func:`candidates`, :func:`mark_enqueued`.  None commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from .home import AT_HOME, REST
from .locks import PASS, SCHEDULE
from .prepared import execute
from .statement import Statement

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"

# No pass waits long for anybody, and none outlives a network that died.  A queue's
# statistics are never those of this moment: the order of the indexes is the order
# of execution, no other plan may be taken, whatever the table looked like when it
# was last analyzed (no plan is worth compiling because another is forbidden, and
# there is but one, which need not be made anew each time). No disk is waited for: what
# a crash of PostgreSQL may undo here is done once more after it, and no job's own
# commit overtakes it in the log.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL synchronous_commit = off;
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '250ms';
SET LOCAL idle_in_transaction_session_timeout = '10s';
"""
_PLANS = """
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_generic_plan;
"""
_BEGIN_SHORT = _BEGIN + _PLANS
# Ends what is open, and is harmless when nothing is.
_COMMIT = "COMMIT"
_ROLLBACK = "ROLLBACK"
# Whether the pass is ours, and all that tells whether it is worth making.
_LOOK = f"""
SELECT pg_try_advisory_xact_lock({PASS}, 0),
       EXISTS (SELECT FROM ir_module_module
                WHERE state IN ('to install', 'to upgrade', 'to remove')),
       EXISTS (SELECT FROM queue_job WHERE state = 'pending' AND ready),
       EXISTS (SELECT FROM queue_job
                WHERE state = 'pending' AND NOT ready AND eta IS NULL),
       (SELECT extract(epoch FROM min(eta) - {_UTC})::float8 FROM queue_job
         WHERE state = 'pending' AND NOT ready),
       EXISTS (SELECT FROM queue_job WHERE state IN ('enqueued', 'started')),
       {REST}, {AT_HOME}
"""
# Jobs whose date has come join the queue, the longest due first.
_PROMOTE_DUE = f"""
WITH due AS (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND NOT ready AND eta <= {_UTC}
     ORDER BY eta
     LIMIT %(limit)s
       FOR NO KEY UPDATE SKIP LOCKED
), dateless AS (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND NOT ready AND eta IS NULL
     LIMIT %(limit)s
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE queue_job SET ready = true
 WHERE id = ANY(ARRAY(SELECT id FROM due UNION ALL SELECT id FROM dateless))
"""
# From here to the commit no lease swaps its job: what is counted stays true.
_HOLD = f"SELECT pg_advisory_xact_lock({SCHEDULE}, 0);"
# Everything that decides on free places, in one go.
_READ = f"""
SELECT (SELECT json_agg(json_build_array(
                   complete_name, coalesce(capacity, 0), coalesce(sequential, false),
                   coalesce(throttle, 0), coalesce(paused, false)))
          FROM queue_job_channel WHERE complete_name IS NOT NULL),
       (SELECT json_agg(json_build_array(channel, enqueued, started)) FROM (
            SELECT channel,
                   count(*) FILTER (WHERE state = 'enqueued') AS enqueued,
                   count(*) FILTER (WHERE state = 'started') AS started
              FROM queue_job
             WHERE state IN ('enqueued', 'started')
             GROUP BY channel
       ) AS running),
       (SELECT json_agg(json_build_array(channel, CASE WHEN isfinite(last_start)
                   THEN extract(epoch FROM {_UTC} - last_start) END))
          FROM queue_job_throttle),
       (SELECT value FROM ir_config_parameter WHERE key = 'database.secret')
"""
# The first jobs of each channel, as many as it could start; of a sequential one also
# the first that waits for its date, which those behind it must not overtake.
_CANDIDATES = f"""
SELECT job.id, job.channel, job.priority,
       extract(epoch FROM job.date_created)::float8, true
  FROM unnest(%s::varchar[], %s::int[]) AS wanted (channel, number)
 CROSS JOIN LATERAL (
    SELECT id, channel, priority, date_created FROM queue_job
     WHERE state = 'pending' AND ready AND channel = wanted.channel
       AND (eta IS NULL OR eta <= {_UTC})
       AND id <> ALL(%s::bigint[])
     ORDER BY channel, priority, date_created, id
     LIMIT wanted.number
 ) AS job
"""
_HELD_HEADS = """
 UNION ALL
SELECT job.id, job.channel, job.priority,
       extract(epoch FROM job.date_created)::float8, false
  FROM unnest(%s::varchar[]) AS wanted (channel)
 CROSS JOIN LATERAL (
    SELECT id, channel, priority, date_created FROM queue_job
     WHERE state = 'pending' AND NOT ready AND channel = wanted.channel
     ORDER BY channel, priority, date_created, id
     LIMIT 1
 ) AS job
"""
# enqueue: the jobs of the decision, in its order.  A job that somebody else is about
# to change is left alone: the pass waits for nobody's transaction.
_MARK_ENQUEUED = f"""
WITH wanted AS (
    SELECT job.id, given.place
      FROM unnest(%s::bigint[]) WITH ORDINALITY AS given (id, place)
      JOIN queue_job AS job ON job.id = given.id
     WHERE job.state = 'pending' AND job.ready
       FOR NO KEY UPDATE OF job SKIP LOCKED
)
UPDATE queue_job AS job
   SET state = 'enqueued', attempt = coalesce(job.attempt, 0) + 1,
       date_enqueued = {_UTC}, runner = %s::int
  FROM wanted
 WHERE job.id = wanted.id
RETURNING wanted.place, job.id, job.uuid, job.attempt, job.channel
"""
# Who starts a job stamps the rows of its channels that have one: the throttled ones,
# and those in which each job has to be decided on.
_SET_THROTTLES = """
DELETE FROM queue_job_throttle
 WHERE channel = ANY(ARRAY(SELECT channel FROM queue_job_throttle
               WHERE channel <> ALL(%(names)s::varchar[]) FOR UPDATE SKIP LOCKED));
INSERT INTO queue_job_throttle (channel)
SELECT unnest(%(names)s::varchar[]) ON CONFLICT DO NOTHING
"""


LOOK = Statement("queue_job_look", _LOOK)
READ = Statement("queue_job_read", _READ)
CANDIDATES = Statement("queue_job_candidates", _CANDIDATES)
HELD_TOO = Statement("queue_job_candidates_held", _CANDIDATES + _HELD_HEADS)
MARK_ENQUEUED = Statement("queue_job_mark_enqueued", _MARK_ENQUEUED)
#: what a runner executes again and again
OF_RUNNER = (LOOK, READ, CANDIDATES, HELD_TOO, MARK_ENQUEUED)


class Look(NamedTuple):
    """What a runner sees before it counts anything."""

    mine: bool  # nobody else makes a pass at this moment
    busy: bool  # modules are being installed, updated or removed
    ready: bool  # there is a job to enqueue
    due: bool  # there is a job whose date has come
    next_eta: float | None  # seconds until the next job's date
    running: bool  # there are jobs enqueued or started
    rest: str | None = None  # why nothing may be executed, as in core/home.py
    at_home: bool | None = True  # this is where jobs were taken last; None: never


class State(NamedTuple):
    """What decides on free places."""

    records: list[list[Any]]  # name, capacity, sequential, throttle, paused
    running: dict[str, tuple[int, int]]  # enqueued and started, by channel
    ages: dict[str, float | None]  # seconds since a throttled channel's last start
    secret: str | None  # the key of the database's proofs


class Enqueued(NamedTuple):
    """A job that was just taken."""

    id: int
    uuid: str
    attempt: int
    channel: str


def begin(cr) -> Look:
    """Open a pass in one round trip, on a connection in autocommit mode.

    End it with :func:`commit` or :func:`rollback`.
    """
    execute(cr, LOOK, before=_BEGIN + _PLANS)
    return _look(cr.fetchone())


def begin_short(cr) -> None:
    """Open a short transaction beside the passes, with their limits of time."""
    cr.execute(_BEGIN_SHORT)


def commit(cr) -> None:
    """End what :func:`begin` opened."""
    cr.execute(_COMMIT)


def rollback(cr) -> None:
    """Undo and end what :func:`begin` opened."""
    cr.execute(_ROLLBACK)


def look(cr) -> Look:
    """As :func:`begin`, in a transaction of the caller that is READ COMMITTED."""
    execute(cr, LOOK, before=_PLANS)
    return _look(cr.fetchone())


def promote_due(cr, limit: int) -> int:
    """Let jobs whose date has come into the queue; return how many.

    :param limit: at most so many; call again when so many were found
    """
    cr.execute(_PROMOTE_DUE, {"limit": limit})
    return cr.rowcount


def hold_and_read(cr) -> State:
    """Keep leases from swapping jobs until the commit, and count what runs."""
    execute(cr, READ, before=_HOLD)
    records, running, ages, secret = cr.fetchone()
    return State(
        records or [],
        {name: (enqueued, started) for name, enqueued, started in running or ()},
        dict(ages or ()),
        secret,
    )


def candidates(
    cr,
    limits: Mapping[str, int],
    strict: Iterable[str] = (),
    without: Collection[int] = (),
) -> list[tuple[int, str, int, float, bool]]:
    """The jobs that may come next: id, channel, priority, created, ready.

    :param limits: ``{channel: most}``
    :param strict: channels whose first job that waits for its date is wanted too
    :param without: ids of ready jobs to leave out
    """
    strict = [name for name in strict if name in limits]
    params = (list(limits), list(limits.values()), list(without))
    if strict:
        execute(cr, HELD_TOO, (*params, strict))
    else:
        execute(cr, CANDIDATES, params)
    # Rows that another tool wrote may lack a priority or a date: they come last, as
    # in the index.
    return [
        (
            id_,
            channel,
            2**31 if priority is None else priority,
            float("inf") if created is None else created,
            ready,
        )
        for id_, channel, priority, created, ready in cr.fetchall()
    ]


def mark_enqueued(cr, ids: Iterable[int], runner: int) -> list[Enqueued]:
    """Take the pending jobs, in this order; those that are locked stay.

    :param runner: the number of the runner that will send them out
    """
    execute(cr, MARK_ENQUEUED, (list(ids), runner))
    return [Enqueued._make(row[1:]) for row in sorted(cr.fetchall())]


def set_throttles(cr, channels: Iterable[str]) -> None:
    """Give these channels, and no other, a row to be stamped at each start.

    A lease that stamped one ends after that job.
    """
    cr.execute(_SET_THROTTLES, {"names": list(channels)})


def _look(row) -> Look:
    mine, busy, ready, dateless, next_eta, running, rest, at_home = row
    due = dateless or (next_eta is not None and next_eta <= 0)
    return Look(mine, busy, ready, due, next_eta, running, rest, at_home)
