# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Between ``Job`` objects and the table: written, read back, found again."""

from __future__ import annotations

from contextlib import contextmanager

from psycopg2.errors import UniqueViolation

from odoo.sql_db import Cursor

from . import buffer, found_job, listeners, moves, rows, storage
from .admission import admit
from .core import options, states
from .core.channels import nearest
from .exception import ChannelNotFound, JobNotDeclaredError, JobRefused
from .log_lines import get_logger
from .sentinel import AS_CALLER, EDIT_SENTINEL, SENTINEL_KEY, machine

_logger = get_logger(__name__)

#: what of a stored job changes in its life; the rest is fixed at its creation
LIVING = (
    "state",
    "priority",
    "identity_key",
    "graph_uuid",
    "retry",
    "max_retries",
    "eta",
    "identity_twin",
    *rows.RUN_FIELDS,
)

# ------------------------------------------------------------------ what may be stored


def check_declared(job) -> None:
    """May the job's method be delayed at all?

    :raises JobNotDeclaredError: naming the three ways to allow it
    """
    if job._terms.allowed:
        return
    call = f"{job.model_name}.{job.method_name}"
    raise JobNotDeclaredError(
        f"Method {call}() may not be delayed: it was not declared as a job. Either"
        " decorate it with @job (from odoo.addons.queue_job.job import job), or add"
        f" a queue.job.function record named <{job.model_name}>.{job.method_name},"
        " or allow every method with the system parameter queue_job.delay_policy"
        " = any."
    )


def check_channel(job) -> None:
    """Does the job's channel exist? With the policy ``any``, an ancestor will do.

    :raises ChannelNotFound: naming the channels there are
    """
    known = job._terms.channels
    if job.channel in known:
        return
    functions = job.env["queue.job.function"]
    if functions._register_early(job.model_name, job.method_name):
        del job._terms  # the function has a record now, and its channel is there
        known = job._terms.channels
        if job.channel in known:
            return
    if functions._delay_policy() == "any" and job.channel.partition(".")[0] == "root":
        heir = nearest(job.channel, known)
        _logger.warning(
            "Channel %s does not exist: its jobs are served by %s", job.channel, heir
        )
        return
    raise ChannelNotFound(
        f"Channel {job.channel!r} does not exist.{_similar(job.channel, known)} Create"
        " it under Job Queue > Queue"
        f" > Channels or use one of {', '.join(sorted(known))}."
    )


def _similar(name: str, known) -> str:
    complete = f"root.{name}"
    if complete in known:
        return f" Did you mean {complete!r}?"
    return options.did_you_mean(name, known) or options.did_you_mean(complete, known)


def find_twin(job):
    """The ``queue.job`` record of a not yet started job with the same identity key.

    It does not start before the current transaction ends: what this one has changed
    is there when it does. Empty when none could be kept from it; ``job`` then stands
    beside the one that has started, or is about to.
    """
    env, key = job.env, job.identity_key
    if not key:
        return env["queue.job"]
    twin = buffer.find(env, key)
    if twin is not None:
        return found_job.of_buffered(env, twin)
    with buffer.aside(env):
        found = storage.identity.find(env.cr, [key]).get(key)
        if found and not _keep_waiting(env, *found):
            job.identity_twin = True
            found = None
    return known_record(env, *found) if found else env["queue.job"]


def _keep_waiting(env, job_id: int, uuid: str, state: str) -> bool:
    """Keep the twin from being started until this transaction ends, if it is waiting.

    Nobody waits for us: what executes jobs skips locked rows. One that is on its way
    to a worker is not to be stopped any more, unless it is so for this transaction
    alone.
    """
    if state == states.ENQUEUED:
        with env.registry.cursor() as cr:
            return uuid not in storage.identity.on_their_way(cr, [uuid])
    return storage.identity.hold(env.cr, job_id)


def known_record(env, job_id: int, uuid: str, state: str):
    """The record, with what is known of it in the cache.

    Another transaction may have committed it after this one took its snapshot, in
    which it then does not exist.
    """
    record = found_job.of_stored(env, job_id)
    for name, value in (("uuid", uuid), ("state", state)):
        record._fields[name]._insert_cache(record, [value])
    return record


# ---------------------------------------------------------------------- into the table


def create(env, jobs: list) -> None:
    """Write new jobs; they have their ids then."""
    parents_of = _take_barriers(env.cr, jobs)
    _stand_beside(jobs)
    if listeners.of(env).create:
        by_orm, by_sql = jobs, []
    else:
        by_orm = [job for job in jobs if job.extra_values]
        by_sql = [job for job in jobs if not job.extra_values] if by_orm else jobs
    if by_sql:
        _insert(env, by_sql)
    if by_orm:
        _create_by_orm(env, by_orm)
    if parents_of:
        _write_barriers(env, parents_of)
    for eta in {job.eta for job in jobs}:
        env["queue.job"]._wake_cron(eta)


