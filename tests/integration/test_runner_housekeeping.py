# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Dead workers, lost channels and signs of life."""

from __future__ import annotations

import json
import logging
from contextlib import closing

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from odoo.addons.queue_job.core.channel_config import parse
from odoo.addons.queue_job.jobrunner import configured, housekeeping, scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.connection import connect
from odoo.addons.queue_job.jobrunner.housekeeping import LOOK_AFTER
from odoo.addons.queue_job.storage import locks

from .runner_case import RunnerCase, connection


class HousekeepingCase(RunnerCase):
    def setUp(self):
        super().setUp()
        self.query("DELETE FROM ir_config_parameter WHERE key = 'queue_job.max_deaths'")

    def keeper(self, **options):
        return housekeeping.Housekeeper(self.db.name, Config(**options), 9, "test")

    def call(self, function, *args):
        with self.cnx.cursor() as cr:
            return function(cr, *args)

    def rescue(self, keeper):
        """Look twice, some time apart."""
        self.call(keeper.look_after, 0.0, ())
        with self.assertLogs(housekeeping.__name__, logging.WARNING) as logs:
            self.assertTrue(self.call(keeper.look_after, LOOK_AFTER, ()))
        return logs.output


class TestRescue(HousekeepingCase):
    def test_a_job_without_a_sign_of_life_is_rescued_at_the_second_look(self):
        job, keeper = self.started(), self.keeper()
        for now in (0.0, LOOK_AFTER * 0.5, LOOK_AFTER * 0.9):
            self.assertFalse(self.call(keeper.look_after, now, ()))
            self.assertEqual(self.read(job), "started")
        with self.assertLogs(housekeeping.__name__, logging.WARNING) as logs:
            self.assertTrue(self.call(keeper.look_after, LOOK_AFTER, ()))
        self.assertEqual(self.read(job, "state, deaths"), ("pending", 1))
        uuid = self.read(job, "uuid")
        for part in (uuid, "channel=root", "attempt=1", "node:1"):
            self.assertIn(part, logs.output[0])

    def test_a_job_that_took_its_lock_meanwhile_is_left_alone(self):
        job, keeper = self.started(), self.keeper()
        self.call(keeper.look_after, 0.0, ())
        query = "SELECT pg_advisory_xact_lock(%s)"
        with self.other_transaction(query, (locks.job_key(job),)):
            self.assertFalse(self.call(keeper.look_after, 5.0, ()))
            # It was alive in between: all begins anew.
        self.assertFalse(self.call(keeper.look_after, 6.0, ()))
        self.assertEqual(self.read(job), "started")

    def test_a_job_that_is_about_to_be_finished_is_left_alone(self):
        job, keeper = self.started(), self.keeper()
        self.call(keeper.look_after, 0.0, ())
        query = "UPDATE queue_job SET state = 'done' WHERE id = %s"
        with self.other_transaction(query, (job,)):
            self.assertFalse(self.call(keeper.look_after, 5.0, ()))
        self.assertEqual(self.read(job), "started")

    def test_two_runners_rescue_a_job_once(self):
        job, keepers = self.started(), [self.keeper(), self.keeper()]
        for keeper in keepers:
            self.call(keeper.look_after, 0.0, ())
        with self.assertLogs(housekeeping.__name__, logging.WARNING) as logs:
            found = [self.call(keeper.look_after, LOOK_AFTER, ()) for keeper in keepers]
        self.assertEqual((found, len(logs.output)), ([True, False], 1))
        self.assertEqual(self.read(job, "deaths"), 1)
        self.assertEqual([keeper.rescued for keeper in keepers], [1, 0])

    def test_a_job_fails_at_its_third_death(self):
        job = self.started(deaths=2)
        (line,) = self.rescue(self.keeper())
        self.assertIn("it is failed", line)
        self.assertEqual(self.read(job, "state, deaths"), ("failed", 3))

    def test_the_database_says_how_often_it_may_die(self):
        self.query(
            "INSERT INTO ir_config_parameter (key, value)"
            " VALUES ('queue_job.max_deaths', '1')"
        )
        job = self.started()
        self.rescue(self.keeper())
        self.assertEqual(self.read(job), "failed")

    def test_the_server_s_configuration_wins(self):
        self.query(
            "INSERT INTO ir_config_parameter (key, value)"
            " VALUES ('queue_job.max_deaths', '1')"
        )
        job = self.started(deaths=50)
        self.rescue(self.keeper(max_deaths=0))
        self.assertEqual(self.read(job), "pending")

    def test_a_job_that_was_asked_to_stop_is_cancelled(self):
        job = self.started()
        self.query(
            "INSERT INTO queue_job_stop (job_id, reason) VALUES (%s, 'by me')", (job,)
        )
        (line,) = self.rescue(self.keeper())
        self.assertIn("it is cancelled", line)
        self.assertEqual(self.read(job, "state, result"), ("cancelled", "by me"))
        self.assertEqual(self.query("SELECT * FROM queue_job_stop"), [])


