# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: delayed calls and graphs of them.

::

    group(record.delayable().pack(), other.delayable().pack()).on_done(
        record.delayable().ship()
    ).delay()
"""

from __future__ import annotations

import sys
import uuid as uuid_module
from collections.abc import Iterable, Mapping, Set
from types import CodeType

from odoo.models import BaseModel

from . import buffer, recorder
from . import option_values as given
from .core import options as core_options
from .core.graph import Dag
from .job import Barrier, Job, describe
from .log_lines import get_logger
from .option_values import PROPERTIES
from .utils import must_run_without_delay

_logger = get_logger(__name__)
_direct_logger = get_logger("odoo.addons.queue_job.models.base")


def group(*delayables: Node | Iterable[Node]) -> DelayableGroup:
    """Delayed calls that may run at the same time.

    They are given one by one, or all as one list or generator.

    :raises TypeError: one of them is no prepared call
    """
    return DelayableGroup(*delayables)


def chain(*delayables: Node | Iterable[Node]) -> DelayableChain:
    """Delayed calls of which each waits until the one before is done.

    They are given one by one, or all as one list or generator.

    :raises TypeError: one of them is no prepared call
    """
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

    def on_done(self, *delayables: Node | Iterable[Node]) -> Node:
        """Let ``delayables`` wait until this is done; return self.

        :raises TypeError: one of them is no prepared call
        """
        self._followers += _nodes("on_done()", delayables)
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

    _call = "group()"

    def __init__(self, *delayables: Node | Iterable[Node]):
        super().__init__()
        self._delayables = _nodes(self._call, delayables)

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

    _call = "chain()"

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
    :raises TypeError: an option that does not exist, or of a wrong type
    :raises ValueError: an option out of what is possible
    """

    _generated_job = None
    #: nothing is lost when it is dropped
    _settled = True
    #: what was asked for last; not called when there is no _method_name
    _asked_name: str | None = None
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
        **unknown,
    ):
        given.refuse_unknown(self._call, unknown)
        self._followers = []
        self.recordset = recordset
        self.priority = priority
        self.eta = eta
        self.max_retries = max_retries
        self.description = description
        self.channel = channel
        self.identity_key = identity_key
        self.timeout = timeout
        self._check_options()
        self._place = _place()
        self._settled = False

    _call = "delayable()"

    def _check_options(self) -> None:
        for name in PROPERTIES:
            value = getattr(self, name)
            if value is not None:
                given.check_option(self.recordset.env, name, value)

    def set(self, *properties: dict, **more) -> Delayable:
        """Set options of the job (priority, eta, …); return self.

        :raises TypeError: an option that does not exist, or of a wrong type
        :raises ValueError: an option out of what is possible
        """
        for name, value in _joined(properties, more).items():
            if name not in PROPERTIES:
                raise core_options.unknown("set()", [name], PROPERTIES)
            given.check_option(self.recordset.env, name, value)
            setattr(self, name, value)
        return self

    def split(self, size: int, chain: bool = False) -> Node:
        """The same call on parts of the records, ``size`` in each.

        :param chain: one after the other, instead of at the same time
        :raises ValueError: without a method, or with a size below 1
        """
        if self._method_name is None:
            raise ValueError("split() needs a call: delayable().method(...).split(n)")
        size = core_options.size(size)
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
        clone._place = self._place
        clone.set({name: getattr(self, name) for name in PROPERTIES})
        description = self.description or describe(type(records), self._method_name)
        clone.description = f"{description} {suffix}"
        clone._method_name, clone._args = self._method_name, self._args
        clone._kwargs = self._kwargs
        return clone

    def __getattr__(self, name):
        if name == "recordset":
            raise AttributeError(name)  # asked before it is there
        given.check_method(self.recordset, name)
        self._asked_name = name

        def delayed(*args, **kwargs):
            given.check_call(self.recordset, name, args, kwargs)
            return self._prepare(name, args, kwargs)

        delayed.__name__ = name
        return delayed

    def _prepare(self, name: str, args: tuple, kwargs: dict) -> Delayable:
        if self._method_name is not None:
            raise ValueError(
                f"The call is {self._method_name}() already: prepare {name}() with a"
                f" {self._call} of its own"
            )
        self._method_name, self._args, self._kwargs = name, args, kwargs
        return self

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
                f"No method was called on the delayable of {self.recordset!r}: write"
                " delayable().method(...).delay()"
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
            _logger.warning("%s", self._lost())

    def _lost(self) -> str:
        """What a developer is told of a call that was dropped."""
        if self._method_name is not None:
            why = "was prepared but never delayed: call delay() on it, or on the whole"
            return f"{self!r} {why} that it belongs to ({_line(self._place)})"
        call = f"{self.recordset!r}.{self._call}"
        if self._asked_name is None:
            why = "is followed by no call, so there is no job: name a method behind it"
            return f"{call} {why} ({_line(self._place)})"
        name = self._asked_name
        why = f"is not called, so there is no job: write {name}(...)"
        return f"{call}.{name} {why} ({_line(self._place)})"


