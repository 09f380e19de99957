# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from ast import literal_eval

from lxml import etree

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, TransactionCase, new_test_user
from odoo.tools.safe_eval import safe_eval

from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import Job

#: what other add-ons refer to, and the places where their views take hold
ANCHORS = {
    "view_queue_job_form": [
        ("//field[@name='channel']", "after"),
        ("//div[@name='button_box']", "inside"),
    ],
    "view_queue_job_search": [
        ("//field[@name='channel']", "after"),
        ("//filter[@name='group_by_graph']", "after"),
    ],
    "view_queue_job_tree": [
        ("//list", "inside"),
        ("//field[@name='date_created']", "after"),
    ],
    "view_queue_job_function_form": [
        ("//form/group", "after"),
        ("//field[@name='name']/..", "after"),
    ],
}
XML_IDS = """
    channel_root group_queue_job_viewer group_queue_job_operator
    group_queue_job_manager model_queue_job model_queue_job_function
    model_queue_job_channel action_queue_job action_queue_job_channel
    action_queue_job_function menu_queue_job_root menu_queue menu_queue_job
    menu_queue_job_channel menu_queue_job_function module_category_queue_job
    privilege_queue_job mt_job_failed job_function_queue_job__test_job
    ir_cron_autovacuum_queue_jobs view_queue_job_form view_queue_job_tree
    view_queue_job_search view_queue_job_function_form view_queue_job_function_tree
    view_queue_job_function_search view_queue_job_channel_form
    view_queue_job_channel_tree view_queue_job_channel_search
""".split()
STATES = "wait_dependencies pending enqueued started done cancelled failed".split()


class TestContract(TransactionCase):
    def test_every_xml_id_that_others_use_is_there(self):
        for name in XML_IDS:
            with self.subTest(name=name):
                self.assertTrue(self.env.ref(f"queue_job.{name}").exists())

    def test_views_of_other_add_ons_take_hold_at_their_anchors(self):
        for name, places in ANCHORS.items():
            view = self.env.ref(f"queue_job.{name}")
            kind = "filter" if view.type == "search" else "field"
            for number, (place, position) in enumerate(places):
                added = f'<{kind} name="create_uid"/>'
                if kind == "filter":
                    added = '<filter name="t_new" string="T" domain="[]"/>'
                if "queue_job_function" not in name and kind == "field":
                    added = '<field name="method_name" class="t_added"/>'
                with self.subTest(view=name, place=place):
                    self.env["ir.ui.view"].create(
                        {
                            "name": f"t_{name}_{number}",
                            "model": view.model,
                            "inherit_id": view.id,
                            "arch": f'<xpath expr="{place}" position="{position}">'
                            f"{added}</xpath>",
                        }
                    )

    def test_the_search_has_a_filter_for_each_state(self):
        arch = self.env["queue.job"].get_view(view_type="search")["arch"]
        names = {each.get("name") for each in etree.fromstring(arch).iter("filter")}
        self.assertLessEqual(set(STATES), names)

    def test_the_context_of_the_action_is_literal_and_names_filters(self):
        context = literal_eval(self.env.ref("queue_job.action_queue_job").context)
        arch = self.env["queue.job"].get_view(view_type="search")["arch"]
        names = {each.get("name") for each in etree.fromstring(arch).iter("filter")}
        wanted = {key.removeprefix("search_default_") for key in context}
        self.assertTrue(wanted)
        self.assertLessEqual(wanted, names)

    def test_the_form_of_a_job_has_a_chatter(self):
        arch = self.env["queue.job"].get_view(view_type="form")["arch"]
        self.assertIn("<chatter", arch)


