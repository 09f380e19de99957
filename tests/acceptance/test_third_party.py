# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Add-ons of others that use the queue: their own tests, unmodified."""

import os
import re
import subprocess
import unittest

from ..documentation import ROOT
from .packages import folder_with
from .server import CONF, ODOO_BIN, PYTHON, free_port
from .services import Cluster, clock_at

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
        # one of their tests takes for granted that 22:00 of today is still to come
        environ = clock_at(10)
        with Cluster(environ=environ) as cluster:
            cluster.query(
                "INSERT INTO ir_config_parameter (key, value)"
                " VALUES ('queue_job.delay_policy', 'any')"
            )
            environ["PYTHONPATH"] += f"{os.pathsep}{folder}"
            cls.done = cls.run_tests(cluster, environ)

    @staticmethod
    def run_tests(cluster, environ):
        command = [PYTHON, ODOO_BIN, "server", "-c", CONF, "-d", cluster.name]
        options = ["--stop-after-init", "--workers=0", "--max-cron-threads=0"]
        return subprocess.run(
            [
                *(*command, *cluster.arguments_of_odoo, *options),
                *("--http-port", str(free_port()), "-i", ",".join(CLIENTS)),
                *("--test-tags", ",".join(f"/{client}" for client in CLIENTS)),
            ],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
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


class TestReadme(unittest.TestCase):
    def test_the_readme_names_each_client_with_its_version(self):
        words = " ".join((ROOT / "README.rst").read_text(encoding="utf-8").split())
        versions = dict(package.split("==") for package in PACKAGES)
        for client in CLIENTS:
            with self.subTest(client):
                version = versions[f"odoo-addon-{client.replace('_', '-')}"]
                self.assertIn(f"``{client}`` {version}", words)
