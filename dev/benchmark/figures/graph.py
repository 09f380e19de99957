# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Two groups of jobs, each of the second waiting for all of the first."""

from __future__ import annotations

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
        with session.profiled("server"):
            done = session.db.wait_done(after, session.sizes.timeout)
        query = "SELECT {}(at) FROM bench_row WHERE label = %s"
        last = session.db.one(query.format("max"), "first")
        release = session.db.one(query.format("min"), "then") - last
        began = session.db.one(query.format("min"), "first")
        return {
            "both": answer["seconds"] + release,
            "enqueue": answer["seconds"],
            "release": release,
            "total": done - began,
            "memory": answer["memory"],
            "server_memory": server.peak_memory() - before,
        }
