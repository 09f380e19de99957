# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job costs, counted: statements, round trips, notifications.

The budget is stated in the architecture page; performance itself is measured by the
benchmark, never by a timed test.
"""

import threading
from contextlib import closing, contextmanager

from odoo import api
from odoo.modules.registry import Registry
from odoo.tests.common import BaseCase, get_db_name

from odoo.addons.queue_job import executor
from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.executor import connections
from odoo.addons.queue_job.storage import schedule

#: statements a job of a lease may execute beside those of its body, by connection:
#: finish, reserve the next, renew the session, start and hold, let go of the table
PER_JOB = 5


class TestBudget(BaseCase):
    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.addCleanup(self.clean)
        self.clean()

    def clean(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE method_name = '_test_job'")

    @contextmanager
    def statements(self):
        """Collect what this thread executes."""
        found = []
        thread = threading.current_thread()
        hooks = getattr(thread, "query_hooks", ())

        def hook(_cr, query, _params, _start, _delay):
            found.append(str(query))

        thread.query_hooks = (*hooks, hook)
        try:
            yield found
        finally:
            thread.query_hooks = hooks

    def enqueue(self, number, **options):
        with closing(self.registry.cursor()) as cr:
            jobs = api.Environment(cr, api.SUPERUSER_ID, {})["queue.job"]
            jobs.with_delay()._test_job()  # the settings are in the caches now
            cr.rollback()
            self.assertTrue(jobs.env.company)  # so is the user
            with self.statements() as found:
                for _index in range(number):
                    jobs.with_delay(**options)._test_job()
                cr.commit()
        return found

    def test_one_job_is_enqueued_by_one_statement(self):
        found = self.enqueue(1)
        self.assertEqual(len(found), 1, found)
        self.assertIn("pg_notify", found[0])

    def test_many_jobs_are_enqueued_by_a_fixed_number_of_statements(self):
        found = self.enqueue(500)
        # the ids and one notification; COPY is not counted by Odoo's cursor
        self.assertEqual(len(found), 2, found)
        self.assertEqual(sum("pg_notify" in each for each in found), 1)

    def serve(self, number):
        with closing(self.registry.cursor()) as cr:
            cr.execute(
                "UPDATE queue_job SET state = 'enqueued', attempt = 1 WHERE id = ("
                "SELECT min(id) FROM queue_job WHERE method_name = '_test_job'"
                " AND state = 'pending') RETURNING uuid"
            )
            (uuid,) = cr.fetchone()
            cr.commit()
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            with self.statements() as found:
                done = executor.serve(env, RunJobController, uuid, 1, 60)
            self.assertEqual(done, number)
        return found

    def test_a_further_job_of_a_lease_costs_its_budget(self):
        self.enqueue(12)
        self.serve(12)  # registry, caches
        self.enqueue(12)
        first = len(self.serve(12))
        self.enqueue(112)
        second = len(self.serve(112))
        self.assertLessEqual(second - first, 100 * PER_JOB)

    def test_an_executed_job_notifies_nobody(self):
        self.enqueue(5)
        found = self.serve(5)
        self.assertFalse([each for each in found if "notify" in each.lower()])

    def test_a_disk_is_waited_for_by_the_body_s_commit_alone(self):
        waits = "SELECT setting, source FROM pg_settings WHERE name = %s"
        lease = connections.take(get_db_name())
        self.addCleanup(connections.give_back, lease)
        lease.execute(waits, ("synchronous_commit",))
        self.assertEqual(lease.fetchone(), ("off", "session"))
        with closing(self.registry.cursor()) as cr:
            cr.execute(waits, ("synchronous_commit",))
            self.assertNotEqual(cr.fetchone()[1], "session")
            cr.commit()
            schedule.begin_short(cr)
            cr.execute(waits, ("synchronous_commit",))
            self.assertEqual(cr.fetchone(), ("off", "session"))
