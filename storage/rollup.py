# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ended, added up per minute, channel and function, off the hot path (D13).

Nobody writes a figure when a job ends.  From time to time :func:`add_up` reads what
ended since the last time, from the indexes that are there anyway.  Each end counts
exactly once:

* The watermark ``counted_up_to`` follows the clock some seconds behind (``_LAG``).
  What ended before it and is seen was counted; what ends after it is counted when it
  has passed.
* Race: an end is stamped before its transaction commits, so the watermark may pass
  it unseen, however far behind it is.  But then its job is still seen as started, in
  that very try: those tries are noted in the same snapshot, and of each the end that
  lies before the watermark, which cannot have been counted, is counted when it shows.
* Who cancels is not the executor but anybody, in a transaction of any length and on
  jobs of any state.  Cancellations have a watermark of their own, which does not
  pass the beginning of a transaction that still writes (for an hour at most).
* A crash between two statements undoes both, for figures and watermarks are written
  by one; two at once exclude each other by the lock on the row of the watermarks.

The clocks of the nodes may differ by less than ``_LAG``.  A job that was requeued
counts again when it ends again; what is put back into the queue within the seconds
before its end was counted does not count that end.
"""

from __future__ import annotations

from ..core.histogram import BOUNDS, SIZE
from . import catalogue
from .ends import WITH_CHANNELS

MINUTE, HOUR, TOTAL = GRAINS = ("minute", "hour", "total")
#: what a stat counts, in the order of its columns
OUTCOMES = ("done", "failed", "retry", "cancelled", "died")

_LAG = "interval '10 seconds'"
#: what is added up by one statement, at most
_SLICE = "interval '1 minute'"
_PATIENCE = "interval '1 hour'"
_NOW = "(now() AT TIME ZONE 'UTC')"

_TABLE = """
CREATE TABLE IF NOT EXISTS queue_job_rollup (
    id integer PRIMARY KEY CHECK (id = 1),
    counted_up_to timestamp NOT NULL,
    cancelled_up_to timestamp NOT NULL,
    -- the tries that were under way then, by their job and their start
    running_ids bigint[],
    running_since timestamp[]
)
"""
_HISTOGRAMS = {"wait_histogram": "bigint[]", "run_histogram": "bigint[]"}
# Race: a runner writes the row all the time. To insert it over a version that is newer
# than the snapshot would fail; to see an older version does not.
_BEGIN = f"""
INSERT INTO queue_job_rollup (id, counted_up_to, cancelled_up_to)
SELECT 1, {_NOW} - {_LAG}, {_NOW} - {_LAG}
 WHERE NOT EXISTS (SELECT FROM queue_job_rollup)
    ON CONFLICT DO NOTHING
"""
# The oldest writer is looked for before the snapshot that sees what it wrote: who is
# not found has committed, or has not begun to write.
_TAKE = f"""
SET LOCAL jit = off;
SELECT counted_up_to,
       greatest(counted_up_to, least(counted_up_to + {_SLICE}, {_NOW} - {_LAG})),
       cancelled_up_to,
       greatest(cancelled_up_to, least(
           cancelled_up_to + {_SLICE}, {_NOW} - {_LAG},
           greatest({_NOW} - {_PATIENCE}, (
               SELECT coalesce(min(xact_start AT TIME ZONE 'UTC'), 'infinity') - {_LAG}
                 FROM pg_stat_activity
                WHERE datname = current_database() AND backend_xid IS NOT NULL
                  AND pid <> pg_backend_pid())))),
       counted_up_to + {_SLICE} < {_NOW} - {_LAG}
  FROM queue_job_rollup
   FOR NO KEY UPDATE SKIP LOCKED
"""
# A job that somebody set done did not run now, whatever it did before.
_RAN = "job.date_done < job.date_started + (job.exec_time + 2) * interval '1 second'"
# How long a job waited is known of those that came into the queue once, and not from
# behind other jobs.
_DONE = """
    SELECT job.date_done AS at, job.channel, job.model_name, job.method_name,
           'done' AS outcome, job.exec_time AS run,
           CASE WHEN job.identity_twin IS NOT TRUE AND job.barrier_id IS NULL THEN
               extract(epoch FROM
                   job.date_started - greatest(job.date_created, job.eta))
           END AS wait
