# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""A runner's parts on a real database, with connections and commits of their own."""

from __future__ import annotations

import unittest
import uuid
from contextlib import contextmanager

from odoo.addons.queue_job.core.channel_config import parse
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.database import Database as Served
from odoo.addons.queue_job.jobrunner.loop import Loop, clock

from ..acceptance.server import Database, connection

_INSERT = """
WITH made AS (
    INSERT INTO queue_job (uuid, state, channel, priority, date_created, {names})
    VALUES (%s, 'pending', %s, 10, clock_timestamp() AT TIME ZONE 'UTC', {values})
    RETURNING id
)
SELECT id, pg_notify('queue_job', '') FROM made
"""
PATIENCE = 30


class RunnerCase(unittest.TestCase):
    """Each class has a database of its own, named after it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database(cls.__name__.lower()))
        cls.cnx = cls.enterClassContext(connection(cls.db.name))

    def setUp(self):
        super().setUp()
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.query("DELETE FROM queue_job")
        self.query("DELETE FROM queue_job_runner")
        self.query("DELETE FROM queue_job_throttle")
        self.capacity(4)

    def query(self, query, params=()):
        with self.cnx.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else []

    def capacity(self, number, channel="root"):
        self.query(
            "UPDATE queue_job_channel SET capacity = %s WHERE complete_name = %s",
            (number, channel),
        )

    def job(self, channel="root", **values):
        """Commit a job and notify the runners; return its id."""
        values = {"ready": True, **values}
        query = _INSERT.format(
            names=", ".join(values), values=", ".join(["%s"] * len(values))
        )
        params = [str(uuid.uuid4()), channel, *values.values()]
        return self.query(query, params)[0][0]

    def read(self, job_id, names="state"):
        (row,) = self.query(f"SELECT {names} FROM queue_job WHERE id = %s", (job_id,))
        return row if "," in names else row[0]

    def started(self, **values):
        """A job that was started a while ago and that nobody executes."""
        job = self.job(**values)
        self.query(
            "UPDATE queue_job SET state = 'started', attempt = 1, worker = 'node:1',"
            " date_started = clock_timestamp() AT TIME ZONE 'UTC' - interval '9 s'"
            " WHERE id = %s",
            (job,),
        )
        return job

    def start(self, request):
        """What an executor does first."""
        self.query(
            "UPDATE queue_job SET state = 'started', date_started = clock_timestamp()"
            " AT TIME ZONE 'UTC' WHERE id = %s AND attempt = %s AND state = 'enqueued'",
            (request.id, request.attempt),
        )

    @contextmanager
    def other_transaction(self, query, params=()):
        """Somebody else's transaction that has executed the query and goes on."""
        with connection(self.db.name) as cnx:
            cnx.autocommit = False
            with cnx.cursor() as cr:
                cr.execute(query, params)
                yield cr
            cnx.rollback()

    def terminate(self, query="true"):
        """End the connections of runners, as a restart of the server does; return
        when they are gone."""
        self.query(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE"
            f" datname = current_database() AND pid <> pg_backend_pid() AND {query}"
        )

    # ------------------------------------------------------------------ a runner

    def served(self, name=None, number=1, channels="", **options):
        """A database as a runner has it, not yet connected."""
        config = Config(channels=tuple(parse(channels)), **options)
        served = Served(name or self.db.name, config, number, self.loop, "test")
        self.addCleanup(served.close)
        return served

    def connected(self, **kwargs):
        """The same, connected and after its first pass."""
        served = self.served(**kwargs)
        self.pass_(served, clock())
        self.turn_until(lambda: served.connected)
        self.pass_(served, clock())
        return served

    @staticmethod
    def pass_(served, now):
        """Make a pass, and what the runner does once it has sent the requests."""
        result = served.pass_(now)
        result.dispatch.extend(served.keep_house(now))
        return result._replace(wake_after=max(0.0, served.due - now))

    def turn_until(self, condition, seconds=PATIENCE):
        end = clock() + seconds
        while not (result := condition()):
            self.assertLess(clock(), end, "it did not happen")
            self.loop.turn(0.05)
        return result

    def requests(self, served):
        """Make the passes that are due until one returns something."""

        def dispatch():
            now = clock()
            return served.due <= now and self.pass_(served, now).dispatch

        return self.turn_until(dispatch)
