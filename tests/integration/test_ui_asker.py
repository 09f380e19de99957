# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job import storage


class AskerCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.asker, cls.other = (
            new_test_user(cls.env, f"t_asker_{name}") for name in ("one", "two")
        )
        cls.viewer = new_test_user(
            cls.env, "t_asker_viewer", groups="queue_job.group_queue_job_viewer"
        )
        cls.records = cls.env["test.queue.record"]

    def job(self, records=None, user=None, **state):
        records = (records or self.records).with_user(user or self.asker)
        job = records.with_delay(description="Import").work().db_record().sudo()
        self.env.flush_all()
        if state:
            job.write(state)
            self.env.flush_all()
        return job

    def asked(self, user, ids=()):
        return self.env["queue.job"].with_user(user).asked_jobs(ids)


class TestAsker(AskerCase):
    def test_a_running_job_that_tells_its_progress_is_seen_by_who_asked(self):
        job = self.job(state="started")
        self.job(state="started")
        storage.progress.write(self.env.cr, job.id, 2, 5, "two")
        [found] = self.asked(self.asker)
        shown = {key: found[key] for key in ("id", "done", "total", "message", "over")}
        self.assertEqual(
            shown,
            {"id": job.id, "done": 2, "total": 5, "message": "two", "over": False},
        )
        self.assertFalse(self.asked(self.other))

    def test_the_end_is_told_with_the_result(self):
        for state, field in (("done", "result"), ("failed", "error")):
            job = self.job(state=state, result="fine", exc_message="bad")
            storage.progress.write(self.env.cr, job.id, 5, 5, None)
            self.assertFalse(self.asked(self.asker))
            [found] = self.asked(self.asker, [job.id])
            self.assertTrue(found["over"])
            self.assertIn(found[field], ("fine", "bad"))
            self.assertFalse(self.asked(self.other, [job.id]))

    def test_who_asked_opens_the_record_without_rights_on_the_queue(self):
        record = self.records.create({"name": "t"})
        job = self.job(record)
        jobs = self.env["queue.job"]
        action = jobs.with_user(self.asker).open_asked_job(job.id)
        self.assertEqual(
            (action["res_model"], action["res_id"]), (record._name, record.id)
        )
        with self.assertRaises(AccessError):
            jobs.with_user(self.other).open_asked_job(job.id)

    def test_a_job_without_records_is_opened_by_those_who_may_see_it(self):
        jobs = self.env["queue.job"]
        job = self.job()
        self.assertFalse(jobs.with_user(self.asker).open_asked_job(job.id))
        job = self.job(user=self.viewer)
        action = jobs.with_user(self.viewer).open_asked_job(job.id)
        self.assertEqual(action["res_id"], job.id)

    def test_failed_jobs_are_counted_for_those_who_see_the_queue(self):
        jobs = self.env["queue.job"]
        before = jobs.with_user(self.viewer).failed_count()
        self.job(state="failed")
        self.assertEqual(jobs.with_user(self.viewer).failed_count(), before + 1)
        with self.assertRaises(AccessError):
            jobs.with_user(self.asker).failed_count()


class TestRecordMixin(AskerCase):
    def test_a_record_counts_and_opens_its_jobs(self):
        one, two = self.records.create([{"name": "one"}, {"name": "two"}])
        jobs = self.job(one) | self.job(one | two) | self.job(two, state="failed")
        self.job()
        counts = [
            (each.queue_job_count, each.queue_job_running_count) for each in (one, two)
        ]
        self.assertEqual(counts, [(2, 2), (2, 1)])
        self.assertEqual(two.queue_job_failed_count, 1)
        found = self.env["queue.job"].search((one | two).open_queue_jobs()["domain"])
        self.assertEqual(found, jobs)

    def test_a_new_record_has_no_jobs(self):
        self.assertEqual(self.records.new({"name": "new"}).queue_job_count, 0)

    def test_jobs_of_records_are_found_by_an_index_of_their_model(self):
        self.env.cr.execute(
            """
            SELECT indexdef FROM pg_indexes
             WHERE tablename = 'queue_job' AND indexname LIKE 'queue_job_records_%'
            """
        )
        definitions = [row[0] for row in self.env.cr.fetchall()]
        self.assertTrue(any("test.queue.record" in each for each in definitions))
