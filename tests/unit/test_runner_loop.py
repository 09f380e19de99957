# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the runner's thread waits for."""

import os
import socket
import threading
import unittest

from odoo.addons.queue_job.jobrunner.loop import (
    READ,
    WRITE,
    Loop,
    clock,
    close_quietly,
    line_of,
)


class LoopCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.loop = Loop()
        self.addCleanup(self.loop.close)

    def pair(self):
        pair = socket.socketpair()
        for each in pair:
            self.addCleanup(each.close)
        return pair

    def turn_until(self, condition, seconds=20):
        end = clock() + seconds
        while not condition():
            self.assertLess(clock(), end, "nothing happened")
            self.loop.turn(0.1)


class TestSockets(LoopCase):
    def test_a_callback_is_called_when_there_is_something_to_read(self):
        here, there = self.pair()
        calls = []
        self.loop.watch(here.fileno(), READ, lambda: calls.append(here.recv(10)))
        self.loop.turn(0)
        self.assertEqual(calls, [])
        there.send(b"x")
        self.loop.turn(5)
        self.assertEqual(calls, [b"x"])

    def test_watching_again_replaces_what_was_awaited(self):
        here, _there = self.pair()
        calls = []
        self.loop.watch(here.fileno(), READ, lambda: calls.append("read"))
        self.loop.watch(here.fileno(), WRITE, lambda: calls.append("write"))
        self.loop.turn(5)
        self.assertEqual(calls, ["write"])

    def test_what_is_not_watched_any_more_is_not_called(self):
        here, there = self.pair()
        self.loop.watch(here.fileno(), READ, self.fail)
        there.send(b"x")
        self.loop.unwatch(here.fileno())
        self.loop.unwatch(here.fileno())
        self.loop.turn(0)

    def test_a_file_that_a_callback_closes_is_not_called_in_the_same_turn(self):
        pairs = [self.pair() for _index in range(2)]
        calls = []

        def callback():
            calls.append(1)
            for here, _there in pairs:
                self.loop.unwatch(here.fileno())

        for here, there in pairs:
            self.loop.watch(here.fileno(), READ, callback)
            there.send(b"x")
        self.loop.turn(5)
        self.assertEqual(calls, [1])


class TestWaking(LoopCase):
    def test_another_thread_ends_the_wait(self):
        began = clock()
        thread = threading.Thread(target=self.loop.wake)
        thread.start()
        self.loop.turn(60)
        thread.join()
        self.assertLess(clock() - began, 30)

    def test_many_calls_wake_once(self):
        for _index in range(100_000):
            self.loop.wake()
        self.loop.turn(60)
        began = clock()
        self.loop.turn(0.05)
        self.assertGreaterEqual(clock() - began, 0.04)

    def test_a_loop_that_has_ended_is_not_woken(self):
        loop = Loop()
        loop.close()
        here, there = self.pair()  # may have its numbers now
        loop.wake()
        for each in (here, there):
            each.setblocking(False)
            with self.assertRaises(BlockingIOError):
                each.recv(1)


class TestSlowWork(LoopCase):
    def work(self, *works):
        results = []
        for work in works:
            self.loop.background(work, lambda *result: results.append(result))
        self.turn_until(lambda: len(results) == len(works))
        return results

    def test_its_result_comes_to_the_loop_s_thread(self):
        threads = []

        def work():
            threads.append(threading.current_thread())
            return 42

        self.assertEqual(self.work(work), [(42, None)])
        self.assertIsNot(threads[0], threading.current_thread())

    def test_its_error_comes_to_the_loop_s_thread(self):
        error = ValueError("no")

        def work():
            raise error

        self.assertEqual(self.work(work, work), [(None, error)] * 2)

    def test_what_blocks_does_not_hinder_the_rest(self):
        gate = threading.Event()
        blocked = []
        self.loop.background(lambda: gate.wait(20), lambda *_r: blocked.append(1))
        self.assertEqual(self.work(lambda: 1, lambda: 2), [(1, None), (2, None)])
        self.assertEqual(blocked, [])
        gate.set()
        self.turn_until(lambda: blocked)

    def test_its_threads_are_few(self):
        gate = threading.Event()
        threads = set()

        def work():
            threads.add(threading.current_thread())
            gate.wait(20)

        results = []
        for _index in range(50):
            self.loop.background(work, lambda *result: results.append(result))
        gate.set()
        self.turn_until(lambda: len(results) == 50)
        self.assertLessEqual(len(threads), 4)


class _Connection:
    def __init__(self, sock):
        self._sock = sock
        self.closed = False

    def fileno(self):
        return self._sock.fileno()

    def close(self):
        self.closed = True


class TestConnections(LoopCase):
    def test_a_closed_connection_is_not_watched(self):
        here, there = self.pair()
        connection = _Connection(here)
        watched = self.loop.watch_connection(connection, self.fail)
        watched.close()
        there.send(b"x")
        self.loop.turn(0)
        self.assertTrue(connection.closed)
        self.assertFalse(self.loop.watched)

    def test_an_inherited_connection_is_closed_without_a_word(self):
        here, there = self.pair()
        fd = os.dup(here.fileno())
        copy = socket.socket(fileno=fd)
        connection = _Connection(copy)
        loop = Loop()
        loop.watch_connection(connection, self.fail)
        loop.abandon()
        self.assertFalse(connection.closed)
        with self.assertRaises(OSError):
            os.fstat(fd)
        copy.detach()
        there.setblocking(False)
        with self.assertRaises(BlockingIOError):
            there.recv(1)

    def test_a_number_that_is_another_file_s_now_is_left_alone(self):
        here, _there = self.pair()
        copy = socket.socket(fileno=os.dup(here.fileno()))
        loop = Loop()
        watched = loop.watch_connection(_Connection(copy), self.fail)
        other, _end = self.pair()
        os.dup2(other.fileno(), copy.fileno())
        watched.abandon()
        os.fstat(copy.fileno())
        copy.close()
        loop.close()

    def test_closing_forgives_a_broken_connection(self):
        class Broken:
            def close(self):
                import psycopg2

                raise psycopg2.InterfaceError("broken")

        close_quietly(Broken())

    def test_an_error_is_told_in_a_line(self):
        self.assertEqual(line_of(ValueError("one\ntwo")), "one")
        self.assertEqual(line_of(ValueError()), "ValueError()")