class TestShown(TransactionCase):
    def shown(self, user, record):
        """The values of all fields in the record's views, as the client reads them."""
        record = record.with_user(user)
        views = record.get_views(
            [(False, kind) for kind in ("list", "form", "kanban", "search")]
        )
        fields = views["models"][record._name]["fields"]
        return record.web_read({name: {} for name in fields})[0]

    def test_a_viewer_can_open_every_record(self):
        viewer = new_test_user(self.env, "t_viewer", "queue_job.group_queue_job_viewer")
        job = self.env["queue.job"].with_delay()._test_job(1, job_duration=2)
        record = job.db_record()
        attempt = self.env["queue.job.try"].create({"job_id": record.id, "attempt": 1})
        function = self.env.ref("queue_job.job_function_queue_job__test_job")
        for each in (record, attempt, function, function.channel_id):
            with self.subTest(model=each._name):
                self.assertEqual(self.shown(viewer, each)["id"], each.id)

    def test_the_filters_of_the_search_find_jobs(self):
        job = self.env["queue.job"].with_delay(description="t_find")._test_job()
        record = job.db_record()
        arch = self.env["queue.job"].get_view(view_type="search")["arch"]
        for each in etree.fromstring(arch).iter("filter"):
            domain = safe_eval(each.get("domain") or "[]", {"uid": self.env.uid})
            found = self.env["queue.job"].search([("id", "=", record.id), *domain])
            if each.get("name") in ("pending", "my_jobs", "created_last_hour"):
                self.assertEqual(found, record, each.get("name"))

    def test_a_channel_is_made_in_its_form(self):
        with Form(self.env["queue.job.channel"]) as form:
            form.name = "t_form"
            form.sequential = True
            self.assertEqual(form.capacity, 1)
        channel = form.record
        self.assertEqual(channel.complete_name, "root.t_form")
        self.assertEqual(channel.capacity, 1)

    def test_a_function_is_made_in_its_form(self):
        with Form(self.env["queue.job.function"]) as form:
            form.model_id = self.env["ir.model"]._get("res.partner")
            form.method = "t_method"
            form.edit_retry_pattern = "{1: 5}"
        self.assertEqual(form.record.name, "<res.partner>.t_method")
        self.assertEqual(form.record.retry_pattern, {1: 5})