"""
# A worker's death that failed its job is a failure; any other one was rescued.
_FATAL = """try.outcome = 'died' AND job.state = 'failed' AND NOT EXISTS (
                    SELECT FROM queue_job_try AS later
                     WHERE later.job_id = job.id AND later.id > try.id)"""
_TRIED = f"""
    SELECT try.date_ended, job.channel, job.model_name, job.method_name,
           CASE WHEN try.outcome = 'cancelled' THEN 'stopped'
                WHEN {_FATAL} THEN 'failed' ELSE try.outcome END,
           CASE WHEN try.outcome <> 'died' THEN try.exec_time END, NULL
"""


def _columns(template: str) -> str:
    """One expression per bucket; PostgreSQL counts the places of an array from 1."""
    return ", ".join(template.format(place, place - 1) for place in range(1, SIZE + 1))


_BOUNDS = f"ARRAY[{', '.join(map(str, BOUNDS))}]::float8[]"
_SUMS = ("wait_count", "wait_seconds", "run_count", "run_seconds")
_OUTCOMES = ", ".join(
    f"coalesce(sum(number) FILTER (WHERE outcome = '{each}'), 0)" for each in OUTCOMES
)
_WAITS = _columns("coalesce(sum(number) FILTER (WHERE waited = {1}), 0)")
_RUNS = _columns("coalesce(sum(number) FILTER (WHERE ran = {1}), 0)")
_ADDED = ", ".join(
    f"{each} = stat.{each} + excluded.{each}" for each in (*OUTCOMES, *_SUMS)
)
_ADDED_WAITS = _columns("stat.wait_histogram[{0}] + excluded.wait_histogram[{0}]")
_ADDED_RUNS = _columns("stat.run_histogram[{0}] + excluded.run_histogram[{0}]")
_ADD_UP = f"""{WITH_CHANNELS}
noted AS (
    SELECT job_id, since FROM queue_job_rollup,
           unnest(running_ids, running_since) AS tries (job_id, since)
), ended AS (
    {_DONE}
      FROM done CROSS JOIN LATERAL (
        SELECT * FROM queue_job AS job
         WHERE state = 'done' AND channel = done.channel
           AND date_done >= %(since)s AND date_done < %(until)s AND {_RAN}
      ) AS job
     UNION ALL
    {_DONE}
      FROM noted JOIN queue_job AS job ON id = job_id AND date_started = since
     WHERE state = 'done' AND date_done < %(since)s AND {_RAN}
     UNION ALL
    {_TRIED}
      FROM queue_job_try AS try JOIN queue_job AS job ON job.id = try.job_id
     WHERE date_ended >= %(since)s AND date_ended < %(until)s
     UNION ALL
    {_TRIED}
      FROM noted JOIN queue_job_try AS try USING (job_id)
      JOIN queue_job AS job ON job.id = job_id
     WHERE try.date_started = noted.since AND date_ended < %(since)s
     UNION ALL
    SELECT job.date_cancelled, job.channel, model_name, method_name,
           'cancelled', NULL, NULL
      FROM cancelled CROSS JOIN LATERAL (
        SELECT * FROM queue_job
         WHERE state = 'cancelled' AND channel = cancelled.channel
           AND date_cancelled >= %(cancelled_since)s
           AND date_cancelled < %(cancelled_until)s
      ) AS job
), cells AS (
    SELECT date_trunc('minute', at) AS minute, coalesce(channel, '') AS channel,
           '<' || coalesce(model_name, '') || '>.' || coalesce(method_name, '')
               AS function,
           outcome, width_bucket(wait, {_BOUNDS}) AS waited,
           width_bucket(run, {_BOUNDS}) AS ran, count(*) AS number,
           sum(greatest(wait, 0)) AS wait, sum(greatest(run, 0)) AS run
      FROM ended GROUP BY 1, 2, 3, 4, 5, 6
), progress AS (
    UPDATE queue_job_rollup
       SET counted_up_to = %(until)s, cancelled_up_to = %(cancelled_until)s,
           running_ids = running.ids, running_since = running.since
      FROM (SELECT array_agg(id) AS ids, array_agg(date_started) AS since
              FROM queue_job WHERE state = 'started') AS running
)
INSERT INTO queue_job_stat AS stat (
       id, grain, at, channel, function, {", ".join(OUTCOMES)},
       wait_count, wait_seconds, wait_histogram,
       run_count, run_seconds, run_histogram)
