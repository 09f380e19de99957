# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""Whatever a body raises, returns or prints: what became of its job is written."""

import asyncio
import builtins
import logging
from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.tools import mute_logger

from odoo.addons.queue_job import moves, storage
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.executor import (
    connections,
    database_trouble,
    recording,
)
from odoo.addons.queue_job.job import job

from .test_ends import RECORDING, EndCase

PERFORMING = "odoo.addons.queue_job.executor.performing"
LAST_RESORT = "odoo.addons.queue_job.executor.last_resort"


class SaysNothing(Exception):
    def __str__(self):
        raise ValueError("no words")


class ExitsWhenAsked(Exception):
    def __str__(self):
        raise SystemExit("asked")


class HasNoArgs(Exception):
    @property
    def args(self):
        raise ValueError("no arguments")


class Poison:
    def __str__(self):
        raise ValueError("poison")

    __repr__ = __str__


class NoClass(Exception):
    @property
    def __class__(self):
        raise ValueError("no class")


class OddNames(Exception):
    pass


OddNames.__module__ = 5
OddNames.__qualname__ = "Odd\udc80\0"


def recurse():
    return recurse() + 1


class TestRaised(EndCase):
    #: what is raised, and what is found in name and message of the failed job
    RAISED = (
        (lambda: ValueError("bad \udc80"), "ValueError", "bad \\udc80"),
        (lambda: ValueError("nul \0 here"), "ValueError", "nul \\x00 here"),
        (lambda: SaysNothing(), "SaysNothing", ""),
        (lambda: ExitsWhenAsked(), "ExitsWhenAsked", ""),
        (lambda: HasNoArgs("said"), "HasNoArgs", "said"),
        (lambda: ValueError(Poison()), "ValueError", "cannot be shown"),
        (lambda: NoClass("told"), "NoClass", "told"),
        (lambda: OddNames("odd"), "Odd\\udc80\\x00", "odd"),
        (lambda: SystemExit("x"), "SystemExit", "x"),
        (lambda: KeyboardInterrupt("key"), "KeyboardInterrupt", "key"),
        (lambda: asyncio.CancelledError("c"), "CancelledError", "c"),
        (lambda: GeneratorExit("g"), "GeneratorExit", "g"),
        (
            lambda: builtins.ExceptionGroup("many", [ValueError("1")]),
            "ExceptionGroup",
            "many",
        ),
        (
            lambda: builtins.BaseExceptionGroup("all", [SystemExit(1)]),
            "ExceptionGroup",
            "all",
        ),
        (lambda: OSError(2, "No such file", "f"), "FileNotFoundError", "No such file"),
        (lambda: ConnectionRefusedError(111, "refused"), "Connection", "refused"),
        (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "Uni", "can't de"),
        (lambda: KeyError("key"), "KeyError", "key"),
        (lambda: RetryableJobError("x", seconds="soon"), "ValueError", "soon"),
        (lambda: RetryableJobError("x", seconds=[]), "TypeError", "seconds is []"),
        (lambda: RetryableJobError("x", seconds=float("inf")), "ValueError", "inf"),
    )

    def run_body(self, body, **options):
        self.clean()
        calls = []

        def leave(records, name):
            calls.append(name)
            return body(records)

        self.body(leave)
        with mute_logger(
            RECORDING, "odoo.addons.queue_job.executor.performing", "odoo.sql_db"
        ):
            self.drain()
        return calls

    def test_whatever_is_raised_fails_the_job_once_with_name_message_and_traceback(
        self,
    ):
        for make, name, message in self.RAISED:
            with self.subTest(name=name, message=message):

                def body(_records, make=make):
                    raise make()

                calls = self.run_body(body)
                self.assertEqual(len(calls), 1)
                self.assertEqual(self.column("state"), "failed")
                self.assertIn(name, self.column("exc_name"))
                self.assertIn(message, self.column("exc_message"))
                self.assertIn("Traceback", self.column("exc_info"))
                self.assertEqual([each for each, _n in self.tries()], ["failed"])

    def test_a_recursion_without_end_fails_its_job(self):
        self.run_body(lambda _records: recurse())
        self.assertEqual(self.column("exc_name"), "RecursionError")

    def test_a_huge_message_is_cut_with_a_note(self):
        def body(_records):
            raise ValueError("a" * 3_000_000)

        self.run_body(body)
        self.assertLess(self.column("length(exc_message)"), 11_000)
        self.assertLess(self.column("length(exc_info)"), 101_000)
        self.assertIn("characters left out", self.column("exc_message"))

    def test_the_worker_goes_on_with_the_next_job_after_an_exit(self):
        def body(_records, name):
            raise SystemExit(3)

        self.body(body)
        self.delay("rename", "next")
        with mute_logger(RECORDING):
            self.assertEqual(self.drain(), {"failed": 1, "done": 1})

    def test_a_wait_is_asked_for_in_many_ways(self):
        for seconds, least in (("90", 90), (timedelta(minutes=2), 120), (60.5, 60.5)):
            with self.subTest(seconds=seconds):

                def body(_records, seconds=seconds):
                    raise RetryableJobError("later", seconds=seconds)

                self.run_body(body)
                self.assertEqual(self.column("state"), "pending")
                wait = self.column("extract(epoch FROM eta - date_created)::float8")
                self.assertGreaterEqual(wait, least)

    def test_a_wait_that_is_written_on_the_error_and_is_none_is_not_heeded(self):
        def body(_records):
            error = RetryableJobError("later")
            error.seconds = "soon"
            raise error

        self.run_body(body)
        self.assertEqual((self.column("state"), self.column("retry")), ("pending", 1))

    def test_trouble_of_the_database_is_tried_again(self):
        for code in ("53100", "53200", "53300", "25006", "57014", "57P03", "58030"):
            with self.subTest(code=code):

                def body(records, code=code):
                    records.env.cr.execute(
                        f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{code}'; END $$"
                    )

                self.run_body(body)
                self.assertEqual(self.column("state"), "pending")
                self.assertEqual([each for each, _n in self.tries()], ["retry"])

    def test_trouble_of_the_database_has_an_end(self):
        def body(records, name):
            records.env.cr.execute(
                "DO $$ BEGIN RAISE 'no' USING ERRCODE = '53100'; END $$"
            )

        self.body(body)
        self.database.query("UPDATE queue_job SET max_retries = 1")
        with mute_logger(RECORDING, "odoo.sql_db"):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertIn("DiskFull", self.column("exc_name"))


