# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job as a row of the table, and back."""

from __future__ import annotations

from typing import Any

from odoo.models import BaseModel

from . import clock
from .admission import admit
from .core import plain, states
from .core.plain import MOST
from .exception import JobDecodeError
from .fields import decode, encode_args, encode_kwargs, encode_recordset
from .storage.insertion import COLUMNS

#: what a job has once it has run
RUN_FIELDS = (
    "date_enqueued",
    "date_started",
    "date_done",
    "date_cancelled",
    "exec_time",
    "result",
    "exc_name",
    "exc_message",
    "exc_info",
    "worker_pid",
)
#: what a job is made of when it is read back
ROW_FIELDS = (
    "uuid",
    "model_name",
    "method_name",
    "records",
    "args",
    "kwargs",
    "state",
    "priority",
    "eta",
    "retry",
    "max_retries",
    "timeout",
    "name",
    "channel",
    "identity_key",
    "identity_twin",
    "date_created",
    *RUN_FIELDS,
    "attempt",
    "graph_uuid",
    "trace",
)


#: what no other add-on says of a job
_CORE = frozenset(ROW_FIELDS) | {
    "func_string",
    "user_id",
    "company_id",
    "job_function_id",
    "channel_method_name",
    "ready",
    "deaths",
    "runner",
    "worker",
    "barrier_id",
    "release_due",
}


_ID = COLUMNS.index("id")
_TWIN = COLUMNS.index("identity_twin")
_BARRIER = COLUMNS.index("barrier_id")


def row(job) -> list:
    """The job as it was stored, with what became of it on the way into the table."""
    found = job.entered_row
    found[_ID] = job._id
    found[_TWIN] = job.identity_twin
    if job._barrier is not None:
        found[_BARRIER] = job._barrier.id
    return found


def new_row(job) -> list:
    """The values of ``storage.insertion.COLUMNS`` of a job at its call."""
    recordset = job.recordset
    config = job.job_config
    eta = job._eta
    state, retry = job._entered
    return [
        None,
        job.uuid,
        job.description,
        state,
        eta is None or eta <= clock.now(job.env.cr),
        recordset._name,
        job.method_name,
        job.stored_func_string,
        job.stored_records,
        job.stored_args,
        job.stored_kwargs,
        job.stored_key,
        job.identity_twin,
        job.user_id,
        job.company_id,
        config.job_function_id or None,
        job.channel,
        job.priority,
        eta,
        retry,
        job.max_retries,
        job.timeout or None,
        job.date_created,
        job.graph_uuid,
        None,
        job.trace,
    ]


def values(job) -> dict[str, Any]:
    """The same for ``queue.job.create()``, with what other add-ons store."""
    eta = job._eta
    state, retry = job._entered
    found = {
        "uuid": job.uuid,
        "name": job.description,
        "state": state,
        "ready": eta is None or eta <= clock.now(job.env.cr),
        "model_name": job.model_name,
        "method_name": job.method_name,
        "func_string": job.stored_func_string,
        "records": job.recordset,
        "args": tuple(decode(job.stored_args, job.env, list)),
        "kwargs": decode(job.stored_kwargs, job.env, dict),
        "identity_key": job.stored_key,
        "identity_twin": job.identity_twin,
        "user_id": job.user_id,
        "company_id": job.company_id,
        "job_function_id": job.job_config.job_function_id or False,
        "channel": job.channel,
        "priority": job.priority,
        "eta": eta or False,
        "retry": retry,
        "max_retries": job.max_retries,
        "timeout": job.timeout,
        "date_created": job.date_created,
        "graph_uuid": job.graph_uuid or False,
        "barrier_id": job._barrier.id if job._barrier is not None else False,
        "trace": job.trace or False,
    }
    return {**extra_values(job), **found}


def extra_values(job) -> dict[str, Any]:
    """What the job's model stores in fields of other add-ons, and in those alone."""
    found = job.extra_values
    if found:
        found = {name: found[name] for name in found.keys() - _CORE}
    return found


def serialize(job, parts: dict) -> None:
    """Turn the job's call into the texts that are stored.

    At the call, not at the flush: what cannot be stored is refused where it enters,
    and what the caller changes later in a list that it passed changes nothing.

    :param parts: the codec's cache, one per transaction
    :raises TypeError: naming what cannot be stored, and where it is
    """
    job.stored_records = encode_recordset(job.recordset, parts)
    job.stored_args = encode_args(job.args, parts)
    job.stored_kwargs = encode_kwargs(job.kwargs, parts)
    sizes = len(job.stored_records) + len(job.stored_args) + len(job.stored_kwargs)
    limit = job._terms.max_bytes
    if sizes * 4 > limit:
        _check_size(job, limit)
    job.stored_func_string = job.func_string


def _check_size(job, limit: int) -> None:
    texts = (job.stored_records, job.stored_args, job.stored_kwargs)
    size = sum(len(text.encode()) for text in texts)
    if size > limit:
        raise ValueError(
            f"The call {job.model_name}.{job.method_name}() takes {size} bytes to"
            f" store, more than the limit of {limit}: pass a record that holds the"
            " data (an attachment), split the call, or raise the system parameter"
            " queue_job.max_argument_bytes."
        )


def from_values(cls, env, found: dict[str, Any]):
    """A ``Job`` of the values of :data:`ROW_FIELDS`.

    :raises JobDecodeError: the call cannot be read back
    """
    recordset = found["records"]
    if recordset is None or isinstance(recordset, dict | list):
        recordset = env[found["model_name"]]
    # On the class: a property or field of that name would be evaluated.
    if not callable(getattr(type(recordset), found["method_name"] or "", None)):
        raise JobDecodeError(
            f"Model {found['model_name']} has no method {found['method_name']}."
        )
    job = cls(
        getattr(recordset, found["method_name"]),
        args=found["args"],
        kwargs=found["kwargs"],
        priority=found["priority"],
        eta=found["eta"] or None,
        job_uuid=found["uuid"],
        max_retries=max(found["max_retries"] or 0, 0),
        description=found["name"],
        channel=found["channel"],
        identity_key=found["identity_key"] or False,
        timeout=max(found["timeout"] or 0, 0),
    )
    job._stored = True
    for name in _AS_STORED:
        setattr(job, name, found.get(name) or None)
    job.state = found.get("state", states.STARTED)
    job.retry = found["retry"] or 0
    job.tries_before = job.retry
    job.attempt = found["attempt"] or 0
    job.identity_twin = bool(found.get("identity_twin"))
    return job


_AS_STORED = ("date_created", *RUN_FIELDS, "graph_uuid", "trace")


_CALL = {"records": BaseModel, "args": (list, tuple), "kwargs": dict}


def from_started(cls, env, started):
    """A ``Job`` of a row that was just started.

    :raises JobRefused: it must not be executed
    :raises JobDecodeError: the call cannot be read back
    """
    admit(env, started)
    if started.model_name not in env:
        raise JobDecodeError(f"Model {started.model_name} does not exist (any more).")
    found = started._asdict()
    for name, kind in _CALL.items():
        text = found[name]
        found[name] = decode(text, env, kind) if text else None
    job = from_values(cls, env, found)
    job._id = started.id
    job.user_id, job.company_id = started.user_id, started.company_id
    return job


def result_text(result: Any) -> str | None:
    """What a method returned, as text for people."""
    if result is None or result is False:
        return None
    return plain.text(result, MOST["result"])
