# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A whole runner: databases that come and go, requests, its end, forked processes."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from odoo import http

from odoo.addons.queue_job.jobrunner import connection as connections
from odoo.addons.queue_job.jobrunner import runner as module
from odoo.addons.queue_job.jobrunner.config import Config

from ..acceptance.server import Database, connection, wait_until
from .runner_case import RunnerCase


class _Odoo(threading.Thread):
    """Answers requests for jobs as a server does; the jobs are done at once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.sock.getsockname()[1]
        self.requests: list[tuple[str, str]] = []
        self.hang = threading.Event()
        self.held: list[socket.socket] = []

    def run(self):
        with suppress(OSError):
            while True:
                client, _address = self.sock.accept()
                data = client.recv(65536).decode()
                query = parse_qs(urlsplit(data.split(" ")[1]).query)
                database, uuid = query["db"][0], query["job_uuid"][0]
                self.requests.append((database, uuid))
                if self.hang.is_set():
                    self.held.append(client)
                else:
                    with connection(database) as cnx, cnx.cursor() as cr:
                        cr.execute(
                            "UPDATE queue_job SET state = 'done' WHERE uuid = %s",
                            (uuid,),
                        )
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    client.close()

    def close(self):
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for client in self.held:
            client.close()
        self.join(10)


class WholeCase(RunnerCase):
    def setUp(self):
        super().setUp()
        self.odoo = _Odoo()
        self.odoo.start()
        self.addCleanup(self.odoo.close)
        self.names = [self.db.name]
        self.enterContext(
            patch.object(connections, "list_names", lambda _config: list(self.names))
        )
        self.enterContext(
            patch.object(http, "db_filter", lambda names, host=None: names)
        )
        self.enterContext(patch.object(module, "_DISCOVERY", 0.2))

    def run_runner(self, **options):
        config = Config(host="127.0.0.1", port=self.odoo.port, **options)
        runner = module.QueueJobRunner(config, "test")
        thread = threading.Thread(target=runner.run, daemon=True)
        thread.start()

        def end():
            runner.stop()
            thread.join(20)
            self.assertFalse(thread.is_alive())

        self.addCleanup(end)
        return runner, end

    def done(self, *jobs):
        return all(self.read(job) == "done" for job in jobs)


class TestRunner(WholeCase):
    def test_jobs_are_requested_until_none_is_left(self):
        self.run_runner()
        jobs = [self.job() for _index in range(30)]
        wait_until(lambda: self.done(*jobs), "all jobs are done")
        uuids = [self.read(job, "uuid") for job in jobs]
        asked = [uuid for _database, uuid in self.odoo.requests]
        self.assertEqual(sorted(asked), sorted(uuids))

    def test_jobs_that_waited_before_the_start_are_requested(self):
        jobs = [self.job() for _index in range(6)]
        self.run_runner()
        wait_until(lambda: self.done(*jobs), "all jobs are done")

    def test_a_database_that_comes_is_served_and_one_that_goes_is_forgotten(self):
        runner, _end = self.run_runner()
        wait_until(lambda: self.db.name in runner.databases, "the database is known")
        with Database(f"{type(self).__name__.lower()}_new") as other:
            self.names.append(other.name)
            other.query(
                "INSERT INTO queue_job (uuid, state, channel, ready)"
                " VALUES ('new', 'pending', 'root', true)"
            )
            wait_until(lambda: other.states() == {"done": 1}, "its job is done")
            self.names.remove(other.name)
            wait_until(lambda: other.name not in runner.databases, "it is forgotten")
        job = self.job()
        wait_until(lambda: self.done(job), "the other one is served")

    def test_a_broken_database_disturbs_no_other(self):
        self.names.insert(0, "not_there_at_all")
        with self.assertLogs(module.__name__.rpartition(".")[0], logging.WARNING):
            self.run_runner()
            job = self.job()
            wait_until(lambda: self.done(job), "the job is done")

    def test_an_unforeseen_error_in_one_database_disturbs_no_other(self):
        runner, _end = self.run_runner()
        with Database(f"{type(self).__name__.lower()}_odd") as other:
            self.names.append(other.name)
            wait_until(
                lambda: all(
                    name in runner.databases and runner.databases[name].connected
                    for name in self.names
                ),
                "both are served",
            )

            def fail(_now):
                raise RuntimeError("unforeseen")

            runner.databases[other.name].pass_ = fail
            with self.assertLogs(module.__name__, logging.ERROR):
                other.query("SELECT pg_notify('queue_job', '')")
                job = self.job()
                wait_until(lambda: self.done(job), "the job is done")
                wait_until(
                    lambda: not runner.databases[other.name].connected, "it gives up"
                )
            self.names.remove(other.name)
            wait_until(lambda: other.name not in runner.databases, "it is forgotten")

    def test_an_error_in_the_loop_does_not_end_it(self):
        self.enterContext(patch.object(module, "_RESTART", 0.01))
        failures = [1, 2, 3]
        original = module.QueueJobRunner._discover

        def discover(runner, now):
            if failures:
                failures.pop()
                raise RuntimeError("unforeseen")
            original(runner, now)

        with (
            patch.object(module.QueueJobRunner, "_discover", discover),
            self.assertLogs(module.__name__, logging.ERROR),
        ):
            self.run_runner()
            job = self.job()
            wait_until(lambda: self.done(job), "the job is done")

    def test_what_nobody_started_is_given_back_at_the_end(self):
        self.odoo.hang.set()
        _runner, end = self.run_runner()
        jobs = [self.job() for _index in range(3)]
        wait_until(lambda: len(self.odoo.requests) == 3, "all are requested")
        end()
        self.assertEqual({self.read(job) for job in jobs}, {"pending"})

    def test_a_server_that_is_not_there_keeps_the_jobs_waiting(self):
        self.odoo.close()
        with self.assertLogs(
            module.__name__.rpartition(".")[0], logging.WARNING
        ) as log:
            _runner, end = self.run_runner()
            job = self.job()
            wait_until(
                lambda: (self.read(job, "attempt") or 0) > 2, "it is tried again"
            )
            end()
        self.assertIn("requests failed", "".join(log.output))
        self.assertEqual(self.read(job), "pending")

    def test_a_database_that_the_filter_refuses_is_told_of_once(self):
        self.names.append("refused")
        with (
            patch.object(
                http,
                "db_filter",
                lambda names, host=None: [name for name in names if name != "refused"],
            ),
            self.assertLogs(module.__name__, logging.INFO) as logs,
        ):
            runner, _end = self.run_runner()
            job = self.job()
            wait_until(lambda: self.done(job), "the job is done")
            for _index in range(3):
                runner._next_discovery = 0.0
                runner._loop.wake()
                wait_until(lambda: runner._next_discovery > 0, "it was discovered")
        told = [line for line in logs.output if "dbfilter refuses" in line]
        self.assertEqual(len(told), 1)
        self.assertNotIn("refused", runner.databases)


PROGRAM = """
import os, sys, threading, time
from odoo.tools import config
config.parse_config(["-c", sys.argv[1], "-d", sys.argv[2]])
config["dbfilter"] = ""
from odoo.addons.queue_job.jobrunner import runner as module
from odoo.addons.queue_job.jobrunner.config import Config
runner = module.QueueJobRunner(Config(host="127.0.0.1", port=int(sys.argv[3])), "test")
threading.Thread(target=runner.run, daemon=True).start()
def holds():
    return any(each._holder._connection for each in runner.databases.values())
