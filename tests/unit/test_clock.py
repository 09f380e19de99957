# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Now, by the clock of the database, whatever the local one says."""

import unittest
from datetime import datetime, timedelta
from unittest.mock import patch

from psycopg2.errors import InFailedSqlTransaction

from odoo.addons.queue_job import clock

NOW = datetime(2026, 5, 4, 3, 2, 1)


class World:
    """Two clocks, and a cursor of the database that has one of them."""

    dbname = "somewhere"

    def __init__(self, ahead=0.0):
        self.steady = 1000.0
        self.ahead = ahead  # of the database
        self.way = 0.0  # seconds that a statement takes, there and back
        self.asked = 0
        self.aborted = False

    def wall(self):
        return (NOW - datetime(1970, 1, 1)).total_seconds() + self.steady

    def local(self):
        return NOW + timedelta(seconds=self.steady)

    def execute(self, _query, **_options):
        if self.aborted:
            raise InFailedSqlTransaction
        self.asked += 1
        self.steady += self.way / 2

    def fetchone(self):
        told = self.local() + timedelta(seconds=self.ahead)
        self.steady += self.way / 2
        return [told]

    def off(self):
        """By how many seconds the clock of the queue is wrong."""
        right = self.local() + timedelta(seconds=self.ahead)
        return abs((clock.now(self) - right).total_seconds())


class TestClock(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.world = world = World()
        for name, stand_in in (
            ("_wall", world.wall),
            ("_steady", lambda: world.steady),
            ("utcnow", world.local),
            ("_distances", {}),
        ):
            self.enterContext(patch.object(clock, name, stand_in))

    def test_now_is_what_the_database_says_however_wrong_the_local_clock_is(self):
        for ahead in (0.0, 120.0, -120.0, 0.25, -86400.0):
            with self.subTest(ahead=ahead):
                clock._distances.clear()
                self.world.ahead = ahead
                self.assertLess(self.world.off(), 0.001)
                self.world.steady += 50
                self.assertLess(self.world.off(), 0.001)

    def test_clocks_that_may_be_equal_are_taken_as_equal(self):
        self.world.way = 0.5
        self.assertEqual(clock.now(self.world), self.world.local())

    def test_the_database_is_asked_once_a_minute(self):
        for _second in range(119):
            clock.now(self.world)
            self.world.steady += 1
        self.assertEqual(self.world.asked, 2)

    def test_the_database_is_not_asked_when_statements_tell_its_time_anyway(self):
        for _second in range(300):
            told = self.world.local()
            clock.note(self.world.dbname, clock.tick(), told)
            clock.now(self.world)
            self.world.steady += 1
        self.assertEqual(self.world.asked, 0)

    def test_a_local_clock_that_is_set_is_noticed_at_once(self):
        self.assertLess(self.world.off(), 0.001)
        with (
            patch.object(clock, "_wall", lambda: self.world.wall() - 120),
            patch.object(
                clock, "utcnow", lambda: self.world.local() - timedelta(seconds=120)
            ),
        ):
            self.assertLess(self.world.off(), 0.001)

    def test_what_a_quick_statement_told_is_not_forgotten_for_a_slow_one(self):
        self.world.ahead = 0.3
        self.assertLess(self.world.off(), 0.001)
        sent = clock.tick()
        told = self.world.local() + timedelta(seconds=0.3)
        self.world.steady += 2  # it waited for a lock
        clock.note(self.world.dbname, sent, told)
        self.assertLess(self.world.off(), 0.001)

    def test_no_duration_is_negative(self):
        for ahead in (0.0, 120.0, -120.0, 0.02, -0.02):
            for way in (0.0, 0.1):
                with self.subTest(ahead=ahead, way=way):
                    clock._distances.clear()
                    self.world.ahead, self.world.way = ahead, way
                    sent = clock.tick()
                    self.world.execute("start")
                    (start,) = self.world.fetchone()
                    clock.note(self.world.dbname, sent, start)
                    self.assertGreaterEqual(clock.now(self.world), start)
        start = clock.now(self.world) + timedelta(seconds=5)
        self.assertEqual(clock.not_before(self.world, start), start)

    def test_an_aborted_transaction_goes_by_what_is_known(self):
        self.world.ahead = 120.0
        clock.now(self.world)
        self.world.steady += 100
        self.world.aborted = True
        self.assertLess(self.world.off(), 0.001)

    def test_each_database_has_its_own_clock(self):
        other = World(ahead=-40.0)
        other.dbname = "elsewhere"
        self.world.ahead = 40.0
        apart = clock.now(self.world) - clock.now(other)
        self.assertAlmostEqual(apart.total_seconds(), 80.0, places=3)

    def test_the_distance_is_told_for_those_who_set_clocks(self):
        self.world.ahead = -7.0
        self.assertAlmostEqual(clock.skew(self.world), -7.0, places=3)
