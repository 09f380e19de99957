# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job leaves behind in PostgreSQL: its log, and its place in the table."""

from __future__ import annotations

from .base import Figure, Metric


class Costs(Figure):
    name = "costs"
    title = "What a job costs PostgreSQL"
    once = True
    metrics = (
        Metric("log_enqueue", "log written to enqueue a job", "bytes"),
        Metric("log_execute", "log written to execute a job", "bytes"),
        Metric("row", "row and entries of indexes, done and tidied", "bytes"),
    )

    def measure(self, session):
        session.stop_server()
        count = session.many(session.sizes.drain)
        after = session.db.last_id()
        before = self._log(session)
        session.client.call("jobs", count=count)
        enqueued = self._log(session)
        session.start_server()
        session.db.wait_done(after, session.sizes.timeout)
        executed = self._log(session)
        session.db.cr.execute("VACUUM FULL queue_job")
        size = session.db.one("SELECT pg_total_relation_size('queue_job')")
        return {
            "log_enqueue": (enqueued - before) / count,
            "log_execute": (executed - enqueued) / count,
            "row": size / count,
        }

    def _log(self, session) -> float:
        query = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
        return float(session.db.one(query))
