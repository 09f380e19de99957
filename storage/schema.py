# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tables beside ``queue_job`` that no model stands for."""

from __future__ import annotations

from . import catalogue, ids, sealing

# What changes while a job is started lives outside of its row, which belongs to the
# executor until the job ends: a finished body never fails on its own row.
_DEFINITIONS = {
    # requests to stop a running job
    "queue_job_stop": """
CREATE TABLE IF NOT EXISTS queue_job_stop (
    job_id bigint PRIMARY KEY,
    requested_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    user_id integer,
    reason varchar
)
""",
    # when a job of a throttled channel last started
    "queue_job_throttle": """
CREATE TABLE IF NOT EXISTS queue_job_throttle (
    channel varchar PRIMARY KEY,
    last_start timestamp NOT NULL DEFAULT '-infinity'
)
""",
    # where the jobs of a channel went that was renamed or deleted
    "queue_job_channel_alias": """
CREATE TABLE IF NOT EXISTS queue_job_channel_alias (
    name varchar PRIMARY KEY,
    heir varchar NOT NULL
)
""",
    # a barrier opens when all the jobs before it are done
    "queue_job_barrier": """
CREATE TABLE IF NOT EXISTS queue_job_barrier (
    id bigserial PRIMARY KEY,
    remaining integer NOT NULL
)
""",
    # the jobs before a barrier
    "queue_job_edge": """
CREATE TABLE IF NOT EXISTS queue_job_edge (
    barrier_id bigint NOT NULL,
    parent_id bigint NOT NULL,
    met boolean NOT NULL DEFAULT false,
    PRIMARY KEY (barrier_id, parent_id)
)
""",
    "queue_job_edge_parent_idx": """
CREATE INDEX IF NOT EXISTS queue_job_edge_parent_idx
    ON queue_job_edge (parent_id) INCLUDE (barrier_id, met)
""",
    "queue_job_edge_unmet_idx": """
CREATE INDEX IF NOT EXISTS queue_job_edge_unmet_idx
    ON queue_job_edge (parent_id) WHERE NOT met
""",
    # ends of jobs that runners wrote, until who has to know of them is told
    "queue_job_untold": """
CREATE TABLE IF NOT EXISTS queue_job_untold (
    id bigserial PRIMARY KEY,
    job_id bigint NOT NULL,
    state varchar NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
)
""",
    # ends of jobs whose rows were held or written by somebody else at that moment
    "queue_job_end": """
CREATE TABLE IF NOT EXISTS queue_job_end (
    run_id bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    retry integer,
    date_done timestamp,
    exec_time double precision,
    result text,
    release_due boolean NOT NULL DEFAULT false
)
""",
    # how far the body of a running job says it is
    "queue_job_progress": """
CREATE TABLE IF NOT EXISTS queue_job_progress (
    job_id bigint PRIMARY KEY,
    done double precision NOT NULL DEFAULT 0,
    total double precision NOT NULL DEFAULT 0,
    message varchar,
    updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
)
""",
}

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
_COLUMNS = {"run_id": "bigint"}

# A row that another tool inserts by SQL is a sound one.
_DEFAULTS = {
    "ready": "true",
    "attempt": "0",
    "deaths": "0",
    "retry": "0",
    "identity_twin": "false",
    "release_due": "false",
}
_DROP = """
DROP TABLE IF EXISTS
    queue_job_stop, queue_job_throttle, queue_job_barrier, queue_job_edge,
    queue_job_progress, queue_job_channel_alias, queue_job_rollup,
    queue_job_watch, queue_job_touch, queue_job_untold, queue_job_end
"""


def prepare(cr) -> None:
    """Create what is missing of the tables; what is as it should be is left alone."""
    catalogue.create_missing(cr, _DEFINITIONS)
    catalogue.add_columns(cr, "queue_job", _COLUMNS)
    catalogue.set_options(cr, "queue_job", _TUNING)
    catalogue.set_defaults(cr, "queue_job", _DEFAULTS)
    ids.widen(cr)
    sealing.prepare(cr)


def drop(cr) -> None:
    """Remove the tables, at the uninstallation."""
    cr.execute(_DROP)
    sealing.drop(cr)
