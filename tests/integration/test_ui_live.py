# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job import storage


class TestLive(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = cls.env["queue.job"]

    def look(self, viewer="one"):
        return self.jobs.live_look(viewer)

    def job(self):
        return self.jobs.with_delay()._test_job().db_record()

    def messages(self):
        """What the bus was given since the last call."""
        sent = self.env.cr.precommit.data.get("bus.bus.values", [])
        texts = [json.loads(each["message"]) for each in sent]
        sent.clear()
        return [each["payload"] for each in texts if each["type"] == "queue_job.live"]

    def test_nothing_new_is_told_when_nothing_happened(self):
        self.job()
        first = self.look()
        self.messages()
        self.assertEqual(self.look(), first)
        self.assertFalse(self.messages())

    def test_the_mark_changes_with_whatever_happens_to_jobs(self):
        job = self.job()
        moves = [
            lambda: self.job(),
            lambda: storage.transition.move(
                self.env.cr, "enqueue", job.ids, {"state": "enqueued"}
            ),
            lambda: job.button_cancelled(),
            lambda: job.requeue(),
            lambda: job.button_done(),
            lambda: self.env["queue.job.try"].create({"job_id": job.id}),
        ]
        for number, happen in enumerate(moves):
            with self.subTest(number=number):
                before = self.look()["mark"]
                happen()
                self.env.flush_all()
                self.assertNotEqual(self.look()["mark"], before)

    def test_the_mark_changes_with_the_progress_of_a_running_job(self):
        job = self.job()
        job.sudo().write({"state": "started"})
        self.env.flush_all()
        before = self.look()["mark"]
        storage.progress.write(self.env.cr, job.id, 1, 2, "half")
        self.assertNotEqual(self.look()["mark"], before)

    def test_one_view_looks_for_all_and_the_bus_tells_the_others_once(self):
        self.job()
        self.assertTrue(self.look("one")["leads"])
        self.assertFalse(self.look("two")["leads"])
        self.messages()
        self.job()
        self.look("two")
        self.assertFalse(self.messages())
        mark = self.look("one")["mark"]
        self.look("one")
        self.assertEqual(self.messages(), [{"mark": mark}])

    def test_another_view_takes_over_when_the_first_has_gone(self):
        self.look("one")
        self.messages()
        self.jobs.live_leave("two")
        self.assertFalse(self.messages())
        self.jobs.live_leave("one")
        self.assertEqual(self.messages(), [{"mark": False}])
        self.assertTrue(self.look("two")["leads"])

    def test_another_view_takes_over_when_the_first_is_silent(self):
        self.look("one")
        self.env.cr.execute(
            "UPDATE queue_job_watch SET until = until - interval '1 minute'"
        )
        self.assertTrue(self.look("two")["leads"])

    def test_touches_are_forgotten_after_a_minute(self):
        self.job().button_done()
        self.env.cr.execute("UPDATE queue_job_touch SET at = at - interval '2 minutes'")
        self.look()
        self.env.cr.execute("SELECT count(*) FROM queue_job_touch")
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_who_may_not_see_jobs_is_told_nothing(self):
        user = new_test_user(self.env, "t_live_nobody")
        with self.assertRaises(AccessError):
            self.jobs.with_user(user).live_look("one")
        with self.assertRaises(AccessError):
            self.jobs.with_user(user).live_leave("one")
