# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.models import queue_job_timeline


class FormCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = new_test_user(
            cls.env, "t_form_operator", groups="queue_job.group_queue_job_operator"
        )
        cls.jobs = cls.env["queue.job"]

    def job(self, **state):
        job = self.jobs.with_delay()._test_job().db_record()
        if state:
            job.sudo().write(state)
        return job


class TestDeeds(FormCase):
    def notes(self, job):
        return [str(body) for body in job.message_ids.sorted("id").mapped("body")]

    def test_the_chatter_tells_who_did_what(self):
        job = self.job()
        mine = job.with_user(self.operator)
        for deed in ("button_cancelled", "requeue", "button_done"):
            getattr(mine, deed)()
        name = self.operator.name
        self.assertEqual(
            self.notes(job),
            [
                f"<span>Cancelled by {name}</span>",
                f"<span>Requeued by {name}</span>",
                f"<span>Set to done by {name}</span>",
            ],
        )
        self.assertEqual(job.message_ids.author_id, self.operator.partner_id)

    def test_a_running_job_is_noted_as_asked_to_stop(self):
        job = self.job(state="started")
        job.with_user(self.operator).button_stop()
        self.assertEqual(
            self.notes(job), [f"<span>Asked to stop by {self.operator.name}</span>"]
        )

    def test_what_did_not_happen_is_not_noted(self):
        job = self.job(state="started")
        job.with_user(self.operator).requeue()
        self.assertFalse(self.notes(job))

    def test_who_changed_the_priority_is_noted(self):
        job = self.job()
        self.env.flush_all()
        self.env.cr.precommit.clear()
        job.with_user(self.operator).priority = 3
        self.env.flush_all()
        self.env.cr.precommit.run()
        values = job.message_ids.sudo().tracking_value_ids
        self.assertEqual((values.old_value_integer, values.new_value_integer), (10, 3))


class TestHeld(FormCase):
    """A waiting job says which others it waits for that will not be done."""

    def chained(self, number):
        calls = [self.jobs.delayable()._test_job() for _index in range(number)]
        chain(calls).delay()
        return [each._generated_job.db_record().sudo() for each in calls]

    def fail(self, job, **values):
        job.with_context(_job_edit_sentinel=job.EDIT_SENTINEL).write(
            {"state": "failed", "exc_message": "No paper", **values}
        )
        self.env.flush_all()
        self.env.invalidate_all()

    def test_it_names_the_failed_job_however_far_above(self):
        first, *others = self.chained(3)
        self.env.invalidate_all()
        for job in (first, *others):
            self.assertFalse(job.held_by_ids)
        self.fail(first)
        for job in others:
            seen = job.with_user(self.operator)
            self.assertEqual(seen.held_by_ids, first)
            self.assertEqual(seen.held_by_ids.exc_message, "No paper")
        self.assertFalse(first.held_by_ids)
        first.requeue()
        self.env.invalidate_all()
        self.assertFalse(others[0].held_by_ids)

    def test_one_of_another_company_is_not_shown(self):
        first, second = self.chained(2)
        company = self.env["res.company"].create({"name": "Other"})
        self.fail(first, company_id=company.id)
        self.assertFalse(second.with_user(self.operator).held_by_ids)

    def test_the_form_shows_them(self):
        arch = self.jobs.get_view(view_type="form")["arch"]
        self.assertIn('name="held_by_ids"', arch)


class TestTimeline(FormCase):
    def steps(self, job):
        return [step["label"] for step in job.timeline]

    def test_a_job_that_waits_says_so(self):
        self.assertEqual(self.steps(self.job()), ["Created", "Waits for its turn"])

    def test_a_done_job_shows_its_tries_and_its_end(self):
        job = self.job()
        now = self.env.cr.now()
        self.env["queue.job.try"].create(
            {"job_id": job.id, "attempt": 1, "outcome": "retry", "date_ended": now}
        )
        job.sudo().write(
            {
                "state": "done",
                "date_enqueued": now,
                "date_started": now,
                "date_done": now,
            }
        )
        self.assertEqual(
            self.steps(job),
            ["Created", "Try 1: To Retry", "Enqueued", "Started", "Done"],
        )

    def test_the_progress_is_what_the_body_told_last(self):
        job = self.job(state="started")
        self.assertFalse(job.progress_told)
        storage.progress.write(self.env.cr, job.id, 3, 4, "Three of four")
        job.invalidate_recordset()
        self.assertEqual(
            (job.progress_told, job.progress, job.progress_message),
            (True, 75.0, "Three of four"),
        )


