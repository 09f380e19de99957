# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from lxml import etree

from odoo.tests import TransactionCase, new_test_user
from odoo.tools.safe_eval import safe_eval

from odoo.addons.queue_job.core import states


class TestSearch(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = cls.env["queue.job"]
        cls.operator = new_test_user(
            cls.env, "t_search", groups="queue_job.group_queue_job_operator"
        )
        arch = cls.jobs.get_view(view_type="search")["arch"]
        cls.fields = {each.get("name"): each for each in etree.fromstring(arch)}

    def job(self, user=None, **options):
        delayed = self.jobs.with_user(user or self.env.user)
        job = delayed.with_delay(**options)._test_job(job_duration=7).db_record()
        self.env.flush_all()
        return job.sudo()

    def typed(self, name, text):
        """What is found when somebody types a text for a field of the search."""
        field = self.fields[name]
        domain = [(name, field.get("operator") or "ilike", text)]
        if field.get("filter_domain"):
            domain = safe_eval(field.get("filter_domain"), {"self": text})
        return self.jobs.search(domain)

    def test_a_job_is_found_by_all_that_people_know_of_it(self):
        record = self.env["test.queue.record"].create({"name": "t"})
        other = record.with_delay(description="Other").work(31415).db_record()
        job = self.job(self.operator, description="Send the bill")
        job.write({"exc_name": "t.SearchError", "exc_message": "No bank account"})
        self.env.flush_all()
        for name, text in (
            ("name", "the bill"),
            ("func_string", "job_duration=7"),
            ("user_id", self.operator.name),
            ("job_function_id", "_test_job"),
            ("method_name", "_test_job"),
            ("exc_message", "SearchError"),
            ("exc_message", "bank account"),
            ("uuid", job.uuid),
        ):
            with self.subTest(field=name):
                found = self.typed(name, text)
                self.assertIn(job, found)
                self.assertNotIn(other, found)
        for text in (f"test.queue.record({record.id}", "31415"):
            self.assertEqual(self.typed("func_string", text), other)

    def test_any_condition_on_states_finds_what_it_says(self):
        """However it is written in the parts that the indexes hold."""
        jobs = {}
        for state in [value for value, _label in states.STATES]:
            jobs[state] = self.job()
            jobs[state].write({"state": state})
        jobs["dated"] = self.job(eta=3600)
        self.env.flush_all()
        everything = self.jobs.concat(*jobs.values())

        def found(*domain):
            records = self.jobs.search([("id", "in", everything.ids), *domain])
            return {name for name, job in jobs.items() if job in records}

        waiting = {"pending", "dated"}
        unfinished = {*states.UNFINISHED, "dated"}
        for domain, expected in (
            ([("state", "=", "pending")], waiting),
            ([("state", "!=", "pending")], set(jobs) - waiting),
            ([("state", "in", ["pending", "failed"])], waiting | {"failed"}),
            (
                [("state", "not in", ["pending", "done"])],
                set(jobs) - waiting - {"done"},
            ),
            ([("state", "in", list(states.UNFINISHED))], unfinished),
            ([("state", "in", [])], set()),
            ([("state", "=", False)], set()),
            ([("state", "=", "pending"), ("ready", "=", True)], {"pending"}),
            ([("state", "=", "pending"), ("ready", "=", False)], {"dated"}),
            ([("ready", "!=", True)], {"dated"}),
            (["!", ("state", "=", "started")], set(jobs) - {"started"}),
            (
                ["|", ("state", "=", "done"), ("state", "=", "failed")],
                {"done", "failed"},
            ),
        ):
            with self.subTest(domain=domain):
                self.assertEqual(found(*domain), expected)
