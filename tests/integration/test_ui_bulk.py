# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, TransactionCase, new_test_user

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.models import queue_job_bulk as bulk
from odoo.addons.queue_job.models import queue_job_deed
from odoo.addons.queue_job.wizards import queue_job_bulk


class BulkCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.viewer, cls.operator = (
            new_test_user(
                cls.env, f"t_bulk_{name}", groups=f"queue_job.group_queue_job_{name}"
            )
            for name in ("viewer", "operator")
        )
        cls.channel = cls.env["queue.job.channel"].create({"name": "t_bulk"})
        cls.jobs = cls.env["queue.job"].with_user(cls.operator)

    def make(self, number, **values):
        jobs = self.env["queue.job"].browse()
        for _each in range(number):
            delayed = self.env["queue.job"].with_delay(channel="root.t_bulk")
            jobs |= delayed._test_job().db_record()
        self.env.flush_all()
        if values:
            jobs.sudo().write(values)
            self.env.flush_all()
        return jobs

    def wizard(self, domain, **values):
        context = {
            "active_model": "queue.job",
            "active_domain": domain,
            "queue_job_all": True,
        }
        wizards = self.env["queue.job.bulk"].with_user(self.operator)
        return wizards.with_context(**context).create(values)


class TestBulk(BulkCase):
    def test_all_that_match_are_cancelled_and_the_others_left_alone(self):
        jobs = self.make(3)
        done = self.make(1, state="done")
        other = self.env["queue.job"].with_delay()._test_job().db_record()
        wizard = self.wizard([["channel", "=", "root.t_bulk"]], operation="cancelled")
        self.assertEqual((wizard.matching_count, wizard.skipped_count), (4, 1))
        wizard.apply()
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertEqual((done.state, other.state), ("done", "pending"))

    def test_the_selection_alone_is_requeued(self):
        jobs = self.make(3, state="failed")
        context = {"active_model": "queue.job", "active_ids": jobs[:2].ids}
        wizards = self.env["queue.job.bulk"].with_user(self.operator)
        wizards.with_context(**context).create({"operation": "pending"}).apply()
        self.assertEqual(jobs.mapped("state"), ["pending", "pending", "failed"])

    def test_jobs_are_set_done(self):
        jobs = self.make(2)
        self.wizard([["id", "in", jobs.ids]], operation="done").apply()
        self.assertEqual(set(jobs.mapped("state")), {"done"})

    def test_channel_priority_and_date_are_changed(self):
        jobs = self.make(2)
        wizard = Form(self.wizard([["id", "in", jobs.ids]]))
        wizard.change_channel = True
        wizard.channel_id = self.env.ref("queue_job.channel_root")
        wizard.change_priority = True
        wizard.priority = 2
        wizard.change_eta = True
        wizard.eta = "2100-01-01 00:00:00"
        wizard.save().apply()
        for job in jobs:
            found = (job.channel, job.priority, job.eta.year, job.ready)
            self.assertEqual(found, ("root", 2, 2100, False))
            self.assertIn("root", str(job.message_ids[0].body))

    def test_a_running_job_is_not_changed(self):
        job = self.make(1, state="started")
        self.wizard([["id", "=", job.id]], change_priority=True, priority=2).apply()
        self.assertEqual(job.priority, 10)

    def test_what_to_change_must_be_said(self):
        wizard = self.wizard([])
        with self.assertRaises(UserError):
            wizard.apply()
        wizard.change_channel = True
        with self.assertRaises(UserError):
            wizard.apply()

    def test_nothing_but_channel_priority_and_date_is_changed(self):
        job = self.make(1).with_user(self.operator)
        with self.assertRaises(AccessError):
            self.jobs._bulk("change", [("id", "=", job.id)], {"user_id": 1})

    def test_a_viewer_cannot_change_many_jobs(self):
        jobs = self.env["queue.job"].with_user(self.viewer)
        with self.assertRaises(AccessError):
            jobs._bulk("cancelled", [])

    def test_many_are_done_by_a_job(self):
        jobs = self.make(2)
        self.patch(queue_job_bulk, "MANY", 1)
        wizard = self.wizard([["id", "in", jobs.ids]], operation="cancelled")
        wizard.apply()
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        job = self.jobs.search([("method_name", "=", "_bulk_later")])
        self.assertEqual(job.user_id, self.operator)
        Job.load(self.env, job.uuid).perform()
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertEqual(job.state, "pending")

    def test_batches_go_from_the_newest_to_the_oldest_and_stay(self):
        jobs = self.make(5)
        self.patch(bulk, "BATCH", 2)
        self.patch(storage.bulk, "begin", lambda cr: None)
        with self.enter_registry_test_mode():
            wanted = self.jobs._bulk_domain("cancelled", [("id", "in", jobs.ids)])
            end = self.jobs._bulk_batches("cancelled", wanted, {}, seconds=1e-9)
            self.assertEqual(end, (2, jobs[3].id))
            number, below = self.jobs._bulk_batches("cancelled", wanted, {})
        self.assertEqual((number, below), (3, None))
        jobs.invalidate_recordset()
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})

    def test_a_job_that_takes_too_long_leaves_the_rest_to_another(self):
        jobs = self.make(5)
        self.patch(bulk, "BATCH", 2)
        self.patch(bulk, "TURN", 1e-9)
        arguments = ("cancelled", [["id", "in", jobs.ids]], {})
        self.patch(storage.bulk, "begin", lambda cr: None)
        with self.enter_registry_test_mode():
            self.jobs._bulk_later(*arguments)
        rest = self.jobs.search([("method_name", "=", "_bulk_later")])
        self.assertEqual(tuple(rest.args[-3:]), (jobs[3].id, 2, 5))

    def test_many_jobs_are_noted_as_fast_as_few(self):
        jobs = self.make(queue_job_deed._FEW + 1)
        jobs.with_user(self.operator).button_cancelled()
        for job in jobs:
            message = job.message_ids[0]
            self.assertIn(self.operator.name, str(message.body))
            self.assertEqual(message.author_id, self.operator.partner_id)

    def test_a_thousand_jobs_are_cancelled_with_the_statements_of_a_hundred(self):
        counts = []
        for number in (100, 1000):
            jobs = self.make(number)
            before = self.env.cr.sql_log_count
            self.jobs._bulk("cancelled", [("id", "in", jobs.ids)])
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertLessEqual(counts[1], counts[0])


