# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One port for Odoo's prefork server, as a web server before it gives in production.

Odoo answers web sockets on a second port when it has workers.  A browser knows only
the first one, so nothing would be live.  Usage: proxy.py PORT HTTP_PORT GEVENT_PORT;
ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

HOST = "127.0.0.1"
HEAD_LIMIT = 64 * 1024
START_SECONDS = 120
NO_REQUEST = (
    OSError,
    IndexError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
)
CONNECTION_HEADER = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)


async def connect(port: int, seconds: float):
    """Open a connection, trying again for that long: Odoo may still be starting."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await asyncio.open_connection(HOST, port)
        except OSError:
            if asyncio.get_running_loop().time() > end:
                raise
            await asyncio.sleep(0.2)


async def copy(reader, writer):
    try:
        while data := await reader.read(HEAD_LIMIT):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Proxy:
    def __init__(self, port: int, http_port: int, gevent_port: int):
        self.port, self.http_port, self.gevent_port = port, http_port, gevent_port

    async def upstream(self, head: bytes):
        if head.split(b" ", 2)[1].startswith(b"/websocket"):
            try:
                return await connect(self.gevent_port, 1), head
            except OSError:  # without workers everything is on the one port
                return await connect(self.http_port, START_SECONDS), head
        # One request per connection, else a later one may belong elsewhere.
        head = CONNECTION_HEADER.sub(b"", head, count=1)
        head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        return await connect(self.http_port, START_SECONDS), head

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            (up_reader, up_writer), head = await self.upstream(head)
        except NO_REQUEST:
            writer.close()
            return
        up_writer.write(head)
        sending = asyncio.create_task(copy(reader, up_writer))
        await copy(up_reader, writer)
        sending.cancel()
        up_writer.close()

    async def announce(self):
        reader, writer = await connect(self.http_port, START_SECONDS)
        writer.write(b"GET /web/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
        writer.close()
        if b" 200 " in answer.partition(b"\r\n")[0]:
            address = f"http://{HOST}:{self.port}"
            print(f">> Odoo is ready: {address} (admin / admin)", file=sys.stderr)

    async def run(self):
        parent = os.getppid()
        try:
            await asyncio.start_server(self.serve, HOST, self.port, limit=HEAD_LIMIT)
        except OSError as error:
            print(f"error: cannot serve port {self.port}: {error}", file=sys.stderr)
            os.kill(parent, signal.SIGTERM)
            return
        announcing = asyncio.create_task(self.announce())
        while os.getppid() == parent:
            await asyncio.sleep(0.2)
        announcing.cancel()


if __name__ == "__main__":
    # Ctrl-C is for the server, which this process follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(Proxy(*map(int, sys.argv[1:])).run())
