# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The samples of the documentation that say so are executed, in their order."""

from __future__ import annotations

import io
import unittest
from contextlib import contextmanager
from unittest.mock import patch

from odoo.models import BaseModel, MetaModel
from odoo.tests.common import TransactionCase
from odoo.tools import mute_logger
from odoo.tools.convert import convert_xml_import

from ..common import JobCounter, drain_queue, trap_jobs
from ..documentation import ROOT, documents, samples

#: the module that the models of samples seem to lie in
MODULE = "queue_job_sample"


class TestSamples(TransactionCase):
    def setUp(self):
        super().setUp()
        self.counter = JobCounter(self.env)
        partners = self.env["res.partner"]
        for number in range(12):
            partners += partners.create({"name": f"Partner {number}"})
        self.partners = partners
        self.names = {"partners": partners}

    def run_samples(self, path):
        """Execute the samples of a document; return how many."""
        found = [sample for sample in samples(path) if sample.run]
        for sample in found:
            getattr(self, f"run_{sample.language}")(sample)
        return len(found)

    def run_xml(self, sample):
        file = io.BytesIO(sample.text.encode())
        file.name = sample.place
        convert_xml_import(self.env, "queue_job", file, {}, "init")

    def run_python(self, sample):
        names = {**self.names, "__name__": f"odoo.addons.{MODULE}.models"}
        with self.models_of_nobody():
            exec(compile(sample.text, sample.place, "exec"), names)
        made = {name: names[name] for name in names.keys() - self.names.keys()}
        for value in made.values():
            if isinstance(value, type) and value.__module__ == names["__name__"]:
                self.take(value)

    @contextmanager
    def models_of_nobody(self):
        """Classes of models that no registry is to load."""
        try:
            yield
        finally:
            MetaModel._module_to_models__.pop(MODULE, None)

    def take(self, klass):
        """Have the class of a sample do what it is for."""
        if issubclass(klass, BaseModel):
            self.extend(klass)
        else:
            self.run_tests_of(klass)

    def extend(self, klass):
        """Give a model the methods of a sample's class, as long as the test lasts."""
        model = self.env[klass._inherit[0]]
        for name, method in vars(klass).items():
            if callable(method) and not name.startswith("__"):
                self.assertFalse(hasattr(BaseModel, name), f"{name} is Odoo's own")
                target = type(model)
                self.enterContext(patch.object(target, name, method, create=True))
        self.env.registry.clear_cache()
        self.addCleanup(self.env.registry.clear_cache)
        model._register_hook()

    def run_tests_of(self, klass):
        """Run a sample's tests on this one's transaction."""
        case = klass()
        case.env = self.env
        names = unittest.TestLoader().getTestCaseNames(klass)
        self.assertTrue(names)
        with patch.object(TransactionCase, "setUp", lambda case: None):
            for name in names:
                case.setUp()
                getattr(case, name)()

    def executed(self):
        """Execute what is ready; return all jobs that this test has enqueued."""
        drain_queue(self.env, since=self.counter)
        return self.counter.search_created()

    def test_the_example_of_the_readme_does_what_it_says(self):
        self.assertEqual(self.run_samples(ROOT / "README.rst"), 1)
        self.partners.action_greet()
        job = self.executed()
        self.assertEqual((job.name, job.priority), ("Greet partners", 5))
        self.assertEqual((job.state, job.result), ("done", "12 greeted"))
        self.assertEqual(job.channel, "root.greetings")
        self.assertIn("Hello", self.partners[0].message_ids[0].body)

    def test_the_samples_of_all_other_documents_work(self):
        number = sum(self.run_samples(path) for path in documents()[1:])
        self.assertGreater(number, 9)
        jobs = self.executed()
        later = jobs.filtered("eta")
        self.assertEqual(later.mapped("state"), ["pending"])
        self.assertEqual(set((jobs - later).mapped("state")), {"done"})
        self.assertIn("Export to the shop", jobs.mapped("name"))
        self.assertIn("Export partners (split 2/2)", jobs.mapped("name"))
        self.check_what_the_errors_of_the_guide_lead_to()
        self.check_what_the_function_of_the_data_record_says()
        self.check_the_button_and_the_progress_of_the_guide()

    def check_what_the_errors_of_the_guide_lead_to(self):
        for answer, state, retry in (
            ("nothing new", "done", 1),
            ("busy", "pending", 1),
            ("soon", "pending", 0),
            ("unknown", "failed", 1),
            ("fine", "done", 1),
        ):
            with self.subTest(answer=answer):
                job = self.partners.with_delay().synchronize(answer)
                with mute_logger("odoo.addons.queue_job.executor.recording"):
                    drain_queue(self.env)
                record = job.db_record()
                self.assertEqual((record.state, record.retry), (state, retry))

    def check_what_the_function_of_the_data_record_says(self):
        with trap_jobs() as trap:
            self.partners[0].with_delay().message_post()
        (job,) = trap.enqueued_jobs
        self.assertEqual(job.channel, "root.messages")
        self.assertEqual(job.job_config.retry_pattern, {1: 60, 5: 600})

    def check_the_button_and_the_progress_of_the_guide(self):
        job = self.partners.with_delay().publish()
        action = job.db_record().open_related_action()
        self.assertEqual(action["url"], "https://example.com")
        job = self.partners.with_delay().recompute()
        drain_queue(self.env)
        self.assertEqual(job.db_record().state, "done")
