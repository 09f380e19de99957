# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels of the configuration that are in force in a database.

One typo in the option would let all channels run by their records, or fail the jobs of
those that have none: while it cannot be read, the last one that could is in force.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any

from odoo.tools import config as odoo_config

from ..core import channel_config
from ..storage import configured
from .config import Config

Specs = tuple[channel_config.ChannelSpec, ...]


def channels(cr, config: Config) -> Specs:
    """What the configuration says, or said when it could be read for the last time."""
    if config.channels_error is None:
        return config.channels
    return _parse(configured.read(cr))


@functools.lru_cache(maxsize=16)
def _parse(text: str) -> Specs:
    try:
        return tuple(channel_config.parse(text))
    except ValueError:
        # Somebody wrote it by hand: as good as nothing.
        return ()


def keep(cr, config: Config) -> None:
    """Remember what the configuration of a server says, when it can be read."""
    if config.channels_error is None:
        configured.keep(cr, config.channels_text)


def errors(told: Iterable[str | None], own: Config) -> list[str]:
    """Why servers cannot read the option, by what they ``told`` and what we know."""
    found = [each.get("channels_error") for each in map(understood, told)]
    return sorted({each for each in (*found, own.channels_error) if each})


def understood(text: str | None) -> dict[str, Any]:
    """What a server told of its configuration; empty when it told nothing."""
    return json.loads(text) if text else {}


def of_servers(cr, told: Iterable[str | None], own: Config) -> Specs:
    """The channels that the running servers go by, the last that told; else ours."""
    texts = [each["channels"] for each in map(understood, told) if "channels" in each]
    return _parse(texts[-1]) if texts else channels(cr, own)


def published(cr, config: Config) -> str:
    """What a server uses, as its sign of life tells it: no secrets."""
    text = config.channels_text or channel_config.format(config.channels)
    if config.channels_error is not None:
        text = configured.read(cr)
    return json.dumps(
        {
            "channels": text,
            "channels_error": config.channels_error,
            "lease_seconds": config.lease_seconds,
            "poll_seconds": config.poll_seconds,
            "address": f"{config.scheme}://{config.host}:{config.port}",
            "workers": odoo_config["workers"],
        }
    )
