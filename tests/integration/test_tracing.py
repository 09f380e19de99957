# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs carry a context from where they are enqueued to where they are executed."""

from contextlib import contextmanager

from odoo.exceptions import AccessError
from odoo.tests.common import HttpCase, get_db_name, tagged

from odoo.addons.queue_job import storage, tracing
from odoo.addons.queue_job.core import proof as proofs
from odoo.addons.queue_job.job import Job

TRACING = "odoo.addons.queue_job.tracing"
RECORDING = "odoo.addons.queue_job.executor.recording"


@tagged("-at_install", "post_install")
class TestTracing(HttpCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        self.events = []

    def register(self, inject=lambda: "the context", extract=None):
        unregister = tracing.register(inject, extract or self.extract)
        self.addCleanup(unregister)
        return unregister

    @contextmanager
    def extract(self, job, text):
        self.events.append(("begin", job.method_name, text))
        try:
            yield
        except Exception as error:
            self.events.append(("error", type(error).__name__))
            raise
        self.events.append(("end", job.state))

    def enqueue(self, values=None, **options):
        job = self.partner.with_delay(**options).write(values or {"ref": "done"})
        return job.db_record()

    def execute(self, record):
        taken = storage.schedule.mark_enqueued(self.env.cr, record.ids, 1)
        ((_id, uuid, attempt, _channel),) = taken
        secret = self.env["ir.config_parameter"].get_param("database.secret")
        proof = proofs.sign(secret, get_db_name(), uuid, attempt)
        self.url_open(
            f"/queue_job/runjob?job_uuid={uuid}&attempt={attempt}&proof={proof}",
            headers={"X-Odoo-Database": get_db_name()},
        )
        self.env.invalidate_all()
        return record.state

    def test_nothing_is_carried_when_nobody_traces(self):
        record = self.enqueue()
        self.assertFalse(record.trace)
        self.assertEqual(self.execute(record), "done")

    def test_the_context_travels_with_the_job(self):
        self.register()
        record = self.enqueue()
        self.assertEqual(record.trace, "the context")
        self.assertEqual(Job.load(self.env, record.uuid).trace, "the context")
        self.assertEqual(self.execute(record), "done")
        self.assertEqual(
            self.events, [("begin", "write", "the context"), ("end", "done")]
        )

    def test_many_jobs_of_a_transaction_carry_it_too(self):
        self.register()
        jobs = [self.partner.with_delay().write({"ref": str(i)}) for i in range(3)]
        records = self.env["queue.job"].search([("uuid", "in", [j.uuid for j in jobs])])
        self.assertEqual(records.mapped("trace"), ["the context"] * 3)

    def test_a_job_with_values_of_its_own_carries_it_too(self):
        self.register()
        self.patch(
            self.env.registry["res.partner"],
            "_job_store_values",
            lambda _self, _job: {"priority": 10},
        )
        self.assertEqual(self.enqueue().trace, "the context")

    def test_a_job_that_was_enqueued_without_a_context_is_traced_all_the_same(self):
        record = self.enqueue()
        self.register()
        self.execute(record)
        self.assertEqual(self.events[0], ("begin", "write", None))

    def test_the_trace_sees_the_error_of_a_body(self):
        self.register()
        record = self.enqueue({"no_such_field": 1})
        with self.assertLogs(RECORDING):
            self.assertEqual(self.execute(record), "failed")
        self.assertEqual(self.events[-1], ("error", "KeyError"))

    def test_an_error_of_inject_disturbs_no_job(self):
        def inject():
            raise RuntimeError("no context")

        self.register(inject)
        with self.assertLogs(TRACING, 40):
            record = self.enqueue()
        self.assertFalse(record.trace)
        self.assertEqual(self.execute(record), "done")

    def test_an_error_of_extract_disturbs_no_job(self):
        def extract(_job, _text):
            raise RuntimeError("no tracer")

        self.register(extract=extract)
        record = self.enqueue()
        with self.assertLogs(TRACING, 40):
            self.assertEqual(self.execute(record), "done")

    def test_an_error_at_the_end_of_a_trace_disturbs_no_job(self):
        @contextmanager
        def extract(_job, _text):
            yield
            raise RuntimeError("not exported")

        self.register(extract=extract)
        record = self.enqueue()
        with self.assertLogs(TRACING, 40):
            self.assertEqual(self.execute(record), "done")

    def test_a_trace_cannot_make_a_failed_body_a_done_one(self):
        @contextmanager
        def extract(_job, _text):
            try:
                yield
            except KeyError:
                self.events.append("swallowed")

        self.register(extract=extract)
        record = self.enqueue({"no_such_field": 1})
        with self.assertLogs(RECORDING):
            self.assertEqual(self.execute(record), "failed")
        self.assertEqual(self.events, ["swallowed"])

    def test_two_cannot_register_at_once(self):
        unregister = self.register()
        with self.assertRaises(ValueError):
            tracing.register(lambda: None, self.extract)
        unregister()
        other = tracing.register(lambda: "other", self.extract)
        # the first one is gone, undoing it again is not undoing the second one
        unregister()
        self.assertEqual(tracing.current(), "other")
        other()
        self.assertIsNone(tracing.current())

    def test_what_is_no_text_becomes_one_and_nothing_stays_nothing(self):
        for given, wanted in ((5, "5"), ("", None), (None, None)):
            unregister = tracing.register(lambda given=given: given, self.extract)
            self.assertEqual(tracing.current(), wanted)
            unregister()

    def test_nobody_writes_the_context_of_a_job(self):
        record = self.enqueue()
        with self.assertRaises(AccessError):
            record.write({"trace": "forged"})
