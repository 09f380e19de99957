# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels of the configuration string, and which value comes from where."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .channels import ROOT, Channel, lineage
from .wording import Refusal, _lt

CONFIGURATION = "configuration"
RECORD = "record"
DEFAULT = "default"

VALUES = frozenset({"capacity", "sequential", "throttle", "paused"})

_ACCEPTED = (
    "Write name[:capacity[:key[=value]]...] with the keys capacity, sequential,"
    " throttle and paused, separated by commas or new lines; for example"
    " root:4,root.export:1:sequential,root.api:2:throttle=0.5"
)
_COMMENT = re.compile(r"(^|[\s,])#.*")
_NOT_IN_PART = re.compile(r"[:,\x00-\x1f\x7f-\x9f\u2028\u2029]|(^|\s)#")
_CAPACITY = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9.]+([eE][+-]?[0-9]+)?")
_FLAGS = {
    "": True,
    "1": True,
    "true": True,
    "yes": True,
    "0": False,
    "false": False,
    "no": False,
}


@dataclass(frozen=True)
class ChannelSpec:
    """A channel as somebody asked for it.

    capacity: jobs running at the same time; None for no limit of its own, 0
    lets nothing run (for the root: switches the runner off).
    throttle: seconds between two starts at least, 0 for none.
    stated: the values that were written and not merely taken as usual; all of
    them unless the configuration string says less.
    """

    name: str
    capacity: int | None = 1
    sequential: bool = False
    throttle: float = 0.0
    paused: bool = False
    stated: frozenset[str] = field(default=VALUES, compare=False, repr=False)


@dataclass(frozen=True)
class Effective:
    """A channel in force, and for each of its values where it comes from."""

    channel: Channel
    sources: Mapping[str, str]

    @property
    def configured(self) -> bool:
        """Whether the configuration string names the channel."""
        return CONFIGURATION in self.sources.values()


def normalize_name(name: str) -> str:
    """The complete name: "a.b" is "root.a.b".

    Raises ValueError when it is not a channel's name.
    """
    if not isinstance(name, str) or not name.strip():
        raise Refusal(
            _lt("%(name)s is not the name of a channel: it is empty.", name=repr(name))
        )
    parts = name.strip().split(".")
    for part in parts:
        if not part.strip():
            raise Refusal(
                _lt(
                    "%(name)s is not the name of a channel: a part between its dots is"
                    " empty. Write it like root.sales.export",
                    name=repr(name),
                )
            )
        if part != part.strip() or _NOT_IN_PART.search(part):
            raise Refusal(
                _lt(
                    "%(name)s is not the name of a channel: its part %(part)s has a"
                    " blank at an end or one of the signs : , # or a control"
                    " character. Write it like root.sales.export",
                    name=repr(name),
                    part=repr(part),
                )
            )
    return ".".join(parts if parts[0] == ROOT else [ROOT, *parts])


def parse(text: str) -> list[ChannelSpec]:
    """The channels of a configuration string, in its order.

    Blank pieces and comments (from a # to the end of the line) are left out.
    Raises ValueError that tells the piece, its position and what is accepted.
    """
    specs: dict[str, ChannelSpec] = {}
    for position, piece in enumerate(_pieces(text), start=1):
        try:
            spec = _parse_piece(piece)
            if spec.name in specs:
                raise ValueError(f"channel {spec.name!r} is there already")
        except ValueError as error:
            raise ValueError(
                f"Channel configuration, piece {position} ({piece!r}): {error}."
                f" {_ACCEPTED}"
            ) from error
        specs[spec.name] = spec
    return list(specs.values())


def _pieces(text: str) -> list[str]:
    lines = [_COMMENT.sub("", line) for line in text.splitlines()]
    pieces = (piece.strip() for line in lines for piece in line.split(","))
    return [piece for piece in pieces if piece]


def _parse_piece(piece: str) -> ChannelSpec:
    name, *settings = (part.strip() for part in piece.split(":"))
    values: dict[str, str] = {}
    for index, setting in enumerate(settings):
        key, _equals, value = (part.strip() for part in setting.partition("="))
        # Only the first setting may be a bare number, the capacity.
        if index == 0 and not _equals and key not in _READERS:
            key, value = "capacity", key
        if key not in _READERS:
            raise ValueError(f"unknown key {key!r}")
        if key in values:
            raise ValueError(f"{key} is given twice")
        values[key] = value
    return _spec(normalize_name(name), values)


