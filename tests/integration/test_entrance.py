# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Bad requests to run jobs: cheap, bounded, and answered all alike."""

from __future__ import annotations

import socket
import threading
import unittest
from contextlib import suppress
from unittest.mock import patch

import psycopg2
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.tests.common import BaseCase
from odoo.tools import config as odoo_config
from odoo.tools import mute_logger

from odoo.addons.queue_job.controllers import entrance
from odoo.addons.queue_job.core import proof as proofs
from odoo.addons.queue_job.executor import keys as module
from odoo.addons.queue_job.executor.keys import LOOK_AGAIN, Keys, _read

from ..acceptance.server import TEST_DB, Database, connection

UUID = "5d4d9e3c-0b5a-4d58-a6a0-7a3b4b5d1c11"
WRONG = "0" * 64


class TestKeys(unittest.TestCase):
    """What a process looks up, and how often."""

    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.secrets = {"one": "s1", "two": "s2"}
        self.reads: list[str] = []
        self.lists = 0
        self.keys = Keys(self.list, self.look_up, lambda: self.now)

    def list(self):
        self.lists += 1
        return [*self.secrets, "broken"]

    def look_up(self, database, fits):
        self.reads.append(database)
        if database not in self.secrets:
            raise psycopg2.OperationalError("gone")
        return self.secrets[database]

    def prove(self, database, secret=None, proof=None):
        if secret:
            proof = proofs.sign(secret, database, UUID, 1)
        return self.keys.prove(database, UUID, 1, proof or WRONG)

    def test_a_key_is_read_once(self):
        for _index in range(50):
            self.assertTrue(self.prove("one", "s1"))
            self.now += 60
        self.assertEqual((self.reads, self.lists), (["one"], 1))

    def test_many_bad_requests_read_it_once_in_a_while(self):
        for index in range(100):
            self.now = index * LOOK_AGAIN / 10
            self.assertFalse(self.prove("one"))
        self.assertEqual(self.reads, ["one"] * 10)

    def test_what_cannot_be_a_proof_costs_nothing(self):
        for proof in ("x", WRONG[1:], WRONG.replace("0", "G"), "\x00"):
            self.assertFalse(self.prove("one", proof=proof))
        self.assertEqual((self.reads, self.lists), ([], 0))

    def test_names_that_no_database_has_cost_a_list_once_in_a_while(self):
        for index in range(1000):
            self.now = index * LOOK_AGAIN / 100
            self.assertFalse(self.prove(f"guess{index}"))
        self.assertEqual((self.reads, self.lists), ([], 10))
        self.assertFalse(self.keys._locks, "nothing is kept of them")

    def test_a_database_that_cannot_be_read_is_tried_once_in_a_while(self):
        for index in range(100):
            self.now = index * LOOK_AGAIN / 10
            with suppress(psycopg2.OperationalError):
                self.assertFalse(self.prove("broken"))
        self.assertEqual(self.reads, ["broken"] * 10)
        self.assertLessEqual(self.lists, 11)

    def test_that_a_database_gives_no_connection_is_no_refusal(self):
        with self.assertRaisesRegex(psycopg2.OperationalError, "gone"):
            self.prove("broken", "s1")

    def test_a_bad_request_does_not_stand_in_the_way_of_a_good_one(self):
        self.assertFalse(self.prove("one"))
        self.assertTrue(self.prove("one", "s1"))
        self.assertTrue(self.prove("two", "s2"))

    def test_a_secret_that_was_changed_is_read_anew(self):
        self.assertTrue(self.prove("one", "s1"))
        self.secrets["one"] = "s3"
        self.now += LOOK_AGAIN
        self.assertTrue(self.prove("one", "s3"))
        self.assertFalse(self.prove("one", "s1"))

    def test_the_proof_of_a_clone_with_the_same_secret_is_refused(self):
        self.secrets["two"] = "s1"
        proof = proofs.sign("s1", "one", UUID, 1)
        self.assertTrue(self.prove("one", proof=proof))
        self.assertFalse(self.prove("two", proof=proof))

    def test_a_new_database_is_known_soon(self):
        self.assertFalse(self.prove("three", "s3"))
        self.secrets["three"] = "s3"
        self.now += LOOK_AGAIN
        self.assertTrue(self.prove("three", "s3"))

    def test_without_a_list_nobody_is_known(self):
        keys = Keys(self.fail_to_list, self.look_up, lambda: self.now)
        with mute_logger(module.__name__):
            self.assertFalse(keys.prove("one", UUID, 1, WRONG))
        self.assertEqual(self.reads, [])

    def fail_to_list(self):
        raise psycopg2.OperationalError("away")

    def test_those_who_come_while_it_is_read_wait_for_it(self):
        """Refused, the first jobs after a start would be put off."""
        reading, go_on = threading.Event(), threading.Event()

        def read(database, fits):
            reading.set()
            go_on.wait(10)
            return self.look_up(database, fits)

        self.keys = Keys(self.list, read, lambda: self.now)
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(self.prove("one", "s1")))
            for _index in range(4)
        ]
        for thread in threads:
            thread.start()
        reading.wait(10)
        go_on.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual((answers, self.reads), ([True] * 4, ["one"]))


