# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sub-commands of ``odoo-bin queue_job``, without the process around them."""

import contextlib
import io
import json
import os
from types import SimpleNamespace
from unittest.mock import patch

from odoo.cli.command import find_command
from odoo.tests.common import BaseCase
from odoo.tools import config as odoo_config

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.console import (
    Refused,
    checking,
    commands,
    reading,
    texts,
)
from odoo.addons.queue_job.core import channel_config

from .test_operations import OperationsCase


class TestStatus(OperationsCase):
    def test_the_status_is_told_as_text(self):
        self.runner()
        self.channel("one", capacity=3, sequential=False, throttle=0.5)
        self.waiting(125, "root.one")
        self.job("failed", channel="root.one")
        self.job(ended=20)
        self.add_up()
        found = self.status()
        self.assertFalse(found["ok"])
        text = texts.status(found)
        self.assertIn("jobs are executed by the runner", text)
        self.assertIn("ERROR: Jobs wait although", text)
        line = next(each for each in text.splitlines() if "root.one  " in each)
        self.assertEqual(
            line.split(),
            [
                "root.one",
                "3",
                "(throttle",
                "0.5",
                "s)",
                "0",
                "1",
                "0",
                "1",
                "2.1",
                "min",
            ],
        )
        self.assertRegex(text, r"node +1 +threaded +1 +7 +5 +2")
        self.assertIn("Last hour: 1 done, 0 failed", text)

    def test_a_healthy_queue_is_as_it_was_asked_for(self):
        self.runner()
        found = self.status()
        self.assertTrue(found["ok"])
        self.assertNotIn("ERROR", texts.status(found))

    def test_the_status_can_be_written_as_json(self):
        self.runner()
        self.waiting(10)
        found = json.loads(json.dumps(self.status()))
        self.assertEqual(found["channels"][0]["pending"], 1)
        self.assertEqual(found["runners"][0]["pid"], 1)
        self.assertEqual(found["database"], self.cr.dbname)

    def test_a_channel_without_a_record_or_a_limit_is_told_too(self):
        self.waiting(10, "root.gone")
        self.channel("free", capacity=0)
        self.channel("strict", capacity=1, sequential=True, paused=True)
        text = texts.status(self.status())
        self.assertRegex(text, r"root.gone +- +0 +1")
        self.assertRegex(text, r"root.free +- ")
        self.assertRegex(text, r"root.strict +1 \(sequential, paused\)")


class TestPause(OperationsCase):
    def test_a_channel_is_paused_and_resumed(self):
        channel = self.channel("one")
        found = commands.pause(self.env, "one", True)
        self.assertTrue(found["ok"] and found["paused"] and channel.paused)
        self.assertEqual(texts.pause(found), "Channel root.one is paused.")
        found = commands.pause(self.env, "root.one", False)
        self.assertTrue(found["ok"])
        self.assertFalse(found["paused"] or channel.paused)
        self.assertEqual(texts.pause(found), "Channel root.one is active.")

    def test_what_the_configuration_says_wins_and_is_told(self):
        self.channel("one")
        self.configure(channels=tuple(channel_config.parse("root.one:2:paused")))
        found = commands.pause(self.env, "root.one", False)
        self.assertFalse(found["ok"])
        self.assertIn("configuration", texts.pause(found))

    def test_a_channel_that_lets_nothing_run_is_not_resumed(self):
        self.channel("one")
        self.configure(channels=tuple(channel_config.parse("root.one:0")))
        found = commands.pause(self.env, "root.one", False)
        self.assertFalse(found["ok"])

    def test_an_unknown_channel_is_refused_with_those_there_are(self):
        self.channel("one")
        with self.assertRaisesRegex(Refused, "no channel root.two.*root, .*root.one"):
            commands.pause(self.env, "two", True)

    def test_a_name_that_is_none_is_refused(self):
        with self.assertRaises(Refused):
            commands.pause(self.env, "a:b", True)

    def test_a_channel_of_the_configuration_alone_is_refused(self):
        self.configure(channels=tuple(channel_config.parse("root.conf:2")))
        self.env.registry.clear_cache()
        with self.assertRaisesRegex(Refused, "configuration"):
            commands.pause(self.env, "conf", True)


