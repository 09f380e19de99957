# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""A copy of a database executes nothing until somebody releases it (D22)."""

import uuid
from contextlib import closing
from unittest.mock import patch

from odoo import SUPERUSER_ID, api, sql_db
from odoo.modules.neutralize import neutralize_database
from odoo.modules.registry import Registry
from odoo.tools import config

from odoo.addons.queue_job import executor, storage
from odoo.addons.queue_job.console import Refused, commands, reading
from odoo.addons.queue_job.console.draining import Resting
from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.jobrunner import scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.housekeeping import Housekeeper

from ..acceptance.server import Database, connection
from .test_drain import DrainCase

_STARTED = """
UPDATE queue_job SET state = 'started', attempt = 1, deaths = 99, worker = 'gone:1',
       date_started = (clock_timestamp() AT TIME ZONE 'UTC') - interval '9 s'
"""


class RestCase(DrainCase):
    def clean(self):
        super().clean()
        self.database.query(
            "DELETE FROM ir_config_parameter WHERE key IN ('queue_job.home',"
            " 'queue_job.rest', 'database.is_neutralized')"
        )
        self.database.query("DELETE FROM queue_job_untold")

    def neutralize(self):
        with self.registry.cursor() as cr:
            neutralize_database(cr)

    def env(self, cr):
        return api.Environment(cr, SUPERUSER_ID, {})

    def take(self):
        """A pass that takes the jobs that may run; what it took."""
        with self.registry.cursor() as cr:
            return scheduling.schedule_once(cr, Config(), 7)

    def reason(self, database=None):
        with connection((database or self.database).name) as cnx, cnx.cursor() as cr:
            return storage.home.reason(cr)

    def serve(self, request):
        with closing(self.registry.cursor()) as cr:
            return executor.serve(
                self.env(cr), executor.hooks_of(self.registry), *request[1:3], 9
            )


class TestNeutralized(RestCase):
    def test_no_door_leads_to_a_job(self):
        self.enqueue(0, 0)
        (request,) = self.take()
        self.neutralize()
        self.enqueue()
        with self.assertRaises(Resting):
            self.drain()
        with self.assertRaisesRegex(Refused, "odoo-bin queue_job release"):
            commands.run(self.registry, 0, None, None)
        self.assertEqual(self.take(), [])
        self.assertEqual(self.serve(request), 0)
        with self.registry.cursor() as cr:
            self.env(cr)["queue.job"]._cron_run()
        self.assertEqual(self.database.states(), {"enqueued": 1, "pending": 2})

    def test_whatever_the_configuration_says(self):
        self.enqueue()
        self.neutralize()
        channels = tuple(channel_config.parse("root:9"))
        with patch.object(runner_config, "get", lambda: Config(channels=channels)):
            with self.assertRaises(Resting):
                self.drain()
        self.assertEqual(self.database.states(), {"pending": 1})

    def test_a_lease_takes_no_further_job(self):
        self.enqueue(0, 0, 0)
        (request,) = self.take()
        with patch.object(
            executor.hooks_of(self.registry), "_runjob", wraps=self._neutralizing()
        ):
            self.assertEqual(self.serve(request), 1)
        self.assertEqual(self.database.states(), {"done": 1, "pending": 2})

    def _neutralizing(self):
        runjob = executor.hooks_of(self.registry)._runjob

        def run(env, job):
            self.neutralize()
            return runjob(env, job)

        return run

    def test_what_it_took_over_is_neither_rescued_nor_told_of(self):
        self.enqueue()
        self.database.query(_STARTED)
        self.database.query(
            "INSERT INTO queue_job_untold (job_id, state)"
            " SELECT id, 'failed' FROM queue_job"
        )
        self.neutralize()
        housekeeper = Housekeeper(self.database.name, Config(), 7)
        with connection(self.database.name) as cnx, cnx.cursor() as cr:
            look = storage.schedule.begin(cr)
            housekeeper.rest = scheduling.run(
                cr, look, self.database.name, Config(), 7
            ).rest
            storage.schedule.commit(cr)
            for now in range(0, 100, 10):
                housekeeper.run(cr, now, (), 0, 0)
                self.assertIsNone(housekeeper.to_tell(cr, now))
            self.assertEqual(self.database.states(), {"started": 1})
            housekeeper.rest = None
            for now in (200, 210):
                housekeeper.run(cr, now, (), 0, 0)
            self.assertEqual(self.database.states(), {"failed": 1})

    def test_one_button_releases_it_for_good(self):
        self.enqueue(0, 0)
        self.neutralize()
        self.assertEqual(self.reason(), "neutralized")
        with self.registry.cursor() as cr:
            self.env(cr)["queue.job"].release_copy()
        self.assertIsNone(self.reason())
        self.assertEqual(self.drain(), {"done": 2})

    def test_one_that_is_neutralized_again_rests_again(self):
        self.neutralize()
        with self.registry.cursor() as cr:
            self.assertTrue(commands.release(self.env(cr))["ok"])
            self.assertFalse(commands.release(self.env(cr))["ok"])
        self.neutralize()
        self.enqueue()
        with self.assertRaises(Resting):
            self.drain()

    def test_one_that_was_neutralized_before_the_queue_came_rests_as_well(self):
        self.neutralize()
        self.database.query(
            "DELETE FROM ir_config_parameter WHERE key = 'queue_job.rest'"
        )
        self.enqueue()
        self.assertEqual(self.take(), [])
        self.assertEqual(
            self.database.value(
                "SELECT value FROM ir_config_parameter WHERE key = 'queue_job.rest'"
            ),
            "neutralized",
        )

    def test_status_says_why_and_what_to_do(self):
        self.neutralize()
        with self.registry.cursor() as cr:
            found = reading.status(cr)
            well, reasons = self.env(cr)["queue.job.stat"]._health()
        self.assertFalse(found["ok"] or well)
        self.assertEqual(found["executed_by"], "nobody")
        (problem,) = found["problems"]
        self.assertEqual(problem["code"], "resting")
        self.assertIn("neutralized", problem["text"])
        self.assertIn("odoo-bin queue_job release", problem["text"])
        self.assertEqual(reasons, [problem["text"]])


