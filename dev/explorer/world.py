# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The database in which the orders are played, and who works in it."""

from __future__ import annotations

import functools
from contextlib import ExitStack, closing
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api, sql_db

from odoo.addons.queue_job import executor, listeners, storage
from odoo.addons.queue_job.executor import connections as lease_connections
from odoo.addons.queue_job.executor import watching
from odoo.addons.queue_job.jobrunner import connection, scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.housekeeping import LOOK_AFTER, Housekeeper

from .stage import Actor
from .wire import stepping
from .witness import Witness

#: tables in which an order leaves something
_TABLES = """
SELECT c.relname FROM pg_class AS c
 WHERE c.relkind = 'r' AND c.relnamespace = current_schema::regnamespace
   AND (c.relname = 'test_queue_effect' OR c.relname ~ '^queue_job(_|$)')
   AND c.relname !~ '_(channel|function|subscription|alert)'
   AND c.relname <> 'queue_job_watch'
 ORDER BY c.relname
"""
#: how often a request of a person is repeated, as Odoo does it
_REPEATS = 5


def _close(pool, connection, keep_in_pool=True):
    _give_back(pool, connection, keep_in_pool=False)


_give_back = sql_db.ConnectionPool.give_back


class World:
    """Runners, leases and people of one database.

    :param registry: of a database that has ``test_queue_job``
    :param control: a connection in autocommit mode that is nobody's
    """

    def __init__(self, registry, control):
        self.registry = registry
        self.control = control
        self.seen_writes = False
        self.witness = Witness(self.query)
        #: requests that were sent and that nobody serves yet
        self.sent: list = []
        #: ids of jobs that somebody cancelled, and was told so
        self.cancelled: set[int] = set()
        #: requests that are over, by the number of their runner
        self.ended: dict[int, list] = {}
        self._tables = [row[0] for row in self.query(_TABLES)]

    def query(self, query: str, params=()) -> list[tuple]:
        with self.control.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else []

    def patched(self) -> ExitStack:
        """What times decide in life is decided by the order of steps here."""
        stack = ExitStack()
        soon = functools.partial(storage.recovery.orphans, grace=-1.0)
        stale = functools.partial(storage.recovery.release_stale, grace=-1.0)
        for target, name, value in (
            (storage.recovery, "orphans", soon),
            (storage.recovery, "release_stale", stale),
            (watching, "INTERVAL", 3600.0),
            (watching, "TICK", 3600.0),
            # all workers are of one process here, that lives
            (storage.locks, "RESCUE_FROM_THE_LIVING", LOOK_AFTER),
            # each actor is a process of its own, that inherits no connection
            (lease_connections, "give_back", lambda cr: cr.close()),
            (sql_db.ConnectionPool, "give_back", _close),
        ):
            stack.enter_context(patch.object(target, name, value, create=True))
        model = self.registry["test.queue.effect"]
        stack.enter_context(
            patch.object(model, "leave", self.witness.body(), create=True)
        )
        if self.seen_writes:
            everything = listeners.Listeners(create=True, write=True, unlink=True)
            stack.enter_context(patch.object(listeners, "of", lambda env: everything))
        stack.enter_context(stepping())
        return stack

    # --------------------------------------------------------------------- the tables

    def reset(self, capacity: int) -> None:
        """Forget everything that the order before has left."""
        sql_db.close_db(self.registry.db_name)
        for free in lease_connections._free:
            free.close()
        lease_connections._free.clear()
        self.witness = Witness(self.query, capacity)
        self.sent, self.ended, self.cancelled = [], {}, set()
        self.query("; ".join(f"DELETE FROM {table}" for table in self._tables))
        for table in ("queue_job", "queue_job_barrier", "test_queue_effect"):
            self.query(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", (table,)
            )
        self.query("UPDATE queue_job_channel SET paused = false, throttle = 0")
        self.query(
            "UPDATE queue_job_channel SET capacity = %s WHERE complete_name = 'root'",
            (capacity,),
        )

    def enqueue(self, enqueue) -> None:
        """Have jobs in the queue before the order begins.

        :param enqueue: called with the model of effects
        """
        with self.registry.cursor() as cr:
            enqueue(api.Environment(cr, SUPERUSER_ID, {})["test.queue.effect"])

    # --------------------------------------------------------------------- who is there

    def runner(self, actor: Actor, number: int, turns: int = 2) -> None:
        """Make passes and put in order, as a runner's loop does."""
        config = Config(poll_seconds=1.0)
        keeper = Housekeeper(self.registry.db_name, config, number)
        holder = connection.hold_number(self.registry.db_name, config, number)
        flying: dict[int, int] = {}
        cnx = connection.connect(self.registry.db_name, config)
        with closing(holder), closing(cnx), cnx.cursor() as cr:
            for turn in range(turns):
                self._give_back(cr, number, flying)
                look = storage.schedule.begin(cr)
                result = scheduling.run(cr, look, self.registry.db_name, config, number)
                storage.schedule.commit(cr)
                flying.update((each.id, each.attempt) for each in result.requests)
                self.sent += [(number, each) for each in result.requests]
                keeper.look_after(cr, 10.0 * turn, tuple(flying))

    def _give_back(self, cr, number: int, flying: dict[int, int]) -> None:
        ended, self.ended[number] = self.ended.get(number, []), []
        for job_id, attempt in ended:
            if flying.get(job_id) == attempt:
                del flying[job_id]
        if ended:
            storage.recovery.release_enqueued(cr, ended)

    def lease(self, actor: Actor | None, number: int, request) -> None:
        """Serve a request, as a worker does."""
        with closing(self.registry.cursor()) as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            hooks = executor.hooks_of(self.registry)
            executor.serve(env, hooks, request.uuid, request.attempt, 600.0)
        self.ended.setdefault(number, []).append((request.id, request.attempt))

    def user(self, actor: Actor, act) -> None:
        """Have a person do something, again when somebody else was faster."""
        for _repeat in range(_REPEATS):
            with closing(self.registry.cursor()) as cr:
                try:
                    cancelled = act(api.Environment(cr, SUPERUSER_ID, {}))
                    cr.commit()
                    self.cancelled |= set(cancelled or ())
                    return
                except SerializationFailure:
                    cr.rollback()

    # ---------------------------------------------------------------------- the end

    def recover(self) -> None:
        """Have a last runner and worker do all that is left to do."""
        config = Config(poll_seconds=1.0)
        keeper = Housekeeper(self.registry.db_name, config, 999)
        cnx = connection.connect(self.registry.db_name, config)
        with closing(cnx), cnx.cursor() as cr:
            for turn in range(20):
                keeper.look_after(cr, 1000.0 + 10.0 * turn, ())
                keeper.tidy(cr)
                look = storage.schedule.begin(cr)
                result = scheduling.run(cr, look, self.registry.db_name, config, 999)
                storage.schedule.commit(cr)
                for request in result.requests:
                    self.lease(None, 999, request)
                if turn > 2 and not result.requests:
                    return
        self.witness.blame("jobs come back again and again")