class TestSelection(OperationsCase):
    def setUp(self):
        super().setUp()
        patched = patch.object(self.cr, "commit")
        self.commit = patched.start()
        self.addCleanup(patched.stop)

    def found(self, **conditions):
        return self.env["queue.job"].search(commands.domain(**conditions)).ids

    def test_conditions_of_one_kind_are_alternatives_those_of_more_all_hold(self):
        one = self.job("failed", channel="root.a", method_name="read", uuid="1")
        two = self.job("failed", channel="root.a.b", uuid="2")
        three = self.job("pending", channel="root.ab", uuid="3")
        for conditions, wanted in (
            ({}, [one, two, three]),
            ({"uuids": ["1", "3"]}, [one, three]),
            ({"chosen": ["failed"]}, [one, two]),
            ({"chosen": ["failed", "pending"]}, [one, two, three]),
            ({"channels": ["a"]}, [one, two]),
            ({"channels": ["root.a.b", "root.ab"]}, [two, three]),
            ({"methods": ["res.partner.read"]}, [one]),
            ({"methods": ["<res.partner>.read", "res.partner.write"]},
             [one, two, three]),
            ({"channels": ["a"], "methods": ["res.partner.write"]}, [two]),
        ):  # fmt: skip
            self.assertCountEqual(self.found(**conditions), wanted, conditions)

    def test_signs_of_patterns_in_a_channel_are_signs_only(self):
        self.job(channel="root.axb.c")
        job = self.job(channel="root.a_b.c")
        self.assertEqual(self.found(channels=["root.a_b"]), [job])

    def test_a_method_needs_its_model(self):
        with self.assertRaisesRegex(Refused, "model.method"):
            commands.domain(methods=["write"])

    def test_jobs_are_requeued_batch_by_batch(self):
        jobs = [self.job("failed") for _index in range(3)]
        done = self.job("started")
        with patch.object(commands, "_BATCH", 2):
            found = commands.requeue(self.env, commands.domain())
        self.assertEqual((found["found"], found["requeued"]), (4, 3))
        self.assertTrue(found["ok"])
        self.assertEqual(texts.move(found), "4 jobs match, 3 were requeued.")
        self.assertEqual(self.commit.call_count, 2)
        states = self.env["queue.job"].browse(jobs + [done]).mapped("state")
        self.assertEqual(states, ["pending"] * 3 + ["started"])

    def test_jobs_are_cancelled_and_running_ones_asked_to_stop(self):
        pending, started = self.job("pending"), self.job("started")
        found = commands.cancel(self.env, commands.domain())
        self.assertEqual(found["cancelled"], 2)
        self.assertEqual(texts.move(found), "2 jobs match, 2 were cancelled.")
        job = self.env["queue.job"].browse(pending)
        self.assertEqual((job.state, job.result),
                         ("cancelled", "Cancelled from the command line"))  # fmt: skip
        self.assertIn(started, storage.transition.stops(self.cr, [started]))

    def test_a_dry_run_changes_nothing(self):
        job = self.job("failed")
        found = commands.requeue(self.env, commands.domain(), dry_run=True)
        self.assertEqual(texts.move(found), "1 jobs match; nothing was done.")
        self.assertEqual(self.env["queue.job"].browse(job).state, "failed")
        self.commit.assert_not_called()

    def test_no_match_is_not_what_was_asked_for(self):
        found = commands.requeue(self.env, commands.domain(uuids=["none"]))
        self.assertFalse(found["ok"])
        self.assertEqual(texts.move(found), "No job matches.")

    def test_jobs_are_set_done(self):
        job = self.job("failed")
        found = commands.done(self.env, commands.domain())
        self.assertEqual(texts.move(found), "1 jobs match, 1 were set done.")
        self.assertEqual(self.env["queue.job"].browse(job).state, "done")

    def test_a_channel_that_is_none_is_told_with_what_was_meant(self):
        self.channel("export")
        commands.check_channels(self.env, ["export", "root"])
        with self.assertRaisesRegex(Refused, "Did you mean root.export[?]"):
            commands.check_channels(self.env, ["root.exprot"])
        # a channel that has gone, with jobs left in it
        self.job("failed", channel="root.gone")
        commands.check_channels(self.env, ["gone"])