class TestClones(RestCase):
    def setUp(self):
        super().setUp()
        self.enqueue(0, 0)

    def copy(self, name):
        # PostgreSQL copies only what nobody is connected to.
        sql_db.close_db(self.database.name)
        with connection("postgres") as cnx, cnx.cursor() as cr:
            cr.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = %s",
                [self.database.name],
            )
        return self.enterContext(
            Database(f"{type(self).__name__.lower()}_{name}", self.database.name)
        )

    def taken_in(self, database):
        with connection(database.name) as cnx, cnx.cursor() as cr:
            look = storage.schedule.begin(cr)
            found = scheduling.run(cr, look, database.name, Config(), 7)
            storage.schedule.commit(cr)
        return found

    def run_one_here(self):
        self.drain(seconds=60)
        self.enqueue(0)

    def test_a_clone_rests_and_its_original_goes_on(self):
        self.run_one_here()
        clone = self.copy("clone")
        found = self.taken_in(clone)
        self.assertEqual((found.requests, found.rest), ([], "cloned"))
        self.assertEqual(self.reason(clone), "cloned")
        self.assertEqual(len(self.taken_in(self.database).requests), 1)

    def test_a_clone_with_nothing_but_running_jobs_rests_too(self):
        self.run_one_here()
        self.database.query(_STARTED + " WHERE state = 'pending'")
        self.assertEqual(self.taken_in(self.copy("running")).rest, "cloned")

    def test_a_duplicate_that_has_a_uuid_of_its_own_rests(self):
        self.run_one_here()
        clone = self.copy("duplicate")
        clone.query(
            "UPDATE ir_config_parameter SET value = %s WHERE key = 'database.uuid'",
            [str(uuid.uuid4())],
        )
        self.assertEqual(self.taken_in(clone).rest, "duplicated")

    def test_a_released_clone_executes_and_a_clone_of_it_rests(self):
        self.run_one_here()
        clone = self.copy("released")
        self.taken_in(clone)
        with connection(clone.name) as cnx, cnx.cursor() as cr:
            storage.home.release(cr)
        self.assertEqual(len(self.taken_in(clone).requests), 1)
        self.assertEqual(self.taken_in(clone).rest, None)
        second = self.enterContext(Database("second", clone.name))
        self.assertEqual(self.taken_in(second).rest, "cloned")

    def test_a_renamed_database_executes_and_remembers_its_new_name(self):
        self.run_one_here()
        clone = self.copy("renamed")
        with connection(clone.name) as cnx, cnx.cursor() as cr:
            storage.home.release(cr)
        with connection("postgres") as cnx, cnx.cursor() as cr:
            cr.execute(f'ALTER DATABASE "{clone.name}" RENAME TO "{clone.name}_x"')
        clone.name += "_x"
        self.assertEqual(len(self.taken_in(clone).requests), 1)
        home = clone.value(
            "SELECT value FROM ir_config_parameter WHERE key = 'queue_job.home'"
        )
        self.assertTrue(home.endswith("/" + clone.name))

    def test_a_template_in_which_no_job_ever_ran_may_be_copied(self):
        self.assertEqual(len(self.taken_in(self.copy("fresh")).requests), 1)

    def test_a_registry_of_the_clone_knows_it_too(self):
        self.run_one_here()
        clone = self.copy("loaded")
        with patch.dict(config.options, {"test_enable": False}):
            registry = Registry(clone.name)
        self.addCleanup(Registry.delete, clone.name)
        self.addCleanup(sql_db.close_db, clone.name)
        with self.assertRaises(Refused):
            commands.run(registry, 0, None, None)
        self.assertEqual(clone.states("state <> 'done'"), {"pending": 1})
