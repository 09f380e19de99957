# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""The statements of a runner's pass and of its repairs, on a real table."""

from __future__ import annotations

import uuid

from odoo.sql_db import db_connect
from odoo.tests import TransactionCase

from odoo.addons.queue_job.core.outcome import Cancelled, Failed, Retry, after_death
from odoo.addons.queue_job.storage import (
    execution,
    locks,
    presence,
    recovery,
    schedule,
)

_INSERT = """
INSERT INTO queue_job ({names}) VALUES ({values}) RETURNING id
"""
RUNNER = 4711


class JobsCase(TransactionCase):
    """Rows made by SQL; dates are seconds from now."""

    def setUp(self):
        super().setUp()
        self.cr = self.env.cr
        self.cr.execute("DELETE FROM queue_job")

    def job(self, channel="root", created=0, eta=None, **values):
        values = {
            "uuid": str(uuid.uuid4()),
            "state": "pending",
            "channel": channel,
            "priority": 10,
            "ready": True,
            **values,
        }
        dates = {"date_created": created, "eta": eta, "date_enqueued": None}
        dates.update(date_started=None)
        dates = {name: values.pop(name, value) for name, value in dates.items()}
        sqls = ["%s"] * len(values)
        for name, seconds in dates.items():
            values[name] = seconds
            sqls.append(
                "(clock_timestamp() AT TIME ZONE 'UTC') + %s * interval '1 second'"
            )
        query = _INSERT.format(names=", ".join(values), values=", ".join(sqls))
        self.cr.execute(query, list(values.values()))
        return self.cr.fetchone()[0]

    def read(self, job_id, *names):
        self.cr.execute(
            f"SELECT {', '.join(names)} FROM queue_job WHERE id = %s", (job_id,)
        )
        row = self.cr.fetchone()
        return row if len(names) > 1 else row[0]

    def states(self, *ids):
        return [self.read(job_id, "state") for job_id in ids]

    def other_cursor(self):
        """A cursor on a connection of its own."""
        cr = db_connect(self.cr.dbname).cursor()
        self.addCleanup(cr.close)
        return cr


class TestLook(JobsCase):
    def test_an_empty_queue_gives_nothing_to_do(self):
        look = schedule.look(self.cr)
        self.assertEqual(look[:6], (True, False, False, False, None, False))

    def test_a_ready_job_is_seen(self):
        self.job()
        self.assertTrue(schedule.look(self.cr).ready)

    def test_a_job_that_runs_is_seen(self):
        for state in ("enqueued", "started"):
            with self.subTest(state=state):
                self.cr.execute("DELETE FROM queue_job")
                self.job(state=state)
                look = schedule.look(self.cr)
                self.assertTrue(look.running)
                self.assertFalse(look.ready)

    def test_a_job_that_is_over_is_not_seen(self):
        for state in ("done", "failed", "cancelled", "wait_dependencies"):
            self.job(state=state)
        look = schedule.look(self.cr)
        self.assertFalse(look.ready or look.running or look.due)

    def test_the_next_date_is_told_in_seconds(self):
        self.job(ready=False, eta=100)
        self.job(ready=False, eta=50)
        look = schedule.look(self.cr)
        self.assertFalse(look.due)
        self.assertAlmostEqual(look.next_eta, 50, delta=5)

    def test_a_date_that_has_come_is_due(self):
        self.job(ready=False, eta=-1)
        self.assertTrue(schedule.look(self.cr).due)

    def test_a_job_that_waits_for_no_date_is_due(self):
        self.job(ready=False, eta=None)
        self.assertTrue(schedule.look(self.cr).due)

    def test_modules_being_installed_are_seen(self):
        module = self.env["ir.module.module"].search([("state", "=", "uninstalled")])
        for state in ("to install", "to upgrade", "to remove"):
            self.cr.execute(
                "UPDATE ir_module_module SET state = %s WHERE id = %s",
                (state, module[0].id),
            )
            self.assertTrue(schedule.look(self.cr).busy)

    def test_a_pass_of_another_runner_is_left_alone(self):
        other = self.other_cursor()
        self.assertTrue(schedule.look(other).mine)
        self.assertFalse(schedule.look(self.cr).mine)
        other.rollback()
        self.assertTrue(schedule.look(self.cr).mine)


