# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How a running job is interrupted, step by step."""

import signal
import threading
import unittest
from unittest.mock import DEFAULT, Mock, patch

from odoo.service import server
from odoo.tools import mute_logger

from odoo.addons.queue_job.core.outcome import Kind
from odoo.addons.queue_job.executor import watching
from odoo.addons.queue_job.executor.watching import Interrupted, Watched

LOGGER = "odoo.addons.queue_job.executor.watching"


class Body:
    """A body that goes on until it is interrupted or told to end, in its thread."""

    def __init__(self, watch, **values):
        self.watch = watch
        self.end = threading.Event()
        self.begun = threading.Event()
        self.interrupted = None
        self.values = {"timeout": 0, "connection": Mock(), "bury": Mock(), **values}

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.begun.wait(30)
        return self

    def __exit__(self, *exc_info):
        self.end.set()
        self.thread.join(30)

    def run(self):
        self.watched = Watched(1, "u", "db", extra=dict, **self.values)
        self.interrupted = False
        try:
            with self.watch.over(self.watched):
                self.begun.set()
                while not self.end.wait(0.001):
                    pass
        except Interrupted:
            self.interrupted = True


class TestWatch(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.watch = watching._Watch()
        # the steps are made here, one by one, and not by its thread
        self.enterContext(patch.object(self.watch, "_ensure_thread"))
        self.enterContext(patch.object(self.watch, "_judge_by_request"))
        self.enterContext(mute_logger(LOGGER))

    def look(self, *bodies):
        self.watch._look([body.watched for body in bodies])

    def test_a_job_that_may_go_on_is_let_alone(self):
        with Body(self.watch, timeout=3600) as body:
            self.look(body)
        self.assertIs(body.interrupted, False)
        body.values["connection"].cancel.assert_not_called()

    def test_a_job_over_its_time_is_interrupted_and_its_query_cancelled(self):
        with Body(self.watch, timeout=1e-9) as body:
            self.look(body)
            body.thread.join(30)
        self.assertIs(body.interrupted, True)
        body.values["connection"].cancel.assert_called_once_with()
        self.assertEqual(body.watched.verdict[0], Kind.TIMEOUT)
        self.assertFalse(self.watch._jobs)

    def test_without_a_query_to_cancel_it_is_interrupted_all_the_same(self):
        connection = Mock()
        connection.cancel.side_effect = OSError("gone")
        with Body(self.watch, timeout=1e-9, connection=connection) as body:
            self.look(body)
            body.thread.join(30)
        self.assertIs(body.interrupted, True)

    def test_a_job_that_has_ended_is_not_stopped(self):
        with Body(self.watch, timeout=1e-9) as body:
            pass
        self.look(body)
        body.values["connection"].cancel.assert_not_called()

    def stubborn(self, body):
        """It was interrupted before, and goes on nevertheless."""
        body.watched.verdict = (Kind.CANCELLED, "No more")
        body.watched.stopped_at = body.watched.began - 3600

    def test_a_job_that_does_not_react_loses_its_worker(self):
        kill = self.enterContext(patch.object(watching.os, "kill"))
        self.enterContext(patch.object(watching, "_is_prefork", return_value=True))
        for error in (None, ConnectionError("the end cannot be written")):
            bury = Mock(side_effect=error)
            with self.subTest(error=error), Body(self.watch, bury=bury) as body:
                self.stubborn(body)
                self.look(body)
                bury.assert_called_once_with(Kind.CANCELLED, "No more")
                kill.assert_called_with(watching.os.getpid(), signal.SIGKILL)

    def test_where_workers_are_threads_it_is_interrupted_again_and_again(self):
        kill = self.enterContext(patch.object(watching.os, "kill"))
        self.enterContext(patch.object(watching, "_is_prefork", return_value=False))
        with Body(self.watch) as body:
            self.stubborn(body)
            self.look(body)
            body.thread.join(30)
        self.assertIs(body.interrupted, True)
        kill.assert_not_called()

    def test_a_job_that_gets_time_is_not_killed_yet(self):
        kill = self.enterContext(patch.object(watching.os, "kill"))
        self.enterContext(patch.object(watching, "_is_prefork", return_value=True))
        with Body(self.watch) as body:
            body.watched.verdict = (Kind.CANCELLED, "No more")
            self.look(body)
        kill.assert_not_called()


class TestKindOfServer(unittest.TestCase):
    def test_a_worker_of_its_own_process_is_known_by_who_takes_its_signals(self):
        worker = object.__new__(server.WorkerHTTP)
        for handler, prefork in ((worker.signal_handler, True), (print, False)):
            with patch.object(watching.signal, "getsignal", return_value=handler):
                self.assertIs(watching._is_prefork(), prefork)


class TestDismissal(unittest.TestCase):
    """An interruption that comes too late hits nobody else."""

    def setUp(self):
        super().setUp()
        self.watch = watching._Watch()
        self.enterContext(patch.object(self.watch, "_ensure_thread"))
        self.watched = Watched(1, "u", "db", 0, Mock(), Mock(), dict)

    def steps_after(self):
        """Any pending interruption arrives in one of these."""
        for _index in range(1000):
            pass

    def test_one_that_has_not_arrived_is_absorbed(self):
        with self.watch.over(self.watched):
            self.watched.stopped_at = 1.0
        self.steps_after()
        self.assertFalse(self.watch._jobs)

    def test_one_that_arrives_while_the_job_is_dismissed_is_absorbed(self):
        before = self.watch._dismiss
        self.watch._dismiss = Mock(side_effect=[Interrupted, DEFAULT], wraps=before)
        with self.watch.over(self.watched):
            self.watched.stopped_at = 1.0
        self.steps_after()
        self.assertEqual(self.watch._dismiss.call_count, 2)
        self.assertFalse(self.watch._jobs)