class TestGraph(FormCase):
    def grid(self, width):
        def layer():
            return group(*(self.jobs.delayable()._test_job() for _ in range(width)))

        layer().on_done(layer()).delay()
        self.env.flush_all()
        return self.jobs.search([("graph_uuid", "!=", False)], limit=1)

    def test_groups_behind_groups_are_drawn_with_one_barrier(self):
        picture = self.grid(20).graph_picture()
        self.assertEqual(len(picture["jobs"]), 40)
        [[_barrier, before, behind]] = picture["barriers"]
        self.assertEqual((len(before), len(behind)), (20, 20))

    def test_a_thousand_jobs_are_read_with_the_statements_of_a_few(self):
        counts = []
        for width in (2, 500):
            job = self.grid(width)
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            picture = job.graph_picture()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(picture["total"], 2 * width)
            self.assertEqual(len(picture["jobs"]), 2 * width)
            self.assertEqual(len(picture["barriers"]), 1)
        self.assertEqual(counts[1], counts[0])

    def test_a_larger_graph_is_cut(self):
        picture = self.grid(10).graph_picture(limit=15)
        self.assertEqual((len(picture["jobs"]), picture["total"]), (15, 20))
        job = self.grid(10)
        with patch.object(queue_job_timeline, "_MOST_DRAWN", 15):
            for asked, drawn in ((10**9, 15), (0, 15), (None, 15), (3, 3), (-5, 1)):
                picture = job.graph_picture(limit=asked)
                self.assertEqual((len(picture["jobs"]), picture["total"]), (drawn, 20))

    def test_a_job_outside_of_graphs_has_an_empty_picture(self):
        self.assertEqual(
            self.job().graph_picture(), {"jobs": [], "barriers": [], "total": 0}
        )

    def test_who_may_not_see_jobs_sees_no_graph(self):
        user = new_test_user(self.env, "t_form_nobody")
        with self.assertRaises(AccessError):
            self.grid(2).with_user(user).graph_picture()


class TestNeighbours(FormCase):
    def setUp(self):
        super().setUp()
        first, second = (
            [self.jobs.delayable()._test_job() for _each in range(2)] for _each in "12"
        )
        group(*first).on_done(group(*second)).delay()
        self.alone = self.job()
        self.first, self.second = (
            self.jobs.concat(*(each._generated_job.db_record() for each in calls))
            for calls in (first, second)
        )
        self.all = self.first | self.second | self.alone

    def find(self, *condition):
        return self.jobs.search([("id", "in", self.all.ids), condition], order="id")

    def test_jobs_are_found_by_those_that_they_wait_for(self):
        one = self.first[0]
        for operator, value in (("=", one.id), ("in", one.ids)):
            found = self.find("dependency_ids", operator, value)
            self.assertEqual(found, self.second)
        self.first[0].sudo().write({"state": "failed"})
        self.assertEqual(self.find("dependency_ids.state", "=", "failed"), self.second)
        self.assertFalse(self.find("dependency_ids.state", "=", "cancelled"))
        others = self.find("dependency_ids", "not in", one.ids)
        self.assertEqual(others, self.first | self.alone)

    def test_jobs_are_found_by_those_that_wait_for_them(self):
        found = self.find("dependent_ids", "=", self.second[1].id)
        self.assertEqual(found, self.first)
        found = self.find("dependent_ids.state", "=", "wait_dependencies")
        self.assertEqual(found, self.first)

    def test_jobs_are_found_by_having_none(self):
        self.assertEqual(self.find("dependency_ids", "!=", False), self.second)
        self.assertEqual(
            self.find("dependency_ids", "=", False), self.first | self.alone
        )
        self.assertEqual(
            self.find("dependent_ids", "=", False), self.second | self.alone
        )
        self.assertEqual(self.find("dependency_ids", "ilike", "nobody"), self.jobs)