class TestStalePlan(EndCase):
    def test_a_connection_whose_plan_fits_no_more_is_not_kept(self):
        cr = connections.LeaseCursor(self.registry.db_name)
        self.addCleanup(cr.close)
        self.database.query("CREATE TABLE stale (value int)")
        self.addCleanup(self.database.query, "DROP TABLE stale")
        cr.execute("PREPARE stale AS SELECT value FROM stale")
        cr.execute("EXECUTE stale")
        self.database.query("ALTER TABLE stale ALTER value TYPE text")
        self.assertTrue(cr.usable)
        with self.assertRaises(psycopg2.errors.FeatureNotSupported) as caught:
            cr.execute("EXECUTE stale")
        self.assertTrue(database_trouble.is_of_database(caught.exception))
        self.assertFalse(cr.usable)


class TestAfterCommit(EndCase):
    def test_a_hook_that_fails_after_the_commit_leaves_its_job_done(self):
        called = []

        def body(records, name):
            def breaks():
                records.env.cr.execute("SELECT nothing FROM nowhere")

            records._leave("done")
            for hook in (breaks, lambda: {}[1], lambda: called.append(1)):
                records.env.cr.postcommit.add(hook)

        self.body(body)
        self.delay("rename", "next")
        with (
            mute_logger("odoo.sql_db"),
            self.assertNoLogs(RECORDING, logging.WARNING),
            self.assertLogs(PERFORMING, logging.ERROR) as logs,
        ):
            self.assertEqual(self.drain(), {"done": 2})
        self.assertEqual((self.effects(), called), (1, [1]))
        self.assertEqual(len(logs.output), 2)
        self.assertIn("KeyError", logs.output[1])