def _insert(env, jobs: list) -> None:
    cr = env.cr
    keyed = [job for job in jobs if job.stored_key and not job.identity_twin]
    plain = [job for job in jobs if not job.stored_key or job.identity_twin]
    if keyed:
        _insert_keyed(env, keyed)
    if len(plain) == 1 and plain[0]._id is None:
        plain[0]._id = storage.insertion.insert_one(cr, rows.row(plain[0]))
    elif plain:
        _take_ids(cr, [job for job in plain if job._id is None])
        storage.insertion.copy_rows(cr, _rows(plain))
        storage.insertion.notify(cr)


def _insert_keyed(env, jobs: list) -> None:
    """Insert jobs with an identity key; whose key is taken stands beside, or is there.

    Race: another transaction inserts the same key between the look-up and here. The
    unique index makes this insertion wait for that one's end, and refuses it when
    that one committed.
    """
    cr = env.cr
    _take_ids(cr, [job for job in jobs if job._id is None])
    # every transaction inserts its keys in the same order: none waits in a circle
    jobs = sorted(jobs, key=lambda job: job.stored_key)
    while jobs:
        try:
            with cr.savepoint(flush=False):
                storage.insertion.copy_rows(cr, _rows(jobs))
            break
        except UniqueViolation as error:
            jobs = _without_twins(env, jobs, error)
    storage.insertion.notify(cr)


def _take_ids(cr, jobs: list) -> None:
    for job, id_ in zip(jobs, storage.insertion.take_ids(cr, len(jobs))):
        job._id = id_


def _rows(jobs: list) -> list[list]:
    return [rows.row(job) for job in jobs]


def _stand_beside(jobs: list) -> None:
    """Of several with one key the first has it: objects that were stored directly."""
    keys = set()
    for job in jobs:
        key = job.stored_key
        if key and not job.identity_twin:
            job.identity_twin = key in keys
            keys.add(key)


def _without_twins(env, jobs: list, error: UniqueViolation) -> list:
    """The jobs that are to be inserted all the same, after their keys were refused.

    :raises UniqueViolation: no key was the reason
    """
    if error.diag.constraint_name != storage.identity.INDEX:
        raise error
    keys = [job.stored_key for job in jobs]
    held = _hold_from_outside(env, keys)
    taken = storage.identity.find(env.cr, keys).keys() | held.keys()
    left = []
    for job in jobs:
        job_id, uuid, mine = held.get(job.stored_key, (None, None, False))
        if mine:
            # the twin stands for it
            job._id, job.uuid = job_id, uuid
        else:
            job.identity_twin = job.stored_key in taken
            left.append(job)
    if len(left) == len(jobs) and not any(job.identity_twin for job in left):
        # it has started, or is gone, since
        for job in left:
            job.identity_twin = True
    return left


def _hold_from_outside(env, keys: list[str]) -> dict:
    """``{key: (id, uuid, held)}`` of the jobs that others have committed.

    Our snapshot may not know their rows, and then cannot lock them: a connection of its
    own does, until our transaction ends. This is rare: two transactions came with the
    same new key at the same time.
    """
    cr = env.registry.cursor()
    found = storage.identity.hold_many(cr, keys)
    if type(cr) is Cursor and any(held for _id, _uuid, held in found.values()):
        env.cr.postcommit.add(cr.close)
        env.cr.postrollback.add(cr.close)
    else:
        cr.close()
    return found


def _create_by_orm(env, jobs: list) -> None:
    """The same for those who listen; with the same race for identity keys."""
    keyed = [job for job in jobs if job.stored_key and not job.identity_twin]
    plain = [job for job in jobs if not job.stored_key or job.identity_twin]
    if plain:
        _create_records(env, plain)
    if keyed:
        env.flush_all()
    while keyed:
        try:
            with env.cr.savepoint(flush=False):
                _create_records(env, keyed)
            break
        except UniqueViolation as error:
            env.clear()
            keyed = _without_twins(env, keyed, error)
    storage.insertion.notify(env.cr)


def _create_records(env, jobs: list) -> None:
    with storage.discretion.discreet():
        records = machine(env["queue.job"]).create([rows.values(job) for job in jobs])
        # what an override has changed elsewhere is part of it
        env.flush_all()
    storage.sealing.seal(env.cr, records.ids)
    for job, record in zip(jobs, records):
        job._id = record.id


