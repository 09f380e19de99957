# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sign that a runner lives, while it has requests under way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg2

from . import connection
from .loop import Watched, clock, close_quietly, forks, line_of

if TYPE_CHECKING:
    from .database import Database

#: seconds without a request after which the sign is given up
_IDLE = 30.0


class Holder:
    """A second connection to the database, whose open transaction holds a lock.

    It is taken after the first requests are sent, which do not wait for it: other
    runners take a job for lost only some seconds after it was enqueued, and one that
    they give back cannot be started by the old request any more.
    """

    def __init__(self, database: Database):
        self._database = database
        self._connection = None
        self._watched: Watched | None = None
        self._opening = False
        self._needed_at = 0.0

    def refresh(self, now: float) -> None:
        """Open or close the connection, as it is needed."""
        if self._database.flights.flying:
            self._needed_at = now
            if self._connection is None and not self._opening:
                self._open()
        elif self._connection is not None and now - self._needed_at > _IDLE:
            self.close()

    def _open(self) -> None:
        self._opening = True
        before = forks()
        name, config = self._database.name, self._database.config
        number = self._database.number
        self._database.loop.background(
            lambda: connection.hold_number(name, config, number),
            lambda cnx, error: self._opened(cnx, error, before),
        )

    def _opened(self, cnx, error, before: int) -> None:
        self._opening = False
        if cnx is None:
            text = f"cannot connect: {line_of(error)}"
            self._database.say("hold", logging.WARNING, text)
        elif self._database.closed or before != forks():
            # A process that was forked meanwhile has it too, and would keep it open.
            close_quietly(cnx)
        else:
            self._connection = cnx
            self._watched = self._database.loop.watch_connection(cnx, self._readable)

    def _readable(self) -> None:
        """Nothing is ever asked: the server hangs up."""
        try:
            self._connection.poll()
            broken = bool(self._connection.closed)
        except psycopg2.Error:
            broken = True
        if broken:
            self.close()
            self._database.due = min(self._database.due, clock() + 1.0)

    def close(self) -> None:
        if self._connection is not None:
            self._watched.close()
            self._connection = None
