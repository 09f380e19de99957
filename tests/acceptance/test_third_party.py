# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Add-ons of others that use the queue: their own tests, unmodified."""

import os
import re
import unittest

from .packages import folder_with
from .server import Database

PACKAGES = (
    "odoo-addon-queue-job-subscribe==19.0.1.0.0.2",
    "odoo-addon-connector==19.0.1.0.0.5",
    "odoo-addon-connector-importer==19.0.1.0.0.3",
    "odoo-addon-edi-queue-oca==19.0.1.5.0",
    "odoo-addon-report-async==19.0.1.0.0.2",
    # what these need
    "odoo-addon-component==19.0.1.0.1.6",
    "odoo-addon-component-event==19.0.1.0.0.9",
    "odoo-addon-edi-core-oca==19.0.1.7.0",
    "odoo-addon-base-edi==19.0.1.0.0.7",
    "cachetools==8.0.1",
    "pyyaml==6.0.3",
    "openupgradelib==3.13.7",
)
CLIENTS = (
    "queue_job_subscribe",
    "connector",
    "connector_importer",
    "edi_queue_oca",
    "report_async",
)


class TestThirdParty(unittest.TestCase):
    """One installation of all; each client is judged by itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = folder_with(*PACKAGES)
        with Database("clients") as database:
            database.query(
                "INSERT INTO ir_config_parameter (key, value)"
                " VALUES ('queue_job.delay_policy', 'any')"
            )
            cls.done = cls.run_tests(database, folder)

    @staticmethod
    def run_tests(database, folder):
        paths = [os.environ.get("PYTHONPATH", ""), str(folder)]
        return database.run_odoo(
            *("-i", ",".join(CLIENTS)),
            *("--test-tags", ",".join(f"/{client}" for client in CLIENTS)),
            environ={"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            seconds=900,
        )

    def check(self, client):
        logger = re.escape(f"odoo.addons.{client}.tests.")
        log = self.done.stdout
        ran = re.findall(rf" INFO \S+ {logger}\S+: Starting (\S+)", log)
        self.assertTrue(ran, f"no test of {client} ran:\n{log[-5000:]}")
        failed = re.search(rf" ERROR \S+ {logger}\S+: ", log)
        self.assertFalse(failed, failed and log[failed.start() : failed.start() + 5000])

    def test_every_test_of_every_client_passed(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout[-5000:])

    def test_job_subscriptions_work(self):
        self.check("queue_job_subscribe")

    def test_the_connector_works(self):
        self.check("connector")

    def test_the_importer_works(self):
        self.check("connector_importer")

    def test_the_exchange_of_documents_works(self):
        self.check("edi_queue_oca")

    def test_reports_in_the_background_work(self):
        self.check("report_async")
