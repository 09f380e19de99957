# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""A job whose lease has lost its connection while the body runs."""

import logging
import os
import resource
import socket
import time
from contextlib import closing, contextmanager
from unittest.mock import patch

import psycopg2

from odoo import sql_db
from odoo.tools import mute_logger

from odoo.addons.queue_job.executor import claiming, connections, watching
from odoo.addons.queue_job.jobrunner import connection as runner_connection
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.dispatch import Dispatcher
from odoo.addons.queue_job.jobrunner.housekeeping import LOOK_AFTER, Housekeeper
from odoo.addons.queue_job.jobrunner.loop import Loop
from odoo.addons.queue_job.jobrunner.scheduling import Request
from odoo.addons.queue_job.storage import locks, presence, recovery

from ..acceptance.server import connection, wait_until
from .test_leases import LeaseCase

CLAIMING = "odoo.addons.queue_job.executor.claiming"
WATCHING = "odoo.addons.queue_job.executor.watching"

#: who holds the lock of a job
_HOLDERS = """
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 1 AND granted
   AND classid = %s::bigint >> 32 AND objid = %s::bigint & 4294967295
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_TERMINATE = "SELECT pg_terminate_backend(%s, 10000)"
#: limits that are meant for those who forget a connection, and what is set for whom
LIMITS = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "lock_timeout",
    "statement_timeout",
)
PLACES = ("DATABASE {}", "ROLE CURRENT_USER IN DATABASE {}")


class HoldCase(LeaseCase):
    def holders(self, records):
        key = locks.job_key(claiming.of(records.env).row.id)
        return [pid for (pid,) in self.database.query(_HOLDERS, (key, key))]

    def lose(self, records):
        """End the connection that holds the job; return its number."""
        (pid,) = self.holders(records)
        self.database.query(_TERMINATE, [pid])
        return pid

    def once(self, act):
        """Have the first body do this; count the bodies."""
        bodies = []

        def body(records, name):
            bodies.append(name)
            if len(bodies) == 1:
                act(records)

        self.bodies[:] = [body]
        return bodies


class TestRegained(HoldCase):
    def test_a_hold_that_is_lost_in_the_middle_of_a_body_is_regained(self):
        seen = []

        def act(records):
            lost = self.lose(records)
            seen.append(wait_until(lambda: self.holders(records), "it is held again"))
            self.assertNotIn(lost, seen[0])

        bodies = self.once(act)
        self.delay("leave", "x")
        self.delay("leave", "y")
        with self.assertLogs(CLAIMING, logging.INFO) as logs:
            self.assertEqual(self.drain(), {"done": 2})
        self.assertIn("its lease has a new connection", "".join(logs.output))
        self.assertEqual(sorted(bodies), ["x", "y"])
        self.check_done_once(2)

    def test_who_still_holds_the_job_may_be_its_lost_session(self):
        """The server has not noticed yet: the job is safe, and the body goes on."""
        found = []

        def act(records):
            lease = claiming.of(records.env)
            before = lease._cr
            # as when the network between the two is gone
            with patch.object(connections.LeaseCursor, "lost", True):
                found.append(lease.regain())
            self.assertIs(lease._cr, before)

        self.once(act)
        self.delay("leave", "x")
        self.assertEqual(self.drain(), {"done": 1})
        self.assertEqual(found, [claiming.Hold.TAKEN])
        self.check_done_once()

    def test_a_job_is_not_rescued_while_its_worker_may_regain_it(self):
        """Nor is it while it stops the body, but soon where no worker lives."""
        looks = []
        regain = claiming.Lease.regain

        def wait(lease):
            # the watch would have regained it before
            with connection(self.database.name) as cnx, cnx.cursor() as cr:
                cr.execute("SELECT pg_advisory_xact_lock_shared(1)")
                keeper = Housekeeper(self.database.name, Config(), 1)
                for now in (0.0, LOOK_AFTER, locks.REGAIN, 2 * locks.REGAIN):
                    keeper.look_after(cr, now, ())
                looks.append((recovery.orphans(cr, grace=0), self.column("state")))
            return regain(lease)

        self.once(
            lambda records: (
                self.lose(records),
                wait_until(lambda: self.holders(records), "it is held again"),
            )
        )
        self.delay("leave", "x")
        with patch.object(claiming.Lease, "regain", wait):
            self.assertEqual(self.drain(), {"done": 1})
        job = (self.column("id"), self.column("attempt"))
        self.assertEqual(looks[0], ([(*job, True)], "started"))
        self.check_done_once()


class TestStopped(HoldCase):
    """What happens when the hold cannot be regained."""

    @contextmanager
    def no_connection(self):
        def refuse(dbname, connect_timeout=10):
            raise psycopg2.OperationalError("sorry, too many clients already")

        with patch.object(connections, "LeaseCursor", refuse):
            yield

    def run_body(self, act, **patches):
        """A body that goes on for ever, until it is stopped."""

        def endless(records):
            with self.no_connection():
                act(records)
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    time.sleep(0.01)

        bodies = self.once(endless)
        self.delay("leave", "x")
        with (
            patch.multiple(watching, **patches),
            mute_logger(CLAIMING, WATCHING, "odoo.sql_db"),
        ):
            self.drain()
        self.assertEqual(bodies, ["x"])
        self.assertEqual(self.effects(), 0)

    def test_a_body_whose_hold_is_not_to_be_had_is_stopped_and_tried_again(self):
        self.run_body(self.lose, REGAIN=0.3)
        self.assertEqual(self.column("state"), "pending")
        self.assertEqual(self.tries(), [("retry", "odoo.exceptions.ConcurrencyError")])
        self.assertFalse(self.column("deaths"))

    def test_a_body_whose_own_connection_is_lost_as_well_is_stopped_at_once(self):
        def lose_both(records):
            self.lose(records)
            own = records.env.cr._cnx.info.backend_pid
            self.database.query(_TERMINATE, [own])

        self.run_body(lose_both, REGAIN=3600)
        self.assertEqual(self.column("state"), "pending")
        self.assertFalse(self.column("deaths"))

    def test_a_body_whose_job_was_taken_away_is_stopped_and_changes_nothing(self):
        def lose(records):
            self.take_away()
            self.lose(records)

        with patch.object(TestStopped, "no_connection", lambda self: mute_logger()):
            self.run_body(lose, REGAIN=3600)
        self.assertEqual(self.column("state"), "started")
        self.assertEqual(self.column("worker"), "elsewhere:1")
        self.assertFalse(self.tries())


class TestConnections(HoldCase):
    def backends(self):
        return {
            pid
            for (pid,) in self.database.query(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        }

    def test_a_job_that_is_watched_has_two_connections(self):
        """Its cursor and that of its lease: the watch needs none of its own."""
        sql_db.close_db(self.database.name)
        looks, found = [], []
        reason = claiming.Lease.stop_reason

        def stop_reason(lease):
            looks.append(reason(lease))
            return looks[-1]

        def act(records):
            before = self.backends()
            wait_until(lambda: len(looks) > 2, "the watch has looked")
            lease, own = claiming.of(records.env).cr._cnx, records.env.cr._cnx
            pids = {lease.info.backend_pid, own.info.backend_pid}
            found.append((len(pids), pids - before, self.backends() - before))

        self.once(act)
        self.delay("leave", "x")
        with patch.object(claiming.Lease, "stop_reason", stop_reason):
            self.assertEqual(self.drain(), {"done": 1})
        self.assertEqual(found, [(2, set(), set())])
        self.assertEqual(set(looks), {None})

    def test_what_nobody_uses_is_closed_in_time_and_not_only_by_the_next_lease(self):
        with (
            patch.object(connections, "_free", []),
            patch.object(connections, "IDLE", 0.2),
            patch.object(connections._Closer, "timer", None),
        ):
            cr = connections.take(self.database.name)
            connections.give_back(cr)
            self.assertEqual(connections._free, [cr])
            wait_until(lambda: cr._cnx.closed, "it is closed")
            self.assertEqual(connections._free, [])

    def test_a_stop_that_cannot_be_looked_for_costs_no_hold(self):
        """Whoever has locked the table: the job is held, and stopped afterwards."""
        found = []

        def act(records):
            lease = claiming.of(records.env)
            with connection(self.database.name) as cnx, cnx.cursor() as cr:
                cnx.autocommit = False
                cr.execute("LOCK TABLE queue_job_stop IN ACCESS EXCLUSIVE MODE")
                with self.assertRaises(psycopg2.errors.LockNotAvailable):
                    lease.stop_reason()
                cnx.rollback()
            found.append((len(self.holders(records)), lease.lost, lease.stop_reason()))
            # nor does the look keep others from the table, as long as the body lasts
            self.database.query(
                "BEGIN; SET LOCAL lock_timeout = '10s';"
                " LOCK TABLE queue_job_stop IN ACCESS EXCLUSIVE MODE; COMMIT"
            )

        self.once(act)
        self.delay("leave", "x")
        with patch.object(watching, "INTERVAL", 3600.0), mute_logger(WATCHING):
            self.assertEqual(self.drain(), {"done": 1})
        self.assertEqual(found, [(1, False, None)])


class TestManyFiles(HoldCase):
    """Numbers of files beyond 1,023, which select() does not know."""

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = 1200
        self.assertTrue(
            hard == resource.RLIM_INFINITY or hard >= needed, "files may be opened"
        )
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        sql_db.close_db(self.database.name)
        self.enterContext(patch.object(connections, "_free", []))
        while True:
            fd = os.open(os.devnull, os.O_RDONLY)
            self.addCleanup(os.close, fd)
            if fd > 1030:
                break

    def test_a_job_is_executed_and_its_lost_hold_regained(self):
        files = []

        def act(records):
            files.append(claiming.of(records.env).cr._cnx.fileno())
            self.lose(records)
            wait_until(lambda: self.holders(records), "it is held again")
            files.append(claiming.of(records.env).cr._cnx.fileno())
            cnx = records.env.cr._cnx
            self.assertFalse(connections.shows(cnx, watching._HUNG_UP))

        self.once(act)
        self.delay("leave", "x")
        self.assertEqual(self.drain(), {"done": 1})
        self.assertGreater(min(files), 1023)
        self.check_done_once()

    def test_a_runner_connects_listens_and_asks(self):
        with closing(runner_connection.connect(self.database.name, Config())) as cnx:
            self.assertGreater(cnx.fileno(), 1023)
            with cnx.cursor() as cr:
                presence.listen(cr)
            name, config = self.database.name, Config()
            self.assertTrue(runner_connection._hears(cnx, name, config, 7))
        turns = Loop()
        self.addCleanup(turns.close)
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        requests = Dispatcher(
            Config(host="127.0.0.1", port=server.getsockname()[1]), turns
        )
        self.addCleanup(requests.close)
        ended = []
        requests.send("db", Request(1, "u", 1, "root", "00"), ended.append)
        wait_until(lambda: turns.turn(0.05) or len(requests), "it is under way")
        wait_until(lambda: turns.turn(0.05) or self.answered(server), "it is answered")
        wait_until(lambda: turns.turn(0.05) or ended, "it is over")
        self.assertTrue(ended[0].ok)

    def answered(self, server):
        client, _address = server.accept()
        with client:
            self.assertGreater(client.fileno(), 1023)
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True


class TestHostileLimits(HoldCase):
    """Limits of a second, set for all; the queue idles for longer on purpose."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.hang_up)

    def hang_up(self):
        """What was connected before keeps the limits of then."""
        sql_db.close_db(self.database.name)
        self.let_leases_go()

    def let_leases_go(self):
        for each in [
            each for each in connections._free if each.dbname == self.database.name
        ]:
            connections._free.remove(each)
            each.close()

    def limit(self, place, name):
        where = place.format(self.database.name)
        self.database.query(f"ALTER {where} SET {name} = '1s'")
        self.addCleanup(self.database.query, f"ALTER {where} RESET {name}")
        self.hang_up()

    def be_idle(self, records, name):
        """Longer than the limit by the server's own clock, on both connections."""
        lease = claiming.of(records.env)
        pids = [lease.cr._cnx.info.backend_pid, records.env.cr._cnx.info.backend_pid]
        wait_until(
            lambda: (
                self.database.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
                    " AND clock_timestamp() - xact_start > interval '2.5 s'",
                    [pids],
                )
                == len(pids)
            ),
            f"{name} has been there for long on both of its connections",
        )

    def test_a_limit_that_is_newer_than_the_connection_of_a_lease_ends_no_job(self):
        for order in ("the lease's is older", "both are new"):
            with self.subTest(order):
                self.clean()
                self.bodies[:] = []
                self.delay("leave", "before")
                self.assertEqual(self.drain(), {"done": 1})
                kept = list(connections._free)
                self.assertTrue(kept)
                if order == "both are new":
                    self.let_leases_go()
                where = PLACES[0].format(self.database.name)
                name = LIMITS[0]
                self.database.query(f"ALTER {where} SET {name} = '1s'")
                self.addCleanup(self.database.query, f"ALTER {where} RESET {name}")
                sql_db.close_db(self.database.name)
                self.once(lambda records: self.be_idle(records, "x"))
                self.delay("leave", "x")
                self.assertEqual(self.drain(), {"done": 1})
                self.check_done_once(2)
                self.database.query(f"ALTER {where} RESET {name}")

    def test_a_job_beyond_any_limit_is_executed_once_be_it_the_first_or_a_further(self):
        known = {
            name
            for (name,) in self.database.query(
                "SELECT name FROM pg_settings WHERE name = ANY(%s)", [list(LIMITS)]
            )
        }
        self.assertGreaterEqual(known, {"idle_in_transaction_session_timeout"})
        for place in PLACES:
            with self.subTest(place):
                self.clean()
                for name in known:
                    self.limit(place, name)
                began = []

                def body(records, name, began=began):
                    began.append(name)
                    self.be_idle(records, name)

                self.bodies[:] = [body]
                self.delay("leave", "1")
                self.delay("leave", "2")
                with patch.object(claiming, "_FAIR_AFTER", 3600):
                    self.drain(0, 60)
                self.assertEqual(sorted(began), ["1", "2"])
                self.check_done_once(2)
