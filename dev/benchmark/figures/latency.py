# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How soon a job starts on a server that has nothing else to do."""

from __future__ import annotations

from statistics import median, quantiles

from .base import Figure, Metric


class Latency(Figure):
    name = "latency"
    title = "Commit to start of the body, idle server"
    metrics = (
        Metric("p50", "median", "ms", ratio=0.5),
        Metric("p95", "95th percentile", "ms", ratio=0.6),
    )

    def measure(self, session):
        assert session.server
        with session.profiled("server"):
            answer = session.client.call("latency", count=session.sizes.latency)
        samples = answer["samples"]
        return {"p50": median(samples), "p95": quantiles(samples, n=20)[-1]}
