# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The server's configuration of the queue: environment, ``[queue_job]`` section.

A value comes from, the first that has it:

1. the environment, ``ODOO_QUEUE_JOB_<KEY>``;
2. the section ``queue_job`` of the add-on server_environment, if there is one;
3. the section ``[queue_job]`` of Odoo's configuration file.
"""

from __future__ import annotations

import configparser
import functools
import importlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from odoo.tools import config as odoo_config

from ..core import channel_config
from ..log_lines import get_logger

_logger = get_logger(__name__)

SECTION = "queue_job"
_ENVIRONMENT = "ODOO_QUEUE_JOB_"
# Addresses that a server listens on but nobody can connect to.
_ANY_ADDRESS = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class Config:
    """What the server's configuration says; None or a usual value where it does not.

    lease_seconds: a request takes no further job after this time.
    poll_seconds: the longest time between two looks at a database.
    max_requests: most requests under way at the same time; None: what the server takes.
    max_deaths: how often a job's worker may die; None leaves it to the database.
    metrics_token: who knows it may read health and metrics; None leaves it to the
    database.
    jobrunner_db_*: the runner's own way to PostgreSQL, for example past a pooler.
    channels_text, channels_error: the option as written, and why it is unreadable.
    """

    channels: tuple[channel_config.ChannelSpec, ...] = ()
    scheme: str = "http"
    host: str = "localhost"
    port: int = 8069
    http_auth_user: str | None = None
    http_auth_password: str | None = None
    jobrunner_db_host: str | None = None
    jobrunner_db_port: int | None = None
    jobrunner_db_user: str | None = None
    jobrunner_db_password: str | None = None
    delay_policy: str | None = None
    lease_seconds: float = 1.0
    poll_seconds: float = 5.0
    max_requests: int | None = None
    max_deaths: int | None = None
    metrics_token: str | None = None
    channels_text: str = field(default="", compare=False)
    channels_error: str | None = field(default=None, compare=False)


def load(report: Callable[[ValueError], None] | None = None) -> Config:
    """Read the configuration.

    :param report: told of each bad value, which is then left out
    :raises ValueError: a bad value, when nobody is told; it names option and value
    """
    raw = dict(_raw())
    values: dict[str, Any] = {}
    for key, reader in _READERS.items():
        text = raw.get(key, "").strip()
        if not text:
            continue
        try:
            values[key] = _read(key, text, reader)
        except ValueError as error:
            if report is None:
                raise
            report(error)
            if key == "channels":
                values["channels_error"] = str(error)
    values["channels_text"] = raw.get("channels", "").strip()
    return Config(**{**_defaults(), **values})


@functools.cache
def get() -> Config:
    """The configuration of this process; a bad value is logged once and left out.

    The server lives on whatever is written there.  ``get.cache_clear()`` has it
    read again.
    """
    return load(report=lambda error: _logger.error("%s", error))


def _read(key: str, text: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise ValueError(
            f"Option {key!r} of the section [{SECTION}] (or"
            f" {_ENVIRONMENT}{key.upper()}) is {_shown(key, text)}: {error}"
        ) from error


def _shown(key: str, text: str) -> str:
    return "refused" if key.endswith(("password", "token")) else repr(text)


def _raw() -> Iterator[tuple[str, str]]:
    """What is written, the weakest source first."""
    yield from _from_file(odoo_config["config"]).items()
    yield from _from_server_environment().items()
    for key in _READERS:
        value = os.environ.get(_ENVIRONMENT + key.upper(), "")
        if value.strip():
            yield key, value


def _from_file(path: str | None) -> Mapping[str, str]:
    """The section of the file: Odoo itself reads no section but its own."""
    parser = configparser.RawConfigParser()
    try:
        if path:
            parser.read([path], encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        _logger.error(
            "The section [%s] of %s is not readable: %s", SECTION, path, error
        )
        return {}
    return _section(parser)


def _from_server_environment() -> Mapping[str, str]:
    try:
        module = importlib.import_module("odoo.addons.server_environment")
        return _section(module.serv_config)
    except ImportError:
        return {}
    except Exception:
        _logger.exception("server_environment does not tell its section %s", SECTION)
        return {}


def _section(parser: configparser.RawConfigParser) -> Mapping[str, str]:
    return dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}


def _defaults() -> dict[str, Any]:
    interface = odoo_config["http_interface"] or ""
    return {
        "host": "localhost" if interface in _ANY_ADDRESS else interface,
        "port": odoo_config["http_port"] or Config.port,
    }


def _one_of(*accepted: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in accepted:
            raise ValueError(f"accepted are {' and '.join(accepted)}.")
        return text.lower()

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or len(text) > 10:
            number = -1
        else:
            number = int(text)
        if not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most} is needed.")
        return number

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise ValueError(
                f"a number of seconds from {least:g} to {most:g} is needed."
            )
        return number

    return read


def _host(text: str) -> str:
    if any(sign.isspace() or sign in "/?#@" for sign in text):
        raise ValueError("the name or address of a host alone is needed.")
    return text.strip("[]")


_PORT = _whole(1, 65535)
_READERS: Mapping[str, Callable[[str], Any]] = {
    "channels": lambda text: tuple(channel_config.parse(text)),
    "scheme": _one_of("http", "https"),
    "host": _host,
    "port": _PORT,
    "http_auth_user": str,
    "http_auth_password": str,
    "jobrunner_db_host": str,
    "jobrunner_db_port": _PORT,
    "jobrunner_db_user": str,
    "jobrunner_db_password": str,
    "delay_policy": _one_of("declared", "any"),
    "lease_seconds": _seconds(0, 3600),
    "poll_seconds": _seconds(0.1, 3600),
    "max_requests": _whole(1, 10**6),
    "max_deaths": _whole(0, 10**6),
    "metrics_token": str,
}
assert set(_READERS) == {each.name for each in fields(Config) if each.compare}
