# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The jobs of a transaction that are not written yet (D5).

``with_delay()`` only adds to the buffer, and nobody can tell: it is written, set-based,
before the cursor commits, before a savepoint begins, and before any statement that
names a table of ours. So all jobs in it were delayed after the last savepoint; what
rolls the transaction back, to whichever savepoint, drops them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial

import psycopg2

from . import moments

_KEY = "queue_job.buffer"


class _Buffer:
    __slots__ = ("env", "jobs", "by_identity")

    def __init__(self):
        self.env = None
        self.jobs = []
        self.by_identity = {}

    def __deepcopy__(self, memo):
        # Odoo's test cases keep a copy of the cursor's data, and restore it.
        copy = _Buffer()
        copy.env, copy.jobs = self.env, list(self.jobs)
        copy.by_identity = dict(self.by_identity)
        return copy


def add(env, job) -> None:
    """Have ``job`` written with the transaction of ``env``."""
    pending = _pending(env.cr)
    begins = not pending.jobs
    if begins:
        _begin(env, pending)
    pending.jobs.append(job)
    if job.stored_key:
        pending.by_identity.setdefault(job.stored_key, job)
    if begins and _is_hopeless(env.cr):
        flush(env)


def _pending(cr) -> _Buffer:
    data = cr.precommit.data
    pending = data.get(_KEY)
    if pending is None:
        pending = data[_KEY] = _Buffer()
    return pending


def _begin(env, pending) -> None:
    cr = env.cr
    if cr.closed:
        raise psycopg2.InterfaceError(
            "The cursor is closed: no job can be stored with its transaction. Delay the"
            " call in an environment of an open one: self.env(cr=cr)."
        )
    _mark_dirty(env)
    # Each time: a callback that delays calls runs behind the last one of these.
    cr.precommit.add(partial(flush, env))
    pending.env = env
    if moments.watch_of(cr) is None:
        moments.Watch(cr, _before_statement)


def _is_hopeless(cr) -> bool:
    """Must the job be inserted at once, for nothing comes that would write it?

    A read-only cursor refuses it, as Odoo expects; before a rollback it is undone.
    """
    return cr.readonly or moments.of(cr) is moments.Moment.DOOMED


def is_over(env) -> bool:
    """Has the transaction of ``env`` ended, and one of its hooks delays a call?"""
    pending = env.cr.precommit.data.get(_KEY)
    if pending is not None and pending.jobs:
        return False  # asked when the first of them came
    return moments.of(env.cr) is moments.Moment.OVER


def find(env, identity_key):
    """The buffered job with that key, or None."""
    pending = env.cr.precommit.data.get(_KEY)
    return pending.by_identity.get(identity_key) if pending else None


@contextmanager
def aside(env):
    """Read our tables as they are without the buffer: the caller knows both."""
    watch = moments.watch_of(env.cr)
    if watch is None:
        yield
        return
    watch.paused = True
    try:
        yield
    finally:
        watch.paused = False


def flush(env) -> None:
    """Write the buffered jobs."""
    jobs = _empty(env.cr)
    if jobs:
        _create(env, jobs)


#: the seam to the table, which needs the registry's models
_create: Callable


def written_by(create: Callable) -> None:
    """Who writes the jobs: a function of an environment and a list."""
    global _create
    _create = create


def _before_statement(cr, text: str) -> None:
    pending = cr.precommit.data.get(_KEY)
    env = pending.env if pending is not None else None
    jobs = _empty(cr)
    if jobs and not moments.undoes(cr, text):
        _create(env, jobs)


def _empty(cr) -> list:
    """Take the jobs out of the buffer; let the cursor alone."""
    watch = moments.watch_of(cr)
    if watch is not None:
        watch.end()
    pending = cr.precommit.data.get(_KEY)
    if pending is None or not pending.jobs:
        return []
    jobs, pending.jobs, pending.by_identity = pending.jobs, [], {}
    _clear_dirty(pending.env)
    return jobs


# ``env.flush_all()`` asks only the models that have dirty fields: a mark on a record
# that cannot exist brings it to ``queue.job``, whose flush comes here.
_MARK = 0


def _mark_dirty(env):
    field = env.registry["queue.job"]._fields["state"]
    env.transaction.field_dirty[field].add(_MARK)


def _clear_dirty(env):
    field = env.registry["queue.job"]._fields["state"]
    ids = env.transaction.field_dirty.get(field)
    if ids is not None:
        ids.discard(_MARK)
        if not ids:
            del env.transaction.field_dirty[field]
