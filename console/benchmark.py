# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How fast empty jobs come into the queue and out of it, on this very system."""

from __future__ import annotations

import time
import uuid
from typing import Any

from odoo import SUPERUSER_ID, api

from ..core import health
from .commands import Refused
from .draining import Drain

#: executed by this process
HERE = "here"
#: jobs enqueued in one transaction
_BATCH = 1000
_POLL = 0.1

_LEFT = """
SELECT count(*) FROM queue_job
 WHERE id BETWEEN %(first)s AND %(last)s AND name = %(label)s
   AND state NOT IN ('done', 'failed', 'cancelled')
"""
_FIGURES = """
SELECT count(*) FILTER (WHERE state = 'done'),
       extract(epoch FROM max(date_done) - min(date_started))::float8,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
           ORDER BY extract(epoch FROM date_started - date_created)::float8),
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY exec_time)
  FROM queue_job
 WHERE id BETWEEN %(first)s AND %(last)s AND name = %(label)s
"""
# What is being executed still, after the time was over, is its executor's.
_REMOVE = """
DELETE FROM queue_job
 WHERE id BETWEEN %(first)s AND %(last)s AND name = %(label)s
   AND state NOT IN ('enqueued', 'started')
"""


class Benchmark:
    """Enqueues empty jobs, has them executed, measures, and removes them.

    :param channel: complete name of the channel; its rules hold
    :param here: execute them in this process, whoever else does
    :param seconds: after that time the rest is not waited for
    """

    def __init__(self, registry, channel: str, here: bool, seconds: float, stop):
        self.registry = registry
        self.channel = channel
        self.here = here
        self.seconds = seconds
        self.stop = stop
        # Its name is how a benchmark knows its jobs again.
        self.label = f"Benchmark {uuid.uuid4()}"

    def run(self, number: int) -> dict[str, Any]:
        """The figures of so many jobs; ``ok``: all of them are done."""
        executed_by = self._executed_by()
        began = time.monotonic()
        first, last = self._enqueue(number)
        enqueued = time.monotonic() - began
        which = {"first": first, "last": last, "label": self.label}
        try:
            if executed_by == HERE:
                Drain(self.registry, 0, self.seconds, self.stop).run()
            else:
                self._await(which)
            return {
                "jobs": number,
                "channel": self.channel,
                "executed_by": executed_by,
                "enqueue_seconds": enqueued,
                "enqueue_per_second": number / enqueued,
                **self._figures(which, number),
            }
        finally:
            with self.registry.cursor() as cr:
                cr.execute(_REMOVE, which)

    def _executed_by(self) -> str:
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            if self.channel not in env["queue.job.channel"]._known_names():
                raise Refused(f"There is no channel {self.channel}.")
            found = env["queue.job.stat"]._overview()["executed_by"]
        return found if found == health.RUNNER and not self.here else HERE

    def _enqueue(self, number: int) -> tuple[int, int]:
        """Enqueue the jobs; return the first and the last id."""
        options = {"description": self.label, "channel": self.channel}
        jobs = []
        for begin in range(0, number, _BATCH):
            with self.registry.cursor() as cr:
                model = api.Environment(cr, SUPERUSER_ID, {})["queue.job"]
                jobs += [
                    model.with_delay(**options)._test_job()
                    for _index in range(min(_BATCH, number - begin))
                ]
        ids = [job._id for job in jobs]
        return min(ids), max(ids)

    def _await(self, which: dict) -> None:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.stop.wait(_POLL):
            with self.registry.cursor() as cr:
                cr.execute(_LEFT, which)
                if not cr.fetchone()[0]:
                    return

    def _figures(self, which: dict, number: int) -> dict[str, Any]:
        with self.registry.cursor() as cr:
            cr.execute(_FIGURES, which)
            done, seconds, wait, run = cr.fetchone()
        return {
            "done": done,
            "execute_seconds": seconds,
            "execute_per_second": done / seconds if seconds else None,
            "wait": _percentiles(wait),
            "run": _percentiles(run),
            "ok": done == number,
        }


def _percentiles(values) -> dict[str, float | None]:
    p50, p95 = values or (None, None)
    return {"p50": p50, "p95": p95}