end = time.monotonic() + 60
while not holds() and time.monotonic() < end:
    time.sleep(0.01)
assert holds(), {name: each.connected for name, each in runner.databases.items()}
child = os.fork()
if not child:
    # a worker: outlives its parent, and touches nothing of it
    import gc
    gc.collect()
    print("child", os.getpid(), flush=True)
    time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


class TestForks(WholeCase):
    def backends(self):
        return self.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )[0][0]

    def test_a_worker_that_outlives_the_runner_keeps_nothing_of_it(self):
        self.odoo.hang.set()
        self.job()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, os.environ["QUEUE_JOB_TEST_CONF"],
             self.db.name, str(self.odoo.port)],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            line = process.stdout.readline()
            self.assertTrue(line.startswith("child"), line)
            child = int(line.split()[1])
            try:
                self.assertEqual(self.backends(), 2)
                # The parent's connections live on, whatever the child does.
                number = len(self.odoo.requests)
                self.job()
                wait_until(lambda: len(self.odoo.requests) > number, "it still works")
                process.kill()
                process.wait(20)
                wait_until(lambda: not self.backends(), "its connections are closed")
                os.kill(child, 0)  # it lives
            finally:
                os.kill(child, signal.SIGKILL)
        finally:
            process.kill()
            process.stdout.close()
            process.wait(20)
