# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tables beside ``queue_job`` that no model stands for."""

from __future__ import annotations

from psycopg2 import sql

from . import ids, sealing

# What changes while a job is started lives outside of its row, which belongs to the
# executor until the job ends: a finished body never fails on its own row.
_TABLES = """
-- requests to stop a running job
CREATE TABLE IF NOT EXISTS queue_job_stop (
    job_id bigint PRIMARY KEY,
    requested_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    user_id integer,
    reason varchar
);
-- when a job of a throttled channel last started
CREATE TABLE IF NOT EXISTS queue_job_throttle (
    channel varchar PRIMARY KEY,
    last_start timestamp NOT NULL DEFAULT '-infinity'
);
-- where the jobs of a channel went that was renamed or deleted
CREATE TABLE IF NOT EXISTS queue_job_channel_alias (
    name varchar PRIMARY KEY,
    heir varchar NOT NULL
);
-- a barrier opens when all the jobs before it are done
CREATE TABLE IF NOT EXISTS queue_job_barrier (
    id bigserial PRIMARY KEY,
    remaining integer NOT NULL
);
-- the jobs before a barrier
CREATE TABLE IF NOT EXISTS queue_job_edge (
    barrier_id bigint NOT NULL,
    parent_id bigint NOT NULL,
    met boolean NOT NULL DEFAULT false,
    PRIMARY KEY (barrier_id, parent_id)
);
CREATE INDEX IF NOT EXISTS queue_job_edge_parent_idx
    ON queue_job_edge (parent_id) INCLUDE (barrier_id, met);
CREATE INDEX IF NOT EXISTS queue_job_edge_unmet_idx
    ON queue_job_edge (parent_id) WHERE NOT met;
-- ends of jobs that runners wrote, until who has to know of them is told
CREATE TABLE IF NOT EXISTS queue_job_untold (
    id bigserial PRIMARY KEY,
    job_id bigint NOT NULL,
    state varchar NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
-- ends of jobs whose rows were held or written by somebody else at that moment
CREATE TABLE IF NOT EXISTS queue_job_end (
    run_id bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    retry integer,
    date_done timestamp,
    exec_time double precision,
    result text,
    release_due boolean NOT NULL DEFAULT false
);
-- how far the body of a running job says it is
CREATE TABLE IF NOT EXISTS queue_job_progress (
    job_id bigint PRIMARY KEY,
    done double precision NOT NULL DEFAULT 0,
    total double precision NOT NULL DEFAULT 0,
    message varchar,
    updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
"""

# Rows live shortly in the parts of the table that the queue looks at: have them
# vacuumed by their number, not by a share of a table that may hold millions.
_TUNING = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "10000",
    "autovacuum_vacuum_cost_delay": "0",
    "autovacuum_analyze_scale_factor": "0",
    "autovacuum_analyze_threshold": "50000",
}
# the number of the run that has the job, or behind which it is reserved
_HAS_RUN = """
SELECT FROM pg_attribute
 WHERE attrelid = 'queue_job'::regclass AND attname = 'run_id'
"""
_ADD_RUN = "ALTER TABLE queue_job ADD COLUMN run_id bigint"
_OPTIONS = "SELECT reloptions FROM pg_class WHERE oid = 'queue_job'::regclass"

# A row that another tool inserts by SQL is a sound one.
_DEFAULTS = {
    "ready": "true",
    "attempt": "0",
    "deaths": "0",
    "retry": "0",
    "identity_twin": "false",
    "release_due": "false",
}
_HAVE_DEFAULTS = """
SELECT attname, pg_get_expr(adbin, adrelid)
  FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
 WHERE adrelid = 'queue_job'::regclass
"""

_DROP = """
DROP TABLE IF EXISTS
    queue_job_stop, queue_job_throttle, queue_job_barrier, queue_job_edge,
    queue_job_progress, queue_job_channel_alias, queue_job_rollup,
    queue_job_watch, queue_job_touch, queue_job_untold, queue_job_end
"""
_SET_OPTIONS = "ALTER TABLE queue_job SET ({})"
_SET_COLUMNS = "ALTER TABLE queue_job {}"


def prepare(cr) -> None:
    """Create what is missing of the tables; harmless when all is there."""
    cr.execute(_TABLES)
    cr.execute(_HAS_RUN)
    if not cr.rowcount:
        cr.execute(_ADD_RUN)
    _tune(cr)
    _set_defaults(cr)
    ids.widen(cr)
    sealing.prepare(cr)


def drop(cr) -> None:
    """Remove the tables, at the uninstallation."""
    cr.execute(_DROP)
    sealing.drop(cr)


# What is as it should be is left alone: ALTER TABLE waits for everybody, and everybody
# waits for it, whether it changes anything or not.
def _tune(cr) -> None:
    cr.execute(_OPTIONS)
    have = dict(option.split("=", 1) for option in cr.fetchone()[0] or ())
    wrong = [f"{k} = {v}" for k, v in _TUNING.items() if have.get(k) != v]
    if wrong:
        changes = sql.SQL(", ").join(map(sql.SQL, wrong))
        query = sql.SQL(_SET_OPTIONS).format(changes)
        cr.execute(query)


def _set_defaults(cr) -> None:
    cr.execute(_HAVE_DEFAULTS)
    have = dict(cr.fetchall())
    wrong = [
        f"ALTER COLUMN {name} SET DEFAULT {value}"
        for name, value in _DEFAULTS.items()
        if have.get(name) != value
    ]
    if wrong:
        changes = sql.SQL(", ").join(map(sql.SQL, wrong))
        query = sql.SQL(_SET_COLUMNS).format(changes)
        cr.execute(query)