class TestStopsThatStay(EndCase):
    """A request to stop belongs to the job until it ends."""

    def ask(self):
        self.database.query(
            "INSERT INTO queue_job_stop (job_id, reason)"
            " SELECT id, 'No more' FROM queue_job"
        )

    def test_one_that_was_there_before_the_start_leaves_the_body_out(self):
        self.delay("leave", "x")
        self.ask()
        self.assertEqual(self.drain(), {"cancelled": 1})
        self.assertEqual((self.column("result"), self.effects()), ("No more", 0))
        self.assertFalse(self.database.query("SELECT 1 FROM queue_job_stop"))

    def test_one_during_a_body_that_wants_another_try_ends_the_job(self):
        def body(_records, _name):
            self.ask()
            raise RetryableJobError("later")

        self.body(body)
        self.assertEqual(self.drain(), {"cancelled": 1})
        self.assertEqual(self.column("result"), "No more")

    def test_one_just_before_the_end_does_not_stop_a_later_life(self):
        def body(records, _name):
            records._leave("done")
            if self.effects() == 0:
                self.ask()

        self.body(body)
        self.assertEqual(self.drain(), {"done": 1})
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["queue.job"].search([]).requeue()
        self.assertEqual(self.drain(), {"done": 1})
        self.assertEqual(self.effects(), 2)

    def test_one_of_many_that_goes_back_to_the_queue_meanwhile_is_cancelled(self):
        self.delay("leave", "x")
        self.database.query("UPDATE queue_job SET state = 'started'")
        before = moves.cancel

        def cancel(env, ids, reason):
            moved = before(env, ids, reason)
            if not moved:  # the first look: it still runs
                self.database.query("UPDATE queue_job SET state = 'pending'")
            return moved

        with self.registry.cursor() as cr:
            storage.bulk.begin(cr)
            jobs = api.Environment(cr, SUPERUSER_ID, {})["queue.job"].search([])
            with patch.object(moves, "cancel", cancel):
                jobs.button_cancelled()
        self.assertEqual(self.column("state"), "cancelled")
        self.assertFalse(self.database.query("SELECT 1 FROM queue_job_stop"))


class TestReturned(EndCase):
    RETURNED = (
        ("a\0b", "a\\x00b"),
        ("bad \udc80", "bad \\udc80"),
        (Poison(), "<a "),
        (7, "7"),
    )

    def test_a_result_that_cannot_be_stored_is_made_plain(self):
        for result, text in self.RETURNED:
            with self.subTest(text=text):
                self.clean()

                def body(records, name, result=result):
                    records._leave("done")
                    return result

                self.body(body)
                self.assertEqual(self.drain(), {"done": 1})
                self.assertIn(text, self.column("result"))
                self.assertEqual(self.effects(), 1)

    def test_a_method_that_would_not_run_is_refused_where_it_is_declared(self):
        def yields(records):
            yield 1

        async def waits(records):
            return 1

        async def both(records):
            yield 1

        for method in (yields, waits, both):
            with self.subTest(method=method.__name__):
                with self.assertRaisesRegex(TypeError, method.__name__):
                    job(method)

    def test_what_has_not_run_is_not_done(self):
        async def coroutine():
            return 1

        async def stream():
            yield 1

        for make in (coroutine, stream, lambda: (each for each in "ab")):
            with self.subTest(make=make.__name__):
                self.clean()
                self.body(lambda records, name, make=make: make())
                with mute_logger(RECORDING):
                    self.assertEqual(self.drain(), {"failed": 1})
                self.assertIn("has not run", self.column("exc_message"))

    def test_telling_of_the_progress_changes_nothing(self):
        for args in ((1, 2, "a\0b"), (1, 2, "\udc80"), ("x", 2), (1, 2, Poison())):
            with self.subTest(args=args[:2]):
                self.clean()

                def body(records, name, args=args):
                    records._leave("done")
                    records.env.job.progress(*args)

                self.body(body)
                with mute_logger("odoo.addons.queue_job.job_handle"):
                    self.assertEqual(self.drain(), {"done": 1})

    def test_without_a_connection_for_it_neither_progress_nor_a_look_fails(self):
        def body(records, name):
            records._leave("done")
            with patch.object(
                type(records.env.registry), "cursor", side_effect=OSError("none free")
            ):
                records.env.job.progress(1, 2, "half")
                records.env.job.check_cancelled()

        self.body(body)
        with self.assertLogs("odoo.addons.queue_job.job_handle", logging.INFO):
            self.assertEqual(self.drain(), {"done": 1})


