# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user


class TestDashboard(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.viewer = new_test_user(
            cls.env, "t_dashboard_viewer", groups="queue_job.group_queue_job_viewer"
        )
        cls.jobs = cls.env["queue.job"].with_user(cls.viewer)

    def test_a_viewer_sees_what_waits_and_failed(self):
        before = self.jobs.dashboard()["now"]["channels"][0]
        self.env["queue.job"].with_delay()._test_job()
        failed = self.env["queue.job"].with_delay()._test_job().db_record()
        failed.sudo().write({"state": "failed"})
        after = self.jobs.dashboard()["now"]["channels"][0]
        grown = {name: after[name] - before[name] for name in ("pending", "failed")}
        self.assertEqual(grown, {"pending": 1, "failed": 1})

    def test_each_period_has_its_steps(self):
        steps = {
            period: len(self.jobs.dashboard(period)["ended"]["buckets"])
            for period in ("hour", "day", "week")
        }
        self.assertEqual(steps, {"hour": 60, "day": 96, "week": 168})

    def test_another_period_is_refused(self):
        with self.assertRaises(UserError):
            self.jobs.dashboard("year")

    def test_who_may_not_see_jobs_sees_no_dashboard(self):
        user = new_test_user(self.env, "t_dashboard_nobody")
        with self.assertRaises(AccessError):
            self.env["queue.job"].with_user(user).dashboard()

    def test_only_a_manager_releases_a_copy(self):
        self.env["ir.config_parameter"].set_param("queue_job.rest", "neutralized")
        manager = new_test_user(
            self.env, "t_dashboard_manager", groups="queue_job.group_queue_job_manager"
        )
        self.assertFalse(self.jobs.dashboard()["may_release"])
        with self.assertRaises(AccessError):
            self.jobs.release_copy()
        jobs = self.jobs.with_user(manager)
        found = jobs.dashboard()
        self.assertTrue(found["may_release"])
        self.assertEqual(
            [each["code"] for each in found["now"]["problems"]], ["resting"]
        )
        jobs.release_copy()
        self.assertFalse(self.env["ir.config_parameter"].get_param("queue_job.rest"))
        codes = [each["code"] for each in jobs.dashboard()["now"]["problems"]]
        self.assertNotIn("resting", codes)
