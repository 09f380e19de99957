# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A graph over two companies: each sees its part, what is done reaches all of it."""

from odoo.exceptions import AccessError, UserError
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job.delay import chain


class CompanyCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.here = cls.env.company
        cls.there = cls.env["res.company"].create({"name": "There"})
        cls.operators = [
            new_test_user(
                cls.env,
                f"t_operator_{number}",
                "queue_job.group_queue_job_operator",
                company_id=company.id,
                company_ids=[(6, 0, company.ids)],
            )
            for number, company in enumerate((cls.here, cls.there))
        ]
        partners = cls.env["res.partner"]
        nodes = [
            partners.with_context(company_id=company.id).delayable().create({})
            for company in (cls.here, cls.there, cls.here)
        ]
        chain(*nodes).delay()
        cls.env.flush_all()
        cls.jobs = cls.env["queue.job"].browse(
            [node._generated_job.db_record().id for node in nodes]
        )

    def seen_by(self, user, job):
        self.env.flush_all()
        self.env.invalidate_all()
        return job.with_user(user)


class TestGraphs(CompanyCase):
    SPEC = {
        "dependency_ids": {"fields": {"name": {}, "state": {}}},
        "dependent_ids": {"fields": {"name": {}, "state": {}}},
        "dependencies": {},
        "dependency_graph": {},
        "neighbours_elsewhere": {},
        "graph_jobs_count": {},
    }

    def test_each_opens_his_part_and_the_rest_is_counted(self):
        first, second, third = self.jobs
        mine, theirs = self.operators
        (found,) = self.seen_by(mine, first).web_read(self.SPEC)
        self.assertFalse(found["dependent_ids"])
        self.assertIn("1 jobs of another company", found["neighbours_elsewhere"])
        nodes = {node["id"] for node in found["dependency_graph"]["nodes"]}
        self.assertEqual(nodes, {first.id, third.id})
        self.assertFalse(found["dependency_graph"]["edges"])
        self.assertEqual(found["graph_jobs_count"], 2)
        (found,) = self.seen_by(theirs, second).web_read(self.SPEC)
        self.assertFalse(found["dependency_ids"] or found["dependent_ids"])
        self.assertIn("Waits for 1 jobs", found["neighbours_elsewhere"])
        self.assertNotIn(first.uuid, str(found))
        for job, user in ((second, mine), (first, theirs)):
            with self.assertRaises(AccessError):
                self.seen_by(user, job).web_read(self.SPEC)

    def test_the_machine_sees_all_neighbours_whoever_looked_before(self):
        first, second, _third = self.jobs
        self.assertFalse(self.seen_by(self.operators[0], first).dependent_ids)
        self.assertEqual(first.sudo().dependent_ids, second)
        self.assertFalse(first.sudo().neighbours_elsewhere)

    def test_the_picture_holds_the_users_own_jobs_alone(self):
        first, second, third = self.jobs
        picture = self.seen_by(self.operators[0], first).graph_picture()
        self.assertEqual({job[0] for job in picture["jobs"]}, {first.id, third.id})
        drawn = {
            id_ for _b, *sides in picture["barriers"] for ids in sides for id_ in ids
        }
        self.assertNotIn(second.id, drawn)
        self.assertEqual(picture["total"], 3)

    def test_neighbours_are_searched_among_ones_own(self):
        first, second, _third = self.jobs
        jobs = self.env["queue.job"].with_user(self.operators[1])
        self.env.flush_all()
        self.assertFalse(jobs.search([("dependency_ids.uuid", "=", first.uuid)]))
        self.assertFalse(jobs.search([("dependency_ids.name", "!=", False)]))
        self.assertIn(second, jobs.search([("graph_uuid", "=", second.graph_uuid)]))

    def test_what_is_cancelled_takes_along_what_waits_elsewhere(self):
        self.seen_by(self.operators[0], self.jobs[0]).button_cancelled()
        self.env.invalidate_all()
        self.assertEqual(set(self.jobs.mapped("state")), {"cancelled"})
        notes = "".join(self.jobs[1].message_ids.mapped("body"))
        self.assertIn(self.operators[0].name, notes)

    def test_what_is_set_done_lets_go_what_waits_elsewhere(self):
        self.seen_by(self.operators[0], self.jobs[0]).button_done()
        self.env.invalidate_all()
        self.assertEqual(
            self.jobs.mapped("state"), ["done", "pending", "wait_dependencies"]
        )

    def test_nobody_steers_the_jobs_of_another_company(self):
        second = self.jobs[1]
        for button in ("requeue", "button_done", "button_cancelled", "button_stop"):
            with self.subTest(button), self.assertRaises(AccessError):
                getattr(self.seen_by(self.operators[0], second), button)()