class TestFailures(BulkCase):
    def group(self):
        self.env.flush_all()
        groups = self.env["queue.job.failure.group"].with_user(self.operator)
        groups.invalidate_model()
        return groups.search([("exc_name", "=", "t.BulkError")])

    def failed(self, number, **values):
        return self.make(
            number, state="failed", exc_name="t.BulkError", exc_message="No", **values
        )

    def test_jobs_that_failed_alike_are_one_line(self):
        jobs = self.failed(3)
        old = self.failed(1, date_started="2020-01-01 00:00:00")
        group = self.group()
        counts = (group.count, group.count_hour, group.count_day, group.count_week)
        self.assertEqual(counts, (4, 3, 3, 3))
        self.assertEqual(group.function, "<queue.job>._test_job")
        self.assertEqual((group.trend, sum(group.history)), ("up", 3))
        found = self.jobs.search(group.open_jobs()["domain"])
        self.assertEqual(set(found.ids), set((jobs | old).ids))

    def test_a_whole_group_is_requeued(self):
        jobs = self.failed(2)
        self.group().button_requeue()
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        self.assertFalse(self.group())

    def test_a_whole_group_is_discarded(self):
        jobs = self.failed(2)
        other = self.make(1, state="failed", exc_name="t.Other")
        self.group().button_discard()
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertEqual(other.state, "failed")

    def test_a_viewer_requeues_no_group(self):
        self.failed(1)
        with self.assertRaises(AccessError):
            self.group().with_user(self.viewer).button_requeue()

    def test_failures_of_another_company_are_not_seen(self):
        company = self.env["res.company"].create({"name": "t_bulk"})
        self.failed(1).with_context(active_test=False)
        self.env.cr.execute(
            "UPDATE queue_job SET company_id = %s WHERE exc_name = 't.BulkError'",
            (company.id,),
        )
        self.assertFalse(self.group())
