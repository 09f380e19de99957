# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: delayed calls and graphs of them.

::

    group(record.delayable().pack(), other.delayable().pack()).on_done(
        record.delayable().ship()
    ).delay()
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Iterable

from . import recorder
from .core.graph import Dag
from .job import Barrier, Job, describe
from .log_lines import get_logger
from .utils import must_run_without_delay

_logger = get_logger(__name__)
_direct_logger = get_logger("odoo.addons.queue_job.models.base")

#: what may be said of a job beside its call
PROPERTIES = (
    "priority",
    "eta",
    "max_retries",
    "description",
    "channel",
    "identity_key",
    "timeout",
)


def group(*delayables: Node) -> DelayableGroup:
    """Delayed calls that may run at the same time."""
    return DelayableGroup(*delayables)


def chain(*delayables: Node) -> DelayableChain:
    """Delayed calls of which each waits until the one before is done."""
    return DelayableChain(*delayables)


class Graph(Dag):
    """The vertices of a graph of calls, and who waits for whom."""

    def topological_sort(self) -> list:
        """All vertices, parents first."""
        return self.topological()

    def root_vertices(self) -> list:
        """The vertices that wait for nothing."""
        return self.roots()

    def edges(self) -> list[tuple]:
        """All pairs (parent, child)."""
        return [(p, c) for p in self.vertices() for c in self.children(p)]


class Node:
    """A delayed call, or several that belong together."""

    def __init__(self):
        self._followers: list[Node] = []

    def on_done(self, *delayables: Node) -> Node:
        """Let ``delayables`` wait until this is done; return self."""
        for other in delayables:
            if not isinstance(other, Node):
                raise TypeError(f"on_done() takes delayables, not {other!r}")
        self._followers += delayables
        return self

    def delay(self) -> None:
        """Enqueue everything, with what follows on it, in the current transaction.

        :raises ValueError: the calls wait for each other in a circle
        """
        self._delay_graph()

    def _delay_graph(self) -> None:
        graph = DelayableGraph()
        self._add_to(graph, set())
        graph.delay()

    def _members(self) -> Iterable[Node]:
        raise NotImplementedError

    def _add_to(self, graph: Graph, seen: set[int]) -> None:
        """Add the vertices and edges of this and of what follows."""
        if id(self) in seen:
            return
        seen.add(id(self))
        self._add_members(graph, seen)
        for follower in self._followers:
            follower._add_to(graph, seen)
        tails = self._tails() if self._followers else []
        for follower in self._followers:
            graph.add_group_edges(tails, follower._heads())

    def _add_members(self, graph: Graph, seen: set[int]) -> None:
        raise NotImplementedError

    def _heads(self) -> list[Delayable]:
        """The calls that nothing in this waits before."""
        raise NotImplementedError

    def _tails(self) -> list[Delayable]:
        """The calls after which this is done, what follows on it not counted."""
        raise NotImplementedError


class Several(Node):
    """Delayables that belong together.

    A kind says which of them begin, which end, and who of them waits for whom.
    """

    def __init__(self, *delayables: Node):
        super().__init__()
        self._delayables = list(delayables)

    def _first(self) -> list[Node]:
        return self._delayables

    def _last(self) -> list[Node]:
        return self._delayables

    def _add_members(self, graph, seen):
        for member in self._delayables:
            member._add_to(graph, seen)

    def _heads(self):
        return [head for member in self._first() for head in member._heads()]

    def _tails(self):
        return [tail for member in self._last() for tail in member._tails()]

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(map(repr, self._delayables))})"


class DelayableGroup(Several):
    """Delayables that may run at the same time."""


class DelayableChain(Several):
    """Delayables of which each waits until the one before is done."""

    def _links(self) -> list[Node]:
        # an empty group stands in nobody's way: what follows waits for what is before
        return [member for member in self._delayables if member._heads()]

    def _first(self):
        return self._links()[:1]

    def _last(self):
        return self._links()[-1:]

    # pylint: disable-next=missing-return
    def _add_members(self, graph, seen):
        super()._add_members(graph, seen)
        links = self._links()
        for first, second in zip(links, links[1:]):
            graph.add_group_edges(first._tails(), second._heads())


