# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job.clock import utcnow
from odoo.addons.queue_job.core import histogram


class TestChannels(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        channels = cls.env["queue.job.channel"]
        cls.above = channels.create({"name": "t_above", "capacity": 2})
        cls.below = channels.create({"name": "t_below", "parent_id": cls.above.id})
        cls.manager, cls.operator = (
            new_test_user(
                cls.env, f"t_place_{name}", groups=f"queue_job.group_queue_job_{name}"
            )
            for name in ("manager", "operator")
        )

    def job(self, channel):
        delayed = self.env["queue.job"].with_delay(channel=channel.complete_name)
        return delayed._test_job().db_record()

    def test_jobs_are_found_by_their_channel_and_those_below(self):
        one, two = self.job(self.above), self.job(self.below)
        jobs = self.env["queue.job"]
        self.assertEqual(one.channel_id, self.above)
        self.assertEqual(jobs.search([("channel_id", "=", self.above.id)]), one)
        found = jobs.search([("channel_id", "child_of", self.above.id)])
        self.assertEqual(found, one | two)

    def test_the_search_panel_offers_all_channels_without_a_look_at_jobs(self):
        panel = self.env["queue.job"].search_panel_select_range(
            "channel_id", expand=True, limit=200
        )
        self.assertEqual(panel["parent_field"], "parent_id")
        names = {each["display_name"] for each in panel["values"]}
        self.assertLessEqual({"root", "root.t_above.t_below"}, names)

    def test_a_manager_changes_the_capacity_on_the_card(self):
        channel = self.above.with_user(self.manager)
        channel.button_more()
        self.assertEqual(channel.capacity, 3)
        for _each in range(4):
            channel.button_less()
        self.assertEqual(channel.capacity, 1)

    def test_an_operator_changes_no_capacity(self):
        with self.assertRaises(AccessError):
            self.above.with_user(self.operator).button_more()


class TestFunctions(TransactionCase):
    def test_a_function_shows_how_its_jobs_went_in_the_last_week(self):
        function = self.env.ref("queue_job.job_function_queue_job__test_job")
        before = function.week_done
        self.env.cr.execute(
            """
            INSERT INTO queue_job_stat (grain, at, channel, function, done, failed,
                retry, cancelled, died, wait_count, wait_seconds, run_count,
                run_seconds, run_histogram)
            SELECT 'hour', date_trunc('hour', %s::timestamp), 't_function', %s,
                4, 1, 2, 0, 1, 0, 0, 4, 8, h
              FROM (SELECT array_agg(CASE place WHEN 10 THEN 4 ELSE 0 END
                        ORDER BY place) AS h
                      FROM generate_series(1, %s) AS place) AS histogram
            """,
            (utcnow(), function.name, len(histogram.of([]))),
        )
        function.invalidate_recordset()
        self.assertEqual(function.week_done, before + 4)
        self.assertGreaterEqual(function.week_failed, 1)
        self.assertGreaterEqual(function.week_died, 1)
        self.assertGreater(function.week_mean, 0)
        self.assertGreaterEqual(function.week_p95, function.week_p50)

    def test_a_function_counts_and_opens_its_failed_jobs(self):
        job = self.env["queue.job"].with_delay()._test_job().db_record()
        function = job.job_function_id
        before = function.failed_count
        job.sudo().write({"state": "failed"})
        self.env.flush_all()
        function.invalidate_recordset()
        self.assertEqual(function.failed_count, before + 1)
        domain = function.open_failed_jobs()["domain"]
        self.assertIn(job, self.env["queue.job"].search(domain))
