# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people do in a browser."""

from unittest.mock import patch

from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.clock import utcnow
from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.delay import group
from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.jobrunner.config import Config


class TourCase(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            name: new_test_user(
                cls.env,
                f"t_tour_{name}",
                groups=f"queue_job.group_queue_job_{name}",
                password=f"t_tour_{name}",
            )
            for name in ("viewer", "operator", "manager")
        }
        cls.env["queue.job"].search([]).unlink()
        channels = cls.env["queue.job.channel"]
        cls.channel = channels.create({"name": "t_tour", "capacity": 2})
        cls.failed = cls.job("Tour fails 1") | cls.job("Tour fails 2")
        cls.broken(cls.failed, "t.TourError")

    @classmethod
    def job(cls, name, user="operator", **values):
        delayed = cls.env["queue.job"].with_user(cls.users[user])
        delayed = delayed.with_delay(description=name, channel="root.t_tour")
        job = delayed._test_job(job_duration=1).db_record().sudo()
        cls.env.flush_all()
        if values:
            job.write(values)
        return job

    @classmethod
    def broken(cls, jobs, error):
        jobs.write(
            {
                "state": "failed",
                "exc_name": error,
                "exc_message": "On purpose",
                "exc_info": "Traceback (most recent call last)",
                "date_started": utcnow(),
            }
        )
        cls.env["queue.job.try"].create(
            [
                {
                    "job_id": job.id,
                    "attempt": 1,
                    "outcome": "failed",
                    "exc_message": "On purpose",
                    "exc_info": "Traceback (most recent call last)",
                }
                for job in jobs
            ]
        )

    def tour(self, name, path, user="operator", **options):
        self.env.flush_all()
        self.start_tour(f"/odoo/{path}", f"queue_job_{name}", login=f"t_tour_{user}")


@tagged("post_install", "-at_install")
class TestTours(TourCase):
    def test_the_dashboard_leads_to_what_is_behind_its_numbers(self):
        self.job("Tour waits")
        self.env.ref("queue_job.ir_cron_queue_job_run").active = False
        self.tour("dashboard", "queue-dashboard", "viewer")

    def test_a_failed_job_is_understood_and_requeued(self):
        self.tour("form", "queue-jobs")

    def test_a_running_job_shows_its_progress_and_is_stopped(self):
        job = self.job("Tour runs", state="started")
        storage.progress.write(self.env.cr, job.id, 2, 5, "Two of five")
        self.tour("stop", f"queue-jobs/{job.id}")
        stops = storage.transition.stops(self.env.cr, job.ids)
        self.assertIn(job.id, stops)

    def graph(self, width):
        def layer(name):
            return group(
                *(
                    self.env["queue.job"]
                    .delayable(description=f"{name} {number}")
                    ._test_job()
                    for number in range(1, width + 1)
                )
            )

        layer("First").on_done(layer("Second")).delay()
        self.env.flush_all()
        return self.env["queue.job"].search([("graph_uuid", "!=", False)], limit=1)

    def test_a_graph_shows_its_states_and_opens_its_jobs(self):
        self.tour("graph", f"queue-jobs/{self.graph(3).id}")

    def test_a_graph_of_a_thousand_jobs_is_drawn(self):
        self.tour("large_graph", f"queue-jobs/{self.graph(500).id}")

    def test_all_jobs_that_match_are_changed_cancelled_and_requeued(self):
        jobs = self.env["queue.job"].browse(
            self.job(f"Tour waits {number}").id for number in range(100)
        )
        self.tour("bulk", "queue-jobs")
        jobs.invalidate_recordset()
        self.assertEqual(set(jobs.mapped("priority")), {3})
        self.assertEqual(sorted(jobs.mapped("state")), ["cancelled"] * 99 + ["done"])

    def test_jobs_are_found_by_channel_and_error(self):
        self.job("Tour waits")
        self.tour("search", "queue-jobs")

    def test_groups_of_failures_are_requeued_and_discarded(self):
        other = self.job("Tour fails 3")
        self.broken(other, "t.OtherError")
        self.tour("failures", "queue-failures")
        self.env.invalidate_all()
        self.assertEqual(set(self.failed.mapped("state")), {"pending"})
        self.assertEqual(other.state, "cancelled")

    def test_channels_are_steered_on_their_cards_and_in_the_list(self):
        self.channel.create({"name": "t_told", "capacity": 2})
        told = Config(channels=tuple(channel_config.parse("t_told:3")))
        with patch.object(runner_config, "get", lambda: told):
            self.tour("channels", "queue-channels", "manager")
        channel = self.channel
        self.assertEqual((channel.capacity, channel.paused), (5, False))
        self.assertEqual((channel.throttle, channel.sequential), (2.5, False))

    def test_functions_are_set_up(self):
        self.tour("functions", "queue-functions", "manager")

    def test_a_viewer_sees_no_button_that_he_may_not_press(self):
        self.tour("viewer", "queue-jobs", "viewer")

    def test_a_list_follows_what_others_do(self):
        self.tour("live", "queue-jobs")

    def test_a_viewer_subscribes_to_a_digest(self):
        self.tour("digest", "queue-digests", "viewer")
        subscription = self.env["queue.job.subscription"].search([])
        self.assertEqual(subscription.user_id, self.users["viewer"])

    def test_who_asked_sees_the_progress_and_the_end(self):
        self.broken(self.job("Tour fails 3"), "t.OtherError")
        job = self.job("Tour runs", state="started")
        storage.progress.write(self.env.cr, job.id, 2, 5, "Two of five")
        self.tour("systray", "queue-failures")

    def test_a_record_shows_its_jobs(self):
        record = self.env["test.queue.record"].create({"name": "t"})
        record.with_delay(description="Tour record").work()
        self.tour(
            "record", f"action-test_queue_job.action_test_queue_record/{record.id}"
        )

    def test_sample_jobs_are_made(self):
        self.tour("demo", "action-queue_job.action_queue_job_demo", "manager")


@tagged("post_install", "-at_install")
class TestPhone(TourCase):
    browser_size = "375x667"
    touch_enabled = True

    def test_everything_fits_on_a_phone(self):
        self.tour("phone", "queue-dashboard")