def _spec(name: str, values: Mapping[str, str]) -> ChannelSpec:
    read = {key: _READERS[key](value) for key, value in values.items()}
    capacity = read.get("capacity", 1)
    if read.get("sequential") and capacity not in (0, 1):
        raise ValueError(f"a sequential channel has capacity 1, not {capacity}")
    return ChannelSpec(
        name=name,
        capacity=None if capacity is None else int(capacity),
        sequential=bool(read.get("sequential", False)),
        throttle=float(read.get("throttle") or 0),
        paused=bool(read.get("paused", False)),
        # One decides on the other: a piece always speaks for both.
        stated=frozenset(values) | {"capacity", "sequential"},
    )


def _read_capacity(value: str) -> int | None:
    if value.lower() == "none":
        return None
    if not _CAPACITY.fullmatch(value):
        raise ValueError(f"capacity {value!r} is not a whole number from 0")
    return int(value)


def _read_throttle(value: str) -> float:
    try:
        seconds = float(value) if _NUMBER.fullmatch(value) else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"throttle {value!r} is not a number of seconds from 0")
    return seconds


def _read_flag(value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise ValueError(f"{value!r} is neither true nor false")
    return _FLAGS[value.lower()]


_READERS: Mapping[str, Callable[[str], float | None]] = {
    "capacity": _read_capacity,
    "sequential": _read_flag,
    "throttle": _read_throttle,
    "paused": _read_flag,
}


def format(specs: Iterable[ChannelSpec | Channel]) -> str:
    """The configuration string of these channels; `parse` reads it back."""
    return ",".join(map(_format_one, specs))


def _format_one(spec: ChannelSpec | Channel) -> str:
    parts = [spec.name]
    parts.append("capacity=none" if spec.capacity is None else str(spec.capacity))
    if spec.sequential:
        # Whatever its capacity says, it runs one by one.
        parts[1:] = ["1" if spec.capacity != 0 else "0", "sequential"]
    if spec.throttle:
        parts.append(f"throttle={spec.throttle!r}".removesuffix(".0"))
    if spec.paused:
        parts.append("paused")
    return ":".join(parts)


def merge(
    records: Iterable[ChannelSpec], configured: Iterable[ChannelSpec]
) -> dict[str, Effective]:
    """The channels in force by complete name, parents before their children.

    A value that the configuration states wins over the record's; what it leaves
    unsaid about a channel (its throttle, being paused) stays the record's.
    Channels that are only somebody's parent limit nothing; the root is always
    there, with capacity 1 when nobody says otherwise.
    """
    by_record = {spec.name: spec for spec in records}
    by_configuration = {spec.name: spec for spec in configured}
    named = [ROOT, *by_record, *by_configuration]
    names = {each for name in named for each in lineage(name)}
    return {
        name: _effective(name, by_record.get(name), by_configuration.get(name))
        for name in sorted(names, key=lambda name: name.split("."))
    }


def scheduled(effective: Mapping[str, Effective]) -> dict[str, Channel]:
    """The channels in force as the scheduler takes them."""
    return {name: each.channel for name, each in effective.items()}


def _effective(
    name: str, record: ChannelSpec | None, configured: ChannelSpec | None
) -> Effective:
    default = ChannelSpec(name, capacity=None)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key in _READERS:
        if configured is not None and key in configured.stated:
            values[key], sources[key] = getattr(configured, key), CONFIGURATION
        elif record is not None:
            values[key], sources[key] = getattr(record, key), RECORD
        else:
            values[key], sources[key] = getattr(default, key), DEFAULT
    if name == ROOT and values["capacity"] is None:
        values["capacity"], sources["capacity"] = 1, DEFAULT
    channel = Channel(name, **values)
    if channel.places != channel.capacity:
        # Being sequential decides on the capacity.
        channel = replace(channel, capacity=channel.places)
        sources["capacity"] = sources["sequential"]
    return Effective(channel, sources)