class Delayable(Node):
    """A method call that can be set up, put into a graph and delayed.

    ::

        record.delayable(priority=5).set(channel="root.export").export().delay()

    :param recordset: the records that the method is called on
    :param priority: and the others: see :class:`.job.Job`
    """

    _generated_job = None
    #: nothing is lost when it is dropped
    _settled = True
    _method_name: str | None = None
    _args: tuple = ()
    _kwargs: dict = {}

    def __init__(
        self,
        recordset,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        timeout=None,
    ):
        self._followers = []
        self.recordset = recordset
        self.priority = priority
        self.eta = eta
        self.max_retries = max_retries
        self.description = description
        self.channel = channel
        self.identity_key = identity_key
        self.timeout = timeout
        self._settled = False

    def set(self, *properties: dict, **more) -> Delayable:
        """Set properties of the job (priority, eta, …); return self.

        :raises ValueError: an unknown property
        """
        for name, value in dict(*properties, **more).items():
            if name not in PROPERTIES:
                raise ValueError(
                    f"No property {name!r} of a job: {', '.join(PROPERTIES)}"
                )
            setattr(self, name, value)
        return self

    def split(self, size: int, chain: bool = False) -> Node:
        """The same call on parts of the records, ``size`` in each.

        :param chain: one after the other, instead of at the same time
        :raises ValueError: without a method, or with a size below 1
        """
        if self._method_name is None:
            raise ValueError("split() needs a call: delayable().method(...).split(n)")
        if size < 1:
            raise ValueError(f"The size of a part is {size}: 1 or more is needed")
        records = self.recordset
        parts = [records[i : i + size] for i in range(0, len(records), size)]
        clones = [
            self._clone_for(part, f"(split {number}/{len(parts)})")
            for number, part in enumerate(parts, 1)
        ]
        self._method_name, self._settled = None, True  # the parts stand for it
        whole = (DelayableChain if chain else DelayableGroup)(*clones)
        whole._followers = self._followers
        return whole

    def _clone_for(self, records, suffix: str) -> Delayable:
        clone = Delayable(records)
        clone.set({name: getattr(self, name) for name in PROPERTIES})
        description = self.description or describe(type(records), self._method_name)
        clone.description = f"{description} {suffix}"
        clone._method_name, clone._args = self._method_name, self._args
        clone._kwargs = self._kwargs
        return clone

    def __getattr__(self, name):
        if name.startswith("__") or not hasattr(type(self.recordset), name):
            raise AttributeError(
                f"Only methods of {self.recordset._name} can be delayed,"
                f" and it has no {name!r}."
            )
        if self._method_name is not None:
            raise ValueError(f"The call is {self._method_name}() already.")

        def delayed(*args, **kwargs):
            self._method_name, self._args, self._kwargs = name, args, kwargs
            return self

        return delayed

    def delay(self) -> None:
        """Enqueue the call, with what follows on it, in the current transaction."""
        if self._followers:
            self._delay_graph()
        else:
            self._delay_alone()

    def _delay_alone(self) -> None:
        job = self._build_job()
        if must_run_without_delay(self.recordset.env):
            _perform_now([self])
        else:
            self._generated_job = _enqueue(job)

    def _build_job(self) -> Job:
        if self._generated_job is not None:
            return self._generated_job
        if self._method_name is None:
            raise ValueError(
                f"No method was called on the delayable of {self.recordset!r}."
            )
        options = {} if self.timeout is None else {"timeout": self.timeout}
        self._generated_job = Job(
            getattr(self.recordset, self._method_name),
            args=self._args,
            kwargs=self._kwargs,
            priority=self.priority,
            max_retries=self.max_retries,
            eta=self.eta,
            description=self.description,
            channel=self.channel,
            identity_key=self.identity_key,
            **options,
        )
        return self._generated_job

    def _add_members(self, graph, seen):
        graph.add_vertex(self)

    def _heads(self):
        return [self]

    def _tails(self):
        return [self]

    def __repr__(self):
        return f"Delayable({self.recordset!r}.{self._method_name}())"

    def __del__(self):
        if self._generated_job is None and not self._settled:
            _logger.warning("%r was prepared but never delayed", self)