SELECT coalesce(
           (SELECT id FROM queue_job_stat AS known
             WHERE (known.grain, known.at, known.channel, known.function)
                   = (sums.grain, sums.at, sums.channel, sums.function)),
           nextval('queue_job_stat_id_seq')), *
  FROM (
SELECT grain, CASE grain WHEN 'total' THEN 'epoch'
                   ELSE date_trunc(grain, minute) END AS at,
       channel, function, {_OUTCOMES},
       coalesce(sum(number) FILTER (WHERE waited IS NOT NULL), 0),
       coalesce(sum(wait), 0), ARRAY[{_WAITS}],
       coalesce(sum(number) FILTER (WHERE ran IS NOT NULL), 0),
       coalesce(sum(run), 0), ARRAY[{_RUNS}]
  FROM cells CROSS JOIN unnest(%(grains)s) AS grain
 GROUP BY 1, 2, 3, 4
  ) AS sums
    ON CONFLICT (grain, at, channel, function) DO UPDATE
   SET {_ADDED},
       wait_histogram = ARRAY[{_ADDED_WAITS}], run_histogram = ARRAY[{_ADDED_RUNS}]
"""
# The days that figures are kept: by the database's own setting, else as usual.
_KEEP = """
SELECT key, value FROM ir_config_parameter
 WHERE key IN ('queue_job.stat_minute_days', 'queue_job.stat_hour_days')
"""
_PRUNE = f"""
DELETE FROM queue_job_stat
 WHERE id IN (SELECT id FROM queue_job_stat
               WHERE grain = %(grain)s AND at < {_NOW} - %(days)s * interval '1 day'
               ORDER BY grain, at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""
# A total lives as long as any hour of it; nobody missed it since then.
_PRUNE_TOTALS = """
DELETE FROM queue_job_stat AS total
 WHERE grain = 'total' AND NOT EXISTS (
    SELECT FROM queue_job_stat AS hour
     WHERE hour.grain = 'hour' AND hour.channel = total.channel
       AND hour.function = total.function)
"""
#: the days that figures of each grain are kept when nothing else is said
USUAL_DAYS = {MINUTE: 2, HOUR: 91}


def prepare(cr) -> None:
    """Create what is missing beside the model's table; counting begins then."""
    catalogue.create_missing(cr, {"queue_job_rollup": _TABLE})
    cr.execute(_BEGIN)
    catalogue.set_options(cr, "queue_job_stat", {"fillfactor": "70"})
    catalogue.add_columns(cr, "queue_job_stat", _HISTOGRAMS)


def begin(cr) -> None:
    """Have the transaction of a cursor, which must be new, serve for :func:`add_up`."""
    cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def add_up(cr) -> bool:
    """Add what ended to the figures, a minute of it at most.

    Transaction: a new one, READ COMMITTED, to be committed at once.

    :return: whether there is more to add up already
    """
    cr.execute(_TAKE)
    row = cr.fetchone()
    if row is None:
        return False  # somebody else is at it
    since, until, cancelled_since, cancelled_until, more = row
    params = {
        "since": since,
        "until": until,
        "cancelled_since": cancelled_since,
        "cancelled_until": cancelled_until,
        "grains": list(GRAINS),
    }
    cr.execute(_ADD_UP, params)
    return more


def prune(cr, limit: int = 5000) -> int:
    """Remove figures that are too old; return how many.

    Minutes are kept for two days and hours for thirteen weeks, or as the system
    parameters ``queue_job.stat_minute_days`` and ``queue_job.stat_hour_days`` say.

    :param limit: at most so many of each kind; call again when so many were found
    """
    cr.execute(_KEEP)
    kept = {key: value for key, value in cr.fetchall() if (value or "").isdecimal()}
    removed = 0
    for grain, usual in USUAL_DAYS.items():
        days = int(kept.get(f"queue_job.stat_{grain}_days", usual))
        cr.execute(_PRUNE, {"grain": grain, "days": days, "limit": limit})
        removed += cr.rowcount
    if removed:
        cr.execute(_PRUNE_TOTALS)
        removed += cr.rowcount
    return removed