class TestPromotion(JobsCase):
    def test_jobs_whose_date_has_come_join_the_queue(self):
        due, dateless, later = (
            self.job(ready=False, eta=-1),
            self.job(ready=False, eta=None),
            self.job(ready=False, eta=60),
        )
        self.assertEqual(schedule.promote_due(self.cr, 100), 2)
        self.assertTrue(self.read(due, "ready"))
        self.assertTrue(self.read(dateless, "ready"))
        self.assertFalse(self.read(later, "ready"))

    def test_those_that_are_due_longest_come_first(self):
        jobs = [self.job(ready=False, eta=eta) for eta in (-1, -30, -20, -40)]
        self.assertEqual(schedule.promote_due(self.cr, 2), 2)
        ready = [job for job in jobs if self.read(job, "ready")]
        self.assertEqual(ready, [jobs[1], jobs[3]])

    def test_only_pending_jobs_join(self):
        waiting = self.job(state="wait_dependencies", ready=False, eta=-1)
        self.assertEqual(schedule.promote_due(self.cr, 100), 0)
        self.assertFalse(self.read(waiting, "ready"))


class TestState(JobsCase):
    def test_what_runs_is_counted_by_channel(self):
        for state, channel in [
            ("enqueued", "root"),
            ("started", "root"),
            ("started", "root"),
            ("enqueued", "root.a"),
            ("pending", "root.a"),
            ("done", "root"),
        ]:
            self.job(channel, state=state)
        state = schedule.read(self.cr)
        self.assertEqual(state.running, {"root": (1, 2), "root.a": (1, 0)})

    def test_the_channels_are_read_as_they_stand_in_the_table(self):
        channel = self.env["queue.job.channel"].create(
            {
                "name": "t_read",
                "capacity": 3,
                "sequential": False,
                "throttle": 0.5,
                "paused": True,
            }
        )
        channel.flush_recordset()
        records = {row[0]: row[1:] for row in schedule.read(self.cr).records}
        self.assertEqual(records["root.t_read"], [3, False, 0.5, True])
        self.assertIn("root", records)

    def test_the_secret_is_the_database_s_own(self):
        secret = self.env["ir.config_parameter"].sudo().get_param("database.secret")
        self.assertTrue(secret)
        self.assertEqual(schedule.read(self.cr).secret, secret)

    def test_a_throttled_channel_tells_how_long_ago_it_started_a_job(self):
        schedule.set_throttles(self.cr, ["root.a", "root.b"])
        self.cr.execute(
            "UPDATE queue_job_throttle SET last_start = clock_timestamp()"
            " AT TIME ZONE 'UTC' - interval '20 seconds' WHERE channel = 'root.b'"
        )
        ages = schedule.read(self.cr).ages
        self.assertIsNone(ages["root.a"])
        self.assertAlmostEqual(ages["root.b"], 20, delta=5)

    def test_just_the_throttled_channels_are_stamped(self):
        schedule.set_throttles(self.cr, ["root.a", "root.b"])
        schedule.set_throttles(self.cr, ["root.b", "root.c"])
        self.assertEqual(set(schedule.read(self.cr).ages), {"root.b", "root.c"})
        schedule.set_throttles(self.cr, [])
        self.assertEqual(schedule.read(self.cr).ages, {})