class TestReadableCall(TransactionCase):
    def display(self, *args, **kwargs):
        function = {"name": "<res.partner>.t_call"}
        self.env["queue.job.function"].create(function)

        def t_call(self, name, password=None, **options):
            """T"""

        model = type(self.env["res.partner"])
        model.t_call = t_call
        self.addCleanup(lambda: delattr(model, "t_call"))
        partner = self.env["res.partner"].create({"name": "T"})
        return partner, partner.with_delay().t_call(*args, **kwargs).db_record()

    def test_records_and_arguments_are_shown_as_python_writes_them(self):
        partner, job = self.display("x", to=self.env.user, days=[1, 2])
        self.assertEqual(job.records_display, f"res.partner({partner.id},)")
        self.assertEqual(
            set(job.arguments_display.splitlines()),
            {"'x'", f"to = res.users({self.env.uid},)", "days = [1, 2]"},
        )

    def test_a_masked_argument_is_not_shown_wherever_it_stands(self):
        _partner, job = self.display("x", "hunter2", token="t0k", deep={"secret": "s3"})
        text = job.arguments_display
        for value in ("hunter2", "t0k", "s3"):
            self.assertNotIn(value, text)
        self.assertEqual(text.count("***"), 3)

    def test_the_names_to_mask_are_a_setting(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.masked_arguments", "name, deep")
        _partner, job = self.display("x", "hunter2", deep={"secret": "s3"})
        self.assertEqual(
            set(job.arguments_display.splitlines()),
            {"'***'", "'hunter2'", "deep = '***'"},
        )

    def test_arguments_that_cannot_be_read_back_are_shown_as_stored(self):
        _partner, job = self.display("x")
        self.env.cr.execute(
            "UPDATE queue_job SET args = %s WHERE id = %s",
            ('[{"_type": "nonsense", "value": 5}]', job.id),
        )
        job.invalidate_recordset()
        self.assertIn("nonsense", job.arguments_display)


class TestWizards(TransactionCase):
    def jobs(self, *states):
        jobs = self.env["queue.job"]
        for state in states:
            job = jobs.with_delay()._test_job().db_record()
            self.env.cr.execute(
                "UPDATE queue_job SET state = %s WHERE id = %s", (state, job.id)
            )
            jobs |= job
        jobs.invalidate_recordset()
        return jobs

    def wizard(self, model, jobs):
        context = {"active_model": "queue.job", "active_ids": jobs.ids}
        return self.env[model].with_context(**context).create({})

    def test_the_wizards_take_the_selected_jobs(self):
        jobs = self.jobs("failed", "done")
        for model in ("queue.requeue.job", "queue.jobs.to.done"):
            self.assertEqual(self.wizard(model, jobs).job_ids, jobs)

    def test_a_wizard_takes_nothing_of_another_model(self):
        context = {"active_model": "res.partner", "active_ids": [1]}
        wizard = self.env["queue.requeue.job"].with_context(**context).create({})
        self.assertFalse(wizard.job_ids)

    def test_requeue(self):
        jobs = self.jobs("failed", "done", "started")
        wizard = self.wizard("queue.requeue.job", jobs)
        self.assertEqual(wizard.skipped_count, 1)
        wizard.requeue()
        self.assertEqual(jobs.mapped("state"), ["pending", "pending", "started"])

    def test_set_done(self):
        jobs = self.jobs("failed", "pending", "started")
        wizard = self.wizard("queue.jobs.to.done", jobs)
        self.assertEqual(wizard.skipped_count, 1)
        wizard.set_done()
        self.assertEqual(jobs.mapped("state"), ["done", "done", "started"])

    def test_set_cancelled(self):
        jobs = self.jobs("failed", "pending", "done", "started")
        wizard = self.wizard("queue.jobs.to.cancelled", jobs)
        self.assertEqual(wizard.skipped_count, 1)
        wizard.set_cancelled()
        self.assertEqual(
            jobs.mapped("state"), ["cancelled", "cancelled", "done", "started"]
        )
        self.env.cr.execute(
            "SELECT job_id FROM queue_job_stop WHERE job_id = %s", (jobs[3].id,)
        )
        self.assertTrue(self.env.cr.fetchone(), "the running one is asked to stop")


class TestSampleJobs(TransactionCase):
    def make(self, **values):
        before = self.env["queue.job"].search([])
        wizard = self.env["queue.job.demo"].create(
            {
                "succeed_count": 0,
                "retry_count": 0,
                "fail_count": 0,
                "with_graph": False,
                "seconds": 0,
                **values,
            }
        )
        action = wizard.create_jobs()
        made = self.env["queue.job"].search([]) - before
        self.assertEqual(self.env["queue.job"].search(action["domain"]), made)
        return made

    def perform(self, record):
        return Job.load(self.env, record.uuid).perform()

    def test_one_button_makes_sample_jobs_of_every_kind(self):
        jobs = self.make(succeed_count=3, retry_count=2, fail_count=1, with_graph=True)
        self.assertEqual(len(jobs), 10)
        self.assertEqual(set(jobs.mapped("channel")), {"root.demo"})
        graph = jobs.filtered("graph_uuid")
        self.assertEqual(len(graph), 4)
        self.assertEqual(
            sorted(graph.mapped("state")), ["pending"] + ["wait_dependencies"] * 3
        )

    def test_a_sample_job_succeeds(self):
        self.assertIn("1", self.perform(self.make(succeed_count=1)))

    def test_a_sample_job_takes_a_while(self):
        graph = self.make(with_graph=True)
        self.assertIn(
            "0", self.perform(graph.filtered(lambda job: job.state == "pending"))
        )

    def test_a_sample_job_succeeds_at_its_third_try(self):
        job = self.make(retry_count=1)
        for tries in range(2):
            self.set_retry(job, tries)
            with self.assertRaises(RetryableJobError):
                self.perform(job)
        self.set_retry(job, 2)
        self.assertIn("third", self.perform(job))

    def set_retry(self, job, tries):
        self.env.cr.execute(
            "UPDATE queue_job SET retry = %s WHERE id = %s", (tries, job.id)
        )
        job.invalidate_recordset()

    def test_a_sample_job_fails_until_somebody_requeues_it(self):
        job = self.make(fail_count=1)
        with self.assertRaisesRegex(UserError, "on purpose"):
            self.perform(job)
        self.env["queue.job.try"].create({"job_id": job.id, "outcome": "failed"})
        job.invalidate_recordset()
        self.assertIn("succeeded", self.perform(job))

    def test_numbers_that_would_flood_the_queue_are_refused(self):
        for values in ({"succeed_count": 1001}, {"fail_count": -1}, {"seconds": 61}):
            with self.subTest(values=values), self.assertRaises(ValidationError):
                self.make(**values)
