# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Does a call fit the method that is to be called later? Asked where it is delayed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any, NamedTuple

from . import options

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_FIRST = (*_BY_PLACE, Parameter.VAR_POSITIONAL)
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NOT_NAMED = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_LONGEST_SIGNATURE = 400


def check(
    function: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    job_options: Collection[str] = (),
) -> None:
    """Refuse arguments that the method does not take.

    function: as it stands on the class, its first parameter is the recordset.
    name: of the method, for people.
    job_options: what is said beside a call, and not in it.

    Raises TypeError that shows the signature.
    """
    if _shape(function).surely_takes(args, kwargs):
        return  # the usual case, found ten times as fast as by binding them
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


class _Shape(NamedTuple):
    """What a function takes behind the recordset, in the form of a quick question."""

    by_place: tuple[str, ...]
    #: more of them, without end
    many: bool
    by_name: frozenset[str]
    needed: tuple[str, ...]

    def surely_takes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether it takes this; of a rare form of call that is not said."""
        number = len(args)
        if number > len(self.by_place) and not self.many:
            return False
        filled = self.by_place[:number]
        for key in kwargs:
            if key not in self.by_name or key in filled:
                return False
        for name in self.needed:
            if name not in filled and name not in kwargs:
                return False
        return True


@functools.lru_cache(maxsize=4096)
def _shape(function: Callable[..., Any]) -> _Shape:
    signature = _signature(function)
    first = next(iter(signature.parameters.values()), None) if signature else None
    if signature is None or first is None or first.kind not in _FIRST:
        return _Shape((), False, frozenset(), ("the recordset",))
    parameters = _behind_recordset(signature)
    single = [each for each in parameters if each.kind not in _NOT_NAMED]
    return _Shape(
        tuple(each.name for each in single if each.kind in _BY_PLACE),
        any(each.kind is Parameter.VAR_POSITIONAL for each in parameters),
        frozenset(each.name for each in single if each.kind in _BY_KEYWORD),
        tuple(each.name for each in single if each.default is Parameter.empty),
    )


@functools.lru_cache(maxsize=4096)
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """What the function itself takes; None when it cannot tell.

    Not what it wraps takes: a decorator may add parameters of its own.
    """
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


def _meant(
    name: str,
    signature: inspect.Signature,
    kwargs: Mapping[str, Any],
    job_options: Collection[str],
) -> str:
    """What was meant by the first keyword that the method does not have."""
    known = [
        each.name
        for each in _behind_recordset(signature)
        if each.kind not in _NOT_NAMED
    ]
    for key in kwargs:
        if key in job_options and key not in known:
            return f" {key} is said of the job: with_delay({key}=...).{name}(...)."
        if key not in known:
            return options.did_you_mean(key, known)
    return ""


def _without_self(signature: inspect.Signature) -> str:
    parameters = _behind_recordset(signature)
    plain = [each.replace(annotation=Parameter.empty) for each in parameters]
    return options.cut(str(inspect.Signature(plain)), _LONGEST_SIGNATURE)


def _behind_recordset(signature: inspect.Signature) -> list[Parameter]:
    """The parameters without the one by whose place the recordset is given."""
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].kind in _BY_PLACE:
        return parameters[1:]
    return parameters