class _AtOnce(Delayable):
    """The call of a ``with_delay()``: it is enqueued by being made.

    So the job that is made of it in the same breath checks it.
    """

    _call = "with_delay()"

    def _check_options(self):
        pass


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
        **unknown,
    ):
        self.delayable = _AtOnce(
            recordset,
            priority,
            eta,
            max_retries,
            description,
            channel,
            identity_key,
            timeout,
            **unknown,
        )

    @property
    def recordset(self):
        return self.delayable.recordset

    def __getattr__(self, name):
        if name == "delayable":
            raise AttributeError(name)  # asked before it is there
        delayable = self.delayable
        try:
            given.check_method(delayable.recordset, name)
        except AttributeError:
            delayable._settled = True  # the error says why there is no job
            raise
        delayable._asked_name = name

        def delayed(*args, **kwargs):
            delayable._settled = True  # so does any that comes now
            delayable._prepare(name, args, kwargs)
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
        job = each._generated_job
        job.identity_twin = job.identity_twin or bool(twin)
    return False


def _store_graph(jobs: list) -> None:
    if buffer.is_over(jobs[0].env):
        with recorder.apart(jobs):
            _store_graph(jobs)
        return
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


# ------------------------------------------------------------------ what was given


def _joined(properties: tuple, more: dict) -> dict:
    """The options of ``set()``, as a dictionary or by keyword."""
    try:
        return dict(*properties, **more)
    except (TypeError, ValueError):
        raise TypeError(
            "set() takes one dictionary of options, or options by keyword, as in"
            f" set(priority=5); not {core_options.shown(properties)}"
        ) from None


def _nodes(call: str, delayables: tuple) -> list[Node]:
    """The prepared calls, given one by one or as one list or generator.

    :raises TypeError: one of them is none
    """
    if len(delayables) == 1 and _is_list(delayables[0]):
        delayables = tuple(delayables[0])
    for each in delayables:
        if not isinstance(each, Node):
            raise TypeError(
                f"{call} takes prepared calls, as in {call[:-1]}record.delayable()"
                f".method(...), ...){_instead_of(call, each)}"
            )
    return list(delayables)


# what is no single list of calls, or has no order of its own
_NO_LIST = (str, bytes, Mapping, Set, BaseModel)


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (Node, *_NO_LIST))


def _instead_of(call: str, value: object) -> str:
    """What is wrong with something that is no prepared call."""
    if isinstance(value, Job) or getattr(value, "_name", None) == "queue.job":
        return (
            f", not {value!r}: with_delay() has enqueued it already. Write delayable()"
            " in its place, and delay() behind the whole"
        )
    if isinstance(value, DelayableRecordset):
        return f", not {value!r}: write delayable() for with_delay()"
    if _is_list(value):
        return (
            ", not a list beside others: name each call, or put those that may run at"
            f" the same time into a group, as in {call[:-1]}a, group(b, c))"
        )
    if callable(value):
        name = core_options.name_of(value)
        return f", not the method {name} itself: call it, as in {name}(...)"
    return f", not {core_options.shown(value)}"


# -------------------------------------------------------------------- where it was

_Place = tuple[CodeType, int]
#: what leads from a line of somebody's code to here
_ENTRANCES = frozenset({"__init__", "with_delay", "delayable"})


def _place() -> _Place:
    """Which instruction prepares a call. Its line is looked up when it is told."""
    frame = sys._getframe(2)
    while frame.f_code.co_name in _ENTRANCES and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def _line(place: _Place) -> str:
    code, instruction = place
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return f"{code.co_filename}:{line}"
    return f"{code.co_filename}:{code.co_firstlineno}"
