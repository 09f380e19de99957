# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super,invalid-commit
"""What a body does to its transaction, its connection and its process."""

import contextvars
import decimal
import os
from contextlib import suppress
from unittest.mock import patch

import psycopg2
import psycopg2.extensions

from odoo.tools import mute_logger

from odoo.addons.queue_job.exception import FailedJobError

from .test_ends import RECORDING, EndCase

VARIABLE = contextvars.ContextVar("queue_job_test", default="clean")


def fails_with(cr, code):
    cr.execute(f"DO $$ BEGIN RAISE 'real trouble' USING ERRCODE = '{code}'; END $$")


class BodyCase(EndCase):
    def run_bodies(self, *bodies, **options):
        """Execute one job for each, in this order, in one lease."""
        self.clean()

        def leave(records, name):
            return bodies[int(name)](records)

        leave.__name__ = "leave"
        with (
            patch.object(self.model, "leave", leave),
            mute_logger(RECORDING, "odoo.sql_db"),
        ):
            for number in range(len(bodies)):
                self.delay("leave", str(number), **options)
            return self.drain()

    def first(self, name):
        return self.database.query(f"SELECT {name} FROM queue_job ORDER BY id")[0][0]


class TestSwallowed(BodyCase):
    """An error of the database that the body has caught ended its transaction."""

    def check_retried_or_failed(self, body, code, name):
        ends = self.run_bodies(body)
        self.assertEqual(ends, {"pending": 1} if code == "40001" else {"failed": 1})
        self.assertIn(name, self.first("exc_name"))
        self.assertIn("real trouble", self.first("exc_message"))
        self.assertIn("fails_with", self.first("exc_info"))
        self.assertEqual(self.effects(), 0)

    def test_is_what_became_of_the_job_and_not_that_the_transaction_is_aborted(self):
        def swallows(records, code):
            records._leave("undone")
            with suppress(psycopg2.Error):
                fails_with(records.env.cr, code)

        def goes_on(records, code):
            swallows(records, code)
            records.env.cr.execute("SELECT 1")

        def goes_on_and_swallows(records, code):
            swallows(records, code)
            with suppress(psycopg2.Error):
                records.env.cr.execute("SELECT 1")

        for body in (swallows, goes_on, goes_on_and_swallows):
            for code, name in (
                ("40001", "SerializationFailure"),
                ("22012", "DivisionByZero"),
            ):
                with self.subTest(body.__name__, name=name):
                    self.check_retried_or_failed(
                        lambda records, body=body, code=code: body(records, code),
                        code,
                        name,
                    )
                    self.assertIn("went on after this error", self.first("exc_info"))

    def test_an_error_of_the_body_s_own_for_a_conflict_is_tried_again(self):
        def wraps(records):
            try:
                with records.env.cr.savepoint():
                    fails_with(records.env.cr, "40P01")
            except psycopg2.Error:
                raise ValueError("Something") from None

        def wraps_what_follows(records):
            with suppress(psycopg2.Error):
                fails_with(records.env.cr, "40001")
            try:
                records.env.cr.execute("SELECT 1")
            except psycopg2.Error as error:
                raise ValueError("Something") from error

        for body in (wraps, wraps_what_follows):
            with self.subTest(body.__name__):
                self.assertEqual(self.run_bodies(body), {"pending": 1})
                self.assertIn("ValueError", self.first("exc_name"))
                self.assertEqual(self.first("exc_message"), "Something")

    def test_an_error_of_the_body_s_own_on_a_lost_connection_is_tried_again(self):
        def body(records):
            cr = records.env.cr
            pid = cr._cnx.info.backend_pid
            self.database.query("SELECT pg_terminate_backend(%s)", [pid])
            try:
                cr.execute("SELECT 1")
            except psycopg2.Error:
                raise ValueError("No such partner") from None

        self.assertEqual(self.run_bodies(body), {"pending": 1})

    def test_an_error_of_the_body_s_own_for_something_else_fails_the_job(self):
        def other(records):
            try:
                with records.env.cr.savepoint():
                    fails_with(records.env.cr, "22012")
            except psycopg2.Error as error:
                raise ValueError("Something") from error

        def gives_up(records):
            try:
                fails_with(records.env.cr, "40001")
            except psycopg2.Error as error:
                raise FailedJobError("Something") from error

        def circle(records):
            first, second = ValueError("Something"), ValueError("second")
            first.__cause__, second.__cause__ = second, first
            raise first

        for body in (other, gives_up, circle):
            with self.subTest(body.__name__):
                self.assertEqual(self.run_bodies(body), {"failed": 1})
                self.assertEqual(self.first("exc_message"), "Something")

    def test_the_error_of_one_job_is_not_taken_for_that_of_the_next(self):
        def handles(records):
            with suppress(psycopg2.Error), records.env.cr.savepoint():
                fails_with(records.env.cr, "40001")

        def says_so(_records):
            raise psycopg2.errors.InFailedSqlTransaction("of another database")

        self.assertEqual(self.run_bodies(handles, says_so), {"done": 1, "failed": 1})
        message = "SELECT exc_message FROM queue_job WHERE state = 'failed'"
        self.assertIn("of another database", self.database.value(message))