class TestTidying(HousekeepingCase):
    def test_jobs_in_a_channel_that_has_gone_fail_and_say_what_to_do(self):
        gone, here = self.job("root.gone"), self.job()
        configured = self.job("root.elsewhere")
        keeper = self.keeper(channels=tuple(parse("root:1,root.elsewhere:1")))
        with self.assertLogs(housekeeping.__name__, logging.ERROR):
            self.call(keeper.tidy)
        self.assertEqual(
            self.read(gone, "state, exc_name"), ("failed", "ChannelNotFound")
        )
        self.assertIn("root.gone", self.read(gone, "exc_message"))
        self.assertEqual((self.read(here), self.read(configured)), ("pending",) * 2)

    def test_a_channel_and_a_job_that_are_made_at_once_belong_together(self):
        self.query(
            "WITH made AS (INSERT INTO queue_job_channel (name, complete_name)"
            " VALUES ('twin', 'root.twin')) "
            "INSERT INTO queue_job (uuid, state, channel, ready)"
            " VALUES ('twin', 'pending', 'root.twin', true)"
        )
        self.call(self.keeper().tidy)
        self.assertEqual(self.db.value("SELECT state FROM queue_job"), "pending")
        self.query("DELETE FROM queue_job_channel WHERE name = 'twin'")

    def test_a_typo_in_the_option_keeps_the_channels_that_were_read_last(self):
        self.addCleanup(
            self.query,
            "DELETE FROM ir_config_parameter WHERE key = 'queue_job.channels'",
        )
        text = "root:1,root.elsewhere:1"
        good = self.keeper(channels=tuple(parse(text)), channels_text=text)
        self.call(good.run, 0.0, (), 1, 1)
        job, gone = self.job("root.elsewhere"), self.job("root.gone")
        wrong = self.keeper(channels_error="'root:x' is wrong")
        with self.assertLogs(housekeeping.__name__, logging.ERROR):
            self.call(wrong.run, 0.0, (), 1, 1)
        self.assertEqual((self.read(job), self.read(gone)), ("pending", "failed"))
        self.capacity(9)
        with self.cnx.cursor() as cr:
            (first,) = configured.channels(cr, wrong.config)[:1]
            cr.execute("SELECT configuration FROM queue_job_runner")
            told = json.loads(cr.fetchone()[0])
        self.assertEqual((first.name, first.capacity), ("root", 1))
        self.assertEqual(told["channels"], text)
        self.assertEqual(told["channels_error"], "'root:x' is wrong")
        # none at all is no mistake: the records decide then
        self.call(self.keeper().run, 0.0, (), 1, 1)
        with self.cnx.cursor() as cr:
            self.assertEqual(configured.channels(cr, wrong.config), ())

    def test_a_pass_goes_by_the_channels_that_were_read_last(self):
        self.addCleanup(
            self.query,
            "DELETE FROM ir_config_parameter WHERE key = 'queue_job.channels'",
        )
        wrong = Config(channels_error="wrong")
        jobs = [self.job() for _index in range(3)]
        with self.cnx.cursor() as cr:
            kept = Config(channels=tuple(parse("root:2")), channels_text="root:2")
            configured.keep(cr, kept)
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            cnx.autocommit = False
            requests = scheduling.schedule_once(cr, wrong, 5)
        self.assertEqual([each.id for each in requests], jobs[:2])

    def test_a_shell_says_nothing_of_its_configuration(self):
        keeper = housekeeping.Housekeeper(
            self.db.name, Config(channels_text="root:7"), 9, housekeeping.SHELL
        )
        self.call(keeper.run, 0.0, (), 1, 1)
        found = self.query("SELECT configuration FROM queue_job_runner")
        self.assertEqual(found, [(None,)])
        query = "SELECT 1 FROM ir_config_parameter WHERE key = 'queue_job.channels'"
        self.assertEqual(self.query(query), [])

    def test_who_waits_for_a_job_that_is_done_is_released(self):
        parent, child = self.job(), self.job()
        ((barrier,),) = self.query(
            "INSERT INTO queue_job_barrier (remaining) VALUES (1) RETURNING id"
        )
        self.query("INSERT INTO queue_job_edge VALUES (%s, %s)", (barrier, parent))
        self.query(
            "UPDATE queue_job SET state = 'wait_dependencies', barrier_id = %s"
            " WHERE id = %s",
            (barrier, child),
        )
        self.query(
            "UPDATE queue_job SET state = 'done', release_due = true,"
            " date_done = '2020-01-01' WHERE id = %s",
            (parent,),
        )
        self.call(self.keeper().tidy)
        self.assertEqual(self.read(child), "pending")

    def test_a_runner_shows_itself_while_it_works(self):
        keeper = self.keeper()
        for now, passes in ((0.0, 3), (1.0, 4), (100.0, 5)):
            self.call(keeper.run, now, (), passes, 2)
        rows = self.query(
            "SELECT number, kind, passes, dispatched, pid > 0, node <> '',"
            " version <> '' FROM queue_job_runner"
        )
        self.assertEqual(rows, [(9, "test", 5, 2, True, True, True)])


