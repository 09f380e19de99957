# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The jobs of a transaction that are not written yet (D5).

``with_delay()`` only adds to the buffer. It is written, set-based, when the cursor is
flushed (commit, savepoint) and before anything reads ``queue.job``; a rollback drops
it with all else that the transaction did.
"""

from __future__ import annotations

from functools import partial

from . import storage

_KEY = "queue_job.buffer"


class _Buffer:
    __slots__ = ("jobs", "by_identity", "ids")

    def __init__(self):
        self.jobs = []
        self.by_identity = {}
        self.ids = []


def add(env, job) -> None:
    """Have ``job`` written with the transaction of ``env``."""
    data = env.cr.precommit.data
    pending = data.get(_KEY)
    if pending is None:
        pending = data[_KEY] = _Buffer()
    if not pending.jobs:
        _mark_dirty(env)
        # Each time: a callback that delays calls runs behind the last one of these.
        env.cr.precommit.add(partial(flush, env))
    pending.jobs.append(job)
    if job.identity_key and not job.identity_twin:
        pending.by_identity[job.identity_key] = job


def find(env, identity_key):
    """The buffered job with that key, or None."""
    pending = env.cr.precommit.data.get(_KEY)
    return pending.by_identity.get(identity_key) if pending else None


def next_id(env) -> int:
    """An id for a buffered job that somebody wants to see as a record already."""
    pending = env.cr.precommit.data[_KEY]
    if not pending.ids:
        pending.ids = storage.insertion.take_ids(env.cr, 1)
    return pending.ids.pop()


def flush(env) -> None:
    """Write the buffered jobs."""
    pending = env.cr.precommit.data.get(_KEY)
    if pending is None or not pending.jobs:
        return
    jobs, pending.jobs, pending.by_identity = pending.jobs, [], {}
    _clear_dirty(env)
    from . import recorder  # the seam to the table needs the registry's models

    recorder.create(env, jobs)


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
