# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Requests to execute jobs: an HTTP client that waits for nobody.

A request takes as long as its jobs, which may be hours: there is no time limit, only
the network's own signs of life.  One connection a request, none is kept: whoever
listens at the other end may be a worker that ends after it.
"""

from __future__ import annotations

import base64
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlencode

from ..log_lines import get_logger
from .config import Config
from .loop import READ, WRITE, Loop
from .scheduling import Request

_logger = get_logger(__name__)

#: seconds for which the addresses of the host are taken as known
_ADDRESSES_SECONDS = 30.0
#: bytes of an answer that are kept
_MOST_BYTES = 65536
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
#: what a proxy answers when nobody behind it takes the request
_TOO_MUCH = frozenset({429, 502, 503, 504})


class Outcome(NamedTuple):
    """How a request ended.

    ok: the server answered that it is through with it
    status: of the answer, None when there was none
    reason: what went wrong, for the log
    """

    ok: bool
    status: int | None = None
    body: bytes = b""
    reason: str = ""

    @property
    def answered(self) -> bool:
        """Did somebody take it, be it to refuse it, who could take another one?"""
        return self.status is not None and self.status not in _TOO_MUCH


class _Flight:
    """A request under way."""

    def __init__(self, message: bytes, addresses: list, done: Callable):
        self.message = message
        self.addresses = list(addresses)
        self.address: tuple | None = None
        self.done = done
        self.sock: socket.socket | None = None
        self.unsent = message
        self.answer = bytearray()


class Dispatcher:
    """Sends requests; tells each one's end to whoever sent it."""

    def __init__(self, config: Config, loop: Loop, clock=time.monotonic):
        self._config = config
        self._loop = loop
        self._clock = clock
        self._flights: set[_Flight] = set()
        self._waiting: list[tuple[bytes, Callable]] = []
        self._addresses: list = []
        self._known_until = 0.0
        self._looking = False
        self._tls = ssl.create_default_context() if config.scheme == "https" else None

    def __len__(self) -> int:
        return len(self._flights) + len(self._waiting)

    def prepare(self) -> None:
        """Look the host up, so that no request has to wait for that."""
        if self._looking or self._clock() < self._known_until:
            return
        self._looking = True
        host, port = self._config.host, self._config.port
        self._loop.background(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            self._prepared,
        )

    def _prepared(self, addresses, error) -> None:
        self._looking = False
        if error is None:
            self._addresses = addresses
            self._known_until = self._clock() + _ADDRESSES_SECONDS
        waiting, self._waiting = self._waiting, []
        for message, done in waiting:
            if self._addresses:
                self._start(_Flight(message, self._addresses, done))
            else:
                done(Outcome(False, reason=f"{self._config.host}: {error}"))

    def send(
        self,
        database: str,
        request: Request,
        done: Callable[[Outcome], None],
        host: str | None = None,
    ) -> None:
        """Send the request; ``done(outcome)`` is called within a turn of the loop,
        or at once when it cannot even be tried.

        :param host: what it names as its host, with the port; None: where it goes to
        """
        message = self._message(database, request, host)
        self.prepare()
        if self._addresses:
            self._start(_Flight(message, self._addresses, done))
        else:
            self._waiting.append((message, done))

    def _message(self, database: str, request: Request, host: str | None) -> bytes:
        config = self._config
        query = urlencode(
            {
                "db": database,
                "job_uuid": request.uuid,
                "attempt": request.attempt,
                "proof": request.proof,
            }
        )
        address = f"[{config.host}]" if ":" in config.host else config.host
        lines = [
            f"GET /queue_job/runjob?{query} HTTP/1.1",
            f"Host: {host or f'{address}:{config.port}'}",
            f"X-Odoo-Database: {database}",
            "Accept: text/plain",
            "Connection: close",
        ]
        if config.http_auth_user:
            pair = f"{config.http_auth_user}:{config.http_auth_password or ''}"
            encoded = base64.b64encode(pair.encode()).decode()
            lines.append(f"Authorization: Basic {encoded}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    # ----------------------------------------------------------------- a flight

    def _start(self, flight: _Flight) -> None:
        """Connect to the next of the host's addresses."""
        self._flights.add(flight)
        error = 0
        while flight.addresses:
            flight.address = flight.addresses.pop(0)
            family, kind, protocol, _name, address = flight.address
            try:
                flight.sock = sock = socket.socket(family, kind, protocol)
                self._tune(sock)
                error = sock.connect_ex(address)
            except OSError as raised:
                error = raised.errno or errno.EIO
            if error in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                self._await(flight, WRITE, self._connected)
                return
            self._close(flight)
        self._end(flight, Outcome(False, reason=_text(error)))

    @staticmethod
    def _tune(sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def _connected(self, flight: _Flight) -> None:
        error = flight.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._close(flight)
            if flight.addresses:
                self._start(flight)
            else:
                self._end(flight, Outcome(False, reason=_text(error)))
            return
        self._remember(flight)
        if self._tls is None:
            self._write(flight)
            return
        self._loop.unwatch(flight.sock.fileno())
        flight.sock = self._tls.wrap_socket(
            flight.sock,
            server_hostname=self._config.host,
            do_handshake_on_connect=False,
        )
        self._shake_hands(flight)

    def _remember(self, flight: _Flight) -> None:
        """Begin with the address that answers, from now on."""
        if flight.address in self._addresses:
            self._addresses.remove(flight.address)
            self._addresses.insert(0, flight.address)

    def _shake_hands(self, flight: _Flight) -> None:
        if self._io(flight, flight.sock.do_handshake, self._shake_hands) is not _AGAIN:
            if flight.sock is not None:
                self._write(flight)

    def _write(self, flight: _Flight) -> None:
        while flight.unsent:
            sent = self._io(
                flight, lambda: flight.sock.send(flight.unsent), self._write
            )
            if sent is _AGAIN or flight.sock is None:
                return
            flight.unsent = flight.unsent[sent:]
        self._await(flight, READ, self._read)

    def _read(self, flight: _Flight) -> None:
        while True:
            data = self._io(flight, lambda: flight.sock.recv(65536), self._read)
            if data is _AGAIN or flight.sock is None:
                return
            room = _MOST_BYTES - len(flight.answer)
            flight.answer += data[:room] if room > 0 else b""
            if not data or _is_whole(flight.answer):
                self._close(flight)
                self._end(flight, _parse(bytes(flight.answer)))
                return

    def _io(self, flight: _Flight, action: Callable, again: Callable):
        """Do the action; when it has to wait, have ``again`` called and return so."""
        try:
            return action()
        except (BlockingIOError, InterruptedError):
            events = WRITE if again == self._write else READ
        except ssl.SSLWantReadError:
            events = READ
        except ssl.SSLWantWriteError:
            events = WRITE
        except OSError as error:
            self._close(flight)
            if flight.answer:
                self._end(flight, _parse(bytes(flight.answer)))
            else:
                self._end(flight, Outcome(False, reason=str(error)))
            return _AGAIN
        self._await(flight, events, again)
        return _AGAIN

    def _await(self, flight: _Flight, events: int, callback: Callable) -> None:
        self._loop.watch(flight.sock.fileno(), events, lambda: callback(flight))

    def _close(self, flight: _Flight) -> None:
        if flight.sock is not None:
            self._loop.unwatch(flight.sock.fileno())
            flight.sock.close()
            flight.sock = None

    def _end(self, flight: _Flight, outcome: Outcome) -> None:
        self._flights.discard(flight)
        flight.done(outcome)

    # ---------------------------------------------------------------------- end

    def close(self) -> None:
        """Hang up.  What was started goes on, and nobody is told."""
        for flight in list(self._flights):
            self._close(flight)
        self._flights.clear()
        self._waiting.clear()

    def abandon(self) -> None:
        """Close what a forked process has inherited: the other end notices nothing."""
        for flight in list(self._flights):
            with suppress(OSError):
                if flight.sock is not None:
                    os.close(flight.sock.detach())


_AGAIN = object()


def _text(error: int) -> str:
    return os.strerror(error) if error else "no address"


def _is_whole(answer: bytearray) -> bool:
    """Whether the answer is complete though the connection is still open."""
    head, found, body = bytes(answer).partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
        if name == b"transfer-encoding" and b"chunked" in value:
            return body.endswith(b"0\r\n\r\n")
    return False


def _parse(answer: bytes) -> Outcome:
    if not answer:
        return Outcome(False, reason="the connection ended without an answer")
    head, _found, body = answer.partition(b"\r\n\r\n")
    first = head.split(b"\r\n")[0].decode("latin-1")
    parts = first.split(" ", 2)
    if not parts[0].startswith("HTTP/") or len(parts) < 2 or not parts[1].isdecimal():
        return Outcome(False, reason=f"not an answer of HTTP: {first[:80]!r}")
    status = int(parts[1])
    return Outcome(status == 200, status, body, "" if status == 200 else first)
