# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: a job, its states, the decorators that declare methods."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import uuid as uuid_module
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from odoo.models import BaseModel

from . import (
    buffer,
    clock,
    declared_names,
    found_job,
    recorder,
    rows,
    storage,
    tracing,
)
from . import option_values as given
from .client_context import requester, sent, sent_values
from .core import options, plain, states
from .core.options import DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY  # noqa: F401
from .core.retry import PG_RETRY, RETRY_INTERVAL, seconds_for  # noqa: F401
from .core.states import (  # noqa: F401
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    STARTED,
    STATES,
    WAIT_DEPENDENCIES,
)
from .declaration import job, ran_through, related_action  # noqa: F401
from .exception import (
    FailedJobError,
    JobError,
    JobRefused,
    NoSuchJobError,
    RetryableJobError,
)
from .fields import canonical, encode_args, encode_kwargs, mask

#: characters of a call as text
LONGEST_CALL = 4000
#: the context key by which clients say which companies they are in
_COMPANIES = "allowed_company_ids"


def identity_exact_hasher(job_: Job):
    """A hash object over what the job calls, and as whom.

    Model, method, records, arguments, user and superuser flag; from the form in which
    they are stored, so equal calls of all processes have the same one.
    """
    hasher = hashlib.sha1(usedforsecurity=False)
    env = job_.recordset.env
    hasher.update(job_.model_name.encode())
    hasher.update(job_.method_name.encode())
    hasher.update(str(sorted(job_.recordset.ids)).encode())
    hasher.update(canonical(encode_args(job_.args)).encode())
    hasher.update(canonical(encode_kwargs(job_.kwargs)).encode())
    hasher.update(f"{env.uid}{env.su}".encode())
    return hasher


def identity_exact(job_: Job) -> str:
    """Identity key of a job: two jobs have the same one when they make the same call,
    as the same user.

    Use it as ``with_delay(identity_key=identity_exact)``: the same method with the
    same arguments on the same records, by the same user, waits only once.
    """
    return identity_exact_hasher(job_).hexdigest()


class Barrier:
    """The jobs that have to be done before others may run, shared by all of those."""

    __slots__ = ("parents", "waiting", "id")

    def __init__(self, parents: Iterable[Job]):
        self.parents = frozenset(parents)
        self.waiting: set[Job] = set()
        self.id: int | None = None
        for parent in self.parents:
            parent._barriers_below += (self,)


