# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The connections of leases, kept between requests.

Odoo's pool resets a connection whenever it hands it out, with all that was prepared on
it. A lease's few statements are planned once per connection instead, and an idle
server starts a job without planning anything. A process has as many of these as leases
at the same time: one in a prefork worker.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from odoo.orm.registry import _CACHES_BY_KEY
from odoo.sql_db import connection_info_for

from .. import storage
from . import heads
from .database_trouble import is_stale_plan

_SIGNALS = ("registry", *_CACHES_BY_KEY)
#: start and reserve, with what Odoo compares to see changes of others
STATEMENTS = storage.execution.start_statements(
    [f"orm_signaling_{name}" for name in _SIGNALS]
)

#: seconds after which an unused connection is closed
IDLE = 300
# A worker knows that the network has died before PostgreSQL does, which frees the locks
# of its jobs then (storage.execution.keep_to_indexes).
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
# The same for the connection of the bodies, which is made by Odoo; and how long what
# was sent may stay unanswered (ms).
_SOCKET = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 15_000,
}


def notice_silence(cnx) -> None:
    """Have the connection end when the network has died without a word.

    Otherwise the worker would wait for an answer as long as the system likes.
    """
    if getattr(cnx, "_queue_job_notices", False):
        return
    cnx._queue_job_notices = True
    with socket.socket(fileno=os.dup(cnx.fileno())) as sock:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _SOCKET.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Connection(psycopg2.extensions.connection):
    """One that takes attributes."""


class LeaseCursor:
    """A cursor in autocommit mode; transactions are begun and ended by word."""

    def __init__(self, dbname: str, connect_timeout: int = 10):
        _name, info = connection_info_for(dbname)
        info = {**_KEEPALIVE, **info, "connect_timeout": connect_timeout}
        self._cnx = psycopg2.connect(connection_factory=_Connection, **info)
        notice_silence(self._cnx)
        self._cnx.autocommit = True
        self._cr = self._cnx.cursor()
        self._spoilt = False
        self.dbname = dbname
        self.heads = heads.Heads()
        self.used_at = time.monotonic()
        _open.add(self)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        storage.prepared.ensure(self, (*STATEMENTS, storage.execution.SECRET))
        if self.direct:
            storage.execution.keep_to_indexes(self)
            self.begin = storage.session.BEGIN
        else:
            # Behind a pooler the session is not ours alone, and nothing is planned
            # or set once for all there.
            self.begin = storage.session.begin_pooled(self._cnx.server_version)

    @property
    def direct(self) -> bool:
        """Is the session ours alone?"""
        return bool(self._queue_job_prepared)

    def execute(self, query, params=None) -> None:
        began = time.time()
        try:
            self._cr.execute(query, params)
        except psycopg2.Error as error:
            # A prepared statement that fits its table no more never will again.
            self._spoilt = self._spoilt or is_stale_plan(error)
            raise
        # Odoo's profiler and its counts see it like those of its own cursors.
        for hook in getattr(threading.current_thread(), "query_hooks", ()):
            hook(self, query, params, began, time.time() - began)

    def _format(self, query, params=None) -> str:
        return self._cr.mogrify(query, params).decode(errors="replace")

    def fetchone(self):
        return self._cr.fetchone()

    def fetchall(self):
        return self._cr.fetchall()

    @property
    def rowcount(self) -> int:
        return self._cr.rowcount

    @property
    def in_transaction(self) -> bool:
        return self._cnx.info.transaction_status != TRANSACTION_STATUS_IDLE

    @property
    def lost(self) -> bool:
        """Has the server hung up, or the network died? An idle server says nothing."""
        return shows(self._cnx, select.POLLIN)

    @property
    def usable(self) -> bool:
        """Is it in the state in which it was handed out?"""
        sound = not self._cnx.closed and not self._spoilt
        return sound and not self.in_transaction and not self.lost

    def close(self) -> None:
        self._cnx.close()


def shows(cnx, events: int) -> bool:
    """Is there one of these events on a connection, or is it closed on this side?"""
    look = select.poll()  # unlike select(), for any number of open files
    try:
        look.register(cnx.fileno(), events)
    except psycopg2.Error:
        return True  # closed, be it at this moment by another thread
    return bool(look.poll(0))


_lock = threading.Lock()
_free: list[LeaseCursor] = []
_open: weakref.WeakSet[LeaseCursor] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """Have a process that a body forks keep no connection of its worker open.

    Otherwise the locks of a worker that dies would be held until its child ends. The
    number stays taken, for the object of the connection still knows it.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for each in list(_open):
        if not each._cnx.closed:
            os.dup2(nothing, each._cnx.fileno(), inheritable=False)
    os.close(nothing)
    _free.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


def take(dbname: str) -> LeaseCursor:
    """A connection to the database, for one lease at a time."""
    _close_idle()
    with _lock:
        for each in reversed(_free):
            if each.dbname == dbname and each.usable:
                _free.remove(each)
                return each
    return LeaseCursor(dbname)


def give_back(cr: LeaseCursor) -> None:
    """Keep the connection for the next lease, if it is sound."""
    if not cr.usable:
        cr.close()
        return
    cr.used_at = time.monotonic()
    with _lock:
        _free.append(cr)
    _ensure_closer()


class _Closer:
    """The timer that closes what nobody uses; there is one while there is something."""

    timer: threading.Timer | None = None


def _ensure_closer() -> None:
    with _lock:
        timer = _Closer.timer
        if _free and (timer is None or not timer.is_alive()):
            _Closer.timer = threading.Timer(IDLE, _close_in_time)
            _Closer.timer.daemon = True
            _Closer.timer.name = "queue_job.idle"
            _Closer.timer.start()


def _close_in_time() -> None:
    _close_idle()
    _Closer.timer = None
    _ensure_closer()


def _close_idle() -> None:
    before = time.monotonic() - IDLE
    with _lock:
        old = [each for each in _free if each.used_at <= before or not each.usable]
        for each in old:
            _free.remove(each)
    for each in old:
        each.close()
