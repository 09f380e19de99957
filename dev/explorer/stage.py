# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The actors of a scene, of whom one at a time takes a step."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

#: seconds in which a step is looked at again, and after which something is wrong
_LOOK = 0.001
_PATIENCE = 60.0
#: seconds that an actor may wait for another one's lock in Python
_PYTHON_LOCK = 0.5

READY, RUNNING, WAITING, ENDED, DEAD = "ready", "running", "waiting", "ended", "dead"

# What differs from one repetition to the next, and decides nothing.
_VOLATILE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+\.\d+|\(\d+,\d+\)|datetime\.datetime\([^)]*\)"
    r"|-?\d{6,}|0x[0-9a-f]+"
)
_BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"


class Died(BaseException):
    """The process of the actor has been killed: nothing more of it is executed."""


class Actor:
    """Somebody who works on the queue, in a thread.

    :param act: what it does; called with the actor
    """

    def __init__(self, stage: Stage, name: str, act: Callable[[Actor], None]):
        self.stage = stage
        self.name = name
        self.state = RUNNING
        #: the statement that it is about to execute
        self.next_step = ""
        #: uuid of the job whose body it is in
        self.running: str | None = None
        #: the connection that shows that its job lives was cut, or the job deleted:
        #: others may have the job by now, or its place
        self.lost = False
        self.error: BaseException | None = None
        self.connections: list = []
        self._using: int | None = None
        self._killed = False
        self._go = threading.Semaphore(0)
        self._history = hashlib.sha1(usedforsecurity=False)
        self._thread = threading.Thread(target=self._run, args=(act,), daemon=True)
        self._thread.explorer_actor = self

    def start(self) -> None:
        self._thread.start()

    def _run(self, act) -> None:
        try:
            act(self)
        except Died:
            pass
        except BaseException as error:
            if not self._killed:
                self.error = error
        self.stage.report(self, DEAD if self._killed else ENDED)

    # ------------------------------------------------- called in the actor's thread

    @contextmanager
    def executing(self, connection, step: str | None):
        """Wait for the word to go on, when what follows is a step."""
        self.must_live()
        if step is not None:
            self.next_step = " ".join(step.split())
            self.stage.report(self, READY)
            self._go.acquire()
            self.must_live()
        before, self._using = self._using, connection.info.backend_pid
        try:
            yield
        finally:
            self._using = before

    def must_live(self) -> None:
        if self._killed:
            raise Died

    def connected(self, connection) -> None:
        self.connections.append(connection)

    def observe(self, *seen) -> None:
        """What it does next depends on this, and on nothing else."""
        self._history.update(_VOLATILE.sub("~", repr(seen)).encode())

    def transaction_ended(self, connection) -> None:
        if not type(connection).__mro__[1].__name__.startswith("_"):
            self.running = None

    # ---------------------------------------------------- called by the controller

    def go(self) -> None:
        self.state = RUNNING
        self._go.release()

    @property
    def blocked_backend(self) -> int | None:
        return self._using

    def kill(self) -> None:
        self._killed = True
        self.running = None
        self._go.release()

    def key(self) -> tuple:
        return self.name, self.state, self.next_step, self._history.hexdigest()

    def join(self) -> None:
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            raise AssertionError(f"{self.name} does not come to its end")


class Stage:
    """Where the actors are, and what each of them may do now.

    :param control: a connection in autocommit mode, of nobody else
    """

    def __init__(self, control):
        self._control = control
        self.actors: list[Actor] = []
        self._changed = threading.Condition()

    def enter(self, name: str, act: Callable[[Actor], None]) -> None:
        """Have somebody appear, up to his first step."""
        actor = Actor(self, name, act)
        self.actors.append(actor)
        actor.start()
        self._await(actor)

    def report(self, actor: Actor, state: str) -> None:
        with self._changed:
            actor.state = state
            self._changed.notify_all()

    def able(self) -> list[Actor]:
        """Those who can take a step."""
        return [actor for actor in self.actors if actor.state == READY]

    def waiting(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.state == WAITING]

    def step(self, actor: Actor) -> None:
        """Have him take his step; who waited for it goes on up to his next one."""
        actor.go()
        self._await(actor)
        self.settle()

    def kill(self, actor: Actor) -> None:
        """Have his process end as by SIGKILL, with all its connections."""
        actor.kill()
        self.cut(actor.connections)
        actor.join()
        for each in actor.connections:
            each.close()  # no other process would be handed them
        self.settle()

    def cut(self, connections) -> None:
        """End connections under who uses them."""
        pids = [each.info.backend_pid for each in connections if not each.closed]
        self._query(
            "SELECT count(pg_terminate_backend(pid, 10000))"
            "  FROM unnest(%s::int[]) AS pid",
            (pids,),
        )
        end = time.monotonic() + _PATIENCE
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s::int[])"
        while self._query(alive, (pids,)):
            if time.monotonic() > end:
                raise AssertionError(f"backends {pids} do not end")

    def settle(self) -> None:
        """See who of those that waited for a lock has it by now."""
        for actor in self.waiting():
            self._await(actor)

    def _await(self, actor: Actor) -> None:
        """Until he is at his next step, at his end, or waits for somebody's lock."""
        began = time.monotonic()
        while True:
            with self._changed:
                if actor.state not in (RUNNING, WAITING):
                    return
                self._changed.wait(_LOOK)
                if actor.state not in (RUNNING, WAITING):
                    return
            backend = actor.blocked_backend
            waited = time.monotonic() - began
            if backend is None:
                blocked = waited > _PYTHON_LOCK and self._others(actor)
            else:
                blocked = self._query(_BLOCKED, (backend,))
            if blocked:
                with self._changed:
                    if actor.state == RUNNING:
                        actor.state = WAITING
                return
            if waited > _PATIENCE:
                raise AssertionError(f"{actor.name} hangs after: {actor.next_step}")

    def _others(self, actor: Actor) -> bool:
        return any(other.state == READY for other in self.actors if other is not actor)

    def _query(self, query: str, params):
        with self._control.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchone()[0]

    def close(self) -> None:
        """Have whoever is left go, without a trace."""
        for actor in self.actors:
            if actor.state not in (ENDED, DEAD):
                self.kill(actor)
        for actor in self.actors:
            actor.join()
