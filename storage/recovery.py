# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What runners put in order: lost requests, dead workers, channels that have gone.

None of these commits.  Every statement is harmless when another runner did the same
a moment before, and waits for nobody's row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from ..core.outcome import Cancelled, Failed, Retry
from .locks import HELD_JOBS, JOB_KEYS, RUNNER, WORKER
from .untold import noted

_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')"
# The keys of the advisory locks of a class that are held in this database.
_HELD = """
ARRAY(SELECT objid::int8 FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid = {}
         AND database = (SELECT oid FROM pg_database
                          WHERE datname = current_database()))
"""
# The numbers of the runners that have said nothing for long, though they may hold their
# locks. (Who executes jobs without being a runner says nothing at all.)
_SILENT = f"""
ARRAY(SELECT number FROM queue_job_runner
       WHERE seen_at < {_UTC} - %(silence)s * interval '1 second')
"""
#: seconds without a sign of life after which a runner hangs
SILENCE = 60.0
_BACK = "state = 'pending', date_enqueued = NULL, runner = NULL, run_id = NULL"
# A body that has ended is not executed once more: its end waits to be applied.
_NO_END = (
    "NOT EXISTS (SELECT FROM queue_job_end AS note WHERE note.run_id = job.run_id)"
)

# release: the requests for these attempts are over; who has started is left alone, who
# is held by somebody is told apart, to be given back later
_RELEASE_ENQUEUED = f"""
WITH given AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(attempts)s::int[]) AS given (id, attempt)
), waiting AS (
    SELECT job.id FROM given JOIN queue_job AS job USING (id, attempt)
     WHERE job.state = 'enqueued'
), free AS (
    SELECT job.id FROM given JOIN queue_job AS job ON job.id = given.id
     WHERE job.attempt = given.attempt AND job.state = 'enqueued'
       FOR NO KEY UPDATE OF job SKIP LOCKED
), released AS (
    UPDATE queue_job AS job SET {_BACK}
      FROM free WHERE job.id = free.id
    RETURNING job.id
)
SELECT waiting.id, released.id IS NOT NULL
  FROM waiting LEFT JOIN released ON released.id = waiting.id
"""
# release: what a runner that stops has enqueued and nobody has started
_RELEASE_ALL = f"""
UPDATE queue_job SET {_BACK}
 WHERE id = ANY(ARRAY(SELECT id FROM queue_job
               WHERE state = 'enqueued' AND runner = %(runner)s
                 FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id
"""
# release: enqueued by a runner that is gone, or by us without our knowing (the commit
# went through, the connection did not live to tell). A runner that hangs holds its lock
# for as long as it likes: then the age of its last sign of life counts. The order is
# not that of the primary key, which would be read from one end to the other for it.
_RELEASE_STALE = f"""
UPDATE queue_job SET {_BACK}
 WHERE id = ANY(ARRAY(
    SELECT id FROM queue_job
     WHERE state = 'enqueued'
       AND coalesce(date_enqueued, '-infinity')
           NOT BETWEEN {_UTC} - %(grace)s * interval '1 second' AND {_UTC}
       AND CASE WHEN runner = %(runner)s THEN id <> ALL(%(flying)s::bigint[])
                ELSE coalesce(runner, -1) <> ALL({_HELD.format(RUNNER)})
                  OR coalesce(runner, -1) = ANY({_SILENT}) END
     ORDER BY channel, id
     LIMIT 1000
       FOR NO KEY UPDATE SKIP LOCKED
 ))
RETURNING id, uuid, channel, attempt
"""
# Started jobs whose lock is free: a look alone proves nothing, for the lock is taken a
# moment after the start is committed. A worker that lives has lost the connection of
# its lease, and is about to regain the lock or to stop the body.
_ORPHANS = f"""
SELECT id, coalesce(attempt, 0),
       coalesce(hashtext(worker)::int8 & 4294967295
                = ANY({_HELD.format(WORKER)}), false)
  FROM queue_job AS job
 WHERE state = 'started' AND {_NO_END}
   AND coalesce(date_started, '-infinity')
       NOT BETWEEN {_UTC} - %(grace)s * interval '1 second' AND {_UTC}
   AND id <> ALL({HELD_JOBS})
 LIMIT %(limit)s
"""
# Whoever gets the lock of a started job and its row proves that nobody executes it,
# and keeps it so until the transaction ends.
_SEIZE = f"""
SELECT id, uuid, channel, coalesce(attempt, 0), coalesce(deaths, 0) + 1, worker,
       EXISTS (SELECT FROM queue_job_stop WHERE job_id = job.id),
       (SELECT reason FROM queue_job_stop WHERE job_id = job.id)
  FROM queue_job AS job
 WHERE id = %(id)s AND coalesce(attempt, 0) = %(attempt)s AND state = 'started'
   AND {_NO_END}
   AND pg_try_advisory_xact_lock({JOB_KEYS} + id)
   FOR NO KEY UPDATE SKIP LOCKED
"""
# rescue: the try is noted, the request to stop is answered, the job moves on
_NOTE_TRY = f"""
INSERT INTO queue_job_try (job_id, attempt, outcome, date_started, date_ended,
                           exec_time, worker, exc_name, exc_message)
SELECT id, coalesce(retry, 0) + 1, 'died', date_started, {_UTC},
       greatest(extract(epoch FROM {_UTC} - date_started), 0), worker,
       %(exc_name)s, %(exc_message)s
  FROM queue_job WHERE id = %(id)s
"""
_FORGET_STOP = """
DELETE FROM queue_job_stop
 WHERE job_id = ANY(ARRAY(SELECT job_id FROM queue_job_stop
               WHERE job_id = %s FOR UPDATE SKIP LOCKED))
"""
_RESCUE_PENDING = f"""
UPDATE queue_job
   SET {_BACK}, deaths = %(deaths)s, date_started = NULL,
       identity_twin = identity_key IS NOT NULL,
       eta = CASE WHEN %(seconds)s > 0
                  THEN {_UTC} + %(seconds)s * interval '1 second' ELSE eta END,
       ready = %(seconds)s <= 0,
       exc_name = %(exc_name)s, exc_message = %(exc_message)s, exc_info = NULL
 WHERE id = %(id)s AND state = 'started'
"""
_RESCUE_FAILED = noted("""
UPDATE queue_job
   SET state = 'failed', deaths = %(deaths)s,
       exc_name = %(exc_name)s, exc_message = %(exc_message)s, exc_info = NULL
 WHERE id = %(id)s AND state = 'started'
RETURNING id, state
""")
_RESCUE_CANCELLED = noted(f"""
UPDATE queue_job
   SET state = 'cancelled', deaths = %(deaths)s, date_cancelled = {_UTC},
       result = %(reason)s
 WHERE id = %(id)s AND state = 'started'
RETURNING id, state
""")
_MAX_DEATHS = """
SELECT value FROM ir_config_parameter WHERE key = 'queue_job.max_deaths'
"""
# Which channels have jobs in the queue: from one name to the next in the index, never
# job by job.
_WAITING_CHANNELS = """
WITH RECURSIVE name AS (
    (SELECT channel FROM queue_job WHERE state = 'pending' AND ready
      ORDER BY channel LIMIT 1)
     UNION ALL
    SELECT (SELECT channel FROM queue_job
             WHERE state = 'pending' AND ready AND channel > name.channel
             ORDER BY channel LIMIT 1)
      FROM name WHERE name.channel IS NOT NULL
)
SELECT channel FROM name WHERE channel IS NOT NULL
"""
_CHANNEL_RECORDS = "SELECT complete_name FROM queue_job_channel"
# Rows that another tool wrote may have no channel.
_ADOPT_CHANNELLESS = """
UPDATE queue_job SET channel = 'root'
 WHERE id = ANY(ARRAY(SELECT id FROM queue_job
               WHERE state = 'pending' AND ready AND channel IS NULL
               LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED))
"""
# refuse: jobs that cannot be started at all
_REFUSE_PENDING = noted("""
UPDATE queue_job
   SET state = 'failed', exc_name = %(exc_name)s, exc_message = %(exc_message)s,
       exc_info = NULL
 WHERE state = 'pending'
   AND id = ANY(ARRAY(SELECT id FROM queue_job
               WHERE state = 'pending' AND ready AND channel = %(channel)s
               LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id, state
""")
_REFUSE_ENQUEUED = noted("""
UPDATE queue_job
   SET state = 'failed', exc_name = %(exc_name)s, exc_message = %(exc_message)s,
       exc_info = NULL
 WHERE id = %(id)s AND state = 'enqueued'
RETURNING id, state
""")


