# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Lines of the log about a job tell which one it is, in words and in fields."""

import logging

from odoo.tests.common import HttpCase, get_db_name, tagged

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.core import proof as proofs
from odoo.addons.queue_job.exception import RetryableJobError

# As numbers: Odoo gives another level the name INFO.
SERVING = "odoo.addons.queue_job.executor.serving"
RECORDING = "odoo.addons.queue_job.executor.recording"


@tagged("-at_install", "post_install")
class TestLogs(HttpCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})

    def execute(self, values, logger, level, patch=None, method="write"):
        """Execute a job that writes the values; return it and the line about it."""
        job = self.partner.with_delay().write(values)
        record = self.env["queue.job"].browse(job.db_record().id)
        self.env.cr.execute(
            "UPDATE queue_job SET method_name = %s WHERE id = %s", (method, record.id)
        )
        storage.sealing.seal(self.env.cr, record.ids)
        taken = storage.schedule.mark_enqueued(self.env.cr, record.ids, 1)
        ((_id, uuid, attempt, _channel),) = taken
        if patch:
            self.patch(self.env.registry["res.partner"], "write", patch)
        secret = self.env["ir.config_parameter"].get_param("database.secret")
        proof = proofs.sign(secret, get_db_name(), uuid, attempt)
        with self.assertLogs(logger, level) as logs:
            self.url_open(
                f"/queue_job/runjob?job_uuid={uuid}&attempt={attempt}&proof={proof}",
                headers={"X-Odoo-Database": get_db_name()},
            )
        (line,) = [each for each in logs.records if hasattr(each, "job_uuid")]
        return job, line

    def check(self, job, line, state, method="write"):
        self.assertEqual(line.job_uuid, job.uuid)
        self.assertEqual((line.job_channel, line.job_attempt), ("root", 1))
        self.assertEqual(line.job_function, f"<res.partner>.{method}")
        self.assertEqual(line.job_state, state)
        self.assertTrue(0 <= line.job_duration < 60)
        start = f"job {job.uuid} channel=root attempt=1"
        self.assertTrue(line.getMessage().startswith(start))

    def test_a_done_job_is_told_to_who_wants_to_know_everything(self):
        job, line = self.execute({"ref": "x"}, SERVING, logging.DEBUG)
        self.assertEqual(line.levelno, logging.DEBUG)
        self.check(job, line, "done")

    def test_a_failed_job_is_told_as_an_error(self):
        job, line = self.execute({"no_such_field": 1}, RECORDING, logging.INFO)
        self.assertEqual(line.levelno, logging.ERROR)
        self.check(job, line, "failed")

    def test_a_job_that_is_tried_again_is_told(self):
        def write(_self, _values):
            raise RetryableJobError("not yet", seconds=5)

        job, line = self.execute({"ref": "x"}, RECORDING, logging.INFO, write)
        self.assertEqual(line.levelno, logging.INFO)
        self.check(job, line, "retry")

    def test_a_job_that_cannot_be_read_back_is_told(self):
        job, line = self.execute({"ref": "x"}, RECORDING, logging.INFO, method="gone")
        self.assertEqual(line.levelno, logging.ERROR)
        self.check(job, line, "failed", "gone")