class TestCandidates(JobsCase):
    def ids(self, limits, **kwargs):
        return [row[0] for row in schedule.candidates(self.cr, limits, **kwargs)]

    def test_they_come_by_priority_then_age_then_id(self):
        late = self.job(created=0)
        early = self.job(created=-50)
        urgent = self.job(created=0, priority=1)
        twins = [self.job(created=0) for _index in range(2)]
        for twin in twins:
            self.cr.execute(
                "UPDATE queue_job SET date_created = (SELECT date_created"
                " FROM queue_job WHERE id = %s) WHERE id = %s",
                (late, twin),
            )
        self.assertEqual(self.ids({"root": 10}), [urgent, early, late, *twins])

    def test_each_channel_gives_as_many_as_are_asked_for(self):
        first = [self.job("root.a", created=number) for number in range(3)]
        second = [self.job("root.b", created=number) for number in range(3)]
        self.job("root.c")
        found = self.ids({"root.a": 1, "root.b": 2})
        self.assertEqual(sorted(found), sorted([first[0], *second[:2]]))

    def test_jobs_that_are_not_ready_or_not_pending_are_left_out(self):
        self.job(ready=False, eta=60)
        self.job(state="enqueued")
        self.job(state="wait_dependencies")
        self.assertEqual(self.ids({"root": 10}), [])

    def test_a_date_in_the_future_holds_a_job_that_says_it_is_ready(self):
        self.job(ready=True, eta=60)
        due = self.job(ready=True, eta=-60)
        self.assertEqual(self.ids({"root": 10}), [due])

    def test_a_strict_channel_gives_its_first_job_that_waits_too(self):
        ready = self.job("root.s")
        held = [self.job("root.s", created=n, ready=False, eta=60) for n in (-9, -8)]
        other = self.job("root.a", ready=False, eta=60)
        limits = {"root.s": 5, "root.a": 5}
        rows = schedule.candidates(self.cr, limits, strict=["root.s", "root.full"])
        self.assertEqual(
            {row[0]: row[4] for row in rows}, {ready: True, held[0]: False}
        )
        self.assertNotIn(other, [row[0] for row in rows])

    def test_jobs_may_be_left_out_by_their_ids(self):
        first, second = self.job(created=-2), self.job(created=-1)
        self.assertEqual(self.ids({"root": 1}, without={first}), [second])

    def test_a_row_without_priority_or_date_comes_last(self):
        bare = self.job()
        self.cr.execute(
            "UPDATE queue_job SET priority = NULL, date_created = NULL WHERE id = %s",
            (bare,),
        )
        whole = self.job()
        rows = schedule.candidates(self.cr, {"root": 10})
        self.assertEqual([row[0] for row in rows], [whole, bare])
        self.assertEqual(rows, sorted(rows, key=lambda row: (row[2], row[3], row[0])))


class TestMarking(JobsCase):
    def test_the_jobs_are_taken_in_the_order_given(self):
        jobs = [self.job() for _index in range(5)]
        order = [jobs[index] for index in (3, 0, 4, 1)]
        taken = schedule.mark_enqueued(self.cr, order, RUNNER)
        self.assertEqual([job.id for job in taken], order)
        self.assertEqual(self.states(*jobs), [
            "enqueued", "enqueued", "pending", "enqueued", "enqueued"
        ])  # fmt: skip

    def test_each_time_is_a_new_attempt_of_the_runner(self):
        job = self.job("root.a")
        (taken,) = schedule.mark_enqueued(self.cr, [job], RUNNER)
        self.assertEqual((taken.attempt, taken.channel), (1, "root.a"))
        runner, attempt, enqueued = self.read(
            job, "runner", "attempt", "date_enqueued IS NOT NULL"
        )
        self.assertEqual((runner, attempt, enqueued), (RUNNER, 1, True))
        recovery.release_enqueued(self.cr, [(job, 1)])
        (again,) = schedule.mark_enqueued(self.cr, [job], RUNNER)
        self.assertEqual(again.attempt, 2)

    def test_a_job_that_is_not_pending_any_more_stays_as_it_is(self):
        jobs = {
            state: self.job(state=state)
            for state in ("enqueued", "started", "done", "failed", "cancelled")
        }
        held = self.job(ready=False, eta=60)
        taken = schedule.mark_enqueued(self.cr, [*jobs.values(), held], RUNNER)
        self.assertEqual(taken, [])
        self.assertEqual(self.states(*jobs.values()), list(jobs))


