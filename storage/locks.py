# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The advisory locks of the queue: one class number, one key each.

Advisory locks belong to one database, all of these end with their transaction, and
so they work behind a connection pooler in transaction mode as well.

``SCHEDULE``
    Held exclusively by a pass of a runner, for the milliseconds in which it counts
    and marks; held shared by a lease that swaps its finished job for the next one.
    A pass between the two halves of a swap would see the slot free and give it away
    a second time.
``PASS``
    Tried by runners: who does not get it leaves the pass to who has it.
``JOB``
    Held by the lease of a running job; the key is the job's id, beyond 32 bits too:
    it follows the class number in a lock of one key (``job_key``). It is free at
    once when the worker dies.
``RUNNER``
    Held by a runner while it has requests under way; its key is the runner's number.
"""

from __future__ import annotations

# "queue_job" has no number of its own at PostgreSQL: these are arbitrary, and two-key
# locks share nothing with the one-key locks that Odoo takes.
SCHEDULE = 1_900_119_001
PASS = 1_900_119_002
JOB = 1_900_119_003
RUNNER = 1_900_119_004

#: the key of a job's lock is this and the job's id
JOB_KEYS = JOB << 32
#: the ids of the jobs whose locks are held in this database
HELD_JOBS = f"""
ARRAY(SELECT ((classid::int8 - {JOB}) << 32) + objid::int8 FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 1 AND granted
         AND classid::int8 BETWEEN {JOB} AND {JOB} + 65535
         AND database = (SELECT oid FROM pg_database
                          WHERE datname = current_database()))
"""

_HOLD_SLOT = "SELECT pg_advisory_xact_lock_shared(%s, 0)"
_HOLD_JOB = "SELECT pg_try_advisory_xact_lock(%s)"
_COMMIT_AND_HOLD_JOB = """
COMMIT; BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(%s)
"""
_JOB_IS_HELD = """
SELECT EXISTS (
    SELECT 1 FROM pg_locks
     WHERE locktype = 'advisory' AND objsubid = 1 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid = %s::bigint >> 32 AND objid = %s::bigint & 4294967295
)
"""


def job_key(job_id: int) -> int:
    """The key of the lock that the job's executor holds."""
    return JOB_KEYS + job_id


def hold_slot(cr) -> None:
    """Keep passes out until the transaction of ``cr`` ends, to swap jobs."""
    cr.execute(_HOLD_SLOT, (SCHEDULE,))


def hold_job(cr, job_id: int) -> bool:
    """Show that the job lives, until the transaction of ``cr`` ends."""
    cr.execute(_HOLD_JOB, (job_key(job_id),))
    return cr.fetchone()[0]


def commit_and_hold_job(cr, job_id: int) -> None:
    """End a lease's transaction; the next one shows that the job lives.

    Race: a job that is tried again at once may start before the lease of its last try
    has let go. It waits for that: run without a lock, it would look dead.

    For a cursor in autocommit mode, whose transactions begin and end by word.
    """
    cr.execute(_COMMIT_AND_HOLD_JOB, (job_key(job_id),))


def end(cr) -> None:
    """End a lease's transaction, with all its locks."""
    cr.execute("COMMIT")


def job_is_held(cr, job_id: int) -> bool:
    """Whether somebody executes the job at this moment."""
    key = job_key(job_id)
    cr.execute(_JOB_IS_HELD, (key, key))
    return cr.fetchone()[0]
