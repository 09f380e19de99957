# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The scheduler, case by case."""

import unittest

from odoo.addons.queue_job.core import channels as scheduler
from odoo.addons.queue_job.core.channels import Candidate, Channel

NOW = 1000.0


def tree(*channels):
    return {channel.name: channel for channel in channels}


def jobs(*rows):
    """Candidates (channel, priority) or (channel, priority, ready), ids from 1."""
    return [
        Candidate(number, row[0], row[1], number, *row[2:])
        for number, row in enumerate(rows, start=1)
    ]


class TestNames(unittest.TestCase):
    def test_ancestors_are_listed_nearest_first(self):
        self.assertEqual(scheduler.ancestors("root"), ())
        self.assertEqual(scheduler.ancestors("root.a.b"), ("root.a", "root"))

    def test_the_nearest_known_channel_stands_for_one_that_has_gone(self):
        known = {"root", "root.a"}
        for name, nearest in (
            ("root", "root"),
            ("root.a", "root.a"),
            ("root.a.gone.too", "root.a"),
            ("root.ab", "root"),
            ("elsewhere", "root"),
        ):
            with self.subTest(name=name):
                self.assertEqual(scheduler.nearest(name, known), nearest)

    def test_what_lies_below_a_sequential_channel_is_strict_too(self):
        channels = tree(
            Channel("root", 4),
            Channel("root.s", 1, sequential=True),
            Channel("root.s.x.y"),
            Channel("root.st"),
        )
        self.assertEqual(scheduler.strict(channels), {"root.s", "root.s.x.y"})
        self.assertEqual(scheduler.strict(tree(Channel("root", 4))), set())


class TestFree(unittest.TestCase):
    def check(self, channels, expected, running=None, last_start=None, limit=100):
        free = scheduler.free(
            tree(*channels), running or {}, last_start or {}, NOW, limit
        )
        self.assertEqual(free, expected)

    def test_the_narrowest_of_a_channel_and_its_ancestors_decides(self):
        self.check(
            [
                Channel("root", 5),
                Channel("root.a", 3),
                Channel("root.a.b", 9),
                Channel("root.c"),
                Channel("root.d.e", 2),
            ],
            {"root": 5, "root.a": 3, "root.a.b": 3, "root.c": 5, "root.d.e": 2},
        )

    def test_what_runs_takes_room_in_every_ancestor(self):
        self.check(
            [
                Channel("root", 5),
                Channel("root.a", 3),
                Channel("root.a.b"),
                Channel("root.c"),
            ],
            {"root": 2, "root.a": 0, "root.a.b": 0, "root.c": 2},
            running={"root.a.b": (1, 1), "root.a": (0, 1)},
        )

    def test_a_job_of_a_channel_that_has_gone_takes_room_in_the_nearest(self):
        self.check(
            [Channel("root", 5), Channel("root.a", 3)],
            {"root": 4, "root.a": 2},
            running={"root.a.gone": (0, 1)},
        )

    def test_more_running_than_the_capacity_now_says_is_no_room(self):
        self.check([Channel("root", 2)], {"root": 0}, running={"root": (2, 3)})

    def test_capacity_zero_lets_nothing_run(self):
        self.check([Channel("root", 0), Channel("root.a", 3)], {"root": 0, "root.a": 0})

    def test_a_paused_channel_holds_all_below_it(self):
        self.check(
            [
                Channel("root", 5),
                Channel("root.a", paused=True),
                Channel("root.a.b", 2),
                Channel("root.c"),
            ],
            {"root": 5, "root.a": 0, "root.a.b": 0, "root.c": 5},
        )

    def test_without_a_limit_no_more_than_asked_is_read(self):
        self.check(
            [Channel("root"), Channel("root.a", 3)], {"root": 7, "root.a": 3}, limit=7
        )
        self.check([Channel("root", 50)], {"root": 7}, limit=7)

    def test_a_sequential_channel_is_worth_one(self):
        sequential = Channel("root.s", None, sequential=True)
        self.check(
            [Channel("root", 5), sequential, Channel("root.s.a", 4)],
            {"root": 5, "root.s": 1, "root.s.a": 1},
        )
        self.check(
            [Channel("root", 5), sequential, Channel("root.s.a", 4)],
            {"root": 4, "root.s": 0, "root.s.a": 0},
            running={"root.s.a": (0, 1)},
        )

    def test_a_throttled_channel_is_worth_one_when_its_gap_is_over(self):
        channels = [
            Channel("root", 5),
            Channel("root.t", 3, throttle=2),
            Channel("root.t.a"),
        ]
        for running, last_start, worth in (
            ({}, {}, 1),
            ({}, {"root.t": NOW - 2}, 1),
            ({}, {"root.t": NOW - 1.75}, 0),
            ({}, {"root.t.a": NOW - 1.75}, 0),
            ({}, {"root.t": NOW - 9, "root.t.a": NOW - 1}, 0),
            ({}, {"root.t": NOW - 1, "root.t.a": NOW - 9}, 0),
            ({"root.t": (1, 0)}, {}, 0),
            ({"root.t.a": (1, 0)}, {"root.t": NOW - 9}, 0),
            ({"root.t": (0, 1)}, {"root.t": NOW - 9}, 1),
            ({"root.t": (0, 3)}, {"root.t": NOW - 9}, 0),
        ):
            with self.subTest(running=running, last_start=last_start):
                taken = sum(map(sum, running.values()))
                self.check(
                    channels,
                    {"root": 5 - taken, "root.t": worth, "root.t.a": worth},
                    running,
                    last_start,
                )


