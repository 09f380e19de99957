# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""Jobs executed by the command in this process, in a database of their own."""

import threading
import time
import unittest
from unittest.mock import patch

from odoo import SUPERUSER_ID, api, sql_db
from odoo.modules import module as odoo_module
from odoo.modules.registry import Registry
from odoo.tools import config

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.console import Refused, benchmark, commands
from odoo.addons.queue_job.console.draining import Busy, Drain
from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.jobrunner.config import Config

from ..acceptance.server import Database


class DrainCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(Database(cls.__name__.lower()))
        # the tests of its modules are not to be run now
        with patch.dict(config.options, {"test_enable": False}):
            cls.registry = Registry(cls.database.name)
        cls.addClassCleanup(sql_db.close_db, cls.database.name)
        cls.addClassCleanup(Registry.delete, cls.database.name)

    def setUp(self):
        self.addCleanup(self.clean)

    def clean(self):
        for statement in (
            "DELETE FROM queue_job",
            "DELETE FROM queue_job_runner",
            "UPDATE ir_module_module SET state = 'installed' WHERE name = 'queue_job'",
            "UPDATE queue_job_channel SET paused = false, throttle = 0",
        ):
            self.database.query(statement)

    def enqueue(self, *seconds, **options):
        """A job of the queue's own that does nothing for each of these times."""
        with self.registry.cursor() as cr:
            jobs = api.Environment(cr, SUPERUSER_ID, {})["queue.job"]
            for duration in seconds or (0,):
                jobs.with_delay(**options)._test_job(job_duration=duration)

    def drain(self, *args, **options):
        return dict(+Drain(self.registry, *args, **options).run())


class TestScheduledAction(DrainCase):
    """Where a database has no runner."""

    def run_with(self, **values):
        """What the action executes while the configuration is this."""
        with patch.object(runner_config, "get", lambda: Config(**values)):
            # a test is no reason to execute nothing here
            with patch.object(odoo_module, "current_test", False):
                with self.registry.cursor() as cr:
                    api.Environment(cr, SUPERUSER_ID, {})["queue.job"]._cron_run()

    def clean(self):
        super().clean()
        self.database.query(
            "DELETE FROM ir_config_parameter WHERE key = 'queue_job.channels'"
        )

    def test_channels_that_were_readable_stay_in_force_after_a_typo(self):
        text = "root:1,root.closed:0"
        specs = tuple(channel_config.parse(text))
        self.run_with(channels=specs, channels_text=text)
        self.enqueue()
        self.database.query("UPDATE queue_job SET channel = 'root.closed'")
        self.run_with(channels_error="piece 2 is wrong")
        self.assertEqual(self.database.states(), {"pending": 1})

    def test_channels_that_are_no_longer_configured_are_not_kept(self):
        specs = tuple(channel_config.parse("root:0"))
        self.run_with(channels=specs, channels_text="root:0")
        self.run_with()
        self.enqueue()
        self.run_with(channels_error="piece 1 is wrong")
        self.assertEqual(self.database.states(), {"done": 1})