class Job:
    """A task to execute: a method of a recordset with its arguments.

    :param func: bound method of a recordset
    :param args: positional arguments of the call
    :param kwargs: keyword arguments of the call
    :param priority: 0 is the highest; default: of the decorator, else 10
    :param eta: not before this moment: seconds or timedelta from now, or datetime
        (a naive one is UTC)
    :param job_uuid: id of an existing job; a new one when omitted
    :param max_retries: tries before the job fails, 0 for no limit; default: of the
        decorator, else 5
    :param description: text for people; default: of the decorator, else the first line
        of the method's docstring
    :param channel: complete name of the channel; default: that of the function
    :param identity_key: text, or a function of the job that returns one (None: no
        key): while a job with the same key has not started, no other one is added;
        default: of the decorator; False: no key whatever that says
    :param timeout: seconds or timedelta a try may take, 0 for no limit; default: of
        the function
    :raises TypeError: when ``func`` is not a bound method of a model, or a parameter
        is unknown or of a wrong type
    :raises ValueError: when a parameter is out of what is possible
    """

    def __init__(
        self,
        func: Callable,
        args: Iterable | None = None,
        kwargs: dict | None = None,
        priority: int | None = None,
        eta: int | timedelta | datetime | None = None,
        job_uuid: str | None = None,
        max_retries: int | None = None,
        description: str | None = None,
        channel: str | None = None,
        identity_key: str | Callable[[Job], str] | None = None,
        timeout: float | timedelta | None = None,
        **unknown: Any,
    ):
        given.refuse_unknown("Job()", unknown)
        recordset = getattr(func, "__self__", None)
        if not isinstance(recordset, BaseModel) or isinstance(func, type):
            raise TypeError(
                f"A job needs a method of a recordset, not {func!r}:"
                " pass a bound method, as in Job(records.method, args=(...))"
            )
        self.recordset = recordset
        self.env = env = recordset.env
        self.method_name = func.__name__
        self.args = args if type(args) is tuple else _arguments(args)
        self.kwargs = kwargs if kwargs else {}
        self.uuid = job_uuid or _new_uuid()
        if job_uuid:
            self._is_named = True
        if priority is None:
            self.priority = self.job_config.priority
        else:
            self.priority = options.priority(priority)
        if max_retries is None:
            self.max_retries = self.job_config.max_retries
        else:
            self.max_retries = options.max_retries(max_retries)
        self._eta: datetime | None = None
        if eta is not None:
            self.eta = eta
        self._description = (
            given.described(env, description) if description else description
        )
        self._channel = given.channel_name(channel) if channel else None
        self._timeout = None if timeout is None else options.timeout(timeout)
        self.date_created = clock.now(env.cr)
        self.user_id = env.uid
        self._company_id: int | bool | None = None  # False: none
        self.state = states.PENDING
        self.retry = 0
        self.identity_twin = False
        self._id: int | None = None
        self._barrier: Barrier | None = None
        self.graph_uuid: str | None = None
        if identity_key is None:
            identity_key = self.job_config.identity_key
        self._identity_key = given.accepted_key(identity_key) if identity_key else None

    # What only jobs that ran have: no assignment for each of the others.
    date_enqueued: datetime | None = None
    date_started: datetime | None = None
    date_done: datetime | None = None
    date_cancelled: datetime | None = None
    _exec_time: float | None = None
    result: Any = None
    exc_name: str | None = None
    exc_message: str | None = None
    exc_info: str | None = None
    worker_pid: int | None = None
    worker: str | None = None
    trace: str | None = None
    attempt: int = 0
    tries_before: int = 0
    release_due: bool = False
    _barriers_below: tuple[Barrier, ...] = ()
    _stored: bool = False
    _is_named: bool = False
    _entered: tuple[str, int]
    entered_row: list
    stored_key: str | None = None
    _lease = None
    _run_id: int | None = None
    noted_end: tuple[dict, dict] | None = None
    #: the environment of who read it back from the table
    _reader: Any = None

    # ------------------------------------------------------------ what it calls

    @property
    def model_name(self) -> str:
        """Odoo model on which the job runs."""
        return self.recordset._name

    @property
    def job_function_name(self) -> str:
        """Name of the job's function: ``<model>.method``."""
        functions = self.env["queue.job.function"]
        return functions.job_function_name(self.model_name, self.method_name)

    @property
    def func(self) -> Callable:
        """The bound method; its recordset knows in its context which job it is."""
        recordset = self.recordset.with_context(job_uuid=self.uuid)
        return getattr(recordset, self.method_name)

    @property
    def func_string(self) -> str:
        """The call as text: ``res.partner(1,).write({'name': 'x'})``.

        Arguments that are to be masked are hidden.
        """
        terms = self._terms
        text = self._call_text(self.args, self.kwargs)
        pattern = terms.masked_pattern
        if terms.hidden or (pattern is not None and pattern.search(text.lower())):
            args = mask(json.loads(encode_args(self.args)), terms.masked, terms.hidden)
            kwargs = mask(json.loads(encode_kwargs(self.kwargs)), terms.masked)
            text = self._call_text(args, kwargs)
        return options.cut(text, LONGEST_CALL)

    def _call_text(self, args: Iterable, kwargs: dict) -> str:
        parts = [repr(arg) for arg in args]
        parts += [f"{key}={value!r}" for key, value in kwargs.items()]
        return f"{self.recordset!r}.{self.method_name}({', '.join(parts)})"

    @property
    def extra_values(self) -> dict[str, Any]:
        """Values of further fields of ``queue.job``, from the job's own model."""
        if self.refusal is not None:
            return {}  # it would be asked as whom the row says
        return self.recordset._job_store_values(self)

    @functools.cached_property
    def refusal(self) -> JobRefused | None:
        """Why a job that was read back must not be executed; None when it may be.

        Who was started by a lease was asked before; who comes from the call itself
        is what was called.
        """
        return recorder.refusal(self) if self._reader is not None else None

    @property
    def job_config(self):
        """The settings of the method, see ``queue.job.function.job_config()``."""
        return self._terms.config

    @functools.cached_property
    def _terms(self):
        functions = self.env["queue.job.function"]
        return functions._terms(self.recordset._name, self.method_name)

    @property
    def company_id(self) -> int | None:
        """The company in which the job was made; of the context, if that has one."""
        if self._company_id is None:
            if "company_id" in self.env.context:
                self._company_id = self._company_of_context()
            else:
                self._company_id = self._company_of_env()
        return self._company_id or None

    @company_id.setter
    def company_id(self, value: int | None) -> None:
        self._company_id = value or False

    def _company_of_context(self) -> int | bool:
        company = self.env.context["company_id"]
        # What code says holds; a client chooses among the companies of its user.
        if sent("company_id") and not self._is_of_requester(company):
            return self._company_of_env()
        return company or False

    def _company_of_env(self) -> int:
        env, company = self.env, self.env.company.id
        # With the rights of the superuser, Odoo does not ask whose company it is.
        chosen = env.su and _COMPANIES in env.context and _is_chosen(company)
        if not chosen or self._is_of_requester(company):
            return company
        return requester(env).sudo().company_id.id

    def _is_of_requester(self, company: object) -> bool:
        # Whoever he is: which companies he is a member of is asked.
        return company in requester(self.env).sudo().company_ids.ids

    @property
    def description(self) -> str:
        """Human description of the job."""
        if self._description:
            return self._description
        if self._description is None and self.job_config.description:
            return given.described(self.env, self.job_config.description)
        klass: Any = type(self.recordset)
        return describe(klass, self.method_name)

    @description.setter
    def description(self, value: str | None) -> None:
        self._description = given.described(self.env, value) if value else value

    @property
    def channel(self) -> str:
        """Complete name of the channel that executes the job."""
        return self._channel or self.job_config.channel

    @channel.setter
    def channel(self, value: str | None) -> None:
        self._channel = given.channel_name(value) if value else None

    @property
    def exec_time(self) -> float | None:
        """Seconds that the job took."""
        if self._exec_time is None and self.date_started and self.date_done:
            return max(0.0, (self.date_done - self.date_started).total_seconds())
        return self._exec_time

    @exec_time.setter
    def exec_time(self, value: float | None) -> None:
        self._exec_time = value

    @property
    def timeout(self) -> float:
        """Seconds a try may take; 0 for no limit."""
        timeout = self._timeout
        return (self.job_config.timeout or 0) if timeout is None else timeout

    @property
    def identity_key(self) -> str | None:
        """Text that no other not yet started job has."""
        key = self._identity_key
        if key is not None and not isinstance(key, str):
            self._identity_key = key = given.key_of(self, key)
        return key

    @identity_key.setter
    def identity_key(self, value: str | Callable[[Job], str] | None) -> None:
        self._identity_key = given.accepted_key(value)

    @property
    def eta(self) -> datetime | None:
        """The job is not executed before this moment (naive UTC)."""
        return self._eta

    @eta.setter
    def eta(self, value: int | timedelta | datetime | None) -> None:
        self._eta = given.moment(value, self.env.cr)

    # --------------------------------------------------------------- the record

    @classmethod
    def load(cls, env, job_uuid: str) -> Job:
        """Read a job from the database.

        :raises NoSuchJobError: when there is none with that uuid
        """
        record = cls.db_record_from_uuid(env, job_uuid)
        if not record:
            raise NoSuchJobError(f"Job {job_uuid} does not exist (any more).")
        return cls._load_from_db_record(record)

    @classmethod
    def load_many(cls, env, job_uuids: Iterable[str]) -> set[Job]:
        """Read several jobs; those that do not exist are left out."""
        records = cls.db_records_from_uuids(env, job_uuids)
        return {cls._load_from_db_record(record) for record in records}

    @staticmethod
    def db_record_from_uuid(env, job_uuid: str):
        """The ``queue.job`` record of a uuid; empty when there is none."""
        return Job.db_records_from_uuids(env, [job_uuid])

    @staticmethod
    def db_records_from_uuids(env, job_uuids: Iterable[str]):
        """The ``queue.job`` records of some uuids."""
        # The caller holds a uuid that only the server gave out, whatever the rights
        # of the user are on the list of jobs.
        model = env["queue.job"].sudo()
        return model.search([("uuid", "in", list(job_uuids))]).with_env(env)

    @classmethod
    def _load_from_db_record(cls, record) -> Job:
        return recorder.load(cls, record)

    def db_record(self):
        """The ``queue.job`` record; the job is written first."""
        buffer.flush(self.env)
        if self._id is not None:
            return self.env["queue.job"].browse(self._id)
        record = self.db_record_from_uuid(self.env, self.uuid)
        self._id = record.id or None
        return record

    def store(self) -> None:
        """Have the job written with the current transaction.

        A new one joins the transaction's buffer; of an existing one, what changes in
        the life of a job is written at once: neither what it calls, nor as whom.
        """
        if self._stored:
            recorder.save(self)
        elif buffer.is_over(self.env):
            with recorder.apart([self]):
                self._store_new()
        else:
            self._store_new()

    def _store_new(self) -> None:
        recorder.check_channel(self)
        rows.serialize(self, self.env.cr.cache.setdefault("queue_job.env", {}))
        self.trace = tracing.current()
        # What happens to the object before the row is written is not stored.
        self.stored_key = self.identity_key
        self._entered = self.state, self.retry
        self.entered_row = rows.new_row(self)
        buffer.add(self.env, self)
        self._stored = True
        if self._is_named:
            buffer.flush(self.env)  # that its uuid is taken is told here

    @classmethod
    def enqueue(
        cls,
        func: Callable,
        args: Iterable | None = None,
        kwargs: dict | None = None,
        priority: int | None = None,
        eta: int | timedelta | datetime | None = None,
        max_retries: int | None = None,
        description: str | None = None,
        channel: str | None = None,
        identity_key: str | Callable[[Job], str] | None = None,
        timeout: float | timedelta | None = None,
        **unknown: Any,
    ):
        """Create a job and put it in the queue; return it.

        When a job with the same identity key has not started yet, no job is created:
        its ``queue.job`` record is returned, which has all that a ``Job`` has as well.
        That job does not start before the current transaction ends.

        The parameters are those of :class:`Job`.

        :raises TypeError: the method does not take the arguments
        """
        given.refuse_unknown("Job.enqueue()", unknown)
        new = cls(
            func,
            args=args,
            kwargs=kwargs,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            timeout=timeout,
        )
        return new.enqueue_unless_twin()

    def enqueue_unless_twin(self):
        """Store the new job and return it, or return its twin's record."""
        recorder.check_declared(self)
        given.check_call(self.recordset, self.method_name, self.args, self.kwargs)
        if self._identity_key is not None:
            if buffer.is_over(self.env):
                return self._enqueue_apart()
            twin = self.job_record_with_same_identity_key()
            if twin:
                return twin
        self.store()
        return self

    def _enqueue_apart(self):
        """The same in a transaction of its own: that of the environment has ended."""
        env = self.env
        with recorder.apart([self]):
            twin = self.job_record_with_same_identity_key()
            if twin:
                return recorder.known_record(env, twin.id, twin.uuid, twin.state)
            self.store()
        return self

    def job_record_with_same_identity_key(self):
        """The record of a not yet started job with the same key; empty without."""
        return recorder.find_twin(self)

    # ------------------------------------------------------------------- states

    def set_pending(self, result: str | None = None, reset_retry: bool = True) -> None:
        """Back to the queue, or behind the jobs it depends on."""
        waits = any(parent.state != states.DONE for parent in self.depends_on)
        self.state = states.WAIT_DEPENDENCIES if waits else states.PENDING
        self.date_enqueued = self.date_started = self.date_done = None
        self.date_cancelled = None
        self.worker_pid = None
        self.identity_twin = self._stored
        if reset_retry:
            self.retry = 0
        if result is not None:
            self.result = result

    def set_enqueued(self) -> None:
        """On its way to a worker."""
        self.state = states.ENQUEUED
        self.date_enqueued = clock.now(self.env.cr)
        self.date_started = None
        self.worker_pid = None

    def set_started(self) -> None:
        """In a worker's hands."""
        self.state = states.STARTED
        self.date_started = clock.now(self.env.cr)
        self.worker_pid = os.getpid()

    def set_done(self, result: Any = None) -> None:
        """Finished; ``result`` is for people."""
        self.state = states.DONE
        self.exc_name = self.exc_message = self.exc_info = None
        self.date_done = clock.not_before(self.env.cr, self.date_started)
        self.exec_time = None  # by its dates
        if result is not None:
            self.result = result

    def set_cancelled(self, result: str | None = None) -> None:
        """Not to be executed any more."""
        self.state = states.CANCELLED
        self.date_cancelled = clock.now(self.env.cr)
        if result is not None:
            self.result = result

    def set_failed(self, exc_info: str | None = None, **values) -> None:
        """Given up; ``values``: ``exc_name``, ``exc_message``."""
        self.state = states.FAILED
        if exc_info is not None:
            self.exc_info = exc_info
        for name, value in values.items():
            setattr(self, name, value)

    def postpone(self, result: str | None = None, seconds: float | None = None) -> None:
        """Not before ``seconds`` from now; without: as the retry pattern says."""
        self.eta = timedelta(seconds=self._retry_seconds(seconds))
        self.exc_name = self.exc_message = None
        if result is not None:
            self.result = result

    def _retry_seconds(self, seconds: float | None = None) -> float:
        if seconds:
            return seconds
        return seconds_for(self.job_config.retry_pattern, self.retry)

    def perform(self) -> Any:
        """Execute the job in the current transaction, as its user; return the result.

        :raises JobRefused: the enqueuing code did not write what the row calls
        :raises FailedJobError: the job asked for another try, and had all of them
        :raises Exception: whatever the method raises
        """
        if self.refusal is not None:
            raise self.refusal
        self.retry += 1
        try:
            self.result = ran_through(self.func(*self.args, **self.kwargs))
        except RetryableJobError as error:
            if error.ignore_retry:
                self.retry -= 1
            elif self.max_retries and self.retry >= self.max_retries:
                said = plain.message_of(error)
                message = f"Max. retries ({self.max_retries}) reached: {said}"
                raise FailedJobError(message) from error
            raise
        return self.result

    def on_fail(self, values: dict) -> None:
        """Call the method that the job's function names for failed jobs, if any.

        :raises JobError: code has not declared it as such a method
        :param values: its keywords ``exc_info``, ``exc_name``, ``exc_message``
        """
        name = self.job_config.on_fail_method_name
        if not name or self.refusal is not None:
            return
        if not declared_names.is_on_fail(type(self.recordset), name):
            raise JobError(
                f"{self.model_name}.{name}() is not called when a job has failed: code"
                " must declare it, by @job(on_fail=...), a name with on_fail"
                " in it, or parameters named exc_info, exc_name and exc_message."
            )
        getattr(self.recordset, name)(**values)

    def cancel(self) -> bool:
        """Cancel the job; when it is running, ask it to stop.

        Return whether there was something to cancel. Transaction: effective when the
        current one commits.
        """
        record = self.db_record()
        if self._reader is not None:  # in the name of who read it back
            record = record.with_env(self._reader(cr=self.env.cr))
        return bool(record.sudo()._cancel_or_stop())

    # ------------------------------------------------------------ dependencies

    @property
    def depends_on(self) -> frozenset[Job] | set[Job]:
        """The jobs that must be done before this one."""
        if self._barrier is None and self._stored and self._id is not None:
            self._barrier = recorder.load_barrier(self)
        return self._barrier.parents if self._barrier else set()

    @property
    def reverse_depends_on(self) -> set[Job]:
        """The jobs that wait, or waited, for this one."""
        known = {one for each in self._barriers_below for one in each.waiting}
        if self._stored and self._id is not None:
            known |= recorder.load_dependents(self)
        return known

    def add_depends(self, jobs: Iterable[Job]) -> None:
        """Have the job wait until ``jobs`` are done.

        :raises ValueError: the job is among them
        """
        self.wait_for(Barrier(self.depends_on | set(jobs)))

    def wait_for(self, barrier: Barrier) -> None:
        """Have the job wait behind ``barrier``, which it may share with others."""
        if self in barrier.parents:
            raise ValueError(f"Job {self.uuid} cannot depend on itself.")
        if self._barrier is not None:
            self._barrier.waiting.discard(self)
        self._barrier = barrier
        barrier.waiting.add(self)
        if any(parent.state != states.DONE for parent in barrier.parents):
            self.state = states.WAIT_DEPENDENCIES

    def should_check_dependents(self) -> bool:
        """Whether other jobs may wait for this one."""
        return recorder.has_dependents(self)

    def enqueue_waiting(self) -> None:
        """Release the jobs that waited only for this one."""
        recorder.release_dependents(self)

    def cancel_dependent_jobs(self) -> None:
        """Cancel the jobs that wait for this one."""
        recorder.cancel_dependents(self)

    # -------------------------------------------------------------------- locks

    def add_lock_record(self) -> None:
        """Show, until the transaction ends, that somebody executes the job."""
        storage.locks.hold_job(self.env.cr, self.db_record().id)

    def lock(self) -> bool:
        """Like :meth:`add_lock_record`; return whether nobody else does."""
        return storage.locks.hold_job(self.env.cr, self.db_record().id)

    def in_temporary_env(self):
        """Context manager: the job on a cursor of its own, committed at its end."""
        return recorder.temporary_env(self)

    # ------------------------------------------------------------------ for UIs

    def related_action(self):
        """The action that shows what the job is about; None when there is none."""
        return recorder.related_action(self)

    def __getattr__(self, name: str) -> Any:
        # Asked for what there is not.
        if name in _OF_DELAYABLES:
            raise AttributeError(
                f"A Job has no {name}(): with_delay() has enqueued it already. Prepare"
                f" the call instead: record.delayable().{self.method_name}(...)"
                f".{name}(...), and delay() at its end."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self.uuid == other.uuid

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __repr__(self) -> str:
        return f"<Job {self.uuid}, priority:{self.priority}>"


found_job.read_by(Job._load_from_db_record)


@functools.lru_cache(maxsize=1024)
def describe(model_class: Any, method_name: str) -> str:
    """First line of the method's own docstring, else ``model.method``."""
    # Not that of a method which it overrides: it may say something else.
    doc = getattr(getattr(model_class, method_name, None), "__doc__", None) or ""
    first = doc.strip().partition("\n")[0].strip()
    return first or f"{model_class._name}.{method_name}"


def __getattr__(name: str) -> Any:
    # Documented as a name of this module, though made of what is here.
    if name == "DelayableRecordset":
        from .delay import DelayableRecordset

        return DelayableRecordset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


#: what is said of a call before it is a job
_OF_DELAYABLES = ("on_done", "split", "set", "delay")


def _arguments(args: Iterable | None) -> tuple:
    if isinstance(args, (str, bytes, dict)):
        raise TypeError(
            f"args is {options.shown(args)}: a tuple or list of arguments is needed, as"
            " in args=('csv',)"
        )
    return tuple(args) if args else ()


def _is_chosen(company: int) -> bool:
    """Is it among the companies that the client of the request under way has sent?"""
    lists = [each for each in sent_values(_COMPANIES) if isinstance(each, list)]
    return any(company in each for each in lists)


def _new_uuid() -> str:
    return str(uuid_module.uuid4())
