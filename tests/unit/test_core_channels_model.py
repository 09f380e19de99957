# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The scheduler against a naive model, and through whole histories.

The model says for one job whether it may start now, straight from the meaning
of the settings and without any bookkeeping.
"""

import dataclasses
import heapq
import itertools
import unittest

from hypothesis import event, given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core.channels import (
    Candidate,
    Channel,
    decide,
    free,
    strict,
)

PROPERTY = settings(deadline=None, database=None)

# Quarters of seconds are exact, so that ends of gaps are met exactly.
quarters = st.integers(0, 12).map(lambda number: number / 4)
capacities = st.none() | st.integers(0, 4)
seldom = st.sampled_from([False] * 5 + [True])


@st.composite
def trees(draw, capacity=capacities, paused=seldom):
    """Channels by name; some parents are not named, the root always is."""
    names = ["root"]
    for number in range(draw(st.integers(0, 6))):
        names.append(f"{draw(st.sampled_from(names))}.{'abc'[number % 3]}")
    named = {"root", *draw(st.sets(st.sampled_from(names)))}
    return {
        name: Channel(
            name,
            draw(capacity),
            draw(st.sampled_from([False, False, False, True])),
            draw(st.just(0.0) | quarters),
            draw(paused),
        )
        for name in names
        if name in named
    }


def is_in(name, above):
    return name == above or name.startswith(above + ".")


class Model:
    """What may start, given lists of (channel, has started)."""

    def __init__(self, channels, running, last_start, now):
        self.channels, self.running = channels, running
        self.last_start, self.now = last_start, now

    def may_start(self, name, throttled=True):
        above = [each for each in self.channels.values() if is_in(name, each.name)]
        return all(self.lets_start(each, throttled) for each in above)

    def lets_start(self, channel, throttled=True):
        inside = [
            started for name, started in self.running if is_in(name, channel.name)
        ]
        if channel.paused or (channel.sequential and inside):
            return False
        if channel.capacity is not None and len(inside) >= channel.capacity:
            return False
        if not throttled or not channel.throttle:
            return True
        return all(inside) and self.now >= self.gap_end(channel)

    def gap_end(self, channel):
        starts = [
            at for name, at in self.last_start.items() if is_in(name, channel.name)
        ]
        return max(starts, default=-1e9) + channel.throttle

    def decide(self, candidates):
        ids, held = [], []
        for job in sorted(
            candidates, key=lambda job: (job.priority, job.created, job.id)
        ):
            if any(is_in(job.channel, name) for name in held):
                continue
            if not self.may_start(job.channel):
                continue
            if job.eta_ready:
                ids.append(job.id)
                self.running.append((job.channel, False))
            else:
                held += [
                    each.name
                    for each in self.channels.values()
                    if each.sequential and is_in(job.channel, each.name)
                ]
        return tuple(ids)


def count(running):
    counts = {}
    for name, started in running:
        enqueued, begun = counts.get(name, (0, 0))
        counts[name] = (enqueued + (not started), begun + started)
    return counts


@st.composite
def situations(draw):
    channels = draw(trees())
    names = st.sampled_from(sorted(channels))
    running = draw(st.lists(st.tuples(names, st.booleans()), max_size=5))
    last_start = draw(st.dictionaries(names, quarters))
    small = st.integers(0, 2)
    rows = draw(st.lists(st.tuples(names, small, small, st.booleans()), max_size=12))
    candidates = [Candidate(number, *row) for number, row in enumerate(rows)]
    return channels, running, draw(st.permutations(candidates)), last_start


class TestAgainstTheModel(unittest.TestCase):
    @PROPERTY
    @given(situations(), quarters)
    def test_a_pass_decides_what_the_model_decides(self, situation, now):
        channels, running, candidates, last_start = situation
        decision = decide(channels, count(running), candidates, last_start, now)
        model = Model(channels, list(running), last_start, now)
        self.assertEqual(decision.ids, model.decide(candidates))
        event(f"started {len(decision.ids)}")

    @PROPERTY
    @given(situations(), quarters, st.integers(1, 6))
    def test_free_is_what_a_channel_alone_could_start(self, situation, now, limit):
        channels, running, _candidates, last_start = situation
        expected = {}
        for name in channels:
            model = Model(channels, list(running), last_start, now)
            many = [Candidate(number, name, 0, number) for number in range(limit)]
            expected[name] = len(model.decide(many))
        self.assertEqual(
            free(channels, count(running), last_start, now, limit), expected
        )

    @PROPERTY
    @given(situations(), quarters)
    def test_reading_only_what_is_free_changes_no_decision(self, situation, now):
        channels, running, candidates, last_start = situation
        state = (count(running), last_start, now)
        read = fetch(channels, candidates, free(channels, *state))
        arguments = (channels, state[0])
        some = decide(*arguments, read, last_start, now)
        full = decide(*arguments, candidates, last_start, now)
        self.assertEqual(some, full)

    @PROPERTY
    @given(situations(), quarters)
    def test_the_end_of_a_gap_that_holds_up_a_job_is_told(self, situation, now):
        channels, running, candidates, last_start = situation
        decision = decide(channels, count(running), candidates, last_start, now)
        for job in candidates:
            if job.id in decision.ids:
                running = [*running, (job.channel, False)]
        model = Model(channels, running, last_start, now)
        gaps = [
            model.gap_end(channel) - now
            for job in candidates
            for channel in channels.values()
            if is_in(job.channel, channel.name)
            and channel.throttle
            and model.may_start(job.channel, throttled=False)
            and all(started for name, started in running if is_in(name, channel.name))
            and model.gap_end(channel) > now
        ]
        if gaps:
            self.assertIsNotNone(decision.wake_after)
            self.assertLessEqual(decision.wake_after, min(gaps))
        event(f"gaps {len(gaps)}")

    @PROPERTY
    @given(situations(), quarters)
    def test_a_pass_without_throttles_asks_for_no_wake(self, situation, now):
        channels, running, candidates, last_start = situation
        calm = {
            name: dataclasses.replace(channel, throttle=0.0)
            for name, channel in channels.items()
        }
        decision = decide(calm, count(running), candidates, last_start, now)
        self.assertIsNone(decision.wake_after)


def fetch(channels, pending, worth):
    """What the storage reads: of each channel its first ready jobs; of a strict
    one its first job, ready or not."""
    heads = strict(channels)
    rows = []
    for name, number in worth.items():
        line = sorted(
            (job for job in pending if job.channel == name),
            key=lambda job: (job.priority, job.created, job.id),
        )
        ready = [job for job in line if name in heads or job.eta_ready]
        rows += ready[:number]
    return rows


@dataclasses.dataclass
class Job:
    id: int
    channel: str
    priority: int
    created: float
    eta: float
    to_start: float
    to_end: float
    enqueued: float | None = None
    started: float | None = None
    ended: float | None = None

    @property
    def order(self):
        return self.priority, self.created, self.id

    @property
    def available(self):
        return max(self.eta, self.created)


class History:
    """A runner with a virtual clock.

    It looks at the queue only when a job is created, becomes ready or ends, and
    when the last pass asked for it: never because a job has started.
    """

    def __init__(self, channels, jobs):
        self.channels, self.jobs = channels, jobs
        self.now, self.passes = 0.0, 0
        self.agenda = []
        for job in jobs:
            self.at(job.created, "pass")
            self.at(job.available, "pass")

    def at(self, when, what, job=None):
        heapq.heappush(self.agenda, (when, what, job.id if job else -1))

    def play(self):
        by_id = {job.id: job for job in self.jobs}
        while self.agenda:
            self.now = self.agenda[0][0]
            # What happens at the same instant is seen by one pass.
            happened = set()
            while self.agenda and self.agenda[0][0] == self.now:
                _when, what, number = heapq.heappop(self.agenda)
                happened.add(what)
                self.happen(what, by_id.get(number))
            if happened != {"start"}:
                self.do_pass(by_id)

    def happen(self, what, job):
        if what == "start":
            job.started = self.now
            self.at(self.now + job.to_end, "end", job)
        elif what == "end":
            job.ended = self.now

    def do_pass(self, by_id):
        self.passes += 1
        assert self.passes < 1000, "The scheduler spins."
        running, last_start = self.running(), self.last_start()
        pending = [
            Candidate(
                job.id, job.channel, job.priority, job.created, job.eta <= self.now
            )
            for job in self.jobs
            if job.enqueued is None and job.created <= self.now
        ]
        worth = free(self.channels, count(running), last_start, self.now)
        read = fetch(self.channels, pending, worth)
        decision = decide(self.channels, count(running), read, last_start, self.now)
        for number in decision.ids:
            job = by_id[number]
            job.enqueued = self.now
            self.at(self.now + job.to_start, "start", job)
        # A runner forgets the wish of an earlier pass; the next one repeats it.
        self.agenda = [entry for entry in self.agenda if entry[1] != "wake"]
        heapq.heapify(self.agenda)
        waiting = any(job.enqueued is None for job in self.jobs)
        if decision.wake_after is not None and waiting:
            self.at(self.now + decision.wake_after, "wake")

    def running(self):
        return [
            (job.channel, job.started is not None)
            for job in self.jobs
            if job.enqueued is not None and job.ended is None
        ]

    def last_start(self):
        starts = {}
        for job in self.jobs:
            if job.started is not None:
                starts[job.channel] = max(job.started, starts.get(job.channel, 0.0))
        return starts


at_least_one = st.none() | st.integers(1, 4)


@st.composite
def histories(draw):
    channels = draw(trees(at_least_one, st.just(False)))
    names = st.sampled_from(sorted(channels))
    jobs = [
        Job(
            number,
            draw(names),
            draw(st.integers(0, 2)),
            draw(quarters),
            draw(st.just(0.0) | quarters),
            draw(st.sampled_from([0.25, 0.5])),
            draw(quarters),
        )
        for number in range(draw(st.integers(1, 14)))
    ]
    history = History(channels, jobs)
    history.play()
    return history


class TestHistories(unittest.TestCase):
    def inside(self, history, name):
        return [job for job in history.jobs if is_in(job.channel, name)]

    @PROPERTY
    @given(histories())
    def test_every_job_runs_and_none_before_its_eta(self, history):
        for job in history.jobs:
            self.assertIsNotNone(job.ended)
            self.assertGreaterEqual(job.enqueued, job.available)

    @PROPERTY
    @given(histories())
    def test_no_channel_ever_holds_more_than_its_capacity(self, history):
        for channel in history.channels.values():
            places = 1 if channel.sequential else channel.capacity
            if places is None:
                continue
            inside = self.inside(history, channel.name)
            for instant in [job.enqueued for job in inside]:
                held = [job for job in inside if job.enqueued <= instant < job.ended]
                self.assertLessEqual(len(held), places)

    @PROPERTY
    @given(histories())
    def test_a_throttle_keeps_its_gap_between_starts(self, history):
        for channel in history.channels.values():
            starts = sorted(job.started for job in self.inside(history, channel.name))
            for one, following in itertools.pairwise(starts):
                self.assertGreaterEqual(following - one, channel.throttle)

    @PROPERTY
    @given(histories())
    def test_within_a_channel_the_better_one_of_two_ready_jobs_goes_first(
        self, history
    ):
        for job in history.jobs:
            for other in history.jobs:
                if job.channel == other.channel and job.order < other.order:
                    overtaken = job.available <= other.enqueued < job.enqueued
                    self.assertFalse(overtaken)

    @PROPERTY
    @given(histories())
    def test_a_sequential_channel_runs_strictly_in_order(self, history):
        for channel in history.channels.values():
            if not channel.sequential:
                continue
            inside = [
                job
                for job in self.inside(history, channel.name)
                if self.is_in_line(history, channel, job)
            ]
            for job in inside:
                for other in inside:
                    if job.order < other.order and job.created <= other.enqueued:
                        self.assertLessEqual(job.ended, other.enqueued)

    def is_in_line(self, history, channel, job):
        """A throttle further down takes a job out of the line for a while."""
        below = [
            each
            for each in history.channels.values()
            if is_in(job.channel, each.name)
            and is_in(each.name, channel.name)
            and each.name != channel.name
        ]
        return not any(each.throttle for each in below)

    @PROPERTY
    @given(histories())
    def test_no_job_waits_that_could_run(self, history):
        """Checked at every instant at which anything happened."""
        instants = {job.available for job in history.jobs}
        instants |= {job.ended for job in history.jobs}
        instants |= {job.enqueued for job in history.jobs}
        for now in instants:
            for job in self.idle(history, now):
                self.assertTrue(self.is_behind(history, job, now), (now, job))

    def idle(self, history, now):
        """The ready jobs that wait at `now` although the model lets them start."""
        running = [
            (job.channel, job.started <= now)
            for job in history.jobs
            if job.enqueued <= now < job.ended
        ]
        last_start = {}
        for job in sorted(history.jobs, key=lambda job: job.started):
            if job.started <= now:
                last_start[job.channel] = job.started
        model = Model(history.channels, running, last_start, now)
        return [
            job
            for job in history.jobs
            if job.available <= now < job.enqueued and model.may_start(job.channel)
        ]

    def is_behind(self, history, job, now):
        """Whether a better one in a sequential channel is still to come."""
        lines = [
            each.name
            for each in history.channels.values()
            if each.sequential and is_in(job.channel, each.name)
        ]
        return any(
            other.created <= now < other.available and other.order < job.order
            for other in history.jobs
            if any(is_in(other.channel, name) for name in lines)
        )