class TestSteps(EndCase):
    """What belongs to a failure, and what goes wrong there."""

    def on_fail(self, method):
        self.enterContext(
            patch.object(self.model, "rename_failed", method, create=True)
        )
        job = self.database.value("SELECT id FROM queue_job")
        self.assertTrue(job)
        config = "odoo.addons.queue_job.job.Job.job_config"
        before = type(self).job_config_of
        self.enterContext(patch(config, property(before)))

    @staticmethod
    def job_config_of(job):
        return job._terms.config._replace(on_fail_method_name="rename_failed")

    def test_a_method_on_failure_that_misbehaves_is_undone_and_kept_on_the_job(self):
        def swallows(records, **values):
            records._leave("undone")
            with suppress(psycopg2.Error):
                records.env.cr.execute("SELECT nothing FROM nowhere")

        def leaves(records, **values):
            records._leave("undone")
            raise SystemExit(1)

        def commits(records, **values):
            records._leave("undone")
            records.env.cr.commit()

        def rolls_back(records, **values):
            records._leave("undone")
            records.env.cr.rollback()

        for method in (swallows, leaves, commits, rolls_back):
            with self.subTest(method=method.__name__):
                self.clean()
                self.delay("fail")
                self.on_fail(method)
                with mute_logger(RECORDING, "odoo.sql_db"):
                    self.assertEqual(self.drain(), {"failed": 1})
                self.assertEqual(self.column("state"), "failed")
                self.assertEqual(self.effects(), 0)
                self.assertIn("rename_failed, called for", self.column("exc_info"))
                self.assertEqual([each for each, _n in self.tries()], ["failed"])

    def test_an_attempt_that_cannot_be_kept_changes_nothing(self):
        self.delay("fail")
        with (
            patch.object(recording, "_keep_try", side_effect=ConnectionError("away")),
            self.assertLogs(RECORDING, logging.ERROR) as logs,
        ):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertIn("cannot be kept", logs.output[-1])

    def test_when_all_else_fails_the_state_and_a_short_text_are_written(self):
        for body, state in (
            (ValueError("real"), "failed"),
            (RetryableJobError("later", seconds=60), "pending"),
        ):
            with self.subTest(state=state):
                self.clean()

                def leave(records, name, body=body):
                    raise body

                self.body(leave)
                with (
                    patch.object(recording, "_write", side_effect=SystemExit("away")),
                    mute_logger(
                        RECORDING, "odoo.addons.queue_job.executor.last_resort"
                    ),
                ):
                    self.drain()
                self.assertEqual(self.column("state"), state)
                self.assertIn(str(body), self.column("exc_message"))

    def test_a_hook_that_cannot_say_what_is_kept_loses_nothing(self):
        from odoo.addons.queue_job import executor

        def values(cls, job, text, error):
            raise SystemExit("hook")

        self.delay("fail")
        with (
            patch.object(executor.JobHooks, "_get_failure_values", classmethod(values)),
            mute_logger(RECORDING),
        ):
            self.assertEqual(self.drain(), {"failed": 1})
        self.assertIn("Traceback", self.column("exc_info"))