class TestBadRequests(BaseCase):
    """A server that serves whatever database it is asked for."""

    def setUp(self):
        super().setUp()
        for name, value in (("db_name", []), ("dbfilter", "")):
            self.enterContext(patch.dict(odoo_config.options, {name: value}))
        self.keys = Keys(lambda: module.list_names(module.runner_config.get()), _read)
        self.enterContext(patch.object(module, "known", self.keys))
        self.served = []
        self.enterContext(
            patch.object(entrance, "_serve", lambda *call: self.served.append(call))
        )
        self.application = entrance._answering(None)

    def ask(self, database, query=f"job_uuid={UUID}&attempt=1&proof={WRONG}", **more):
        answers = []
        environ = {
            "PATH_INFO": entrance.PATH,
            "HTTP_X_ODOO_DATABASE": database,
            "QUERY_STRING": query,
            **more,
        }
        body = self.application(None, environ, lambda *a: answers.append(a))
        return (*answers[0], body)

    def other_database(self, name, statement="SELECT 1"):
        name = f"{TEST_DB}_{name}"

        def drop():
            with connection("postgres") as cnx, cnx.cursor() as cr:
                cr.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

        drop()
        self.addCleanup(drop)
        with connection("postgres") as cnx, cnx.cursor() as cr:
            cr.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        with connection(name) as cnx, cnx.cursor() as cr:
            cr.execute(statement)
        return name

    def connections(self):
        with connection("postgres") as cnx, cnx.cursor() as cr:
            cr.execute(
                "SELECT datname, count(*) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                " GROUP BY 1 ORDER BY 1"
            )
            return dict(cr.fetchall())

    def test_all_are_answered_alike_and_leave_no_connection_behind(self):
        names = [
            TEST_DB,
            f"{TEST_DB}_there_is_none",
            self.other_database("not_served"),
            self.other_database(
                "half",
                "CREATE TABLE ir_config_parameter (key varchar, value varchar)",
            ),
            "postgres",
            "template1",
            "",
            "\x00",
            "x" * 300,
            "a'b\"c",
        ]
        before = self.connections()
        answers = [self.ask(name) for name in names for _turn in range(3)]
        # others of this process may end meanwhile
        more = {
            name: number
            for name, number in self.connections().items()
            if number > before.get(name, 0)
        }
        self.assertEqual(more, {})
        self.assertEqual({answer[0] for answer in answers}, {"403 FORBIDDEN"})
        self.assertEqual(len({repr(answer) for answer in answers}), 1)

    def test_nobody_has_the_server_connect_to_somewhere_else(self):
        """A database of his own would hold a secret of his own, and jobs."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0)
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            for scheme in ("postgresql", "postgres"):
                answer = self.ask(f"{scheme}://evil@{address}/db?connect_timeout=1")
                self.assertEqual(answer[0], "403 FORBIDDEN")
            self.ask(f"dbname=db host=127.0.0.1 port={address[10:]}")
            with self.assertRaises(BlockingIOError):
                listener.accept()

    def test_the_right_proof_is_let_in(self):
        name = TEST_DB
        with connection(name) as cnx, cnx.cursor() as cr:
            cr.execute(
                "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
            )
            ((secret,),) = cr.fetchall()
        proof = proofs.sign(secret, name, UUID, 1)
        query = f"job_uuid={UUID}&attempt=1&proof={proof}"
        self.assertEqual(self.ask(name, query)[0], "200 OK")
        self.assertEqual([call[:3] for call in self.served], [(name, UUID, 1)])

    def test_a_database_with_a_name_in_any_alphabet_is_let_in(self):
        database = self.enterContext(Database("größe_データ"))
        name = database.name
        secret = database.value(
            "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
        )
        proof = proofs.sign(secret, name, UUID, 1)
        header = name.encode().decode("latin-1")  # as a server hands it on
        answer = self.ask(header, f"job_uuid={UUID}&attempt=1&proof={proof}")
        self.assertEqual(answer[0], "200 OK")
        self.assertEqual([call[:3] for call in self.served], [(name, UUID, 1)])

    def test_while_there_is_no_connection_a_runner_is_asked_to_come_again(self):
        def no_connection(database, fits):
            raise psycopg2.OperationalError("sorry, too many clients already")

        self.keys._read = no_connection
        with self.assertLogs(entrance.__name__, "WARNING") as logs:
            answer = self.ask(TEST_DB)
        self.assertEqual(answer[0], "503 SERVICE UNAVAILABLE")
        self.assertIn("too many clients", logs.output[0])

    @settings(deadline=None, database=None, max_examples=300)
    @given(
        st.text(st.characters(max_codepoint=255), max_size=40) | st.just(TEST_DB),
        st.text(st.characters(max_codepoint=255), max_size=200)
        | st.lists(
            st.tuples(
                st.sampled_from(["job_uuid", "attempt", "proof", "db", "", "x"]),
                st.sampled_from([UUID, "1", "-1", "%00", WRONG, "%F0%9F", "9" * 40])
                | st.text(st.characters(max_codepoint=255), max_size=70),
            ).map("=".join)
        ).map("&".join),
        st.text(st.characters(max_codepoint=255), max_size=20),
    )
    def test_whatever_comes_is_refused_in_the_same_words(self, database, query, host):
        answer = self.ask(database, query, HTTP_HOST=host)
        self.assertEqual(answer[0], "403 FORBIDDEN")
        self.assertEqual(answer[2], [b""])
        self.assertEqual(self.served, [])
