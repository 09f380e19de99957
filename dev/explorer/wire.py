# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Connections of psycopg2 whose statements are steps of whoever executes them."""

from __future__ import annotations

import functools
import re
import threading
from contextlib import contextmanager
from unittest.mock import patch

import psycopg2
import psycopg2.extensions

# What nobody else can observe, or notices, is no step: it goes through.
_SHARED = re.compile(
    r"queue_job(?!_secret|_channel\b|_function)|test_queue_effect|advisory"
    r"|\b(COMMIT|ROLLBACK)\b",
    re.IGNORECASE,
)
_PREPARE = re.compile(r"\s*(PREPARE|SELECT pg_backend_pid|SELECT pg_notify)\b")
# A step may be kept waiting for as long as it takes to try the others: times are not
# what is examined here.
_TIMES = re.compile(r"((?:lock|statement)_timeout\s*(?:=|TO)\s*)'[^']+'", re.IGNORECASE)
_LONG = r"\1'20s'"
# Others may be served between the transactions of one round trip.
_BETWEEN = re.compile(r"(?<=\bCOMMIT;)\s*(?=\S)")
# ... and what is left to others for a while is seen to at once
_PATIENCE = "interval '2 seconds'"
_NONE = "interval '-1 seconds'"

#: faults that are planted: what is replaced in each statement, and how often it was
planted: dict[re.Pattern, str] = {}
planted_count: dict[re.Pattern, int] = {}


@contextmanager
def plant(replacements: dict[str, str]):
    """Have all statements say something else, where they say it.

    :return: a list of what no statement has said, behind the block
    """
    never_said: list[str] = []
    patterns = {re.compile(old): new for old, new in replacements.items()}
    planted.update(patterns)
    planted_count.clear()
    try:
        yield never_said
    finally:
        planted.clear()
    never_said += [each.pattern for each in patterns if not planted_count.get(each)]


def _as_executed(text: str) -> str:
    text = _TIMES.sub(_LONG, text).replace(_PATIENCE, _NONE)
    for pattern, new in planted.items():
        text, number = pattern.subn(new, text)
        planted_count[pattern] = planted_count.get(pattern, 0) + number
    return text


def current():
    """The actor whose thread this is, or None."""
    return getattr(threading.current_thread(), "explorer_actor", None)


def is_step(query: str) -> bool:
    """Whether others can observe the statement, or make it wait."""
    return bool(_SHARED.search(query)) and not _PREPARE.match(query)


def _text(query, cursor) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    return query if isinstance(query, str) else query.as_string(cursor)


class SteppedCursor(psycopg2.extensions.cursor):
    """A cursor that asks its actor before it executes anything."""

    def execute(self, query, params=None):
        actor = current()
        text = _text(query, self)
        query = _as_executed(text)
        if actor is None:
            return super().execute(query, params)
        if not _BETWEEN.search(query):
            self._step(actor, text, query, params)
        else:
            told = _BETWEEN.split(text)
            whole = self.mogrify(query, params).decode()
            for part, sent in zip(told, _BETWEEN.split(whole), strict=True):
                self._step(actor, part, sent, None)
        return None

    def _step(self, actor, text, query, params):
        with actor.executing(self.connection, text if is_step(text) else None):
            super().execute(query, params)
        actor.observe(text, self.rowcount)

    def copy_expert(self, sql, file, *args):
        actor = current()
        if actor is None:
            return super().copy_expert(sql, file, *args)
        with actor.executing(self.connection, _text(sql, self)):
            return super().copy_expert(sql, file, *args)

    def fetchone(self):
        return _observed(super().fetchone())

    def fetchall(self):
        return _observed(super().fetchall())


def _observed(result):
    actor = current()
    if actor is not None:
        actor.observe(result)
    return result


@functools.cache
def _stepping(factory: type) -> type:
    """The class of a connection, with ends of transactions that are steps."""

    class Stepping(factory):
        def commit(self):
            self._end("COMMIT", super().commit)

        def rollback(self):
            self._end("ROLLBACK", super().rollback)

        def _end(self, name, end):
            actor = current()
            idle = psycopg2.extensions.TRANSACTION_STATUS_IDLE
            if actor is None or self.closed:
                end()
                return
            status = psycopg2.extensions.connection.get_transaction_status(self)
            with actor.executing(self, None if status == idle else name):
                end()
            actor.transaction_ended(self)

    Stepping.__name__ = factory.__name__
    return Stepping


@contextmanager
def stepping():
    """Have all connections that are made in the block be of this kind."""
    connect = psycopg2.connect

    def connect_stepping(*args, **kwargs):
        actor = current()
        if actor is not None:
            actor.must_live()
        factory = kwargs.pop("connection_factory", psycopg2.extensions.connection)
        kwargs.setdefault("cursor_factory", SteppedCursor)
        made = connect(*args, connection_factory=_stepping(factory), **kwargs)
        if actor is not None:
            actor.connected(made)
        return made

    with patch.object(psycopg2, "connect", connect_stepping):
        yield
