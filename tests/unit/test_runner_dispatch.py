# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Requests to execute jobs, against servers on this machine."""

import contextlib
import errno
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from unittest.mock import patch

from odoo.addons.queue_job.jobrunner import dispatch
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.loop import Loop, clock
from odoo.addons.queue_job.jobrunner.scheduling import Request

REQUEST = Request(7, "uuid-7", 3, "root", "0f" * 32)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore"


class _Server:
    """Accepts connections; ``script(connection, request)`` answers each."""

    def __init__(self, script, wrap=None):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.requests = []
        self._script = script
        self._wrap = wrap
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _address = self.sock.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                if self._wrap is not None:
                    connection = self._wrap(connection)
                data = b""
                while b"\r\n\r\n" not in data:
                    received = connection.recv(65536)
                    if not received:
                        break
                    data += received
                self.requests.append(data.decode())
                self._script(connection)
            connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self._thread.join(10)


class DispatchCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.loop = Loop()
        self.addCleanup(self.loop.close)

    def serve(self, answer, **kwargs):
        script = answer if callable(answer) else lambda cnx: cnx.sendall(answer)
        server = _Server(script, **kwargs)
        self.addCleanup(server.close)
        return server

    def dispatcher(self, port, **options):
        config = Config(**{"host": "127.0.0.1", "port": port, **options})
        dispatcher = dispatch.Dispatcher(config, self.loop)
        self.addCleanup(dispatcher.close)
        return dispatcher

    def turn_until(self, condition, seconds=20):
        end = clock() + seconds
        while not condition():
            self.assertLess(clock(), end, "the requests did not end")
            self.loop.turn(0.1)

    def outcomes(self, dispatcher, number=1):
        """Send as many requests and wait for their ends."""
        outcomes = []
        for _index in range(number):
            dispatcher.send("db", REQUEST, outcomes.append)
        self.turn_until(lambda: len(outcomes) == number)
        self.assertEqual(len(dispatcher), 0)
        return outcomes

    def outcome(self, answer, **options):
        return self.outcomes(self.dispatcher(self.serve(answer).port, **options))[0]


class TestRequest(DispatchCase):
    def request(self, **options):
        server = self.serve(OK)
        self.outcomes(self.dispatcher(server.port, **options))
        first, *headers = server.requests[0].split("\r\n")
        return server, first, headers

    def test_it_names_database_job_attempt_and_proof(self):
        server, first, headers = self.request()
        self.assertEqual(
            first,
            "GET /queue_job/runjob?db=db&job_uuid=uuid-7&attempt=3"
            f"&proof={'0f' * 32} HTTP/1.1",
        )
        self.assertIn("X-Odoo-Database: db", headers)
        self.assertIn(f"Host: 127.0.0.1:{server.port}", headers)
        self.assertIn("Connection: close", headers)
        self.assertFalse([each for each in headers if "Authorization" in each])

    def test_it_authenticates_where_the_proxy_wants_it(self):
        _server, _first, headers = self.request(
            http_auth_user="me", http_auth_password="pâss"
        )
        self.assertIn("Authorization: Basic bWU6cMOic3M=", headers)

    def test_its_answer_is_told_with_status_and_body(self):
        self.assertEqual(self.outcome(OK), dispatch.Outcome(True, 200, b"more", ""))

    def test_many_go_at_the_same_time(self):
        accepted = []
        waiting = []

        def script(connection):
            """Answer nobody before all are there."""
            accepted.append(connection.dup())
            if len(accepted) == 20:
                for each in accepted:
                    each.sendall(OK)
                    each.close()

        dispatcher = self.dispatcher(self.serve(script).port)
        for _index in range(20):
            dispatcher.send("db", REQUEST, waiting.append)
        self.turn_until(lambda: len(waiting) == 20)
        self.assertEqual([each.ok for each in waiting], [True] * 20)


class TestTaken(unittest.TestCase):
    def test_an_answer_says_that_somebody_could_take_it_but_for_those_of_a_proxy(self):
        for status, answered in (
            (200, True), (403, True), (500, True),
            (None, False), (429, False), (502, False), (503, False), (504, False),
        ):  # fmt: skip
            with self.subTest(status=status):
                outcome = dispatch.Outcome(status == 200, status)
                self.assertIs(outcome.answered, answered)