def _take_barriers(cr, jobs: list) -> dict:
    new = {
        job._barrier for job in jobs if job._barrier is not None and not job._barrier.id
    }
    if new:
        for barrier, id_ in zip(new, storage.graph.take_barriers(cr, len(new))):
            barrier.id = id_
    return new


def _write_barriers(env, barriers) -> None:
    cr = env.cr
    parents_of = {
        barrier.id: [_stored_id(parent) for parent in barrier.parents]
        for barrier in barriers
    }
    remaining = storage.graph.insert(cr, parents_of)
    opened = [barrier for barrier, number in remaining.items() if number == 0]
    if opened:
        storage.graph.release(cr, opened)
    # of jobs that were there before, too: others wait for them now
    env["queue.job"].invalidate_model(_OF_EDGES, flush=False)


_OF_EDGES = ("dependency_ids", "dependent_ids", "dependencies", "dependency_graph")


buffer.written_by(create)


def _stored_id(job) -> int:
    """The id of a job that others wait for, which is stored with them."""
    if job._id is None and not job._stored:
        job.store()
    if job._id is None and not job.db_record():
        raise ValueError(f"{job!r} does not exist (any more).")
    return job._id


def save(job) -> None:
    """Write what changed in the life of a stored job, and what it waits for now."""
    values = {name: getattr(job, name) for name in LIVING}
    values["result"] = rows.result_text(values["result"])
    values = {**rows.extra_values(job), **values}
    record = machine(job.db_record())
    barriers = _take_barriers(job.env.cr, [job])
    if barriers:
        values["barrier_id"] = job._barrier.id
    record.write({k: False if v is None else v for k, v in values.items()})
    record.flush_recordset()  # twins are looked for in the table
    if barriers:
        _write_barriers(job.env, barriers)
        record.invalidate_recordset()


# ------------------------------------------------------------------------ out of it


def load(cls, record):
    """A ``Job`` of a ``queue.job`` record.

    Its recordset has the context that the job keeps, and that of ``record`` beside it.
    """
    reader = record.env
    # The job of whoever holds its record, with all that it is called with.
    record = record.sudo().with_context(**{SENTINEL_KEY: EDIT_SENTINEL})
    row = {name: record[name] for name in rows.ROW_FIELDS}
    job = rows.from_values(cls, record.env, row)
    job._id = record.id
    job._reader = reader
    job.user_id, job.company_id = record.user_id.id, record.company_id.id
    context = {**record.env.context, **job.recordset.env.context}
    context.pop(SENTINEL_KEY, None)
    context.pop(AS_CALLER, None)
    job.recordset = job.recordset.with_context(**context)
    return job


def refusal(job) -> JobRefused | None:
    """Why a job that was read back must not be executed; None when it may be."""
    warrant = storage.sealing.warrant(job.env.cr, job._id)
    try:
        if warrant is not None:
            admit(job.env, warrant)
    except JobRefused as error:
        return error
    return None


def load_barrier(job):
    """The barrier that a stored job waits behind; None without."""
    record = job.db_record().sudo()
    if not record.barrier_id:
        return None
    ids = storage.graph.parents(job.env.cr, record.barrier_id)
    parents = record.browse(ids).exists()
    from .job import Barrier, Job

    barrier = Barrier(Job._load_from_db_record(parent) for parent in parents)
    barrier.id = record.barrier_id
    return barrier


def load_dependents(job) -> set:
    """The stored jobs that wait, or waited, for a stored one."""
    record = job.db_record().sudo()
    return {type(job)._load_from_db_record(other) for other in record.dependent_ids}


@contextmanager
def apart(jobs: list):
    """The jobs' environments on a cursor of their own, committed at the end."""
    before = [(job, job.env, job.recordset) for job in jobs]
    with before[0][1].registry.cursor() as cr:
        for job, env, recordset in before:
            job.env = env(cr=cr)
            job.recordset = recordset.with_env(recordset.env(cr=cr))
        try:
            yield
        finally:
            for job, env, recordset in before:
                job.env, job.recordset = env, recordset


def temporary_env(job):
    """The job's environment on a cursor of its own, committed at the end."""
    return apart([job])


# --------------------------------------------------------------------- dependencies


def has_dependents(job) -> bool:
    return storage.graph.has_dependents(job.env.cr, job.db_record().id)


def release_dependents(job) -> None:
    moves.release(job.env, job.db_record().ids)


def cancel_dependents(job) -> None:
    moves.cancel_dependents(job.env, job.db_record().ids)


def related_action(job):
    """The action of the job's function; None when it has none."""
    record = job.db_record().with_env(job._reader or job.env)
    return record._related_action(job.job_config)