class TestReading(OperationsCase):
    def test_jobs_are_listed_by_all_their_conditions(self):
        below = self.uuid(self.job("failed", channel="root.a.b"))
        other = self.uuid(self.job("failed", channel="root.ab"))
        self.job("done", channel="root.a")
        for conditions, wanted in (
            ({"channels": ["a"], "chosen": ["failed"]}, [below]),
            ({"chosen": ["failed"], "methods": ["res.partner.write"]}, [other, below]),
            ({"chosen": ["failed"], "methods": ["<res.partner>.read"]}, []),
            ({"uuids": [other]}, [other]),
        ):
            with self.subTest(conditions):
                found = reading.list_jobs(self.cr, **conditions)
                self.assertEqual([job["uuid"] for job in found["jobs"]], wanted)
                self.assertEqual(found["ok"], bool(wanted))
        self.assertEqual(len(reading.list_jobs(self.cr, limit=2)["jobs"]), 2)
        self.assertIn("root.a.b", texts.jobs(reading.list_jobs(self.cr)))

    def uuid(self, job_id):
        return self.env["queue.job"].browse(job_id).uuid

    def test_the_failed_job_that_holds_a_waiting_one_is_told_however_far_above(self):
        first, second, third = (
            self.env["test.queue.effect"].delayable().leave("") for _index in range(3)
        )
        first.on_done(second.on_done(third))
        first.delay()
        self.env["queue.job"].flush_model()
        uuids = [each._generated_job.uuid for each in (first, second, third)]
        self.assertEqual(reading.show(self.cr, uuids[2])["job"]["held_by"], [])
        self.cr.execute(
            "UPDATE queue_job SET state = 'failed', exc_message = 'No paper'"
            " WHERE uuid = %s",
            (uuids[0],),
        )
        for uuid in uuids[1:]:
            found = reading.show(self.cr, uuid)
            (held_by,) = found["job"]["held_by"]
            self.assertEqual(held_by["uuid"], uuids[0])
            line = f"held by: failed job {uuids[0]} (test.queue.effect.leave): No paper"
            self.assertIn(line, texts.job(found))
        self.assertEqual(reading.show(self.cr, uuids[0])["job"]["held_by"], [])

    def test_a_job_is_shown_with_its_attempts(self):
        job = self.job("failed", exc_name="ValueError", exc_message="no price")
        self.tried(job, "failed", exc_name="ValueError", attempt=1)
        found = reading.show(self.cr, self.uuid(job))
        json.dumps(found)
        text = texts.job(found)
        self.assertIn("exc_message: no price", text)
        self.assertIn("attempt 1: failed", text)

    def test_texts_of_a_job_are_no_lines_of_the_command(self):
        text = "well\nstate: done\nattempt 1: done"
        job = self.job("failed", exc_message=text, exc_info=text, result=text)
        self.tried(job, "failed", exc_message=text, attempt=1)
        lines = texts.job(reading.show(self.cr, self.uuid(job))).splitlines()
        found = [line for line in lines if line.startswith(("state:", "attempt 1:"))]
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0], "state: failed")
        self.assertTrue(found[1].startswith("attempt 1: failed"))

    def test_no_such_job_is_refused(self):
        with self.assertRaisesRegex(Refused, "There is no job nothing"):
            reading.show(self.cr, "nothing")


class TestCheck(OperationsCase):
    def setUp(self):
        super().setUp()
        self.runner()
        self.set(dbfilter="", workers=0)

    def set(self, **options):
        names = ["base", "web", "queue_job"]
        options = {"server_wide_modules": names, **options}
        self.enterContext(patch.dict(odoo_config.options, options))

    def codes(self):
        found = checking.check(self.env)
        self.assertEqual(
            found["ok"], not any(each["error"] for each in found["findings"])
        )
        self.assertTrue(texts.check(found))
        return {each["code"] for each in found["findings"]} - self.before

    before = frozenset()

    def test_each_mistake_is_named(self):
        self.before = self.codes()
        for mistake, code in (
            (lambda: self.waiting(1, "root.nowhere"), "jobs_in_unknown_channel"),
            (lambda: self.waiting(1, method_name="t_gone"), "method_gone"),
            (lambda: self.waiting(1, model_name="t.gone"), "method_gone"),
            (lambda: self.set(dbfilter="^another$"), "dbfilter"),
            (lambda: self.cr.execute("DELETE FROM queue_job_runner"), "runner_missing"),
            (lambda: self.set(server_wide_modules=["base"]), "not_server_wide"),
            (self.function_gone, "function_gone"),
            (self.skewed, "clock_skew"),
            (self.crowded, "capacity_above_workers"),
            (lambda: self.written("root:nonsense"), "bad_option"),
            (lambda: self.written("root:4,root.exprot:2"), "unknown_channel"),
        ):
            with self.subTest(code), self.env.cr.savepoint():
                mistake()
                self.assertIn(code, self.codes())

    def function_gone(self):
        self.env["queue.job.function"].create({"name": "<res.partner>.t_gone"})

    def skewed(self):
        self.enterContext(patch.object(checking.time, "time", lambda: 0.0))

    def crowded(self):
        self.set(workers=2)
        self.env.ref("queue_job.channel_root").capacity = 3

    def written(self, text):
        name = {"ODOO_QUEUE_JOB_CHANNELS": text}
        self.enterContext(patch.dict(os.environ, name))