class TestRules(CompanyCase):
    def test_tries_and_locks_of_other_companies_are_not_seen(self):
        manager = new_test_user(
            self.env, "t_manager", "queue_job.group_queue_job_manager"
        )
        for model, field in (
            ("queue.job.try", "job_id"),
            ("queue.job.lock", "queue_job_id"),
        ):
            ids = [
                self.env[model].sudo().create({field: job.id}).id
                for job in self.jobs[:2]
            ]
            self.env.flush_all()
            seen = self.env[model].with_user(manager).search([("id", "in", ids)])
            with self.subTest(model):
                self.assertEqual(seen[field], self.jobs[0])
                self.env.invalidate_all()
                with self.assertRaises(AccessError):
                    self.env[model].browse(ids[1]).with_user(manager).read([field])

    def test_a_digest_tells_of_the_users_companies_alone(self):
        told = {}
        for user in self.operators:
            subscription = self.env["queue.job.subscription"].with_user(user).create({})
            subscription.sudo().last_sent_at = "2020-01-01 00:00:00"
        for number, job in enumerate(self.jobs[:2]):
            self.env["queue.job.try"].sudo().create(
                {
                    "job_id": job.id,
                    "outcome": "failed",
                    "exc_name": f"t.Company{number}Error<b>",
                    "date_ended": "2020-01-02 00:00:00",
                }
            )
        self.env.flush_all()
        self.env["queue.job.subscription"]._send_due()
        for user in self.operators:
            message = self.env["mail.message"].search(
                [("notified_partner_ids", "in", user.partner_id.ids)]
            )
            told[user] = "".join(message.mapped("body"))
        mine, theirs = self.operators
        self.assertIn("Company0Error", told[mine])
        self.assertNotIn("Company1Error", told[mine])
        self.assertIn("Company1Error", told[theirs])
        self.assertNotIn("Company0Error", told[theirs])
        self.assertIn("Company0Error&lt;b&gt;", told[mine], "names are no markup")


class TestRunning(CompanyCase):
    """The row of a started job belongs to who executes it."""

    VALUES = {
        "priority": 3,
        "eta": "2030-01-01 00:00:00",
        "channel": "root",
        "max_retries": 7,
    }

    def test_people_change_no_running_job(self):
        job = self.jobs[0]
        for state in ("started", "pending", "failed"):
            self.env.cr.execute(
                "UPDATE queue_job SET state = %s WHERE id = %s", (state, job.id)
            )
            for name, value in self.VALUES.items():
                one = self.seen_by(self.operators[0], job)
                with self.subTest(state=state, field=name):
                    if state == "started":
                        with self.assertRaisesRegex(UserError, "being executed"):
                            one.write({name: value})
                    else:
                        one.write({name: value})
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started' WHERE id = %s", (job.id,)
        )
        self.seen_by(self.operators[0], job).message_post()

    def test_numbers_below_zero_are_refused(self):
        for name in ("priority", "max_retries"):
            with self.subTest(name), self.assertRaises(UserError):
                self.seen_by(self.operators[0], self.jobs[0]).write({name: -1})

    def test_every_readonly_field_of_a_job_refuses_to_be_written(self):
        one = self.jobs[0].with_user(self.operators[0])
        for name, field in one._fields.items():
            if field.store and field.column_type and _is_stated(field):
                with self.subTest(name), self.assertRaises(AccessError):
                    one.write({name: False})


def _is_stated(field):
    """Says the field of itself that it is readonly?"""
    return field.readonly and not field.compute and field.name != "id"