class DelayableRecordset:
    """The recordset of ``with_delay()``: calling a method enqueues the call.

    ::

        delayable = DelayableRecordset(recordset, priority=20)
        delayable.method(args, kwargs)

    ``method`` must be a method of the recordset's model that may be delayed, see
    :func:`.job.job`. The call returns the :class:`.job.Job`, or the ``queue.job``
    record of the not yet started job with the same identity key.
    """

    __slots__ = ("delayable",)

    def __init__(
        self,
        recordset,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        timeout=None,
    ):
        self.delayable = Delayable(
            recordset,
            priority,
            eta,
            max_retries,
            description,
            channel,
            identity_key,
            timeout,
        )
        # an error says why there is no job
        self.delayable._settled = True

    @property
    def recordset(self):
        return self.delayable.recordset

    def __getattr__(self, name):
        delayable = self.delayable
        prepare = (
            getattr(delayable, name)
            if name not in _OWN
            else delayable.__getattr__(name)
        )

        def delayed(*args, **kwargs):
            prepare(*args, **kwargs)
            delayable._delay_alone()
            return delayable._generated_job

        return delayed

    def __str__(self):
        return f"DelayableRecordset({self.recordset!r})"

    __repr__ = __str__


class DelayableGraph(Graph):
    """Delayables and who of them waits for whom."""

    def delay(self) -> None:
        """Enqueue all calls in the current transaction.

        When every job with an identity key has a not yet started twin, nothing is
        enqueued: it is there already.

        :raises ValueError: the calls wait for each other in a circle
        """
        delayables = self.topological()
        if not delayables:
            return
        for delayable in delayables:
            delayable._build_job()
        if any(must_run_without_delay(each.recordset.env) for each in delayables):
            _perform_now(delayables)
        elif not _all_have_twins(delayables):
            self._connect()
            _store_graph([each._generated_job for each in delayables])

    def _connect(self) -> None:
        for barrier in self.barriers():
            parents = Barrier(parent._generated_job for parent in barrier.parents)
            for delayable in barrier.waiting:
                delayable._generated_job.wait_for(parents)


def _enqueue(job):
    if hasattr(job, "enqueue_unless_twin"):
        return job.enqueue_unless_twin()
    job.store()
    return job


def _all_have_twins(delayables: list[Delayable]) -> bool:
    """Is each keyed call of the graph waiting already? Then these are its jobs."""
    keyed = [each for each in delayables if each._generated_job.identity_key]
    if not keyed:
        return False
    twins = {}
    for each in keyed:
        twins[each] = each._generated_job.job_record_with_same_identity_key()
    if all(twins.values()):
        for each, twin in twins.items():
            each._generated_job = twin
        return True
    for each, twin in twins.items():
        # the graph is needed whole: its job stands beside the one that is there
        each._generated_job.identity_twin = bool(twin)
    return False


def _store_graph(jobs: list) -> None:
    graph_uuid = str(uuid_module.uuid4()) if len(jobs) > 1 else None
    keys = set()
    for job in jobs:
        recorder.check_declared(job)
        job.graph_uuid = graph_uuid
        if job.identity_key:
            job.identity_twin = job.identity_twin or job.identity_key in keys
            keys.add(job.identity_key)
    for job in jobs:
        job.store()


def _perform_now(delayables: list[Delayable]) -> None:
    """Run the calls at once, parents first, in the current transaction."""
    for delayable in delayables:
        job = delayable._generated_job
        _direct_logger.warning(
            "`queue_job__no_delay` context key or environment variable found:"
            " %s runs without delay",
            job.func_string,
        )
        job.perform()
        job.set_done()


_OWN = frozenset(name for name in dir(Delayable) if not name.startswith("__"))
