# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``/queue_job/create_test_job``: jobs that do nothing, to see the queue at work."""

from odoo.http import Request
from odoo.tests.common import HttpCase, new_test_user, tagged


@tagged("-at_install", "post_install")
class TestTestJobs(HttpCase):
    def setUp(self):
        super().setUp()
        new_test_user(self.env, "administrator", "base.group_erp_manager")
        new_test_user(self.env, "employee", "base.group_user")
        self.before = self.jobs()

    def jobs(self):
        return self.env["queue.job"].search([], order="id")

    def request(self, login="administrator", **options):
        self.authenticate(login, login)
        options["csrf_token"] = Request.csrf_token(self)
        return self.url_open("/queue_job/create_test_job", data=options)

    def test_a_job_is_created_and_named(self):
        response = self.request()
        job = self.jobs() - self.before
        self.assertEqual(response.text, f"job uuid: {job.uuid}")
        self.assertEqual((job.name, job.channel), ("Test job", "root"))
        self.assertEqual((job.model_name, job.method_name), ("queue.job", "_test_job"))

    def test_many_jobs_are_created_with_what_is_said_of_them(self):
        channel = self.env["queue.job.channel"].create({"name": "t_many"})
        response = self.request(
            size=3,
            priority=7,
            max_retries=9,
            channel=channel.complete_name,
            description="Many",
            failure_rate=0.5,
            job_duration=1.5,
            commit_within_job="true",
            failure_retry_seconds=4,
        )
        self.assertEqual(response.text, "3 jobs created")
        jobs = self.jobs() - self.before
        self.assertEqual(len(jobs), 3)
        job = jobs[0]
        self.assertEqual((job.priority, job.max_retries), (7, 9))
        self.assertEqual((job.channel, job.name), ("root.t_many", "Many"))
        self.assertEqual(
            job.kwargs,
            {
                "failure_rate": 0.5,
                "job_duration": 1.5,
                "commit_within_job": True,
                "failure_retry_seconds": 4,
            },
        )

    def test_what_is_no_number_is_refused(self):
        for name in ("size", "priority", "max_retries", "job_duration"):
            with self.subTest(name):
                response = self.request(**{name: "many"})
                self.assertEqual(response.status_code, 400)
                self.assertIn(f"{name} is", response.text)
        self.assertEqual(self.jobs(), self.before)

    def test_only_who_administrates_users_may(self):
        self.assertEqual(self.request("employee").status_code, 403)
        self.assertEqual(self.jobs(), self.before)