class TestDecide(unittest.TestCase):
    def check(
        self, channels, candidates, ids, wake=None, running=None, last_start=None
    ):
        decision = scheduler.decide(
            tree(*channels), running or {}, candidates, last_start or {}, NOW
        )
        self.assertEqual(decision.ids, ids)
        self.assertEqual(decision.wake_after, wake)

    def test_lower_priority_numbers_go_first_then_age_then_id(self):
        rows = [
            Candidate(1, "root", 10, 5.0),
            Candidate(2, "root", 10, 4.0),
            Candidate(4, "root", 10, 4.0),
            Candidate(3, "root", 10, 4.0),
            Candidate(5, "root", 0, 9.0),
        ]
        self.check([Channel("root", 9)], rows, (5, 2, 3, 4, 1))
        self.check([Channel("root", 2)], rows, (5, 2))

    def test_nothing_starts_where_an_ancestor_is_full(self):
        self.check(
            [Channel("root", 3), Channel("root.a", 1), Channel("root.a.b", 2)],
            jobs(("root.a.b", 1), ("root.a", 2), ("root", 3), ("root", 4), ("root", 5)),
            (1, 3, 4),
        )

    def test_what_runs_already_counts(self):
        self.check(
            [Channel("root", 3), Channel("root.a", 2)],
            jobs(("root.a", 1), ("root.a", 1), ("root", 1)),
            (1, 3),
            running={"root.a": (1, 0)},
        )

    def test_a_job_of_an_unknown_channel_runs_in_the_nearest_known(self):
        self.check(
            [Channel("root", 3), Channel("root.a", 1)],
            jobs(("root.a.gone", 1), ("root.a", 1), ("gone", 1)),
            (1, 3),
        )

    def test_a_paused_channel_starts_nothing(self):
        self.check(
            [Channel("root", 3), Channel("root.a", paused=True)],
            jobs(("root.a", 1), ("root.a.b", 1), ("root", 1)),
            (3,),
        )

    def test_a_job_that_is_not_ready_is_never_started(self):
        self.check([Channel("root", 3)], jobs(("root", 1, False), ("root", 2)), (2,))

    def test_a_sequential_channel_waits_for_its_first_job(self):
        channels = [Channel("root", 3), Channel("root.s", 1, sequential=True)]
        rows = jobs(("root.s", 1, False), ("root.s", 2), ("root", 3))
        self.check(channels, rows, (3,))
        rows = jobs(("root.s", 2, False), ("root.s", 1), ("root", 3))
        self.check(channels, rows, (2, 3))

    def test_a_sequential_channel_waits_for_the_first_job_of_all_below_it(self):
        self.check(
            [Channel("root", 3), Channel("root.s", None, True), Channel("root.s.a", 4)],
            jobs(("root.s.a", 1, False), ("root.s.b", 2), ("root.s", 3), ("root.t", 4)),
            (4,),
        )

    def test_a_sequential_channel_without_a_capacity_runs_one_by_one(self):
        channels = [Channel("root", 3), Channel("root.s", None, sequential=True)]
        rows = jobs(("root.s", 1), ("root.s", 1))
        self.check(channels, rows, (1,))
        self.check(channels, rows, (), running={"root.s": (0, 1)})

    def test_a_paused_channel_is_not_what_a_sequential_one_waits_for(self):
        self.check(
            [
                Channel("root", 3),
                Channel("root.s", 1, True),
                Channel("root.s.p", paused=True),
            ],
            jobs(("root.s.p", 1, False), ("root.s.p", 1), ("root.s", 2)),
            (3,),
        )

    def test_a_throttled_channel_starts_one_and_is_looked_at_after_the_gap(self):
        self.check(
            [Channel("root", 3), Channel("root.t", throttle=2)],
            jobs(("root.t", 1), ("root.t", 1), ("root", 1)),
            (1, 3),
            wake=2,
        )

    def test_a_throttle_holds_for_everything_below_it(self):
        self.check(
            [Channel("root", 3), Channel("root.t", throttle=2), Channel("root.t.a", 3)],
            jobs(("root.t.a", 1), ("root.t.b", 1), ("root.t", 1)),
            (1,),
            wake=2,
        )

    def test_while_the_gap_lasts_nothing_starts_and_its_end_is_told(self):
        channels = [
            Channel("root", 3),
            Channel("root.t", throttle=2),
            Channel("root.u", throttle=9),
        ]
        last_start = {"root.t": NOW - 0.5, "root.u": NOW - 8.75}
        rows = jobs(("root.t", 1), ("root.u", 1))
        self.check(channels, rows, (), wake=0.25, last_start=last_start)
        last_start["root.u"] = NOW - 9
        self.check(channels, rows, (2,), wake=1.5, last_start=last_start)

    def test_a_throttled_channel_without_a_place_asks_for_nothing(self):
        full = [Channel("root", 3), Channel("root.t", 1, throttle=2)]
        last_start = {"root.t": NOW - 1}
        self.check(full, [], (), running={"root.t": (0, 1)}, last_start=last_start)
        above = [Channel("root", 1), Channel("root.t", 2, throttle=2)]
        self.check(above, [], (), running={"root": (1, 0)}, last_start=last_start)
        below_a_gap = [Channel("root", 1), Channel("root.gone.t", throttle=2)]
        last = {"root.gone.t": NOW - 1}
        self.check(below_a_gap, [], (), running={"root": (0, 1)}, last_start=last)
        paused = [Channel("root", 3), Channel("root.t", throttle=2, paused=True)]
        self.check(paused, [], (), last_start=last_start)

    def test_a_throttled_channel_that_this_pass_fills_asks_for_nothing(self):
        channels = [Channel("root", 3), Channel("root.t", 1, throttle=2)]
        self.check(channels, jobs(("root.t", 1), ("root.t", 1)), (1,))
        channels = [Channel("root", 1), Channel("root.t", 2, throttle=2)]
        self.check(channels, jobs(("root.t", 1), ("root.t", 1)), (1,))

    def test_a_throttled_channel_that_has_been_quiet_asks_for_nothing(self):
        channels = [Channel("root", 3), Channel("root.t", throttle=2)]
        self.check(channels, [], (), last_start={"root.t": NOW - 2})
        self.check(channels, [], ())

    def test_a_tiny_throttle_does_not_make_the_runner_spin(self):
        channels = [Channel("root", 3), Channel("root.t", throttle=1e-9)]
        self.check(channels, [], (), wake=0.05, running={"root.t": (1, 0)})

    def test_without_channels_or_candidates_nothing_is_decided(self):
        self.check([], [], ())
        self.check([Channel("root", 3)], [], ())
