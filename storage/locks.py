# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The advisory locks of the queue: one class number, one key each.

Advisory locks belong to one database, all of these end with their transaction, and
so they work behind a connection pooler in transaction mode as well. None is held over
a commit of somebody else's.

``PASS``
    Tried by runners: who does not get it leaves the pass to who has it.
``JOB``
    Held by the lease of a running job; the key is the job's id, beyond 32 bits too:
    it follows the class number in a lock of one key (``job_key``). It is free at
    once when the worker dies.
``RUNNER``
    Held by a runner while it has requests under way; its key is the runner's number.
``WORKER``
    The exception: held by the session of the bodies while its worker lives, shared; its
    key is a hash of the worker's name. It proves no job to live, but that somebody is
    there to stop a body whose own lock is lost. Behind a pooler nobody holds it.
"""

from __future__ import annotations

# "queue_job" has no number of its own at PostgreSQL: these are arbitrary, and two-key
# locks share nothing with the one-key locks that Odoo takes.
PASS = 1_900_119_002
JOB = 1_900_119_003
RUNNER = 1_900_119_004
WORKER = 1_900_119_005

# Between the loss of a job's lock and its rescue, when the worker lives: seconds for
# which it may regain the lock, and after which the job is rescued. In between it stops
# the body (``executor.watching``).
REGAIN = 2.0
RESCUE_FROM_THE_LIVING = 8.0

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

_HOLD_JOB = "SELECT pg_try_advisory_xact_lock(%s)"
_WAIT_SHORTLY = "SET LOCAL lock_timeout = '250ms'"
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


def hold_job(cr, job_id: int) -> bool:
    """Show that the job lives, until the transaction of ``cr`` ends."""
    cr.execute(_HOLD_JOB, (job_key(job_id),))
    return cr.fetchone()[0]


def wait_shortly(cr) -> None:
    """Have what waits longer for somebody's rows refused, in this transaction."""
    cr.execute(_WAIT_SHORTLY)


def end(cr) -> None:
    """End a lease's transaction, with all its locks."""
    cr.execute("COMMIT")


def job_is_held(cr, job_id: int) -> bool:
    """Whether somebody executes the job at this moment."""
    key = job_key(job_id)
    cr.execute(_JOB_IS_HELD, (key, key))
    return cr.fetchone()[0]
