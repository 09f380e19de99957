# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How fast waiting jobs are executed, and what that costs."""

from __future__ import annotations

from .base import Figure, Metric

EIGHT = [f"root.bench_{i:02}" for i in range(8)]


def drain(session, count: int, **options) -> float:
    """Seconds from the commit of a number of jobs until all are done."""
    after = session.db.last_id()
    committed = session.client.call("jobs", count=count, **options)["committed"]
    return session.db.wait_done(after, session.sizes.timeout) - committed


class Drain(Figure):
    name = "drain"
    title = "Drain, empty jobs"
    metrics = (Metric("rate", "jobs a second", "/s", "higher", ratio=8),)
    options: dict = {}

    def measure(self, session):
        assert session.server
        count = session.many(session.sizes.drain)
        with session.profiled("server"):
            return {"rate": count / drain(session, count, **self.options)}


class DrainChannels(Drain):
    name = "drain_channels"
    title = "Drain, 8 channels, priorities mixed"
    metrics = (Metric("rate", "jobs a second", "/s", "higher", ratio=6),)
    options = {"channels": EIGHT, "mixed": True}


class CpuPerJob(Figure):
    name = "cpu_per_job"
    title = "CPU time a job"
    metrics = (
        Metric("server", "server process tree", "ms", ratio=0.2),
        Metric("postgresql", "PostgreSQL", "ms", ratio=0.2),
    )

    def measure(self, session):
        count = session.many(session.sizes.drain)
        # what enqueuing costs is another figure
        client = (session.client.backend,)
        server, postgresql = session.server.cpu(), session.db.cpu(client)
        with session.profiled("server"):
            drain(session, count)
        server = session.server.cpu() - server
        postgresql = session.db.cpu(client) - postgresql
        return {
            "server": server * 1000 / count,
            "postgresql": postgresql * 1000 / count,
        }
