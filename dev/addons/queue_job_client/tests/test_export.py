# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import TransactionCase

from odoo.addons.queue_job.tests.common import JobMixin, drain_queue, trap_jobs


class TestExport(JobMixin, TransactionCase):
    def setUp(self):
        super().setUp()
        self.partner = self.env["res.partner"].create({"name": "Zoë"})

    def test_the_button_delays_the_export(self):
        with trap_jobs() as trap:
            self.partner.action_export()
            trap.assert_jobs_count(1, only=self.partner.export)
            trap.perform_enqueued_jobs()
        self.assertIn("exported in", self.partner.ref)

    def test_a_worker_exports(self):
        counter = self.job_counter()
        self.partner.action_export()
        self.partner.with_delay().announce("now")
        drain_queue(self.env, since=counter)
        jobs = counter.search_created()
        self.assertEqual(set(jobs.mapped("state")), {"done"})
        self.assertEqual(
            set(jobs.mapped("channel")), {"root.export", "root.announcements"}
        )
        self.assertIn("now", self.partner.message_ids[0].body)
