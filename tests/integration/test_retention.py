# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs leave, each when its channel or its function says."""

from unittest.mock import patch

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.models import queue_job_retention


class TestRetention(TransactionCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        self.root = self.env.ref("queue_job.channel_root")

    def ended(self, state, days, method="write", **options):
        delayed = self.partner.with_delay(**options)
        record = getattr(delayed, method)({"ref": "x"}).db_record()
        date = "date_cancelled" if state == "cancelled" else "date_done"
        self.env.cr.execute(
            f"UPDATE queue_job SET state = %s, {date} = (now() AT TIME ZONE 'UTC')"
            " - %s * interval '1 day' WHERE id = %s",
            (state, days, record.id),
        )
        record.invalidate_recordset()
        return record

    def vacuum(self):
        with patch.object(type(self.env["ir.cron"]), "_commit_progress"):
            self.env["queue.job"].autovacuum()
        self.env.invalidate_all()

    def test_jobs_leave_when_their_channel_says(self):
        self.root.removal_interval = 10
        old = self.ended("done", 11) + self.ended("cancelled", 11)
        young = self.ended("done", 9) + self.ended("cancelled", 9)
        unfinished = self.partner.with_delay().write({}).db_record()
        failed = self.ended("failed", 100)
        self.vacuum()
        self.assertFalse(old.exists())
        self.assertEqual(
            (young + unfinished + failed).exists().ids,
            (young + unfinished + failed).ids,
        )

    def test_a_job_that_another_table_refers_to_stays_and_stops_nothing(self):
        self.root.removal_interval = 10
        kept, gone = self.ended("done", 12), self.ended("done", 11)
        self.env.cr.execute("CREATE TABLE x_refers (job bigint REFERENCES queue_job)")
        self.env.cr.execute("INSERT INTO x_refers VALUES (%s)", (kept.id,))
        with self.assertLogs(queue_job_retention.__name__, "WARNING") as logs:
            self.vacuum()
        self.assertIn("1 old jobs stay", logs.output[0])
        self.assertTrue(kept.exists())
        self.assertFalse(gone.exists())

    def test_the_clean_up_of_odoo_removes_old_jobs_too(self):
        self.root.removal_interval = 10
        old = self.ended("done", 11)
        with patch.object(type(self.env["ir.cron"]), "_commit_progress"):
            self.env["queue.job"]._gc_old_jobs()
        self.assertFalse(old.exists())

    def test_a_function_may_keep_its_jobs_longer_or_shorter(self):
        self.root.removal_interval = 10
        model = self.env["ir.model"]._get("res.partner")
        self.env["queue.job.function"].create(
            [
                {"model_id": model.id, "method": "write", "removal_interval": 20},
                {"model_id": model.id, "method": "update", "removal_interval": 1},
            ]
        )
        kept, gone = self.ended("done", 15), self.ended("done", 21)
        short = self.ended("done", 2, method="update")
        self.vacuum()
        self.assertTrue(kept.exists())
        self.assertFalse(gone.exists() or short.exists())

    def test_jobs_of_a_channel_without_a_record_leave_as_those_above_it(self):
        above = self.env["queue.job.channel"].create(
            {"name": "t_above", "removal_interval": 10}
        )
        jobs = self.ended("done", 11) + self.ended("cancelled", 11)
        self.env.cr.execute(
            "UPDATE queue_job SET channel = %s WHERE id = ANY(%s)",
            (f"{above.complete_name}.t_gone", jobs.ids),
        )
        self.vacuum()
        self.assertFalse(jobs.exists())

    def test_what_hangs_on_a_job_leaves_with_it(self):
        job = self.ended("done", 1000)
        message = job.message_post(body=job.uuid)
        self.vacuum()
        self.assertFalse(job.exists() or message.exists())

    def test_any_number_leaves_in_bounded_batches(self):
        old = self.env["queue.job"].concat(*(self.ended("done", 99) for _ in range(7)))
        sizes = []
        remove = type(self.env["queue.job"])._remove_old
        with (
            patch.object(queue_job_retention, "_BATCH", 3),
            patch.object(
                type(self.env["queue.job"]),
                "_remove_old",
                lambda model, ids: (sizes.append(len(ids)), remove(model, ids)),
            ),
        ):
            self.vacuum()
        self.assertFalse(old.exists())
        self.assertEqual(sizes[:3], [3, 3, 1])

    def test_barriers_that_nobody_waits_behind_leave(self):
        first = self.partner.delayable().write({"ref": "1"})
        second = self.partner.delayable().write({"ref": "2"})
        first.on_done(second).delay()
        waiting = second._generated_job.db_record()
        barrier = waiting.barrier_id
        waiting.sudo().unlink()
        self.vacuum()
        self.env.cr.execute("SELECT 1 FROM queue_job_barrier WHERE id = %s", (barrier,))
        self.assertFalse(self.env.cr.fetchall())