class TestAnswers(DispatchCase):
    def test_an_answer_may_end_with_the_connection(self):
        outcome = self.outcome(b"HTTP/1.0 200 OK\r\n\r\nmore")
        self.assertEqual((outcome.ok, outcome.body), (True, b"more"))

    def test_an_answer_in_chunks_is_whole_at_the_last_one(self):
        held = []

        def script(connection):
            held.append(connection.dup())  # stays open
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"4\r\nmore\r\n0\r\n\r\n"
            )

        self.assertTrue(self.outcome(script).ok)
        held[0].close()

    def test_an_answer_in_pieces_is_put_together(self):
        def script(connection):
            for index in range(len(OK)):
                connection.sendall(OK[index : index + 1])

        self.assertEqual(self.outcome(script).body, b"more")

    def test_another_status_is_no_success_and_the_reason_is_told(self):
        for status in ("404 NOT FOUND", "403 FORBIDDEN", "500 OOPS", "302 FOUND"):
            with self.subTest(status=status):
                answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
                outcome = self.outcome(answer)
                self.assertFalse(outcome.ok)
                self.assertEqual(outcome.status, int(status[:3]))
                self.assertIn(status, outcome.reason)

    def test_a_worker_that_dies_leaves_no_answer(self):
        outcome = self.outcome(lambda connection: None)
        self.assertFalse(outcome.ok)
        self.assertIn("without an answer", outcome.reason)

    def test_what_is_no_http_is_told(self):
        outcome = self.outcome(b"220 smtp.example.com ESMTP\r\n")
        self.assertFalse(outcome.ok)
        self.assertIn("not an answer of HTTP", outcome.reason)

    def test_an_endless_answer_takes_no_memory(self):
        size = 4 * 1024 * 1024
        outcome = self.outcome(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)
        self.assertTrue(outcome.ok)
        self.assertLess(len(outcome.body), 70_000)


class TestConnections(DispatchCase):
    def closed_port(self):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            return sock.getsockname()[1]

    def test_a_refused_connection_is_told(self):
        (outcome,) = self.outcomes(self.dispatcher(self.closed_port()))
        self.assertFalse(outcome.ok)
        self.assertIn(os.strerror(errno.ECONNREFUSED), outcome.reason)

    def test_an_unknown_host_is_told(self):
        dispatcher = self.dispatcher(1, host="does-not-exist.invalid")
        (outcome,) = self.outcomes(dispatcher)
        self.assertFalse(outcome.ok)
        self.assertIn("does-not-exist.invalid", outcome.reason)

    def test_the_next_address_of_a_host_is_tried_and_remembered(self):
        server = self.serve(OK)
        closed = ("127.0.0.1", self.closed_port())
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*kind, closed), (*kind, ("127.0.0.1", server.port))]
        dispatcher = self.dispatcher(server.port)
        with patch.object(dispatch.socket, "getaddrinfo", return_value=addresses):
            outcomes = self.outcomes(dispatcher, 2)
        self.assertEqual([each.ok for each in outcomes], [True, True])
        self.assertEqual(dispatcher._addresses[0][-1], ("127.0.0.1", server.port))

    def test_a_host_is_looked_up_again_when_its_time_is_over(self):
        server = self.serve(OK)
        now = [0.0]
        config = Config(host="127.0.0.1", port=server.port)
        dispatcher = dispatch.Dispatcher(config, self.loop, clock=lambda: now[0])
        self.addCleanup(dispatcher.close)
        with patch.object(
            dispatch.socket, "getaddrinfo", wraps=socket.getaddrinfo
        ) as look_up:
            self.outcomes(dispatcher, 3)
            self.assertEqual(look_up.call_count, 1)
            now[0] = 1000.0
            self.outcomes(dispatcher, 1)
            self.turn_until(lambda: dispatcher._known_until > 1000.0)
            self.assertEqual(look_up.call_count, 2)

    def test_hanging_up_tells_nobody(self):
        accepted = threading.Event()
        over = threading.Event()

        def script(connection):
            accepted.set()
            over.wait(20)

        dispatcher = self.dispatcher(self.serve(script).port)
        self.addCleanup(over.set)
        outcomes = []
        dispatcher.send("db", REQUEST, outcomes.append)
        self.turn_until(accepted.is_set)
        self.assertEqual(len(dispatcher), 1)
        dispatcher.close()
        self.loop.turn(0)
        self.assertEqual((outcomes, len(dispatcher)), ([], 0))


class TestTls(DispatchCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.certificate, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                str(key),
                "-out",
                str(cls.certificate),
            ],
            check=True,
            capture_output=True,
        )
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.load_cert_chain(cls.certificate, key)

    def serve_tls(self):
        return self.serve(
            OK, wrap=lambda sock: self.context.wrap_socket(sock, server_side=True)
        )

    def test_a_request_goes_over_tls(self):
        server = self.serve_tls()
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        with patch.object(dispatch.ssl, "create_default_context", return_value=trusted):
            dispatcher = self.dispatcher(server.port, scheme="https", host="localhost")
        (outcome,) = self.outcomes(dispatcher)
        self.assertEqual(outcome, dispatch.Outcome(True, 200, b"more", ""))
        self.assertIn("X-Odoo-Database: db", server.requests[0])

    def test_a_certificate_that_nobody_vouches_for_is_refused(self):
        server = self.serve_tls()
        dispatcher = self.dispatcher(server.port, scheme="https", host="localhost")
        (outcome,) = self.outcomes(dispatcher)
        self.assertFalse(outcome.ok)
        self.assertIn("CERTIFICATE_VERIFY_FAILED", outcome.reason)
