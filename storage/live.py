# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether something changed since the last look, for the views that are open.

Nobody who works on jobs writes anything for it: what changed is seen in the ends of
indexes that are there anyway.  Only what people do by hand leaves a touch.
"""

from __future__ import annotations

from . import catalogue
from .ends import WITH_CHANNELS
from .planning import by_index

_TABLES = {
    # who of the open views looks for all of them
    "queue_job_watch": """
CREATE TABLE IF NOT EXISTS queue_job_watch (
    id integer PRIMARY KEY CHECK (id = 1),
    viewer varchar NOT NULL,
    until timestamp NOT NULL,
    mark varchar
)
""",
    # what people did by hand in the last minute
    "queue_job_touch": """
CREATE TABLE IF NOT EXISTS queue_job_touch (
    id bigserial PRIMARY KEY,
    at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
)
""",
}
#: seconds for which one viewer looks for all
LEAD_SECONDS = 4

# Rows that commit late have small numbers: the last hundreds are looked at, not the
# last one.
_MARK = f"""{WITH_CHANNELS}
running AS (
    SELECT id, state, attempt FROM queue_job
     WHERE state IN ('enqueued', 'started')
)
SELECT md5(concat_ws('/',
    (SELECT string_agg(id || state, ',' ORDER BY id)
       FROM (SELECT id, state FROM queue_job ORDER BY id DESC LIMIT 100) AS job),
    (SELECT string_agg(id || state || attempt, ',' ORDER BY id) FROM running),
    (SELECT max(updated_at) FROM queue_job_progress
      WHERE job_id IN (SELECT id FROM running)),
    (SELECT string_agg(last.at::text, ',' ORDER BY done.channel)
       FROM done CROSS JOIN LATERAL (
         SELECT date_done AS at FROM queue_job
          WHERE state = 'done' AND channel = done.channel AND date_done IS NOT NULL
          ORDER BY channel DESC, date_done DESC LIMIT 1) AS last),
    (SELECT string_agg(last.at::text, ',' ORDER BY cancelled.channel)
       FROM cancelled CROSS JOIN LATERAL (
         SELECT date_cancelled AS at FROM queue_job
          WHERE state = 'cancelled' AND channel = cancelled.channel
            AND date_cancelled IS NOT NULL
          ORDER BY channel DESC, date_cancelled DESC LIMIT 1) AS last),
    (SELECT sum(id) FROM (
         SELECT id FROM queue_job_try ORDER BY id DESC LIMIT 20) AS try),
    (SELECT concat(sum(id), '+', count(*)) FROM queue_job_touch)
))
"""
# Each part reads the end of an index, whatever the planner believes of the table.
_PLANS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off; SET LOCAL jit = off
"""
_USUAL_PLANS = """
SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT;
SET LOCAL enable_sort TO DEFAULT; SET LOCAL jit TO DEFAULT
"""
_WATCH = """
SELECT viewer = %(viewer)s OR until < (clock_timestamp() AT TIME ZONE 'UTC'), mark
  FROM queue_job_watch
"""
_LEAD = """
INSERT INTO queue_job_watch AS watch (id, viewer, until, mark)
VALUES (1, %(viewer)s,
        (clock_timestamp() AT TIME ZONE 'UTC') + %(seconds)s * interval '1 second',
        %(mark)s)
    ON CONFLICT (id) DO UPDATE
   SET viewer = excluded.viewer, until = excluded.until, mark = excluded.mark
"""
_LEAVE = """
UPDATE queue_job_watch SET until = '-infinity' WHERE viewer = %s
"""
_TOUCH = "INSERT INTO queue_job_touch DEFAULT VALUES"
_FORGET = """
DELETE FROM queue_job_touch WHERE id IN (
    SELECT id FROM queue_job_touch
     WHERE at < (clock_timestamp() AT TIME ZONE 'UTC') - interval '1 minute'
       FOR UPDATE SKIP LOCKED)
"""


def prepare(cr) -> None:
    """Create what is missing of the tables."""
    catalogue.create_missing(cr, _TABLES)


def mark(cr) -> str:
    """A text that is another one when a job has changed."""
    with by_index(cr):
        cr.execute(_MARK)
        return cr.fetchone()[0]


def lead(cr, viewer: str, seen: str) -> tuple[bool, bool]:
    """Whether ``viewer`` looks for all now, and whether it saw something new.

    :param seen: the mark it found
    """
    cr.execute(_WATCH, {"viewer": viewer})
    leads, known = cr.fetchone() or (True, None)
    if leads:
        params = {"viewer": viewer, "seconds": LEAD_SECONDS, "mark": seen}
        cr.execute(_LEAD, params)
        cr.execute(_FORGET)
    return leads, leads and known != seen


def leave(cr, viewer: str) -> bool:
    """Let another viewer look; return whether this one did."""
    cr.execute(_LEAVE, (viewer,))
    return bool(cr.rowcount)


def touch(cr) -> None:
    """Note that somebody did something by hand, for this transaction's commit."""
    cr.execute(_TOUCH)
