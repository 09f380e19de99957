# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's place in Odoo's servers."""

import logging
import types
import unittest
from unittest.mock import MagicMock, patch

from odoo.addons.queue_job.core.channel_config import parse
from odoo.addons.queue_job.jobrunner import server as place
from odoo.addons.queue_job.jobrunner.config import Config


def make_server():
    """Stands for Odoo's module: its classes spawn what is to run."""

    class CommonServer:
        _on_stop_funcs = []

        @classmethod
        def on_stop(cls, func):
            cls._on_stop_funcs.append(func)

    class ThreadedServer(CommonServer):
        spawned = 0

        def cron_spawn(self):
            self.spawned += 1
            return "cron"

    class PreforkServer(CommonServer):
        spawned = 0
        worker = False

        def process_spawn(self):
            self.spawned += 1
            if self.worker:
                raise SystemExit(0)

    return types.SimpleNamespace(
        CommonServer=CommonServer,
        ThreadedServer=ThreadedServer,
        PreforkServer=PreforkServer,
    )


class ServerCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.options = {
            "server_wide_modules": ["base", "web", "queue_job"],
            "stop_after_init": False,
            "test_enable": False,
            "http_enable": True,
        }
        self.config = Config()
        self.evented = False
        self.server = make_server()
        self.thread, self.runner = MagicMock(), MagicMock()
        self.start = MagicMock(return_value=(self.thread, self.runner))
        for name, value in {
            "server": self.server,
            "odoo_config": self.options,
            "_place": place._Place(),
            "_originals": {},
            "start_thread": self.start,
        }.items():
            self.enterContext(patch.object(place, name, value))
        self.enterContext(patch.object(place.configuration, "get", lambda: self.config))
        self.odoo = self.enterContext(patch.object(place, "odoo"))
        self.odoo.evented = False


class TestPlace(ServerCase):
    def test_a_threaded_server_starts_the_runner_after_its_own_threads(self):
        place.install()
        server = self.server.ThreadedServer()
        self.start.side_effect = lambda kind: (
            self.assertEqual(server.spawned, 1) or (self.thread, self.runner)
        )
        self.assertEqual(server.cron_spawn(), "cron")
        self.start.assert_called_once_with("threaded")

    def test_a_prefork_server_starts_it_once_after_the_first_workers(self):
        place.install()
        server = self.server.PreforkServer()
        for _index in range(3):
            server.process_spawn()
        self.assertEqual(server.spawned, 3)
        self.start.assert_called_once_with("prefork")

    def test_a_thread_that_has_died_is_started_again(self):
        place.install()
        server = self.server.PreforkServer()
        server.process_spawn()
        self.thread.is_alive.return_value = False
        with self.assertLogs(place.__name__, "ERROR"):
            server.process_spawn()
        self.assertEqual(self.start.call_count, 2)

    def test_a_worker_that_ends_within_the_spawn_starts_none(self):
        place.install()
        server = self.server.PreforkServer()
        server.worker = True
        with self.assertRaises(SystemExit):
            server.process_spawn()
        self.start.assert_not_called()

    def test_a_forked_process_does_not_take_the_thread_for_its_own(self):
        place.install()
        self.server.ThreadedServer().cron_spawn()
        with patch.object(place.os, "getpid", return_value=1):
            place._place.stop()
            self.runner.stop.assert_not_called()

    def test_the_runner_stops_with_the_server(self):
        place.install()
        server = self.server.PreforkServer()
        server.process_spawn()
        for func in self.server.CommonServer._on_stop_funcs:
            func()
        self.runner.stop.assert_called_once_with()
        self.thread.join.assert_called_once()
        self.thread.is_alive.return_value = False
        server.process_spawn()
        self.start.assert_called_once()

    def test_stopping_a_server_without_a_runner_is_harmless(self):
        place.install()
        for func in self.server.CommonServer._on_stop_funcs:
            func()
        self.runner.stop.assert_not_called()


class TestInstallation(ServerCase):
    def originals(self):
        return (
            self.server.ThreadedServer.cron_spawn,
            self.server.PreforkServer.process_spawn,
            list(self.server.CommonServer._on_stop_funcs),
        )

    def test_it_is_undone_without_a_trace(self):
        before = self.originals()
        place.install()
        self.assertNotEqual(self.originals(), before)
        place.uninstall()
        self.assertEqual(self.originals(), before)

    def test_twice_is_once(self):
        place.install()
        place.install()
        self.server.ThreadedServer().cron_spawn()
        self.start.assert_called_once()
        self.assertEqual(len(self.server.CommonServer._on_stop_funcs), 1)

    def test_nothing_is_touched_where_the_module_is_not_server_wide(self):
        before = self.originals()
        self.options["server_wide_modules"] = ["base", "web"]
        place.install()
        self.assertEqual(self.originals(), before)

    def test_there_is_no_runner_where_none_is_wanted(self):
        for option, value in [
            ("stop_after_init", True),
            ("test_enable", True),
            ("http_enable", False),
            ("server_wide_modules", ["base"]),
        ]:
            with self.subTest(option=option):
                usual = self.options[option]
                self.options[option] = value
                self.assertFalse(place.wanted())
                self.options[option] = usual
        self.assertTrue(place.wanted())

    def test_the_process_for_the_bus_has_none(self):
        self.odoo.evented = True
        self.assertFalse(place.wanted())

    def test_a_root_channel_of_capacity_zero_switches_it_off(self):
        self.config = Config(channels=tuple(parse("root:0,root.a:2")))
        with self.assertLogs(place.__name__, logging.INFO) as logs:
            self.assertFalse(place.wanted())
        self.assertIn("capacity 0", logs.output[0])
        place.install()
        self.server.ThreadedServer().cron_spawn()
        self.start.assert_not_called()