class TestGivingBack(JobsCase):
    def enqueued(self, **values):
        return self.job(
            **{"state": "enqueued", "attempt": 3, "date_enqueued": -10, **values}
        )

    def test_an_enqueued_job_goes_back_to_the_queue(self):
        job = self.enqueued(runner=RUNNER)
        self.assertEqual(recovery.release_enqueued(self.cr, [(job, 3)]), ([job], []))
        self.assertEqual(
            self.read(job, "state", "runner", "date_enqueued", "attempt"),
            ("pending", None, None, 3),
        )

    def test_it_keeps_others_with_its_identity_out(self):
        job = self.enqueued(identity_key="key")
        recovery.release_enqueued(self.cr, [(job, 3)])
        self.assertFalse(self.read(job, "identity_twin"))

    def test_another_attempt_is_left_alone(self):
        job = self.enqueued()
        self.assertEqual(recovery.release_enqueued(self.cr, [(job, 2)]), ([], []))
        self.assertEqual(self.states(job), ["enqueued"])

    def test_a_job_that_was_started_is_left_alone(self):
        job = self.enqueued(state="started")
        self.assertEqual(recovery.release_enqueued(self.cr, [(job, 3)]), ([], []))
        self.assertEqual(self.states(job), ["started"])

    def test_a_runner_that_stops_gives_all_back(self):
        ours = [self.enqueued(runner=RUNNER) for _index in range(2)]
        others = self.enqueued(runner=1)
        started = self.enqueued(runner=RUNNER, state="started")
        self.assertEqual(sorted(recovery.release_all(self.cr, RUNNER)), ours)
        self.assertEqual(self.states(others, started), ["enqueued", "started"])

    def test_the_jobs_of_a_runner_that_is_gone_go_back(self):
        gone = self.enqueued(runner=1)
        nobody = self.enqueued(runner=None)
        (first, second) = recovery.release_stale(self.cr, RUNNER, ())
        self.assertEqual({first.id, second.id}, {gone, nobody})
        self.assertEqual(self.states(gone, nobody), ["pending", "pending"])

    def test_the_jobs_of_a_runner_that_lives_stay(self):
        presence.hold_runner_here(self.other_cursor(), 1)
        job = self.enqueued(runner=1)
        self.assertEqual(recovery.release_stale(self.cr, RUNNER, ()), [])
        self.assertEqual(self.states(job), ["enqueued"])

    def test_the_jobs_of_a_runner_that_hangs_go_back(self):
        presence.hold_runner_here(self.other_cursor(), 1)
        job = self.enqueued(runner=1)
        values = dict.fromkeys(("node", "version", "kind"), "")
        values.update(pid=1, passes=0, dispatched=0, rescued=0)
        presence.heartbeat(self.cr, 1, values)
        for silence, expected in ((0.9, []), (1.1, [job])):
            self.cr.execute(
                "UPDATE queue_job_runner SET seen_at = (clock_timestamp() AT TIME ZONE"
                " 'UTC') - %s * interval '1 second' WHERE number = 1",
                (silence * recovery.SILENCE,),
            )
            released = recovery.release_stale(self.cr, RUNNER, ())
            with self.subTest(silence=silence):
                self.assertEqual([each.id for each in released], expected)

    def test_a_job_that_was_just_enqueued_stays(self):
        self.enqueued(runner=1, date_enqueued=0)
        self.assertEqual(recovery.release_stale(self.cr, RUNNER, ()), [])

    def test_our_own_stay_while_their_requests_are_under_way(self):
        flying = self.enqueued(runner=RUNNER)
        lost = self.enqueued(runner=RUNNER)
        released = recovery.release_stale(self.cr, RUNNER, [flying])
        self.assertEqual([job.id for job in released], [lost])


