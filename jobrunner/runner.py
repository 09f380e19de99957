# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner: a dumb loop around passes, requests and their ends."""

from __future__ import annotations

import functools
import os
import random
import socket
import threading
import weakref

from odoo.tools import config as odoo_config

from ..core.room import Room, ceiling
from ..log_lines import get_logger
from . import config as configuration
from . import connection, loop
from .config import Config
from .database import Database
from .dispatch import Dispatcher, Outcome
from .hosts import host_for
from .scheduling import Request

_logger = get_logger(__name__)

#: seconds between two looks at which databases there are
_DISCOVERY = 15.0
#: seconds until the loop goes on after an error that nobody foresaw
_RESTART = 1.0
#: seconds that the loop waits at most when nothing is due
_LONGEST_WAIT = 10.0

_NODE = socket.gethostname()


class QueueJobRunner:
    """Makes passes over all databases and sends what they return, until stopped.

    :param kind: of the server around it, for the dashboard
    """

    def __init__(self, config: Config | None = None, kind: str = ""):
        self.config = config or configuration.get()
        self.kind = kind
        #: other runners know it by this, in every database
        self.number = random.SystemRandom().getrandbits(31)
        self.databases: dict[str, Database] = {}
        self._stop = threading.Event()
        self._loop: loop.Loop | None = None
        self._dispatcher: Dispatcher | None = None
        self._next_discovery = 0.0
        self._discovering = False
        self._refused: set[str] = set()
        workers, connections = odoo_config["workers"], odoo_config["db_maxconn"]
        #: how many requests may be under way
        self.room = Room(ceiling(workers, connections, self.config.max_requests))
        #: what to name as the host in requests for each database
        self._hosts: dict[str, str] = {}

    @classmethod
    def from_environ_or_config(cls) -> QueueJobRunner:
        """A runner as environment and configuration file want it."""
        return cls(configuration.get())

    # --------------------------------------------------------------------- life

    def run(self) -> None:
        """Work until :meth:`stop` is called; whatever happens, go on."""
        _watch_forks()
        self._loop = loop.Loop()
        self._dispatcher = Dispatcher(self.config, self._loop)
        _alive.add(self)
        _logger.info(
            "queue job runner started: node %s, pid %s, number %s, requests to %s://%s:%s",
            _NODE,
            os.getpid(),
            self.number,
            self.config.scheme,
            self.config.host,
            self.config.port,
        )
        try:
            while not self._stop.is_set():
                try:
                    self._turn()
                except Exception:
                    _logger.exception("queue job runner: goes on after an error")
                    self._stop.wait(_RESTART)
        finally:
            self._close()
            _logger.info("queue job runner stopped")

    def stop(self) -> None:
        """Have :meth:`run` come to its end, from any thread."""
        self._stop.set()
        if self._loop is not None:
            self._loop.wake()

    def _close(self) -> None:
        _alive.discard(self)
        self._dispatcher.close()
        for database in self.databases.values():
            try:
                database.leave()
                database.close()
            except Exception:
                _logger.exception("queue job runner: database %s", database.name)
        self._loop.close()

    # --------------------------------------------------------------------- loop

    def _turn(self) -> None:
        now = loop.clock()
        self._discover(now)
        wakes = [database.due for database in self.databases.values()]
        soonest = min([*wakes, self._next_discovery, now + _LONGEST_WAIT])
        self._loop.turn(soonest - now)
        now = loop.clock()
        due = [each for each in self.databases.values() if each.due <= now]
        # When there is room for few, who has waited longest comes first.
        due.sort(key=lambda each: each.fed_at)
        for index, database in enumerate(due):
            if self._stop.is_set():
                return
            self._serve(database, now, sum(each.hungry for each in due[index + 1 :]))

    def _serve(self, database: Database, now: float, hungry: int) -> None:
        """Make a pass; ``hungry``: so many others are to get something as well."""
        try:
            most = self.room.share(now, len(self._dispatcher), hungry + 1)
            requests = database.pass_(now, most).dispatch
            self._send_all(database, requests)
            if requests:
                # They are connected by now: off with them, before anything slower.
                self._loop.turn(0.0)
            self._send_all(database, database.keep_house(now))
        except Exception:
            # One database's trouble, whatever it is, is not the others'.
            _logger.exception("queue job runner: database %s", database.name)
            database.give_up(now)

    def _send_all(self, database: Database, requests: list[Request]) -> None:
        for request in requests:
            _logger.debug(
                "job %s channel=%s attempt=%s: requested from %s",
                request.uuid,
                request.channel,
                request.attempt,
                database.name,
            )
            self._send(database, request)

    def _send(self, database: Database, request: Request) -> None:
        number = self.room.send()
        ended = functools.partial(self._ended, database, request, number)
        try:
            host = self._hosts.get(database.name)
            self._dispatcher.send(database.name, request, ended, host)
        except Exception as error:
            _logger.exception("queue job runner: database %s", database.name)
            ended(Outcome(False, reason=loop.line_of(error)))

    def _ended(self, database: Database, request, number: int, outcome) -> None:
        self.room.end(number, outcome.answered, loop.clock())
        database.ended(request, outcome)
        for each in self.databases.values():
            each.feed()

    # ---------------------------------------------------------------- discovery

    def _discover(self, now: float) -> None:
        if self._discovering or now < self._next_discovery:
            return
        self._discovering = True
        self._next_discovery = now + _DISCOVERY
        self._dispatcher.prepare()
        self._loop.background(
            lambda: connection.list_names(self.config), self._discovered
        )

    def _discovered(self, names, error) -> None:
        self._discovering = False
        if error is not None:
            # Those that are known are served as long as that works.
            text = loop.line_of(error)
            _logger.warning("queue job runner: cannot list databases: %s", text)
            return
        served = self._servable(names)
        for name in sorted(self.databases.keys() - served):
            self.databases.pop(name).close()
            _logger.info("queue job runner: database %s is gone", name)
        for name in sorted(served - self.databases.keys()):
            self.databases[name] = Database(
                name, self.config, self.number, self._loop, self.kind
            )

    def _servable(self, names: list[str]) -> set[str]:
        """The databases for which the server answers, under whatever host."""
        host = f"{self.config.host}:{self.config.port}"
        hosts = {name: host_for(name, host) for name in names if name.isprintable()}
        self._hosts = {name: each for name, each in hosts.items() if each}
        served = set(self._hosts)
        refused = set(names) - served
        for name in sorted(refused - self._refused):
            _logger.info(
                "queue job runner: database %s is not served, dbfilter refuses it for"
                " host %s",
                name,
                host,
            )
        self._refused = refused
        return served

    # -------------------------------------------------------------------- forks

    def abandon(self) -> None:
        """Close what this process, just forked, has inherited: when the parent dies,
        its locks are free at once."""
        if self._dispatcher is not None:
            self._dispatcher.abandon()
        if self._loop is not None:
            self._loop.abandon()


_alive: weakref.WeakSet[QueueJobRunner] = weakref.WeakSet()
# Objects of the parent whose files are closed: they must not be finalized here.
_inherited: list[QueueJobRunner] = []


@functools.cache
def _watch_forks() -> None:
    """Once a process has a runner, see what becomes of it in those it forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            after_in_parent=loop.count_fork, after_in_child=_abandon_inherited
        )


def _abandon_inherited() -> None:
    for runner in list(_alive):
        _inherited.append(runner)
        runner.abandon()
    _alive.clear()


def start_thread(kind: str) -> tuple[threading.Thread, QueueJobRunner]:
    """Start a runner in a thread of its own."""
    runner = QueueJobRunner(kind=kind)
    thread = threading.Thread(target=runner.run, name="queue_job.runner", daemon=True)
    thread.start()
    return thread, runner
