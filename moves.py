# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The moves of jobs, each seen by whoever listens (D6).

One function per verb. All are guarded: a job that is not where the verb starts from
is left alone, and the caller learns which ones moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import clock, listeners, storage
from .core import states
from .rows import RUN_FIELDS
from .sentinel import EDIT_SENTINEL, QUIET, machine


def move(
    env,
    verb: str,
    ids: Iterable[int],
    values: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> list[int]:
    """Make the move and write ``values``; return the ids of the jobs that moved.

    :param extra: values of other add-ons' fields, which take the ORM to be written
    Transaction: part of the current one.
    """
    ids = list(ids)
    if not ids:
        return []
    _records(env, ids).flush_recordset()
    if not extra and not listeners.of(env).write:
        moved = storage.transition.move(env.cr, verb, ids, values)
        _records(env, moved).invalidate_recordset(flush=False)
        return moved
    moved = storage.transition.guard(env.cr, verb, ids)
    records = _records(env, moved)
    records.invalidate_recordset(flush=False)
    quiet = records.with_context(**{QUIET: EDIT_SENTINEL})
    quiet.write(_orm_values({**(extra or {}), **values}))
    records.flush_recordset()
    return moved


def cancel(env, ids: Iterable[int], reason: str) -> list[int]:
    """Cancel jobs that do not run, and all that waits for them."""
    moved = move(env, "cancel", ids, _cancelled(env, reason))
    return moved + cancel_dependents(env, moved)


def cancel_dependents(env, ids: Iterable[int]) -> list[int]:
    """Cancel what waits, directly or not, for jobs that will never be done."""
    behind = storage.graph.descendants(env.cr, list(ids))
    reason = "A job that it depends on was cancelled."
    return move(env, "cancel", behind, _cancelled(env, reason))


def _cancelled(env, reason: str) -> dict[str, Any]:
    now = clock.now(env.cr)
    return {"state": states.CANCELLED, "date_cancelled": now, "result": reason}


def requeue(env, ids: Iterable[int], result: str | None = None) -> list[int]:
    """Put jobs back into the queue, with their tries counted anew.

    What waits for a job that was done, and has not started, waits for it again.
    """
    ids = list(ids)
    _records(env, ids).flush_recordset()
    closed = storage.graph.rearm(env.cr, ids)
    waiting = set(storage.transition.hold_back(env.cr, ids))
    values = {
        "retry": 0,
        "deaths": 0,
        "identity_twin": True,
        "release_due": False,
        "runner": None,
        "worker": None,
        **dict.fromkeys(RUN_FIELDS),
        "result": result,
    }
    pending = dict(values, state=states.PENDING)
    behind = dict(values, state=states.WAIT_DEPENDENCIES)
    moved = move(env, "requeue", [id_ for id_ in ids if id_ not in waiting], pending)
    moved += move(env, "requeue", waiting, behind)
    # An old request to stop is not meant for what runs from now on.
    storage.transition.forget_stops(env.cr, moved)
    if closed:
        early = storage.graph.pending_behind(env.cr, closed)
        move(env, "hold", early, {"state": states.WAIT_DEPENDENCIES})
    storage.insertion.notify(env.cr)
    return moved


def set_done(env, ids: Iterable[int], result: str) -> list[int]:
    """Set jobs done that did not run, and release what waits for them."""
    values = {
        "state": states.DONE,
        "date_done": clock.now(env.cr),
        "result": result,
        "exc_name": None,
        "exc_message": None,
        "exc_info": None,
    }
    moved = move(env, "set_done", ids, values)
    release(env, moved)
    return moved


def release(env, parent_ids: Iterable[int]) -> list[int]:
    """Let the jobs into the queue that waited only for these, which are done.

    A repetition releases nothing twice, and what a crash left half done is done by
    the next one.
    """
    parent_ids = list(parent_ids)
    if not parent_ids:
        return []
    if not listeners.of(env).write:
        released = release_unseen(env.cr, parent_ids)
        _records(env, released).invalidate_recordset(flush=False)
        return released
    opened = storage.graph.meet(env.cr, parent_ids)
    behind = storage.graph.behind(env.cr, opened) if opened else []
    released = move(env, "release", behind, {"state": states.PENDING})
    storage.graph.released(env.cr, parent_ids)
    if released:
        storage.insertion.notify(env.cr)
    return released


def release_unseen(cr, parent_ids: list[int]) -> list[int]:
    """The same by SQL alone, when nobody listens; any cursor will do."""
    opened = storage.graph.meet(cr, parent_ids)
    released = storage.graph.release(cr, opened) if opened else []
    storage.graph.released(cr, parent_ids)
    if released:
        storage.insertion.notify(cr)
    return released


def _records(env, ids):
    return machine(env["queue.job"]).browse(ids)


def _orm_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: False if value is None else value for name, value in values.items()}
