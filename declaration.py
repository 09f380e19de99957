# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The decorators that declare a method as one that may be delayed (D8)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from . import declared_names, option_values
from .core import options
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
    # of calls that say nothing else
    priority: int = options.DEFAULT_PRIORITY
    max_retries: int = options.DEFAULT_MAX_RETRIES
    identity_key: str | Callable | None = None
    description: Any = None


def job(
    func: Callable | None = None,
    default_channel: str = "root",
    retry_pattern: Mapping | None = None,
    *,
    timeout: float | timedelta | None = 0,
    allow_commit: bool = False,
    retry_policy: Mapping | None = None,
    on_fail: str | None = None,
    priority: int | None = None,
    max_retries: int | None = None,
    identity_key: str | Callable | None = None,
    description: str | None = None,
    **unknown: Any,
):
    """Declare a method of a model as one that may be delayed.

    :param default_channel: the channel of its jobs; set when the add-on is installed,
        changed later in the user interface
    :param retry_pattern: ``{count of retries: seconds}`` for postponed jobs; a job
        that is retried without is postponed by 600 seconds
    :param timeout: seconds or timedelta that an attempt may take, 0 for no limit
    :param allow_commit: the method may commit while it runs as a job
    :param retry_policy: which errors lead to another try, how often and when:
        ``{"exceptions": ["ConnectionError"], "max_tries": 5, "base_seconds": 60}``
    :param on_fail: name of the method that is called on the job's records when a job
        has failed for good, with ``exc_info``, ``exc_name`` and ``exc_message``
    :param priority: of calls that say none; default 10
    :param max_retries: of calls that say none; default 5
    :param identity_key: of calls that say none: text, or function of the job
    :param description: of calls that say none; default: first line of the docstring
    :raises TypeError: an option that does not exist, or of a wrong type; what is
        decorated is no method
    :raises ValueError: a channel name, pattern or policy that is not one; a value out
        of what is possible

    Both ``@job`` and ``@job(...)`` are possible.
    """
    if unknown:
        raise options.unknown("@job", unknown, _OPTIONS)
    if func is not None:
        _check_is_method(func)
    parse_policy(retry_policy)
    said = {
        "delayable": True,
        "channel": normalize_name(default_channel),
        "retry_pattern": validate_pattern(retry_pattern),
        "retry_policy": retry_policy,
        "timeout": options.timeout(timeout or 0),
        "allow_commit": options.flag("allow_commit", allow_commit),
        "on_fail": options.method_name("on_fail", on_fail) if on_fail else None,
        **_defaults(priority, max_retries, identity_key, description),
    }
    declare = functools.partial(_declare, said)
    return declare if func is None else declare(func)


_OPTIONS = tuple(inspect.signature(job).parameters)[1:-1]


def _defaults(priority, max_retries, identity_key, description) -> dict[str, Any]:
    """What calls get that say nothing else, of the options that say something."""
    found: dict[str, Any] = {}
    if priority is not None:
        found["priority"] = options.priority(priority)
    if max_retries is not None:
        found["max_retries"] = options.max_retries(max_retries)
    if identity_key:
        found["identity_key"] = option_values.accepted_key(identity_key)
        if callable(identity_key):
            option_values.check_key_function(identity_key)
    if description:
        found["description"] = option_values.said_description(description)
    return found


def _declare(said: dict[str, Any], func: Callable) -> Callable:
    _check_is_method(func)
    _check_runs_through(func)
    declaration = _of(func)
    for name, value in said.items():
        setattr(declaration, name, value)
    declared_names.declare_on_fail(declaration.on_fail)
    return func


def _check_is_method(func: object) -> None:
    if isinstance(func, str):
        raise TypeError(
            f"@job({func!r}): an option is given by its name, as in"
            f" @job(default_channel={func!r})"
        )
    if not inspect.isroutine(func) or isinstance(func, _NO_METHODS):
        raise TypeError(
            "@job stands on a method of a model, not on something of type"
            f" {type(func).__name__}; its options are given by name:"
            f" {', '.join(_OPTIONS)}"
        )


_NO_METHODS = (staticmethod, classmethod, property)


def related_action(action: str | None = None, **kwargs):
    """Attach a related action to a job: a button that opens what it is about.

    :param action: name of a method of ``queue.job``; None: the job has no button
    :param kwargs: passed to the method
    :raises TypeError: the action is no text
    """
    if action is not None:
        options.method_name("related_action", action)
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
