# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Names of methods that stand in records: which of them may be called at all.

Whoever administrates the queue writes such names, and code of the system then calls
them. So they say no more than which of the methods it is that code made for just that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from odoo.models import BaseModel

from .core import exception_names, options
from .core.retry import parse_policy

#: what a method is told that is called when a job has failed
TOLD = frozenset({"exc_info", "exc_name", "exc_message"})
_ACTION_PREFIXES = ("related_action_", "_related_action_")
_FAILURE = "on_fail"

#: what the decorators name, by what it is for
_actions: set[str] = set()
_failures: set[str] = set()


def declare_action(name: str | None) -> None:
    """Code names the method of ``queue.job`` as a related action."""
    if name:
        _actions.add(name)


def declare_on_fail(name: str | None) -> None:
    """Code names the method as one to be called when a job has failed."""
    if name:
        _failures.add(name)


def is_related_action(model_class: type, name: str) -> bool:
    """Has code declared the method as a related action?

    By its prefix, or in a decorator ``@related_action``; never a method of the ORM.
    """
    declared = name.startswith(_ACTION_PREFIXES) or name in _actions
    return declared and _method(model_class, name) is not None


def is_on_fail(model_class: type, name: str) -> bool:
    """Has code declared the method as one that is told of failed jobs?

    In a decorator ``@job(on_fail=...)``, by ``on_fail`` in its name, or by taking what
    such a method is told as parameters of these names; never a method of the ORM.
    """
    method = _method(model_class, name)
    if method is None:
        return False
    declared = name in _failures or _FAILURE in name
    return declared or not TOLD.isdisjoint(inspect.signature(method).parameters)


def mistakes(declaration, model_class: type, job_class: type) -> list[str]:
    """What the decorators of a method name and what does not exist.

    :param declaration: a :class:`.declaration.Declaration`
    :param model_class: the method's model, whole
    :param job_class: that of ``queue.job``
    """
    found = []
    name = declaration.on_fail
    if name and not is_on_fail(model_class, name):
        near = options.did_you_mean(name, _own_methods(model_class))
        model = model_class._name
        found.append(f"on_fail={name!r}: {model} has no such method of its own.{near}")
    name = (declaration.related_action or {}).get("func_name")
    if name and not is_related_action(job_class, name):
        near = options.did_you_mean(name, _own_methods(job_class))
        found.append(f"related action {name!r}: queue.job has no such method.{near}")
    policy = parse_policy(declaration.retry_policy)
    wrong = map(exception_names.mistake, policy.exceptions if policy else ())
    found += [f"retry_policy: {each}" for each in wrong if each]
    return found


def _own_methods(model_class: type) -> Iterator[str]:
    for name in dir(model_class):
        if not name.startswith("__") and _method(model_class, name) is not None:
            yield name


def _method(model_class: type, name: str) -> Callable | None:
    """The method, unless it is one that all models have."""
    method = getattr(model_class, name, None)
    return method if callable(method) and not hasattr(BaseModel, name) else None