class TestTexts(BaseCase):
    def test_a_duration_has_the_unit_that_suits_it(self):
        for seconds, text in (
            (None, "-"),
            (0.0123, "12.3 ms"),
            (1.26, "1.3 s"),
            (90, "1.5 min"),
            (5400, "1.5 h"),
            (129600, "1.5 d"),
        ):
            self.assertEqual(texts.duration(seconds), text)

    def test_executed_jobs_are_told_by_what_became_of_them(self):
        found = {"executed": 6, "done": 3, "failed": 1, "retry": 2, "cancelled": 0}
        self.assertEqual(
            texts.run(found),
            "6 jobs executed: 3 done, 1 failed, 2 to be tried again, 0 cancelled.",
        )

    def test_the_rates_of_a_benchmark_are_told(self):
        text = texts.bench(
            {
                "jobs": 10,
                "enqueue_seconds": 0.5,
                "enqueue_per_second": 20,
                "executed_by": "here",
                "channel": "root",
                "done": 0,
                "execute_seconds": None,
                "execute_per_second": None,
                "wait": {"p50": None, "p95": None},
                "run": {"p50": 0.1, "p95": 2},
            }
        )
        self.assertIn("Enqueued 10 jobs in 500 ms: 20 per second.", text)
        self.assertIn(
            "Executed 0 of them in -, in channel root by this process: 0", text
        )
        self.assertIn("They ran p50 100 ms, p95 2.0 s.", text)


class TestArguments(BaseCase):
    def refused(self, *args):
        """What is written when the arguments are refused."""
        command = find_command("queue_job")()
        error = io.StringIO()
        with contextlib.redirect_stderr(error), self.assertRaises(SystemExit) as exit_:
            command.run(list(args))
        self.assertEqual(exit_.exception.code, 2)
        return error.getvalue()

    def test_odoo_finds_the_command(self):
        self.assertEqual(find_command("queue_job").name, "queue_job")

    def test_what_jobs_say_commands_no_terminal(self):
        command = find_command("queue_job")
        names = command.run.__globals__  # Odoo loads the file, and no module
        said = "\x1b]0;owned\x07 \x9b2J"

        def show(_options, _registry):
            return {"ok": True, "text": said}, lambda found: found["text"]

        def refuse(_options, _registry):
            raise Refused(said)

        for act, json_, stream in (
            (show, False, "stdout"),
            (show, True, "stdout"),
            (refuse, False, "stderr"),
        ):
            options = SimpleNamespace(act=act, json=json_, command="show")
            with (
                self.subTest(act=act.__name__, json=json_),
                patch.dict(
                    names,
                    _parse=lambda *_args, options=options: options,
                    _database=lambda _options: "t",
                    _registry=lambda _database: None,
                ),
                patch(f"sys.{stream}", io.StringIO()) as written,
                self.assertRaises(SystemExit),
            ):
                command().run([])
            self.assertIn("owned", written.getvalue())
            for sign in "\x1b\x07\x9b":
                self.assertNotIn(sign, written.getvalue())

    def test_a_command_is_needed(self):
        self.assertIn("COMMAND", self.refused())
        self.assertIn("invalid choice: 'explode'", self.refused("explode"))

    def test_no_jobs_are_moved_without_a_condition(self):
        self.assertIn("at least one condition", self.refused("requeue"))
        self.assertIn("at least one condition", self.refused("cancel", "--dry-run"))

    def test_a_state_must_be_one(self):
        self.assertIn("invalid choice", self.refused("requeue", "--state", "sleeping"))

    def test_a_benchmark_needs_a_number_that_makes_sense(self):
        for number in ("0", "many", "1000001"):
            self.assertIn("number", self.refused("bench", number))