class TestDeadWorkers(JobsCase):
    def started(self, **values):
        return self.job(
            **{
                "state": "started",
                "attempt": 3,
                "date_started": -10,
                "date_enqueued": -11,
                "runner": RUNNER,
                "worker": "node:1",
                **values,
            }
        )

    def rescue(self, job, outcome):
        dead = recovery.seize(self.cr, job, 3)
        recovery.rescue(self.cr, dead, outcome)
        return dead

    def test_a_started_job_without_its_lock_is_an_orphan(self):
        job = self.started()
        self.assertEqual(recovery.orphans(self.cr), [(job, 3, False)])

    def test_a_started_job_with_its_lock_is_none(self):
        job = self.started()
        self.assertTrue(locks.hold_job(self.other_cursor(), job))
        self.assertEqual(recovery.orphans(self.cr), [])

    def test_the_lock_of_another_kind_with_the_same_number_is_no_sign_of_life(self):
        job = self.started()
        presence.hold_runner_here(self.other_cursor(), job)
        self.assertEqual(recovery.orphans(self.cr), [(job, 3, False)])

    def test_a_job_that_was_just_started_is_no_orphan(self):
        self.started(date_started=0)
        self.assertEqual(recovery.orphans(self.cr), [])

    def test_an_orphan_is_seized_but_once(self):
        job = self.started()
        dead = recovery.seize(self.cr, job, 3)
        self.assertEqual((dead.id, dead.deaths, dead.worker), (job, 1, "node:1"))
        self.assertFalse(dead.stopped)
        # The lock is ours now: an executor that comes late does not get it.
        self.assertFalse(locks.hold_job(self.other_cursor(), job))

    def test_a_job_that_lives_is_not_seized(self):
        job = self.started()
        locks.hold_job(self.other_cursor(), job)
        self.assertIsNone(recovery.seize(self.cr, job, 3))

    def test_another_attempt_or_a_job_that_has_ended_is_not_seized(self):
        job = self.started()
        self.assertIsNone(recovery.seize(self.cr, job, 2))
        self.cr.execute("UPDATE queue_job SET state = 'done' WHERE id = %s", (job,))
        self.assertIsNone(recovery.seize(self.cr, job, 3))

    def test_a_rescued_job_goes_back_to_the_queue(self):
        job = self.started(retry=1, identity_key="key")
        self.rescue(job, after_death(1, 3))
        state, ready, deaths, retry = self.read(
            job, "state", "ready", "deaths", "retry"
        )
        self.assertEqual((state, ready, deaths, retry), ("pending", True, 1, 1))
        self.assertEqual(
            self.read(job, "runner", "date_enqueued", "date_started", "identity_twin"),
            (None, None, None, True),
        )
        self.assertEqual(self.read(job, "exc_name"), "WorkerDied")

    def test_a_rescued_job_may_have_to_wait(self):
        job = self.started()
        self.rescue(job, Retry(60, False))
        ready, seconds = self.read(
            job,
            "ready",
            "extract(epoch FROM eta - clock_timestamp() AT TIME ZONE 'UTC')",
        )
        self.assertFalse(ready)
        self.assertAlmostEqual(float(seconds), 60, delta=5)

    def test_a_job_that_died_too_often_fails(self):
        job = self.started(deaths=2)
        dead = recovery.seize(self.cr, job, 3)
        outcome = after_death(dead.deaths, 3)
        self.assertIsInstance(outcome, Failed)
        recovery.rescue(self.cr, dead, outcome)
        self.assertEqual(
            self.read(job, "state", "deaths", "exc_name"), ("failed", 3, "WorkerDied")
        )
        self.assertIn("3 of at most 3", self.read(job, "exc_message"))

    def test_a_job_that_was_to_stop_is_cancelled(self):
        job = self.started()
        self.cr.execute(
            "INSERT INTO queue_job_stop (job_id, reason) VALUES (%s, 'enough')", (job,)
        )
        dead = recovery.seize(self.cr, job, 3)
        self.assertEqual((dead.stopped, dead.reason), (True, "enough"))
        recovery.rescue(self.cr, dead, Cancelled(dead.reason))
        state, cancelled, result = self.read(
            job, "state", "date_cancelled IS NOT NULL", "result"
        )
        self.assertEqual((state, cancelled, result), ("cancelled", True, "enough"))
        self.cr.execute("SELECT count(*) FROM queue_job_stop WHERE job_id = %s", (job,))
        self.assertEqual(self.cr.fetchone()[0], 0)

    def test_the_lost_try_is_kept(self):
        job = self.started(retry=1)
        self.rescue(job, after_death(1, 3))
        self.cr.execute(
            "SELECT attempt, outcome, worker, exc_name, exec_time FROM queue_job_try"
            " WHERE job_id = %s",
            (job,),
        )
        ((number, outcome, worker, name, seconds),) = self.cr.fetchall()
        self.assertEqual(
            (number, outcome, worker, name), (2, "died", "node:1", "WorkerDied")
        )
        self.assertAlmostEqual(seconds, 10, delta=5)

    def test_how_often_a_worker_may_die_is_the_database_s_to_say(self):
        parameters = self.env["ir.config_parameter"].sudo()
        for value, expected in (("7", 7), ("0", 0), ("some", 3), (" 4 ", 4)):
            parameters.set_param("queue_job.max_deaths", value)
            self.env.flush_all()
            self.assertEqual(recovery.max_deaths(self.cr, 3), expected)
        parameters.set_param("queue_job.max_deaths", False)
        self.env.flush_all()
        self.assertEqual(recovery.max_deaths(self.cr, 3), 3)


