# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One target being measured: its database, enqueuing process and server."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from . import process
from .client import Client
from .database import Database
from .profiler import Profiler
from .server import Server
from .settings import Sizes
from .target import Target

WARM_UP = 40  # jobs, so that each worker has executed some


class Session:
    """Holds what runs; everything of it is made when first asked for.

    A context manager: on leaving, whatever runs is stopped.
    """

    def __init__(self, target: Target, sizes: Sizes, logs: Path, profiler: Profiler):
        self.target = target
        self.sizes = sizes
        self.logs = logs
        self.profiler = profiler
        self._db: Database | None = None
        self._client: Client | None = None
        self._server: Server | None = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self) -> None:
        self.stop_server()
        self.stop_client()
        if self._db:
            self._db.close()
        self._db = None

    def _log(self, what: str) -> Path:
        return self.logs / f"{self.target.name}-{what}.log"

    def many(self, count: int) -> int:
        """A number of jobs that keeps this target busy as long as the other."""
        return count * (self.sizes.ours_times if self.target.name != "peer" else 1)

    # --------------------------------------------------------- database
    @property
    def db(self) -> Database:
        if not self._db:
            self.target.fresh_database()
            self._db = Database(self.target.database)
        return self._db

    def renew(self) -> None:
        """Go on with a new database and nothing running."""
        self.close()

    # ------------------------------------------------ enqueuing process
    @property
    def client(self) -> Client:
        if not self._client:
            self._client = self.another_client()
            self._client.call("one_transaction", count=20)
            self.db.clear()
        return self._client

    def another_client(self) -> Client:
        assert self.db
        return Client(self.target, self._log("client"), self.sizes.timeout)

    def stop_client(self) -> None:
        if self._client:
            self._client.stop()
        self._client = None

    # ----------------------------------------------------------- server
    @property
    def server(self) -> Server:
        """A server that has already executed some jobs in each worker."""
        if not self._server:
            self.start_server()
            self.warm_up()
        return self._server

    def start_server(self) -> Server:
        """Start it; it is not ready yet."""
        assert self.db and not self._server
        self._server = Server(self.target, self._log("server"))
        return self._server

    def stop_server(self) -> None:
        if self._server:
            self._server.stop()
        self._server = None

    def warm_up(self) -> None:
        after = self.db.last_id()
        self._server.wait_ready(self.sizes.timeout)
        self.client.call("jobs", count=WARM_UP, method="work", args=[0.01])
        self.db.wait_done(after, self.sizes.timeout)

    def first_row(self) -> float:
        """When the first body of the jobs that record it began."""
        return self.db.wait(
            "SELECT min(at) FROM bench_row",
            timeout=self.sizes.timeout,
            what="the first job",
        )

    def memory(self, settle: float = 2.0) -> tuple[float, float]:
        """MiB of the main process and of the whole server, at most, for a while."""
        end = time.monotonic() + settle
        main = whole = 0.0
        while time.monotonic() < end:
            main = max(main, process.memory(self._server.pid))
            whole = max(whole, process.tree_memory(self._server.pid))
            time.sleep(0.2)
        return main, whole

    # -------------------------------------------------------- profiling
    @contextlib.contextmanager
    def profiled(self, what: str):
        """Profile the "client" or the "server" meanwhile, if that is wanted."""
        running = self.client if what == "client" else self.server
        with self.profiler.record(running.pid, f"{self.target.name}-{what}"):
            yield
