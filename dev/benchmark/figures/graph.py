# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Two groups of jobs, each of the second waiting for all of the first."""

from __future__ import annotations

from ..errors import BenchTimeout
from .base import Figure, Metric


class Graph(Figure):
    name = "graph"
    title = "group(n) -> group(n)"
    once = True
    metrics = (
        Metric("both", "enqueue and release", "s", limit=10),
        Metric("enqueue", "enqueue", "s"),
        Metric("release", "last of the first to first of the second", "s"),
        Metric("total", "commit to all done", "s"),
        Metric("memory", "enqueuing process, more at most", "MiB", limit=200),
        Metric(
            "server_memory", "largest server process, more at most", "MiB", limit=200
        ),
    )

    def measure(self, session):
        server, size = session.server, session.sizes.graph
        after = session.db.last_id()
        server.forget_peak()
        before = server.peak_memory()
        with session.profiled("client"):
            answer = session.client.call("graph", size=size)
        enqueued = {"enqueue": answer["seconds"], "memory": answer["memory"]}
        try:
            with session.profiled("server"):
                done = session.db.wait_done(after, session.sizes.timeout)
        except BenchTimeout as error:
            error.partial = enqueued
            raise
        began, last = self._rows(session, "first")
        then, _last = self._rows(session, "then")
        return {
            **enqueued,
            "both": answer["seconds"] + then - last,
            "release": then - last,
            "total": done - began,
            "server_memory": server.peak_memory() - before,
        }

    def _rows(self, session, label: str) -> tuple[float, float]:
        """When the first and the last body of a group began."""
        query = "SELECT {}(at) FROM bench_row WHERE label = %s"
        return tuple(session.db.one(query.format(f), label) for f in ("min", "max"))