class TestThrottles(JobsCase):
    """A start stamps the channels above it, by their names as they are."""

    def started_in(self, channel):
        job = self.job(channel, state="enqueued", attempt=1, created=-9)
        statements = execution.start_statements(["orm_signaling_registry"])
        run = execution.Run(self.read(job, "uuid"), 1, job, "node:1", 1)
        execution.start(self.cr, statements, run)
        row, _signals = execution.read_started(self.cr, statements, run)
        self.assertEqual(row.id, job)
        return row.throttled

    def throttled(self, *names):
        self.cr.execute("DELETE FROM queue_job_throttle")
        schedule.set_throttles(self.cr, names)

    def stamped(self):
        self.cr.execute(
            "SELECT channel FROM queue_job_throttle WHERE last_start > '-infinity'"
            " ORDER BY channel"
        )
        return [row[0] for row in self.cr.fetchall()]

    def test_a_start_counts_for_its_channel_and_those_above(self):
        self.throttled("root", "root.a", "root.a.b", "root.a.b.c", "root.ab")
        self.assertTrue(self.started_in("root.a.b"))
        self.assertEqual(self.stamped(), ["root", "root.a", "root.a.b"])

    def test_no_character_of_a_name_stands_for_others(self):
        self.throttled("root.a_b", "root.a%", "root.%", "root._", "root.A", "root.a\\")
        for name in ("root.axb", "root.axb.c", "root.ab.c", "root.x.y", "root.a.b"):
            self.assertFalse(self.started_in(name), name)
        self.assertEqual(self.stamped(), [])
        self.assertTrue(self.started_in("root.a_b.c"))
        self.assertTrue(self.started_in("root.a\\.c"))
        self.assertEqual(self.stamped(), ["root.a\\", "root.a_b"])


