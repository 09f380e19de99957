# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's own connections to PostgreSQL; all of these may block.

Not those of Odoo's pool: a forked worker would inherit them, and they would wait for
a network that died as long as the operating system likes.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import NamedTuple

import psycopg2
import psycopg2.extensions

from odoo.sql_db import connection_info_for
from odoo.tools import config as odoo_config

from ..storage import prepared, presence, schedule
from .config import Config

# A network that dies without a word is noticed within half a minute, whether the
# connection is idle (keepalives) or waits for an answer (user timeout).
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_USER_TIMEOUT = {"tcp_user_timeout": 15_000}
#: seconds in which a notification must come back for the connection to be told of any
_PROBE_SECONDS = 1.0


class Session(NamedTuple):
    """A connection to a database in which the queue is in use.

    listens: it is told of new jobs; else it has to look by itself.
    """

    connection: psycopg2.extensions.connection
    listens: bool


class Connection(psycopg2.extensions.connection):
    """``prepared``: names of the statements that it knows (``storage.prepared``)."""

    prepared: frozenset[str] = frozenset()


def connect(name: str, config: Config) -> psycopg2.extensions.connection:
    """A connection to the database, in autocommit mode."""
    _name, info = connection_info_for(name)
    info.update(_PATIENCE)
    if psycopg2.extensions.libpq_version() >= 120_000:
        info.update(_USER_TIMEOUT)
    for key in ("host", "port", "user", "password"):
        value = getattr(config, f"jobrunner_db_{key}")
        if value:
            info[key] = value
    connection = psycopg2.connect(connection_factory=Connection, **info)
    connection.autocommit = True
    try:
        with connection.cursor() as cr:
            presence.set_up(cr, connection.get_backend_pid())
    except BaseException:
        connection.close()
        raise
    return connection


def open_session(name: str, config: Config, number: int) -> Session | None:
    """Connect to the database and listen; None: the queue is not in use there."""
    connection = connect(name, config)
    try:
        with connection.cursor() as cr:
            if not presence.installed(cr):
                connection.close()
                return None
            presence.listen(cr)
            # A pooler answers with its own number of a process.
            direct = presence.backend_pid(cr) == connection.get_backend_pid()
            if direct:
                connection.prepared = prepared.prepare(cr, schedule.OF_RUNNER)
        listens = direct or _hears(connection, name, config, number)
        return Session(connection, listens)
    except BaseException:
        connection.close()
        raise


def hold_number(
    name: str, config: Config, number: int
) -> psycopg2.extensions.connection:
    """A connection whose open transaction says that the runner lives."""
    connection = connect(name, config)
    try:
        with connection.cursor() as cr:
            presence.hold_runner(cr, number)
        return connection
    except BaseException:
        connection.close()
        raise


def list_names(config: Config) -> list[str]:
    """The databases that Odoo serves, as its own list has them."""
    names = odoo_config["db_name"]
    if names and not odoo_config["dbfilter"]:
        return sorted(names)
    without = ["postgres", odoo_config["db_template"] or ""]
    with contextlib.closing(connect("postgres", config)) as connection:
        with connection.cursor() as cr:
            user = odoo_config["db_user"] or None
            return presence.list_databases(cr, user, without)


def _hears(connection, name: str, config: Config, number: int) -> bool:
    """Whether a notification from elsewhere reaches the connection.

    Behind a pooler in transaction mode it does not: each transaction may have
    another server process, and the one that listens talks to whoever has it then.
    """
    text = f"probe {number}"
    with contextlib.closing(connect(name, config)) as other, other.cursor() as cr:
        presence.probe(cr, text)
        until = time.monotonic() + _PROBE_SECONDS
        look = select.poll()  # unlike select(), for any number of open files
        look.register(connection.fileno(), select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            look.poll(1000 * left)
            connection.poll()
            if any(each.payload == text for each in connection.notifies):
                return True
    return False