class Released(NamedTuple):
    """A job that went back to the queue without having been started."""

    id: int
    uuid: str
    channel: str
    attempt: int


class Dead(NamedTuple):
    """A started job that nobody executes."""

    id: int
    uuid: str
    channel: str
    attempt: int
    deaths: int  # this one included
    worker: str | None
    stopped: bool  # somebody asked it to stop
    reason: str | None


def release_enqueued(
    cr, attempts: Iterable[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Give back jobs whose requests are over.

    :param attempts: pairs of job id and attempt
    :return: the jobs that nobody had started; those that somebody holds, to be tried
        again later
    """
    attempts = list(attempts)
    params = {"ids": [i for i, _a in attempts], "attempts": [a for _i, a in attempts]}
    cr.execute(_RELEASE_ENQUEUED, params)
    rows = cr.fetchall()
    return [i for i, back in rows if back], [i for i, back in rows if not back]


def release_all(cr, runner: int) -> list[int]:
    """Give back what the runner enqueued and nobody started; return the ids."""
    cr.execute(_RELEASE_ALL, {"runner": runner})
    return [row[0] for row in cr.fetchall()]


def release_stale(
    cr, runner: int, flying: Collection[int], grace: float = 1.0
) -> list[Released]:
    """Give back what runners that are gone had enqueued.

    :param runner: our own number
    :param flying: ids of the jobs that we have requests under way for
    :param grace: seconds that a job was enqueued before
    """
    params = {
        "runner": runner,
        "flying": list(flying),
        "grace": grace,
        "silence": SILENCE,
    }
    cr.execute(_RELEASE_STALE, params)
    return [Released._make(row) for row in cr.fetchall()]


def orphans(cr, grace: float = 0.5, limit: int = 1000) -> list[tuple[int, int, bool]]:
    """Started jobs without a sign of life: id, attempt, and whether the worker lives.

    Only those seen twice, some time apart, are to be rescued; when the worker lives,
    ``locks.RESCUE_FROM_THE_LIVING`` apart.

    :param grace: seconds that a job was started before
    """
    cr.execute(_ORPHANS, {"grace": grace, "limit": limit})
    return cr.fetchall()


def seize(cr, job_id: int, attempt: int) -> Dead | None:
    """Take the job from nobody until the transaction ends; None: it is alive."""
    cr.execute(_SEIZE, {"id": job_id, "attempt": attempt})
    row = cr.fetchone()
    return Dead._make(row) if row else None


def rescue(cr, dead: Dead, outcome: Retry | Failed | Cancelled) -> None:
    """Move on a job that :func:`seize` returned in this transaction."""
    params: dict[str, Any] = {
        "id": dead.id,
        "deaths": dead.deaths,
        "exc_name": getattr(outcome, "exc_name", None),
        "exc_message": getattr(outcome, "exc_message", None),
        "seconds": getattr(outcome, "seconds", 0),
        "reason": getattr(outcome, "reason", None),
    }
    cr.execute(_NOTE_TRY, params)
    cr.execute(_FORGET_STOP, (dead.id,))
    if isinstance(outcome, Cancelled):
        cr.execute(_RESCUE_CANCELLED, params)
    elif isinstance(outcome, Failed):
        cr.execute(_RESCUE_FAILED, params)
    else:
        cr.execute(_RESCUE_PENDING, params)


def max_deaths(cr, default: int) -> int:
    """How often a job's worker may die, by the database's own setting; 0: no end."""
    cr.execute(_MAX_DEATHS)
    row = cr.fetchone()
    value = (row[0] or "").strip() if row else ""
    return int(value) if value.isdecimal() else default


def adopt_channelless(cr) -> None:
    """Give jobs that another tool inserted without a channel to the root."""
    cr.execute(_ADOPT_CHANNELLESS)


def unknown_channels(cr, configured: Collection[str]) -> list[str]:
    """Channels that jobs wait in and that nobody knows.

    :param configured: names that are known without a record
    """
    cr.execute(_WAITING_CHANNELS)
    names = [row[0] for row in cr.fetchall() if row[0] is not None]
    # Read after the jobs: who makes a channel and a job in it at once is seen whole.
    cr.execute(_CHANNEL_RECORDS)
    known = {row[0] for row in cr.fetchall()}.union(configured)
    return [name for name in names if name not in known]


def refuse_pending(
    cr, channel: str, exc_name: str, exc_message: str, limit: int = 1000
) -> list[int]:
    """Fail jobs that wait in the channel; return their ids, at most ``limit``."""
    params = {
        "channel": channel,
        "exc_name": exc_name,
        "exc_message": exc_message,
        "limit": limit,
    }
    cr.execute(_REFUSE_PENDING, params)
    return [row[0] for row in cr.fetchall()]


def refuse_enqueued(cr, job_id: int, exc_name: str, exc_message: str) -> None:
    """Fail an enqueued job that no request can be made for."""
    params = {"id": job_id, "exc_name": exc_name, "exc_message": exc_message}
    cr.execute(_REFUSE_ENQUEUED, params)