class TestUnknownChannels(JobsCase):
    def test_a_channel_that_nobody_knows_is_told(self):
        self.job("root")
        for _index in range(3):
            self.job("root.gone")
        self.job("root.also_gone")
        self.job("root.elsewhere")
        self.assertEqual(
            recovery.unknown_channels(self.cr, ["root.elsewhere"]),
            ["root.also_gone", "root.gone"],
        )

    def test_its_jobs_fail_with_that_reason(self):
        jobs = [self.job("root.gone") for _index in range(3)]
        root = self.job("root")
        failed = recovery.refuse_pending(self.cr, "root.gone", "Name", "Reason", 2)
        self.assertEqual(len(failed), 2)
        failed += recovery.refuse_pending(self.cr, "root.gone", "Name", "Reason", 2)
        self.assertEqual(sorted(failed), jobs)
        self.assertEqual(
            self.read(jobs[0], "state", "exc_name", "exc_message"),
            ("failed", "Name", "Reason"),
        )
        self.assertEqual(self.states(root), ["pending"])

    def test_a_job_without_a_channel_belongs_to_the_root(self):
        job = self.job(None)
        self.assertEqual(recovery.unknown_channels(self.cr, ()), [])
        self.assertIsNone(self.read(job, "channel"), "looking writes nothing")
        recovery.adopt_channelless(self.cr)
        self.assertEqual(self.read(job, "channel"), "root")

    def test_an_enqueued_job_that_cannot_be_asked_for_fails(self):
        job = self.job(state="enqueued")
        recovery.refuse_enqueued(self.cr, job, "Name", "Reason")
        self.assertEqual(self.read(job, "state", "exc_name"), ("failed", "Name"))


class TestPresence(JobsCase):
    VALUES = {
        "node": "node",
        "pid": 1,
        "version": "19.0",
        "kind": "prefork",
        "passes": 1,
        "dispatched": 2,
        "rescued": 3,
    }

    def rows(self):
        self.cr.execute(
            "SELECT number, passes, dispatched, rescued FROM queue_job_runner"
            " ORDER BY number"
        )
        return self.cr.fetchall()

    def setUp(self):
        super().setUp()
        self.cr.execute("DELETE FROM queue_job_runner")

    def test_the_queue_is_in_use_here(self):
        self.assertTrue(presence.installed(self.cr))

    def test_the_queue_is_not_in_use_when_its_module_is_not_installed(self):
        self.cr.execute(
            "UPDATE ir_module_module SET state = 'uninstalled' WHERE name = 'queue_job'"
        )
        self.assertFalse(presence.installed(self.cr))

    def test_a_runner_has_one_row_that_is_kept_up_to_date(self):
        presence.heartbeat(self.cr, 1, self.VALUES)
        presence.heartbeat(self.cr, 2, self.VALUES)
        presence.heartbeat(self.cr, 1, {**self.VALUES, "passes": 9})
        self.assertEqual(self.rows(), [(1, 9, 2, 3), (2, 1, 2, 3)])
        self.assertTrue(presence.is_served(self.cr))

    def test_a_runner_that_stops_is_not_there_any_more(self):
        presence.heartbeat(self.cr, 1, self.VALUES)
        presence.leave(self.cr, 1)
        self.assertEqual(self.rows(), [])
        self.assertFalse(presence.is_served(self.cr))

    def test_a_runner_that_was_not_seen_for_long_is_forgotten(self):
        presence.heartbeat(self.cr, 1, self.VALUES)
        presence.heartbeat(self.cr, 2, self.VALUES)
        self.cr.execute(
            "UPDATE queue_job_runner SET seen_at = seen_at - interval '2 hours'"
            " WHERE number = 1"
        )
        presence.forget_gone(self.cr)
        self.assertEqual([row[0] for row in self.rows()], [2])

    def test_the_databases_of_a_user_are_listed(self):
        self.cr.execute("SELECT current_user")
        (user,) = self.cr.fetchone()
        for given in (user, None):
            names = presence.list_databases(self.cr, given, ["postgres"])
            self.assertIn(self.cr.dbname, names)
            self.assertNotIn("postgres", names)
            self.assertNotIn("template1", names)
        self.assertEqual(presence.list_databases(self.cr, "nobody_at_all", []), [])
