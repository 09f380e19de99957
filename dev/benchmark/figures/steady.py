# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether the tables stay as they are under a steady load with retention."""

from __future__ import annotations

import time
from statistics import median

from .base import Figure, Metric


class Steady(Figure):
    name = "steady"
    title = "Steady load with removal of old jobs"
    once = True
    metrics = (
        Metric("growth", "table and indexes, second half to first", "x", limit=1.2),
        Metric("dead_growth", "dead tuples, second half to first", "x", limit=1.5),
        Metric("size", "table and indexes at the end", "MiB"),
        Metric("dead", "dead tuples, median", ""),
        Metric("behind", "jobs not done at the end", ""),
        Metric("removal", "slowest removal", "s"),
    )

    def __init__(self):
        #: [(seconds, {"dead", "table", "indexes"})] of each target, for the plot
        self.series: dict[str, list[tuple[float, dict]]] = {}

    def measure(self, session):
        sizes = session.sizes
        assert session.server
        seconds = sizes.steady_minutes * 60
        remover = session.another_client()
        try:
            remover.call("keep_nothing")
            session.client.send("produce", rate=sizes.steady_rate, seconds=seconds)
            series, removal = self._watch(session, remover, seconds)
            session.client.receive(timeout=seconds + sizes.timeout)
        finally:
            remover.stop()
        self.series[session.target.name] = series
        behind = session.db.one("SELECT count(*) FROM queue_job WHERE state <> 'done'")
        session.renew()  # the rest need not be waited for
        return {"behind": behind, "removal": removal, **self._summary(series)}

    def _watch(self, session, remover, seconds):
        """Sample the table once a second, remove what is done now and then."""
        start = time.monotonic()
        series, slowest, removed = [], 0.0, start
        while (elapsed := time.monotonic() - start) < seconds:
            series.append((elapsed, session.db.table()))
            if time.monotonic() - removed > session.sizes.steady_retention:
                slowest = max(slowest, remover.call("remove_old")["seconds"])
                removed = time.monotonic()
            time.sleep(1)
        return series, slowest

    def _summary(self, series):
        # the first quarter fills the table and does not count
        counted = series[len(series) // 4 :]
        half = len(counted) // 2
        first, second = counted[:half], counted[half:]

        def size(part):
            return max(s["table"] + s["indexes"] for _t, s in part)

        def dead(part):
            return max(s["dead"] for _t, s in part)

        return {
            "growth": size(second) / size(first),
            "dead_growth": dead(second) / max(1, dead(first)),
            "size": size(second),
            "dead": median(s["dead"] for _t, s in counted),
        }
