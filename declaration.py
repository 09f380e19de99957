# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The decorators that declare a method as one that may be delayed (D8)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from . import declared_names
from .core.channel_config import normalize_name
from .core.retry import parse_policy, validate_pattern

#: name of the attribute by which a decorated function carries its declaration
ATTRIBUTE = "_job_declaration"

# The names of all decorated functions: few, so that a registry's many models are not
# searched attribute by attribute at each start.
_names: set[str] = set()


@dataclass
class Declaration:
    """What the decorators say of a method."""

    delayable: bool = False
    channel: str = "root"
    retry_pattern: Mapping = field(default_factory=dict)
    timeout: float = 0.0
    allow_commit: bool = False
    retry_policy: Mapping | None = None
    related_action: Mapping | None = None
    on_fail: str | None = None


def job(
    func: Callable | None = None,
    default_channel: str = "root",
    retry_pattern: Mapping | None = None,
    *,
    timeout: float = 0,
    allow_commit: bool = False,
    retry_policy: Mapping | None = None,
    on_fail: str | None = None,
):
    """Declare a method of a model as one that may be delayed.

    :param default_channel: the channel of its jobs; set when the add-on is installed,
        changed later in the user interface
    :param retry_pattern: ``{count of retries: seconds}`` for postponed jobs; a job
        that is retried without is postponed by 600 seconds
    :param timeout: seconds a try may take, 0 for no limit
    :param allow_commit: the method may commit while it runs as a job
    :param retry_policy: which errors lead to another try, how often and when:
        ``{"exceptions": ["ConnectionError"], "max_tries": 5, "base_seconds": 60}``
    :param on_fail: name of the method that is called on the job's records when a job
        has failed for good, with ``exc_info``, ``exc_name`` and ``exc_message``
    :raises ValueError: a channel name, pattern or policy that is not one

    Both ``@job`` and ``@job(...)`` are possible.
    """
    if func is None:
        return functools.partial(
            job,
            default_channel=default_channel,
            retry_pattern=retry_pattern,
            timeout=timeout,
            allow_commit=allow_commit,
            retry_policy=retry_policy,
            on_fail=on_fail,
        )
    _check_runs_through(func)
    declaration = _of(func)
    declaration.delayable = True
    declaration.channel = normalize_name(default_channel)
    declaration.retry_pattern = validate_pattern(retry_pattern)
    parse_policy(retry_policy)
    declaration.retry_policy = retry_policy
    declaration.timeout = timeout
    declaration.allow_commit = allow_commit
    declaration.on_fail = on_fail
    declared_names.declare_on_fail(on_fail)
    return func


def related_action(action: str | None = None, **kwargs):
    """Attach a related action to a job: a button that opens what it is about.

    :param action: name of a method of ``queue.job``; None: the job has no button
    :param kwargs: passed to the method
    """

    declared_names.declare_action(action)

    def decorate(func):
        _of(func).related_action = {
            "enable": action is not None,
            "func_name": action,
            "kwargs": kwargs,
        }
        return func

    return decorate


def _check_runs_through(func: Callable) -> None:
    code = inspect.unwrap(func)
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise TypeError(
            f"@job on {func.__qualname__}: a method with yield does nothing when it is"
            " called, so its jobs would be done without having run. Return a list, or"
            " have another method go through what this one yields."
        )
    if inspect.iscoroutinefunction(code):
        raise TypeError(
            f"@job on {func.__qualname__}: nobody awaits a method with async def, so"
            " its jobs would be done without having run. Have a plain method call"
            " asyncio.run()."
        )


def ran_through(result: Any) -> Any:
    """What a body returned, which is no body that has still to run.

    :raises TypeError: it is a generator or a coroutine; it is closed
    """
    if not isinstance(result, _NOT_RUN):
        return result
    if not isinstance(result, AsyncGeneratorType):
        result.close()  # also: no warning that nobody awaited it
    raise TypeError(
        f"The method returned a {type(result).__name__}: it has not run. A job's method"
        " has neither yield nor async def."
    )


_NOT_RUN = (GeneratorType, CoroutineType, AsyncGeneratorType)


def _of(func: Callable) -> Declaration:
    declaration = getattr(func, ATTRIBUTE, None)
    if declaration is None:
        declaration = Declaration()
        setattr(func, ATTRIBUTE, declaration)
        _names.add(func.__name__)
    return declaration


def declaration_of(model_class: type, method_name: str) -> Declaration | None:
    """The declaration of a model's method; None when it was not decorated.

    An override need not repeat the decorator: the nearest declaration counts.
    """
    for klass in model_class.__mro__:
        declaration = getattr(vars(klass).get(method_name), ATTRIBUTE, None)
        if isinstance(declaration, Declaration) and declaration.delayable:
            return declaration
    return None


def declared(model_class: type) -> dict[str, Declaration]:
    """``{method name: declaration}`` of the decorated methods of a model's class."""
    found = {name: declaration_of(model_class, name) for name in _names}
    return {name: each for name, each in found.items() if each is not None}
