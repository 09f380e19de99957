# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""With many jobs, what people open reads the roll-up and indexes, never the table."""

from odoo.tests import TransactionCase, new_test_user

ROWS = 60_000
#: what the menu opens with
OPEN_STATES = ["pending", "enqueued", "started", "failed", "wait_dependencies"]


class TestLarge(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.viewer = new_test_user(
            cls.env, "t_large_viewer", groups="queue_job.group_queue_job_viewer"
        )
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.measure("dashboard", "hour")  # what is cached is not counted
        cls.statements_before = cls.measure("dashboard", "hour")[0]
        function = cls.env.ref("queue_job.job_function_queue_job__test_job")
        cls.env.cr.execute(
            """
            INSERT INTO queue_job (uuid, name, state, model_name, method_name,
                func_string, channel, priority, ready, date_created, date_started,
                date_done, exec_time, user_id, company_id, job_function_id, exc_name,
                max_retries)
            SELECT 'large' || number, 'Large', state, 'queue.job', '_test_job',
                'queue.job()._test_job()', 'root.large' || number %% 5, 10, true,
                at, at, CASE state WHEN 'done' THEN at END, 1, %s, %s, %s,
                CASE state WHEN 'failed' THEN 't.Large' || number %% 7 END, 5
              FROM generate_series(1, %s) AS number,
                   LATERAL (SELECT CASE WHEN number %% 100 = 0 THEN 'failed'
                                        WHEN number %% 20 = 0 THEN 'pending'
                                        ELSE 'done' END AS state,
                                   (now() AT TIME ZONE 'UTC')
                                   - number * interval '1 second' AS at) AS job
            """,
            (cls.viewer.id, cls.viewer.company_id.id, function.id, ROWS),
        )
        # What other tests have left in the indexes is not part of what is measured.
        cls.env.cr.execute("REINDEX TABLE queue_job")
        cls.env.cr.execute("ANALYZE queue_job")

    @classmethod
    def reads(cls):
        """How many jobs this transaction has read: without an index, by indexes."""
        cls.env.cr.execute(
            """
            SELECT pg_stat_get_xact_tuples_returned(queue_job),
                   (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))
                      FROM pg_index WHERE indrelid = queue_job)
              FROM CAST('queue_job'::regclass AS oid) AS queue_job
            """
        )
        return cls.env.cr.fetchone()

    @classmethod
    def measure(cls, method, *args, model="queue.job", **kwargs):
        """``(statements, jobs scanned, jobs found by indexes)`` of a browser's call."""
        records = cls.env[model].with_user(cls.viewer)
        cls.env.flush_all()
        cls.env.invalidate_all()
        scanned, found = cls.reads()
        before = cls.env.cr.sql_log_count
        getattr(records, method)(*args, **kwargs)
        number = cls.env.cr.sql_log_count - before
        scanned_now, found_now = cls.reads()
        return number, scanned_now - scanned, int(found_now - found)

    def check(self, *args, **kwargs):
        _number, scanned, found = self.measure(*args, **kwargs)
        self.assertEqual(scanned, 0, "jobs were read without an index")
        # those that are done, nine of ten, are not read by one either
        self.assertLess(found, ROWS // 10)

    def test_the_dashboard_scans_no_jobs_and_asks_as_often_as_with_none(self):
        for period in ("hour", "day", "week"):
            with self.subTest(period=period):
                self.check("dashboard", period, "root.large1")
        number, _scanned, _found = self.measure("dashboard", "hour")
        # A channel whose jobs wait although it has room is looked at once more.
        self.assertLessEqual(number, self.statements_before + 1)

    def test_the_list_as_the_menu_opens_it_counts_at_once(self):
        domain = [("state", "in", OPEN_STATES)]
        options = {"limit": 80, "count_limit": 10001}
        self.check("web_search_read", domain, {"name": {}}, **options)
        self.check(
            "web_search_read",
            [*domain, ("channel_id", "child_of", self.root.id)],
            {"name": {}},
            **options,
        )

    def test_failed_jobs_are_counted_and_grouped_at_once(self):
        self.check("failed_count")
        read = {"function": {}, "count": {}, "history": {}}
        self.check("web_search_read", [], read, model="queue.job.failure.group")

    def test_channels_and_functions_are_counted_at_once(self):
        read = {"running_count": {}, "pending_count": {}, "failed_count": {}}
        self.check("web_search_read", [], read, model="queue.job.channel")
        read = {"week_done": {}, "failed_count": {}}
        self.check("web_search_read", [], read, model="queue.job.function")

    def test_a_look_for_changes_reads_no_jobs(self):
        self.check("live_look", "one")