def commits(records):
    records.env.cr.execute("COMMIT")


def commits_and_goes_on(records):
    records.env.cr.execute("COMMIT")
    records.env.cr.execute("SELECT 1")


def switches(records):
    records.env.cr._cnx.rollback()
    records.env.cr._cnx.autocommit = True
    records.env.cr.execute("SELECT 1")


class TestEndedBySql(BodyCase):
    ENDS = (commits, commits_and_goes_on, switches)

    def test_who_may_not_commit_is_told_so_and_the_attempt_is_kept(self):
        for body in self.ENDS:
            with self.subTest(body.__name__):
                self.assertEqual(self.run_bodies(body), {"failed": 1})
                self.assertIn("ended the transaction", self.first("exc_message"))
                self.assertIn("allow_commit=True", self.first("exc_message"))
                self.assertEqual([each for each, _name in self.tries()], ["failed"])

    def test_an_error_afterwards_is_kept_with_what_it_does_not_undo(self):
        for body in self.ENDS:
            with self.subTest(body.__name__):

                def fails(records, body=body):
                    body(records)
                    raise ValueError("afterwards")

                self.assertEqual(self.run_bodies(fails), {"failed": 1})
                self.assertEqual(self.first("exc_message"), "afterwards")
                self.assertIn("stays, whatever becomes", self.first("exc_info"))
                self.assertEqual([each for each, _name in self.tries()], ["failed"])

    def test_who_may_commit_is_done(self):
        config = "odoo.addons.queue_job.job.Job.job_config"
        before = type(self).config_of
        for body in self.ENDS:
            with (
                self.subTest(body.__name__),
                patch(config, property(before)),
            ):
                ends = self.run_bodies(body, lambda records: records._leave("x") and 1)
                self.assertEqual(ends, {"done": 2})
                self.assertEqual(self.effects(), 1)
                self.assertFalse(self.tries())

    @staticmethod
    def config_of(job):
        return job._terms.config._replace(allow_commit=True)


class TestCommitFails(BodyCase):
    def setUp(self):
        super().setUp()
        self.database.query(
            "CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)"
        )
        self.addCleanup(self.database.query, "DROP TABLE deferred")

    def test_the_job_that_was_taken_for_the_time_after_is_executed(self):
        def body(records):
            records._leave("undone")
            records.env.cr.execute("INSERT INTO deferred VALUES (1), (1)")

        def other(records):
            records._leave("kept")

        ends = self.run_bodies(body, other, other)
        self.assertEqual(ends, {"failed": 1, "done": 2})
        self.assertIn("UniqueViolation", self.first("exc_name"))
        self.assertEqual(self.effects(), 2)


class TestLeftOnTheConnection(BodyCase):
    def test_neither_how_texts_and_values_are_read_nor_context_reaches_the_next(self):
        seen = []

        def look(records):
            records._leave("5 € 漢")
            cr = records.env.cr
            cr.execute("SELECT 1.5::numeric, name FROM test_queue_effect LIMIT 1")
            factory = cr._cnx.cursor_factory
            precision = decimal.getcontext().prec
            seen.append((*cr.fetchone(), factory, VARIABLE.get(), precision))

        def encoding(cr):
            cr._cnx.set_client_encoding("LATIN1")

        def types(cr):
            values = psycopg2.extensions.DECIMAL.values
            shout = psycopg2.extensions.new_type(values, "SHOUT", lambda v, _c: f"{v}!")
            psycopg2.extensions.register_type(shout, cr._cnx)

        def factory(cr):
            cr._cnx.cursor_factory = psycopg2.extensions.cursor

        def context(_cr):
            VARIABLE.set("of the first")
            decimal.getcontext().prec = 3

        self.run_bodies(look)
        (clean,) = seen
        for leave in (encoding, types, factory, context):
            for fails in (False, True):
                with self.subTest(leave.__name__, fails=fails):
                    seen.clear()

                    def body(records, leave=leave, fails=fails):
                        leave(records.env.cr)
                        if fails:
                            raise ValueError("€")

                    ends = self.run_bodies(body, look)
                    self.assertEqual(ends.get("done"), 1 if fails else 2)
                    self.assertEqual(seen, [clean])


class TestForkedBody(BodyCase):
    def test_a_child_that_comes_out_of_the_body_ends_there(self):
        def exits():
            raise SystemExit(0)

        parent = os.getpid()
        for leave in (lambda: None, exits):
            codes = []

            def body(records, leave=leave, codes=codes):
                records._leave("kept")
                child = os.fork()
                if not child:  # pragma: no cover - another process
                    return leave()
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

            try:
                ends = self.run_bodies(body)
            finally:
                if os.getpid() != parent:  # pragma: no cover - another process
                    os._exit(77)
            self.assertEqual((ends, codes), ({"done": 1}, [1]))
            self.assertEqual(self.effects(), 1)
