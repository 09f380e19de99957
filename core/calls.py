# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Does a call fit the method that is to be called later? Asked where it is delayed."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter

from . import options

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NOT_NAMED = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_LONGEST_SIGNATURE = 400


def check(
    function: Callable,
    name: str,
    args: tuple,
    kwargs: Mapping,
    job_options: Collection[str] = (),
) -> None:
    """Refuse arguments that the method does not take.

    function: as it stands on the class, its first parameter is the recordset.
    name: of the method, for people.
    job_options: what is said beside a call, and not in it.

    Raises TypeError that shows the signature.
    """
    least, most = _numbers(function)
    if not kwargs and least <= len(args) <= most:
        return  # the usual case, cheaper than to bind them
    signature = _signature(function)
    if signature is None:
        return
    try:
        signature.bind(None, *args, **kwargs)
    except TypeError as error:
        raise TypeError(
            f"{name}() cannot be called like this: {error}."
            f"{_meant(name, signature, kwargs, job_options)}"
            f" It is {name}{_without_self(signature)}"
        ) from None


@functools.lru_cache(maxsize=4096)
def _signature(function: Callable) -> inspect.Signature | None:
    """What the function itself takes; None when it cannot tell.

    Not what it wraps takes: a decorator may add parameters of its own.
    """
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


@functools.lru_cache(maxsize=4096)
def _numbers(function: Callable) -> tuple[float, float]:
    """How many arguments it takes by place at the least and at the most."""
    signature = _signature(function)
    if signature is None:
        return 0, math.inf
    parameters = signature.parameters.values()
    by_place = [each for each in parameters if each.kind in _BY_PLACE]
    needed = [each for each in by_place if each.default is Parameter.empty]
    kinds = {each.kind for each in parameters}
    most = math.inf if Parameter.VAR_POSITIONAL in kinds else len(by_place) - 1
    if any(_is_needed_by_name(each) for each in parameters):
        return math.inf, most  # never fits without names
    return len(needed) - 1, most


def _is_needed_by_name(parameter: Parameter) -> bool:
    by_name = parameter.kind is Parameter.KEYWORD_ONLY
    return by_name and parameter.default is Parameter.empty


def _meant(
    name: str,
    signature: inspect.Signature,
    kwargs: Mapping,
    job_options: Collection[str],
) -> str:
    """What was meant by the first keyword that the method does not have."""
    known = [
        each.name
        for each in list(signature.parameters.values())[1:]
        if each.kind not in _NOT_NAMED
    ]
    for key in kwargs:
        if key in job_options and key not in known:
            return f" {key} is an option of the job: with_delay({key}=...).{name}(...)"
        if key not in known:
            return options.did_you_mean(key, known)
    return ""


def _without_self(signature: inspect.Signature) -> str:
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].kind in _BY_PLACE:
        parameters = parameters[1:]
    plain = [each.replace(annotation=Parameter.empty) for each in parameters]
    return options.cut(str(inspect.Signature(plain)), _LONGEST_SIGNATURE)
