# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: execute the stored jobs in a test, as a worker does.

::

    from odoo.addons.queue_job.tests.common import (
        assert_graph, drain_queue, travel_to_eta
    )

    class TestExport(TransactionCase):
        def test_a_confirmed_order_is_exported(self):
            self.order.action_confirm()
            drain_queue(self.env)
            self.assertTrue(self.order.exported)

        def test_a_busy_server_is_asked_again(self):
            self.server.busy_times = 2
            job = self.order.with_delay().export()
            drain_queue(self.env, with_retries=True)
            self.assertEqual(job.db_record().state, "done")

        def test_the_reminder_comes_after_a_week(self):
            job = self.order.with_delay(eta=7 * 24 * 3600).remind()
            drain_queue(self.env)
            self.assertEqual(job.db_record().state, "pending")
            with travel_to_eta(job):
                drain_queue(self.env)
            self.assertEqual(job.db_record().state, "done")
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from unittest import TestCase

from odoo import SUPERUSER_ID
from odoo.api import Environment
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.queue_job import executor, storage
from odoo.addons.queue_job.clock import utcnow
from odoo.addons.queue_job.delay import Delayable
from odoo.addons.queue_job.job import Job

#: executions after which a queue that does not get empty is a mistake
ENDLESS = 1000


def drain_queue(env, with_retries: bool = False, limit: int | None = None, since=None):
    """Execute the pending jobs as a worker does, in the test's own transaction.

    Each job goes the whole way: its body, its result, its failure with message and
    log, the hooks of ``RunJobController``, its dependants let into the queue; those
    and the jobs that jobs make are executed as well. By priority, then by age, one at
    a time; channels do not count. Nothing is committed, what a failed body did is
    undone.

    :param with_retries: a job that asks for another try gets it at once, until it is
        done or has failed; without, it waits for its date
    :param limit: execute so many jobs at the most
    :param since: a :class:`.common.JobCounter`: only jobs made since it is there
    :return: the ``queue.job`` records that were executed, in order; one that was
        tried twice is there once
    :raises AssertionError: there is no end of jobs
    """
    env = Environment(env.cr, SUPERUSER_ID, {})
    executed: list[int] = []
    while limit is None or len(executed) < limit:
        again = executed if with_retries else []
        record = _next_job(env, again, since.existing.ids if since else [])
        if not record:
            break
        if len(executed) >= ENDLESS:
            raise AssertionError(f"After {ENDLESS} executions there are still jobs.")
        _execute(env, record)
        executed.append(record.id)
    return env["queue.job"].browse(dict.fromkeys(executed))


def _next_job(env, again: list[int], without: list[int]):
    """The job that comes next; those of ``again`` need not wait for their date."""
    may_run = Domain("eta", "=", False) | Domain("id", "in", again)
    may_run |= Domain.custom(to_sql=_is_due)
    waiting = Domain("state", "=", "pending") & Domain("id", "not in", without)
    order = "priority, date_created, id"
    return env["queue.job"].search(waiting & may_run, order=order, limit=1)


def _is_due(model, alias, query):
    # In a usual domain, now is all of the second that has begun.
    return SQL("%s <= %s", model._field_to_sql(alias, "eta", query), utcnow())


def _execute(env, record) -> None:
    storage.transition.move(
        env.cr, "enqueue", record.ids, {"state": "enqueued", "date_enqueued": utcnow()}
    )
    env.invalidate_all()
    hooks = executor.hooks_of(env.registry)
    job = hooks._acquire_job(env, record.uuid)
    try:
        hooks._runjob(env, job)
    except Exception:
        if job.state != "failed":
            raise
    env.invalidate_all()


@contextmanager
def travel_to_eta(job):
    """Let it be a moment after the date of the job, as long as the block runs.

    The clocks of Python are set, the database's is not.

    :param job: a :class:`.job.Job` or a ``queue.job`` record
    :raises ValueError: the job has no date
    """
    from odoo.tests.common import freeze_time

    if not job.eta:
        raise ValueError(f"{job!r} has no eta to travel to.")
    with freeze_time(job.eta + timedelta(seconds=1)):
        yield


def assert_graph(jobs, expected, key=None) -> None:
    """Check which jobs wait for which.

    ::

        with trap_jobs() as trap:
            order.action_confirm()
            assert_graph(
                trap.enqueued_jobs,
                {"pack": [], "print_label": [], "ship": ["pack", "print_label"]},
            )

        assert_graph(
            self.env["queue.job"].search([]),
            {"page 1": [], "page 2": [], "send": ["page 1", "page 2"]},
            key=lambda job: job.description,
        )

    :param jobs: :class:`.job.Job` objects, delayables that were delayed, or
        ``queue.job`` records
    :param expected: for the label of each job the labels of those it waits for; a
        dictionary, or pairs when several jobs have one label
    :param key: function of a job that returns its label; default: the method's name
    :raises AssertionError: the graph is another one
    """
    key = key or (lambda job: job.method_name)
    found = [(key(job), sorted(map(key, job.depends_on))) for job in map(_as_job, jobs)]
    pairs = expected.items() if isinstance(expected, dict) else expected
    wanted = [(label, sorted(parents)) for label, parents in pairs]
    test = TestCase()
    test.maxDiff = None
    test.assertEqual(_lines(found), _lines(wanted))


def _as_job(job) -> Job:
    if isinstance(job, Delayable):
        job = job._generated_job
    return job if isinstance(job, Job) else Job.load(job.env, job.uuid)


def _lines(graph) -> list[str]:
    return sorted(
        f"{label} waits for {', '.join(map(str, parents)) or 'nothing'}"
        for label, parents in graph
    )
