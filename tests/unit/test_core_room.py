# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A runner has no more requests under way than somebody can take."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.queue_job.core.room import Room, ceiling


class TestCeiling(unittest.TestCase):
    def test_it_is_the_operator_s_word_or_what_the_server_has(self):
        for workers, connections, wanted, expected in (
            (8, 64, None, 8),
            (0, 64, None, 21),
            (0, 2, None, 1),
            (8, 64, 30, 30),
            (0, 64, 3, 3),
        ):
            with self.subTest(workers=workers, connections=connections, wanted=wanted):
                self.assertEqual(ceiling(workers, connections, wanted), expected)


class TestRoom(unittest.TestCase):
    def test_free_requests_are_divided_over_the_hungry(self):
        room = Room(10)
        for under_way, hungry, expected in (
            (0, 1, 10),
            (4, 1, 6),
            (4, 2, 3),
            (4, 4, 1),
            (4, 100, 1),  # at least one, while there is any
            (10, 1, 0),
            (10, 100, 0),
            (12, 1, 0),  # more were allowed a moment ago
            (0, 0, 10),
        ):
            with self.subTest(under_way=under_way, hungry=hungry):
                self.assertEqual(room.share(0.0, under_way, hungry), expected)

    def test_a_request_without_an_answer_halves_it_once_for_all_of_its_time(self):
        room = Room(16)
        numbers = [room.send() for _index in range(16)]
        for number in numbers:
            room.end(number, False, 0.0)
            self.assertEqual(room.allowed, 8)
        room.end(room.send(), False, 0.0)
        self.assertEqual(room.allowed, 4)

    def test_each_answer_gives_one_back_up_to_the_ceiling(self):
        room = Room(4)
        room.end(room.send(), False, 0.0)
        found = []
        for _index in range(4):
            room.end(room.send(), True, 0.0)
            found.append(room.allowed)
        self.assertEqual(found, [3, 4, 4, 4])

    def test_each_second_gives_one_back_while_long_jobs_run(self):
        room = Room(16)
        room.end(room.send(), False, 100.0)
        for now, expected in (
            (100.9, 8),
            (101.1, 9),
            (101.9, 9),
            (104.0, 12),
            (200, 16),
        ):
            with self.subTest(now=now):
                self.assertEqual(room.share(now, 0), expected)

    def test_there_is_always_room_for_one(self):
        room = Room(0)
        for _index in range(3):
            room.end(room.send(), False, 0.0)
        self.assertEqual((room.allowed, room.share(0.0, 0)), (1, 1))

    @given(st.integers(0, 50), st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
    def test_whatever_happens_no_more_go_out_than_the_ceiling_and_never_none(
        self, most, events
    ):
        room, under_way = Room(most), []
        for answered, hungry in events:
            for _request in range(room.share(0.0, len(under_way), hungry)):
                under_way.append(room.send())
            self.assertLessEqual(len(under_way), max(1, most))
            self.assertTrue(under_way, "it never starves")
            room.end(under_way.pop(0), answered, 0.0)
