# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: what the tests of an add-on need that delays calls.

``trap_jobs()``
    see which calls are delayed, nothing is stored; perform them when you like
``mock_with_delay()``
    see that something is delayed, with which properties
``JobMixin``, ``JobCounter``
    the stored jobs that a test made
``drain_queue()``, ``travel_to_eta()``, ``assert_graph()``
    execute the stored jobs as a worker does, in the test's transaction; see
    :mod:`.draining`

::

    from odoo.tests.common import TransactionCase
    from odoo.addons.queue_job.tests.common import trap_jobs

    class TestExport(TransactionCase):
        def test_confirm_exports(self):
            with trap_jobs() as trap:
                self.order.action_confirm()
                trap.assert_jobs_count(1, only=self.order.export)
                trap.assert_enqueued_job(
                    self.order.export, args=("csv",), properties={"priority": 5}
                )
                trap.perform_enqueued_jobs()
            self.assertTrue(self.order.exported)
"""

from __future__ import annotations

import doctest
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import TestCase, mock

from odoo.addons.queue_job.core.graph import Dag
from odoo.addons.queue_job.job import Job

from .draining import assert_graph, drain_queue, travel_to_eta

__all__ = [
    "JobCall",
    "JobCounter",
    "JobMixin",
    "JobsTrap",
    "assert_graph",
    "drain_queue",
    "load_doctests",
    "mock_with_delay",
    "trap_jobs",
    "travel_to_eta",
]


class JobCall(NamedTuple):
    """A call that was delayed while a trap was set.

    method: the bound method. properties: as ``with_delay()`` or ``delayable()`` got
    them, None for those that were not given.
    """

    method: Any
    args: tuple
    kwargs: dict
    properties: dict

    def __str__(self) -> str:
        arguments = [repr(arg) for arg in self.args]
        arguments += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        given = [f"{k}={v!r}" for k, v in self.properties.items() if v is not None]
        call = f"{self.method.__self__!r}.{self.method.__name__}"
        return f"{call}({', '.join(arguments)}) with {', '.join(given) or 'defaults'}"


@contextmanager
def trap_jobs():
    """Catch the jobs that are made in the block: none of them is stored.

    Yields a :class:`JobsTrap`. A trap in a trap catches the jobs made in its own
    block, for example those that jobs make::

        with trap_jobs() as trap:
            record.action()
            with trap_jobs() as made_by_jobs:
                trap.perform_enqueued_jobs()
            made_by_jobs.assert_jobs_count(1)
    """
    with (
        mock.patch("odoo.addons.queue_job.delay.Job", name="Job") as job_class,
        JobsTrap(job_class) as trap,
    ):
        yield trap


class JobsTrap:
    """The calls that were delayed while the trap was set.

    enqueued_jobs: the :class:`.job.Job` of each, in order; of several with one
    identity key only the first. calls: a :class:`JobCall` for each.
    """

    def __init__(self, job_mock):
        job_mock.side_effect = self._catch
        self.job_mock = job_mock
        self.enqueued_jobs: list[Job] = []
        self.calls: list[JobCall] = []
        self._stores = ExitStack()
        self._test = TestCase()
        self._test.maxDiff = None

    def __enter__(self) -> JobsTrap:
        return self

    def __exit__(self, *exc_info) -> None:
        self._stores.close()

    def _catch(self, method, args=None, kwargs=None, **properties) -> Job:
        job = Job(method, args=args, kwargs=kwargs, **properties)
        # What a worker would see of the context.
        kept = job.recordset._job_prepare_context_before_enqueue()
        job.recordset = job.recordset.with_context(kept)
        self._stores.enter_context(mock.patch.object(job, "store"))
        key = job.identity_key
        if not key or all(other.identity_key != key for other in self.enqueued_jobs):
            self.enqueued_jobs.append(job)
        self.calls.append(JobCall(method, job.args, job.kwargs, properties))
        return job

    # ------------------------------------------------------------------- checks

    def jobs_count(self, only=None) -> int:
        """How many jobs were enqueued; ``only``: jobs of this bound method."""
        if only is None:
            return len(self.enqueued_jobs)
        return sum(_is_same(job.func, only) for job in self.enqueued_jobs)

    def assert_jobs_count(self, expected: int, only=None) -> None:
        """Check how many jobs were enqueued; ``only``: jobs of this bound method."""
        number = self.jobs_count(only)
        self._test.assertEqual(number, expected, f"Delayed were:\n{self._told()}")

    def assert_enqueued_job(
        self, method, args=None, kwargs=None, properties=None
    ) -> None:
        """Check that a call was delayed.

        :param method: bound method, of the very same records
        :param args: all positional arguments of the call
        :param kwargs: all keyword arguments of the call
        :param properties: those that matter: priority, eta, identity_key, ...
        """
        wanted = JobCall(method, args or (), kwargs or {}, properties or {})
        if not any(_is_call(call, wanted) for call in self.calls):
            self._test.fail(f"{wanted} was not enqueued. Delayed were:\n{self._told()}")

    def _told(self) -> str:
        return "\n".join(f"* {call}" for call in self.calls) or "* nothing"

    # ------------------------------------------------------------------ actions

    def perform_enqueued_jobs(self) -> None:
        """Perform the jobs that were caught, and forget them.

        First those on their own, by priority; then the graphs, in each of them the
        jobs in the order of their dependencies, then by priority. An error ends it.
        """
        jobs, graphs = self.enqueued_jobs, defaultdict(list)
        self.enqueued_jobs = []
        for job in sorted(jobs, key=lambda job: job.priority):
            graphs[job.graph_uuid].append(job)
        for job in graphs.pop(None, ()):
            job.perform()
        for members in graphs.values():
            for job in _parents_first(members):
                job.perform()


def _is_same(method, other) -> bool:
    return method.__func__ == other.__func__ and method.__self__ == other.__self__


def _is_call(call: JobCall, wanted: JobCall) -> bool:
    return (
        _is_same(call.method, wanted.method)
        and (call.args, call.kwargs) == (wanted.args, wanted.kwargs)
        and wanted.properties.keys() <= call.properties.keys()
        and all(call.properties[k] == v for k, v in wanted.properties.items())
    )


def _parents_first(jobs: list[Job]) -> list[Job]:
    graph: Dag[Job] = Dag()
    for job in jobs:
        graph.add_vertex(job)  # all of them first: their order is the given one
    for job in jobs:
        for parent in job.depends_on:
            if parent in jobs:
                graph.add_edge(parent, job)
    return graph.topological()


@contextmanager
def mock_with_delay():
    """Replace what ``with_delay()`` returns; yield the class and its instance.

    ::

        with mock_with_delay() as (delayable_class, delayable):
            record.action()
            # with_delay() was called on the record
            delay_args, delay_kwargs = delayable_class.call_args
            self.assertEqual(delay_args, (record,))
            self.assertEqual(delay_kwargs["priority"], 5)
            # and a method on what it returned
            delayable.export.assert_called_once_with("csv")
    """
    with mock.patch(
        "odoo.addons.queue_job.models.base.DelayableRecordset",
        name="DelayableRecordset",
        spec=True,
    ) as delayable_class:
        delayable = mock.MagicMock(name="delayable")
        delayable_class.return_value = delayable
        yield delayable_class, delayable


class JobCounter:
    """The stored jobs, those that are there already told from those made since."""

    def __init__(self, env):
        self.env = env
        self.existing = self.search_all()

    def search_all(self):
        """All jobs, as ``queue.job`` records."""
        return self.env["queue.job"].search([])

    def search_created(self):
        """The jobs made since the counter is there."""
        return self.search_all() - self.existing

    def count_all(self) -> int:
        return len(self.search_all())

    def count_created(self) -> int:
        return len(self.search_created())

    def count_existing(self) -> int:
        return len(self.existing)


class JobMixin:
    """For test cases with an ``env``: count, perform and trap jobs.

    ::

        class TestExport(JobMixin, TransactionCase):
            def test_confirm_exports(self):
                counter = self.job_counter()
                self.order.action_confirm()
                self.assertEqual(counter.count_created(), 1)
                self.perform_jobs(counter)
    """

    def job_counter(self) -> JobCounter:
        """A counter of the jobs made from now on."""
        return JobCounter(self.env)

    def perform_jobs(self, jobs: JobCounter) -> None:
        """Perform the jobs made since ``jobs`` is there, once, whatever their state.

        Their records keep their states; :func:`drain_queue` also moves those.
        """
        records = jobs.search_created().sorted(
            lambda job: (job.priority, job.date_created, job.id)
        )
        loaded = [Job.load(self.env, record.uuid) for record in records]
        for job in _parents_first(loaded):
            job.perform()

    def trap_jobs(self):
        """See :func:`trap_jobs`."""
        return trap_jobs()


# ------------------------------------------------------------------------- doctests


class OdooDocTestCase(doctest.DocTestCase):
    """A doctest with what Odoo's runner asks of a test."""

    test_sequence = 0

    def __init__(self, test, module: str):
        super().__init__(test)
        self.test_module = module
        self.test_tags = {"standard", "at_install", "doctest", module}

    @property
    def canonical_tag(self) -> str:
        return f"/{self.test_module}:{self.id()}"


def load_doctests(module):
    """The ``load_tests`` of a module of tests, with the doctests of ``module``.

    ::

        from odoo.addons.queue_job.tests.common import load_doctests
        from odoo.addons.my_addon import tools

        load_tests = load_doctests(tools)
    """
    # odoo.addons.<name>...
    addon = (module.__name__.split(".") + ["", ""])[2]

    def load_tests(loader, tests, ignore):
        for test in doctest.DocTestFinder().find(module):
            if test.examples:
                tests.addTest(OdooDocTestCase(test, addon))
        return tests

    return load_tests