class TestDrain(DrainCase):
    def test_all_jobs_are_executed_and_counted_by_their_states(self):
        self.enqueue(0, 0, 0)
        with self.registry.cursor() as cr:
            jobs = api.Environment(cr, SUPERUSER_ID, {})["queue.job"]
            jobs.with_delay()._test_job(failure_rate=1)
            jobs.with_delay()._test_job(failure_rate=1, failure_retry_seconds=60)
        self.assertEqual(self.drain(), {"done": 3, "failed": 1, "pending": 1})

    def test_a_job_that_cannot_be_read_back_has_failed(self):
        self.enqueue()
        self.database.query("UPDATE queue_job SET method_name = 'gone'")
        self.database.query("UPDATE queue_job SET sealed = true")
        self.assertEqual(self.drain(), {"failed": 1})

    def test_who_drains_is_seen_as_long_as_it_does(self):
        self.enqueue()
        drain = Drain(self.registry)
        with drain._held():
            drain._keep_house()
            with self.registry.cursor() as cr:
                (runner,) = storage.figures.runners(cr)
            self.assertEqual((runner.kind, runner.number), ("command", drain.number))
        self.assertEqual(
            self.database.value("SELECT count(*) FROM queue_job_runner"), 0
        )

    def test_a_job_that_was_taken_but_not_started_goes_back(self):
        self.enqueue()
        drain = Drain(self.registry)
        with drain._held():
            self.assertEqual(len(drain._schedule().requests), 1)
            self.assertEqual(self.database.states(), {"enqueued": 1})
        self.assertEqual(self.database.states(), {"pending": 1})

    def test_nothing_is_executed_while_modules_are_installed(self):
        self.enqueue()
        self.database.query(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'queue_job'"
        )
        with self.assertRaises(Busy):
            self.drain()
        with self.assertRaises(Refused):
            commands.run(self.registry, 0, None, threading.Event())

    def test_it_does_not_wait_for_a_paused_channel(self):
        self.enqueue()
        self.database.query("UPDATE queue_job_channel SET paused = true")
        self.assertEqual(self.drain(), {})

    def test_it_waits_for_the_places_that_others_have(self):
        self.enqueue(0, 0)
        with self.registry.cursor() as cr:
            cr.execute(
                "UPDATE queue_job SET state = 'started', attempt = 1,"
                " date_started = now() AT TIME ZONE 'UTC'"
                " WHERE id = (SELECT min(id) FROM queue_job) RETURNING id"
            )
            job_id = cr.fetchone()[0]
        with self.registry.cursor() as other:
            # alive, so that it is not rescued
            storage.locks.hold_job(other, job_id)
            ended = threading.Timer(0.5, self.finish, [job_id])
            ended.start()
            self.assertEqual(self.drain(), {"done": 1})
            ended.join()

    def finish(self, job_id):
        self.database.query(
            "UPDATE queue_job SET state = 'done' WHERE id = %s", [job_id]
        )

    def test_dates_that_come_within_the_wait_are_waited_for(self):
        self.enqueue(eta=3600)
        self.assertEqual(self.drain(), {})
        self.database.query(
            "UPDATE queue_job SET eta = now() AT TIME ZONE 'UTC' + interval '1 s'"
        )
        self.assertEqual(self.drain(3), {"done": 1})

    def test_no_job_is_started_after_the_time_is_over(self):
        self.enqueue(0)
        self.assertEqual(self.drain(0, -1), {})
        self.enqueue(eta=3600)
        began = time.monotonic()
        self.assertEqual(self.drain(3600, 1), {"done": 1})
        self.assertLess(time.monotonic() - began, 60)

    def test_it_ends_when_it_is_told_to(self):
        self.enqueue()
        stop = threading.Event()
        stop.set()
        self.assertEqual(self.drain(stop=stop), {})
        found = commands.run(self.registry, 0, None, threading.Event())
        self.assertEqual((found["executed"], found["done"]), (1, 1))
        self.assertTrue(found["ok"])


class TestBenchmark(DrainCase):
    def bench(self, number, channel="root", here=True, seconds=60, stop=None):
        stop = stop or threading.Event()
        run = benchmark.Benchmark(self.registry, channel, here, seconds, stop)
        return run.run(number)

    def test_rates_are_measured_and_nothing_is_left(self):
        self.patch_batch(7)
        found = self.bench(15)
        self.assertTrue(found["ok"])
        self.assertEqual((found["jobs"], found["done"]), (15, 15))
        self.assertEqual(found["executed_by"], "here")
        self.assertGreater(found["enqueue_per_second"], 0)
        self.assertGreater(found["wait"]["p95"], 0)
        self.assertEqual(self.database.states(), {})

    def patch_batch(self, number):
        before = benchmark._BATCH
        benchmark._BATCH = number
        self.addCleanup(setattr, benchmark, "_BATCH", before)

    def test_an_unknown_channel_is_refused(self):
        with self.assertRaises(Refused):
            self.bench(1, "root.unknown")

    def test_without_a_runner_the_jobs_are_executed_here(self):
        self.assertEqual(self.bench(2, here=False)["executed_by"], "here")

    def test_a_runner_is_left_to_execute_them(self):
        with self.registry.cursor() as cr:
            values = {"node": "n", "pid": 1, "version": "", "kind": ""}
            counts = dict.fromkeys(("passes", "dispatched", "rescued"), 0)
            storage.presence.heartbeat(cr, 1, values | counts)
        # nobody executes them in fact
        found = self.bench(3, here=False, seconds=0.3)
        self.assertEqual((found["executed_by"], found["done"]), ("runner", 0))
        self.assertFalse(found["ok"])
        self.assertIsNone(found["execute_per_second"])
        self.assertEqual(self.database.states(), {})
