# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PUBLIC: what a call returns whose identity key a waiting job has.

It is that job's ``queue.job`` record, and has what a ``Job`` has besides: whoever
delays a call need not ask which of the two came back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import buffer


class _Found:
    """Before the class of a registry, whose recordsets then have more."""

    __slots__ = ()
    #: the job, while only this transaction knows it
    _buffered: Any
    _job: Any
    _read: Callable
    _known_ids: tuple

    def __init__(self, env, ids, prefetch_ids):
        self._buffered = self._job = None
        super().__init__(env, ids, prefetch_ids)  # type: ignore[call-arg]

    @property
    def _ids(self):
        # The id of a job that is not written yet is known when it is: a call that
        # nobody asks for it costs no statement.
        job = self._buffered
        if job is None:
            return self._known_ids
        if job._id is None:
            buffer.flush(job.env)
        return () if job._id is None else (job._id,)

    @_ids.setter
    def _ids(self, value):
        self._known_ids = value

    def __bool__(self):
        job = self._buffered
        if job is not None and buffer.find(job.env, job.stored_key) is job:
            return True
        return bool(self._ids)

    @property
    def uuid(self):
        if self._buffered is not None:
            return self._buffered.uuid
        return self._fields["uuid"].__get__(self)  # type: ignore[attr-defined]

    def db_record(self):
        """The record itself, which may be read whatever the rights on the list are."""
        return self

    def cancel(self):
        """As :meth:`.job.Job.cancel`, in the name of who asks."""
        return bool(self._cancel_or_stop())  # type: ignore[attr-defined]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._as_job(), name)

    def _as_job(self):
        """The ``Job``: the same one each time, for what is set on it to be stored."""
        if self._buffered is not None:
            return self._buffered
        if self._job is None:
            self.ensure_one()  # type: ignore[attr-defined]
            # The caller's rights are those of a related action.
            self._job = _read(self.sudo(False))  # type: ignore[attr-defined]
        return self._job


#: how a ``Job`` is read back from its record
_read: Callable


def read_by(read: Callable) -> None:
    """Who makes a ``Job`` of a record."""
    global _read
    _read = read


def of_buffered(env, job):
    """What stands for a job that is not written yet."""
    record = _class_of(env)(env(su=True), (), ())
    record._buffered = job
    return record


def of_stored(env, job_id: int):
    """What stands for a job in the table.

    As superuser, as ``Job.load()``: who makes the call that the job makes may see and
    cancel it, whatever his rights on the list are.
    """
    ids = (job_id,)
    return _class_of(env)(env(su=True), ids, ids)


_NAME = "_queue_job_found"


def _class_of(env):
    klass = env.registry["queue.job"]
    found = klass.__dict__.get(_NAME)
    if found is None:
        attributes = {
            "__module__": __name__,
            "__slots__": ("_buffered", "_job", "_known_ids"),
            "_register": False,
        }
        found = type(klass)(klass.__name__, (_Found, klass), attributes)
        setattr(klass, _NAME, found)
    return found
