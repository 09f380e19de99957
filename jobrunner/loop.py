# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the runner's only thread waits for: sockets, a wake-up, slow work elsewhere."""

from __future__ import annotations

import os
import queue
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg2

from ..log_lines import get_logger

_logger = get_logger(__name__)

#: the loop's clock: steady, in seconds
clock = time.monotonic
READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
#: threads for what may block: connecting, looking up a host
_HELPERS = 4


class Loop:
    """A selector whose callbacks all run in the thread that calls :meth:`turn`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.watch(self._wake_read, READ, self._drain)
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._results: queue.SimpleQueue = queue.SimpleQueue()
        self._helpers: list[threading.Thread] = []
        self._closed = False
        self.watched: set[Watched] = set()

    # -------------------------------------------------------------------- sockets

    def watch(self, fd: int, events: int, callback: Callable[[], None]) -> None:
        """Have ``callback()`` called when the file may be read or written."""
        try:
            self._selector.modify(fd, events, callback)
        except KeyError:
            self._selector.register(fd, events, callback)

    def watch_connection(self, connection, callback: Callable[[], None]) -> Watched:
        """Have ``callback()`` called when the database's server says something."""
        watched = Watched(self, connection)
        self.watched.add(watched)
        self.watch(watched.fd, READ, callback)
        return watched

    def unwatch(self, fd: int) -> None:
        """Forget the file; before it is closed, for its number may come back."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def turn(self, timeout: float) -> None:
        """Wait for what comes first, at most ``timeout`` seconds, and see to it."""
        for key, _events in self._selector.select(max(0.0, timeout)):
            # A callback before this one may have closed the file.
            current = self._selector.get_map().get(key.fd)
            if current is not None and current.data == key.data:
                key.data()
        self._deliver()

    def wake(self) -> None:
        """End the wait, from any thread."""
        if self._closed:
            return
        # full: it will not sleep; closed: it has ended
        with suppress(OSError):
            os.write(self._wake_write, b".")

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                continue

    # ------------------------------------------------------------------ slow work

    def background(
        self,
        work: Callable[[], Any],
        done: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Have a helper thread do ``work()``; its result, or its error, comes to
        ``done(result, error)`` within a turn of the loop."""
        self._work.put((work, done))
        if len(self._helpers) < _HELPERS:
            helper = threading.Thread(
                target=self._help, name="queue_job.runner.helper", daemon=True
            )
            self._helpers.append(helper)
            helper.start()

    def _help(self) -> None:
        while True:
            work, done = self._work.get()
            if work is None:
                return
            try:
                result, error = work(), None
            except BaseException as raised:
                result, error = None, raised
            self._results.put((done, result, error))
            self.wake()

    def _deliver(self) -> None:
        while True:
            try:
                done, result, error = self._results.get_nowait()
            except queue.Empty:
                return
            done(result, error)

    # ------------------------------------------------------------------------ end

    def close(self) -> None:
        """End it; the callbacks of work under way are not called any more."""
        self._closed = True
        for _helper in self._helpers:
            self._work.put((None, None))
        self._selector.close()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)

    def abandon(self) -> None:
        """Close what a forked process has inherited, and touch nothing else."""
        self._closed = True
        for watched in list(self.watched):
            watched.abandon()
        self._selector.close()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)


class Watched:
    """A connection to a database that the loop watches."""

    def __init__(self, loop: Loop, connection):
        self.fd = connection.fileno()
        self._loop = loop
        self._connection = connection
        self._inode = os.fstat(self.fd).st_ino

    def close(self) -> None:
        self._loop.watched.discard(self)
        self._loop.unwatch(self.fd)
        close_quietly(self._connection)

    def abandon(self) -> None:
        """Close the file alone, so that the server notices nothing.

        psycopg2 itself never talks over a connection of another process.  A broken
        connection may have lost its file already, and the number be another's.
        """
        with suppress(OSError):
            if os.fstat(self.fd).st_ino == self._inode:
                os.close(self.fd)


def close_quietly(connection) -> None:
    """Close a connection, whatever is left of it."""
    with suppress(psycopg2.Error):
        connection.close()


def line_of(error: BaseException | None) -> str:
    """The first line of an error's message, for the log."""
    return (str(error).strip() or repr(error)).splitlines()[0]


_forked = 0


def forks() -> int:
    """How often this process has forked: who was forked has what was open then."""
    return _forked


def count_fork() -> None:
    """To be called in the parent after each fork."""
    global _forked
    _forked += 1
