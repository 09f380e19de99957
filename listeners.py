# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Does another add-on want to see the jobs go by? (D6)

The machine writes jobs by SQL. An add-on that overrides ``create`` or ``write`` of
``queue.job``, or hangs computed fields on it, must see every event all the same: when
the registry says that somebody does, those verbs go through the ORM.
"""

from __future__ import annotations

from typing import NamedTuple

#: their overrides are part of what the SQL verbs stand for
_OWN = ("odoo.addons.queue_job.", "odoo.addons.mail.", "odoo.addons.base.", "odoo.orm.")
_OWN_MODULES = frozenset({"queue_job", "mail", "base", None})
#: what the machine writes in the life of a job
_CHANGING = (
    "state",
    "ready",
    "eta",
    "retry",
    "result",
    "exec_time",
    "exc_name",
    "exc_message",
    "exc_info",
    "date_enqueued",
    "date_started",
    "date_done",
    "date_cancelled",
    "worker",
    "worker_pid",
)


class Listeners(NamedTuple):
    """Which events of ``queue.job`` go through the ORM."""

    create: bool
    write: bool
    unlink: bool = False


def of(env) -> Listeners:
    """Who listens, in the registry of ``env``; remembered while that stays the same."""
    registry = env.registry
    model_class = registry["queue.job"]
    # methods may be patched and fields added on the class of a living registry
    key = (model_class, model_class.create, model_class.write, len(model_class._fields))
    cached = getattr(registry, "_queue_job_listeners", None)
    if cached is None or cached[0] != key:
        cached = registry._queue_job_listeners = (key, _find(model_class, registry))
    return cached[1]


def _find(model_class, registry) -> Listeners:
    foreign = [
        field
        for field in model_class._fields.values()
        if field.store and not _OWN_MODULES.issuperset(field._modules or (None,))
    ]
    computed = any(field.compute or field.related for field in foreign)
    triggered = any(
        dependent.model_name != model_class._name and dependent.store
        for name in _CHANGING
        for dependent in registry.get_dependent_fields(model_class._fields[name])
    )
    return Listeners(
        create=_is_overridden(model_class, "create")
        or computed
        or any(field.default or field.required for field in foreign),
        write=_is_overridden(model_class, "write") or computed or triggered,
        unlink=_is_overridden(model_class, "unlink"),
    )


def _is_overridden(model_class, name: str) -> bool:
    # What is set on the registry's own class is somebody's patch, though it may say
    # that it is from where the patched method is: functools.update_wrapper()
    return name in vars(model_class) or any(
        name in vars(klass)
        and not getattr(vars(klass)[name], "__module__", "").startswith(_OWN)
        for klass in model_class.__mro__
    )