class TestHeldTables(HousekeepingCase):
    """Whatever others hold: the runner waits no longer than its limit, and shows that
    it lives."""

    def test_a_table_that_somebody_locks_stops_no_sign_of_life(self):
        for table in (
            "queue_job",
            "queue_job_barrier",
            "queue_job_edge",
            "queue_job_channel",
            "queue_job_rollup",
            "queue_job_untold",
            "ir_config_parameter",
        ):
            self.query("DELETE FROM queue_job_runner")
            query = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
            with self.subTest(table=table), self.other_transaction(query):
                self.assertTrue(self.kept_house())

    def test_a_sign_of_life_that_cannot_be_given_stops_nothing_else(self):
        job = self.job("root.gone")
        query = "LOCK TABLE queue_job_runner IN ACCESS EXCLUSIVE MODE"
        with self.other_transaction(query):
            self.kept_house(show=False)
            self.assertEqual(self.read(job), "failed")

    def test_a_step_that_fails_stops_no_other(self):
        keeper = self.keeper()
        job = self.job("root.gone")

        def broken(cr, *_args):
            cr.execute("SELECT 1/0")

        keeper.look_after = broken
        self.kept_house(keeper)
        self.assertEqual(self.read(job), "failed")

    def kept_house(self, keeper=None, show=True):
        """Run all steps beside what is held; return whether the runner is seen."""
        keeper = keeper or self.keeper()
        with closing(connect(self.db.name, Config())) as cnx, cnx.cursor() as cr:
            keeper.run(cr, 0.0, (), 1, 1)
            keeper.to_tell(cr, 0.0)
            self.assertEqual(cnx.get_transaction_status(), TRANSACTION_STATUS_IDLE)
        return show and self.query("SELECT number FROM queue_job_runner") == [(9,)]
