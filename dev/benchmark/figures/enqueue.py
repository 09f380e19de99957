# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How fast business code gets rid of jobs; no server runs meanwhile."""

from __future__ import annotations

from .base import Figure, Metric


def rate(ratio: float) -> tuple[Metric]:
    return (Metric("rate", "jobs a second", "/s", "higher", ratio=ratio),)


class Enqueue(Figure):
    command: str

    def arguments(self, session) -> dict:
        return {"count": session.many(session.sizes.enqueue)}

    def measure(self, session):
        session.stop_server()
        arguments = self.arguments(session)
        with session.profiled("client"):
            seconds = session.client.call(self.command, **arguments)["seconds"]
        return {"rate": arguments["count"] / seconds}


class EnqueueOneTransaction(Enqueue):
    name = "enqueue_one_tx"
    title = "Enqueue, one transaction"
    metrics = rate(13)
    command = "one_transaction"


class EnqueueCommitEach(Enqueue):
    name = "enqueue_commit_each"
    title = "Enqueue, a commit after each"
    metrics = rate(2)
    command = "commit_each"


class EnqueueIdentity(Enqueue):
    name = "enqueue_identity"
    title = "Enqueue with identity key, half duplicates"
    metrics = rate(5)
    command = "identity"

    def arguments(self, session):
        return super().arguments(session) | {"prefix": "bench"}
