# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether what waits slows down what runs."""

from __future__ import annotations

from .base import Figure, Metric
from .drain import drain

TOMORROW = 86400.0
FIFTY = [f"root.bench_{i:02}" for i in range(50)]


def seed(session, count: int, method: str, **options) -> None:
    """Have a backlog in a new database, with no server running.

    The add-on itself enqueues the first rows; the rest are copies.
    """
    templates = len(options.get("channels", "1"))
    after = session.db.last_id()
    session.client.call("jobs", count=templates, method=method, **options)
    ids = range(after + 1, session.db.last_id() + 1)
    session.db.clone(list(ids), count - templates)


class BacklogScheduled(Figure):
    name = "backlog_eta"
    title = "Beside a backlog scheduled for later"
    metrics = (
        Metric(
            "kept", "drain beside it, of the drain without", "%", "higher", limit=95
        ),
        Metric("beside", "drain beside it", "/s", "higher"),
        Metric("without", "drain without", "/s", "higher"),
        Metric("first", "server start to first job, beside it", "s"),
        Metric("first_without", "server start to first job, without", "s"),
    )

    def measure(self, session):
        sizes = session.sizes
        first_without, without = self._run(session, 0)
        first, beside = self._run(session, sizes.backlog)
        return {
            "kept": 100 * beside / without,
            "beside": beside,
            "without": without,
            "first": first,
            "first_without": first_without,
        }

    def _run(self, session, backlog: int) -> tuple[float, float]:
        session.renew()
        if backlog:
            seed(session, backlog, "noop", eta=TOMORROW)
        session.client.call("jobs", count=1, method="write_row", args=["first"])
        started = session.start_server().started
        first = session.first_row() - started
        session.warm_up()
        count = session.many(session.sizes.backlog_drain)
        with session.profiled("server"):
            rate = count / drain(session, count)
        session.stop_server()
        return first, rate


class MillionPending(Figure):
    name = "million_pending"
    title = "A million pending in 50 channels"
    metrics = (
        Metric("delay", "to first job, more than with an empty table", "s", limit=0.5),
        Metric("more", "main process, more than with an empty table", "MiB", limit=10),
        Metric("more_all", "all processes, more than with an empty table", "MiB"),
        Metric("first", "server start to first job", "s"),
        Metric("first_empty", "server start to first job, empty table", "s"),
        Metric("main", "main process", "MiB"),
        Metric("all", "all processes", "MiB"),
    )

    def measure(self, session):
        first_empty, main_empty, all_empty = self._run(session, 1)
        first, main, every = self._run(session, session.sizes.million)
        return {
            "delay": first - first_empty,
            "more": main - main_empty,
            "more_all": every - all_empty,
            "first": first,
            "first_empty": first_empty,
            "main": main,
            "all": every,
        }

    def _run(self, session, count: int) -> tuple[float, float, float]:
        session.renew()
        if count > 1:
            options = {"channels": FIFTY, "args": ["pending"]}
            seed(session, count, "write_row", **options)
        else:
            session.client.call("jobs", count=1, method="write_row", args=["pending"])
        session.stop_client()
        started = session.start_server().started
        first = session.first_row() - started
        main, every = session.memory()
        session.stop_server()
        return first, main, every
