# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Between ``Job`` objects and the table: written, read back, found again."""

from __future__ import annotations

from contextlib import contextmanager

from psycopg2.errors import UniqueViolation

from . import buffer, listeners, moves, rows, storage
from .admission import admit
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
        _logger.warning("Channel %s does not exist: using %s", job.channel, heir)
        job.channel = heir
        return
    raise ChannelNotFound(
        f"Channel {job.channel!r} does not exist: create it under Job Queue > Queue"
        f" > Channels or use one of {', '.join(sorted(known))}."
    )


def find_twin(job):
    """The ``queue.job`` record of a not yet started job with the same identity key."""
    model = job.env["queue.job"]
    key = job.identity_key
    if not key:
        return model
    twin = buffer.find(job.env, key)
    if twin is not None:
        if twin._id is None:
            _give_id(twin)
        return _known_record(job.env, twin._id, twin.uuid, twin.state)
    found = storage.insertion.find_identities(job.env.cr, [key]).get(key)
    return _known_record(job.env, *found) if found else model


def _give_id(job) -> None:
    """Give a buffered job the id that its row will have."""
    if listeners.of(job.env).create or job.extra_values:
        buffer.flush(job.env)  # the ORM chooses it
    else:
        job._id = buffer.next_id(job.env)


def _known_record(env, job_id: int, uuid: str, state: str):
    """The record, with what is known of it in the cache.

    Another transaction may have committed it after this one took its snapshot, in
    which it then does not exist.
    """
    record = env["queue.job"].browse(job_id)
    for name, value in (("uuid", uuid), ("state", state)):
        record._fields[name]._insert_cache(record, [value])
    return record


# ---------------------------------------------------------------------- into the table


def create(env, jobs: list) -> None:
    """Write new jobs; they have their ids then."""
    parents_of = _take_barriers(env.cr, jobs)
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
    keyed = [job for job in jobs if job.identity_key and not job.identity_twin]
    plain = [job for job in jobs if not job.identity_key or job.identity_twin]
    if keyed:
        _insert_keyed(env, keyed)
    if len(plain) == 1:
        plain[0]._id = storage.insertion.insert_one(cr, rows.row(plain[0], None))
    elif plain:
        _take_ids(cr, plain)
        storage.insertion.copy_rows(cr, _rows(plain))
        storage.insertion.notify(cr)


def _insert_keyed(env, jobs: list) -> None:
    """Insert jobs with an identity key; who comes second takes the place of none.

    Race: another transaction inserts the same key between the look-up and here. The
    unique index makes this insertion wait for that one's end, and refuses it when
    that one committed: the row is then found by a look from outside of our snapshot.
    """
    cr = env.cr
    _take_ids(cr, [job for job in jobs if job._id is None])
    # every transaction inserts its keys in the same order: none waits in a circle
    jobs = sorted(jobs, key=lambda job: job.identity_key)
    while jobs:
        try:
            with cr.savepoint(flush=False):
                storage.insertion.copy_rows(cr, _rows(jobs))
            break
        except UniqueViolation:
            jobs = _without_twins(env, jobs)
    storage.insertion.notify(cr)


def _take_ids(cr, jobs: list) -> None:
    for job, id_ in zip(jobs, storage.insertion.take_ids(cr, len(jobs))):
        job._id = id_


def _rows(jobs: list) -> list[tuple]:
    return [rows.row(job, job._id) for job in jobs]


def _without_twins(env, jobs: list) -> list:
    keys = [job.identity_key for job in jobs]
    with env.registry.cursor() as cr:
        found = storage.insertion.find_identities(cr, keys)
    for job in jobs:
        if job.identity_key in found:
            # the twin stands for it
            job._id, job.uuid = found[job.identity_key][:2]
    return [job for job in jobs if job.identity_key not in found]


def _create_by_orm(env, jobs: list) -> None:
    """The same for those who listen; with the same race for identity keys."""
    keyed = [job for job in jobs if job.identity_key and not job.identity_twin]
    plain = [job for job in jobs if not job.identity_key or job.identity_twin]
    if plain:
        _create_records(env, plain)
    if keyed:
        env.flush_all()
    while keyed:
        try:
            with env.cr.savepoint(flush=False):
                _create_records(env, keyed)
            break
        except UniqueViolation:
            env.clear()
            left = _without_twins(env, keyed)
            if len(left) == len(keyed):
                raise  # of another add-on's index
            keyed = left
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
def temporary_env(job):
    """The job's environment on a cursor of its own, committed at the end."""
    env = job.env
    with env.registry.cursor() as cr:
        job.env = env(cr=cr)
        recordset = job.recordset
        job.recordset = recordset.with_env(recordset.env(cr=cr))
        try:
            yield
        finally:
            job.env, job.recordset = env, recordset


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
