# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the benchmark asks and tells PostgreSQL, beside Odoo."""

from __future__ import annotations

import time

import psycopg2
from psycopg2.sql import SQL, Identifier

from . import process
from .errors import BenchError, BenchTimeout

POLL = 0.01

# Cloned rows differ from their template in these columns only.
CLONED = {
    "uuid": "gen_random_uuid()::text",
    "identity_key": "NULL",
    "graph_uuid": "CASE WHEN t.graph_uuid IS NULL THEN NULL"
    " ELSE gen_random_uuid()::text END",
    "eta": "t.eta + g * interval '1 millisecond'",
    "date_created": "t.date_created + g * interval '1 microsecond'",
}


def connect(name: str):
    """An autocommit connection (host, port and user come from the environment)."""
    connection = psycopg2.connect(dbname=name, application_name="benchmark")
    connection.autocommit = True
    return connection


def has(name: str) -> bool:
    with Database("postgres") as db:
        return bool(db.one("SELECT 1 FROM pg_database WHERE datname = %s", name))


def create(name: str, template: str) -> None:
    """(Re)create a database from a template."""
    drop(name)
    query = "CREATE DATABASE {} TEMPLATE {}"
    with Database("postgres") as db:
        db.cr.execute(SQL(query).format(Identifier(name), Identifier(template)))


def drop(name: str) -> None:
    with Database("postgres") as db:
        query = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        db.cr.execute(SQL(query).format(Identifier(name)))


def drop_like(prefix: str, but: str) -> None:
    """Drop the databases whose name begins with a prefix, but one."""
    with Database("postgres") as db:
        db.cr.execute("SELECT datname FROM pg_database")
        names = [name for (name,) in db.cr.fetchall()]
    for name in names:
        if name.startswith(prefix) and name != but:
            drop(name)


class Database:
    """One database, through one connection of its own."""

    def __init__(self, name: str):
        self.name = name
        self.connection = connect(name)
        self.cr = self.connection.cursor()
        self.backend = self.connection.get_backend_pid()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.connection.close()

    def one(self, query: str, *args):
        """The first column of the first row, or None."""
        self.cr.execute(query, args or None)
        row = self.cr.fetchone()
        return row[0] if row else None

    def wait(self, query: str, *args, timeout: float, what: str):
        """Poll until the query gives something true; that value."""
        end = time.monotonic() + timeout
        while not (value := self.one(query, *args)):
            if time.monotonic() > end:
                raise BenchTimeout(f"{what}: not within {timeout:g} s")
            time.sleep(POLL)
        return value

    # ------------------------------------------------------------- jobs
    def last_id(self) -> int:
        return self.one("SELECT coalesce(max(id), 0) FROM queue_job")

    def wait_done(self, after: int, timeout: float) -> float:
        """Wait until each job with a greater id is done; the time of that.

        Looks at one row a poll, the first unfinished one, so that the load of
        watching is the same for any number of jobs.
        """
        end = time.monotonic() + timeout
        query = """
            SELECT id, state FROM queue_job
            WHERE id >= %s AND state <> 'done' ORDER BY id LIMIT 1
        """
        first = after + 1
        while True:
            self.cr.execute(query, (first,))
            row = self.cr.fetchone()
            if not row:
                return time.time()
            first, state = row
            if state in ("failed", "cancelled"):
                raise BenchError(f"job {first} is {state}: {self._why(first)}")
            if time.monotonic() > end:
                left = self.one(
                    "SELECT count(*) FROM queue_job WHERE id >= %s AND state <> 'done'",
                    first,
                )
                raise BenchTimeout(f"{left} jobs not done within {timeout:g} s")
            time.sleep(POLL)

    def _why(self, job_id: int) -> str:
        return self.one("SELECT exc_info FROM queue_job WHERE id = %s", job_id) or "?"

    def clear(self) -> None:
        """Empty the queue and the recorded rows (all jobs have to be final)."""
        self.cr.execute("SET lock_timeout = '20s'")
        self.cr.execute("TRUNCATE queue_job, bench_row CASCADE")

    def clone(self, templates: list[int], count: int) -> None:
        """Copy job rows, each template in turn, until there are count more.

        A template is a row that the add-on itself wrote, so every column of its
        own has a value that it understands.  Triggers do not fire.
        """
        self.cr.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = 'queue_job'"
            " AND column_name <> 'id' AND is_generated = 'NEVER'"
        )
        names = [name for (name,) in self.cr.fetchall()]
        values = [CLONED.get(name, f't."{name}"') for name in names]
        each = max(1, count // len(templates))
        columns = ", ".join(f'"{name}"' for name in names)
        self.cr.execute("SET session_replication_role = replica")
        self.cr.execute(
            f"INSERT INTO queue_job ({columns}) SELECT {', '.join(values)}"
            " FROM generate_series(1, %s) g, queue_job t WHERE t.id = ANY(%s)"
            " ORDER BY g, t.id",
            (each, templates),
        )
        self.cr.execute("SET session_replication_role = DEFAULT")
        self.cr.execute("VACUUM ANALYZE queue_job")

    # ---------------------------------------------------------- figures
    def cpu(self, without: tuple[int, ...] = ()) -> float:
        """CPU seconds so far of the whole server, but this and other backends."""
        return process.tree_cpu(self.postmaster(), without=(self.backend, *without))

    def postmaster(self) -> int:
        """The process id of the server, which has to run on this machine."""
        pid = process.parent(self.backend)
        if pid <= 1:
            raise BenchError("PostgreSQL runs elsewhere: its CPU time is not known")
        return pid

    def table(self) -> dict[str, float]:
        """Dead tuples, and MiB of the job table and of its indexes."""
        self.cr.execute("SELECT pg_stat_clear_snapshot()")
        self.cr.execute(
            "SELECT n_dead_tup, pg_table_size('queue_job') / 1048576.0,"
            " pg_indexes_size('queue_job') / 1048576.0"
            " FROM pg_stat_user_tables WHERE relname = 'queue_job'"
        )
        dead, table, indexes = self.cr.fetchone()
        return {"dead": dead, "table": float(table), "indexes": float(indexes)}
