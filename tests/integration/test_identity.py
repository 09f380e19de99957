# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a call returns whose identity key a waiting job has: a record, and a ``Job``."""

from odoo.models import BaseModel
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job.job import Job, identity_exact

from . import exact_keys

GROUPS = ("base.group_portal", "base.group_user", "queue_job.group_queue_job_manager")


def value_of(found):
    """A value as a field or an attribute has it: one text for both."""
    if isinstance(found, BaseModel):
        found = found.ids[0] if len(found) == 1 else tuple(found.ids)
    return found or None


class TwinCase(TransactionCase):
    def setUp(self):
        super().setUp()
        self.effect = self.env["test.queue.effect"].create({"name": "before"})
        self.env["ir.model.access"].create(
            {
                "name": "t_twin",
                "model_id": self.env["ir.model"]._get_id("test.queue.effect"),
                "perm_read": True,
                "perm_write": True,
                "group_id": self.env.ref("base.group_portal").id,
            }
        )
        self.users = [
            new_test_user(self.env, f"t_twin_{number}", group)
            for number, group in enumerate(GROUPS)
        ]

    def twins(self, user, stored, **options):
        effect = self.effect.with_user(user)
        key = f"key-{user.id}-{stored}"
        job = effect.with_delay(identity_key=key, **options).rename("after")
        if stored:
            self.env.flush_all()
            self.env.invalidate_all()
        return job, effect.with_delay(identity_key=key).rename("after")

    def each(self, **options):
        for user in self.users:
            for stored in (False, True):
                yield user, *self.twins(user, stored, **options)


class TestFoundJob(TwinCase):
    def test_it_has_every_public_name_of_a_job(self):
        job, _twin = self.twins(self.env.user, True)
        names = dir(Job.load(self.env, job.uuid))
        for _user, job, twin in self.each(eta=60, priority=3, description="Text"):
            for name in names:
                if name.startswith("_"):
                    continue
                ours, its = getattr(job, name), getattr(twin, name)
                if name in ("env", "date_created", "eta") or "stored" in name:
                    continue  # a field has whole seconds, and each its environment
                if callable(ours):
                    self.assertTrue(callable(its), name)
                else:
                    self.assertEqual(value_of(its), value_of(ours), name)

    def test_the_environment_is_that_of_the_caller(self):
        for user, _job, twin in self.each():
            self.assertEqual(twin.env.user, user)

    def test_what_is_set_on_it_is_stored_as_that_of_a_job(self):
        verbs = {
            "set_enqueued": ((), "enqueued"),
            "set_started": ((), "started"),
            "set_done": (("fine",), "done"),
            "set_cancelled": (("no",), "cancelled"),
            "set_failed": ((), "failed"),
            "set_pending": ((), "pending"),
        }
        for _user, job, twin in self.each():
            for name, (args, state) in verbs.items():
                getattr(twin, name)(*args)
                twin.store()
                self.assertEqual(job.db_record().sudo().state, state)
                self.assertEqual(twin.state, state)
            self.assertEqual(twin.result, "no")

    def test_it_is_postponed_as_a_job(self):
        for _user, _job, twin in self.each():
            self.assertFalse(twin.eta)
            twin.postpone("later", seconds=60)
            twin.store()
            self.assertTrue(twin.eta)
            self.assertFalse(twin.ready)

    def test_it_is_performed_as_a_job(self):
        for user, job, twin in self.each():
            self.assertEqual(twin.perform(), job.perform())
            self.assertEqual(twin.recordset.env.user, user)

    def test_it_is_cancelled_in_the_name_of_who_asks(self):
        for user, job, twin in self.each():
            self.assertIs(twin.cancel(), True)
            self.assertEqual(job.db_record().sudo().state, "cancelled")
            self.assertIn(user.name, twin.result)

    def test_a_job_that_was_read_back_is_cancelled_in_the_name_of_who_asks(self):
        job, _twin = self.twins(self.users[0], True)
        reader = self.env(user=self.users[1])
        Job.load(reader, job.uuid).cancel()
        self.assertIn(self.users[1].name, job.db_record().sudo().result)

    def test_its_record_may_be_read_whatever_the_rights(self):
        for _user, job, twin in self.each():
            record = twin.db_record()
            self.assertEqual(record, job.db_record())
            self.assertEqual(record.name, job.description)
            self.assertEqual(record.method_name, "rename")

    def test_its_related_action_is_that_of_the_job(self):
        for user, job, twin in self.each():
            if user == self.users[-1]:  # as whom it is opened, who may see the job
                self.assertEqual(twin.related_action(), job.related_action())
                self.assertEqual(twin.related_action()["res_id"], self.effect.id)

    def test_dependencies_are_those_of_the_job(self):
        for _user, _job, twin in self.each():
            twin.add_depends([self.effect.with_delay().rename("first")])
            self.assertEqual(len(twin.depends_on), 1)
            twin.store()
            self.assertEqual(twin.state, "wait_dependencies")

    def test_a_name_that_no_job_has_is_none_of_its(self):
        for _user, _job, twin in self.each():
            self.assertFalse(hasattr(twin, "no_such_name"))
            self.assertFalse(hasattr(twin, "_no_such_name"))

    def test_it_is_a_record_like_any_other(self):
        model = self.env["queue.job"]
        for _user, job, twin in self.each():
            self.assertIsInstance(twin, type(model))
            self.assertEqual(twin._name, "queue.job")
            self.assertTrue(twin)
            self.assertEqual(len(twin), 1)
            record = model.browse(twin.id)
            self.assertEqual(twin, record)
            self.assertEqual(record, twin)
            self.assertEqual(hash(twin), hash(record))
            self.assertIn(twin, record | model)
            self.assertEqual(model | twin, twin)
            self.assertEqual(twin.mapped("uuid"), [job.uuid])
            self.assertEqual(twin.filtered("uuid"), record)
            self.assertEqual(twin.filtered_domain([("uuid", "=", job.uuid)]), record)
            self.assertEqual(twin.exists(), record)
            self.assertEqual(twin.read(["uuid"])[0]["uuid"], job.uuid)
            self.assertEqual(list(twin), [record])
            self.assertEqual(twin.sudo().with_context(a=1).uuid, job.uuid)
            self.assertEqual(repr(twin), repr(record))
            wizard = self.env["queue.requeue.job"].create({"job_ids": twin})
            self.assertEqual(wizard.job_ids, record)
            lock = self.env["queue.job.lock"].new({"queue_job_id": twin})
            self.assertEqual(lock.queue_job_id, record)

    def test_what_is_derived_from_it_has_the_same_names(self):
        for _user, job, twin in self.each():
            self.assertTrue(twin.with_context(a=1).cancel())
            self.assertEqual(job.db_record().sudo().state, "cancelled")

    def test_a_twin_of_this_transaction_costs_no_statement(self):
        self.twins(self.env.user, False)
        before = self.cr.sql_log_count
        for _turn in range(10):
            twin = self.effect.with_delay(
                identity_key=f"key-{self.env.user.id}-False"
            ).rename("after")
            self.assertTrue(twin.uuid)
        self.assertEqual(self.cr.sql_log_count, before)

    def test_it_is_empty_when_its_savepoint_is_rolled_back(self):
        class _Undone(Exception):
            pass

        with self.assertRaises(_Undone), self.env.cr.savepoint():
            _job, twin = self.twins(self.env.user, False)
            raise _Undone
        self.assertFalse(twin.exists())


LONG_KEYS = {
    "10 bytes": "k" * 10,
    "an index row": "k" * 2704,
    "more than that": "k" * 10_000,
    "of many letters": "".join(map(chr, range(0x4E00, 0x4E00 + 5000))),
    "beyond ASCII": "é" * 900,
    "long, beyond ASCII": "Größe" * 3000,
    "of text that cannot be compressed": "".join(
        chr(33 + number * number % 91) for number in range(2600)
    ),
}


class TestLongKeys(TwinCase):
    def test_a_key_of_any_length_finds_its_job(self):
        model = self.env["queue.job"]
        for name, key in LONG_KEYS.items():
            with self.subTest(name):
                job = self.effect.with_delay(identity_key=key).rename("after")
                again = self.effect.with_delay(identity_key=key).rename("after")
                self.assertEqual(again.uuid, job.uuid)
                record = job.db_record()
                again = self.effect.with_delay(identity_key=key).rename("after")
                self.assertEqual(again, record)
                other = Job(self.effect.rename, args=("x",), identity_key=key)
                self.assertEqual(other.job_record_with_same_identity_key(), record)
                for domain in (
                    [("identity_key", "=", key)],
                    [("identity_key", "in", [key, "another"])],
                    [("identity_key", "!=", key + "x"), ("id", "=", record.id)],
                    [("identity_key", "=like", key[:100] + "%")],
                ):
                    self.assertIn(record, model.search(domain), domain[0][1])
                    self.assertEqual(record.filtered_domain(domain), record)
                for domain in (
                    [("identity_key", "!=", key)],
                    [("identity_key", "=", key + "x")],
                    [("identity_key", "not in", [key])],
                ):
                    self.assertNotIn(record, model.search(domain), domain[0][1])
                    self.assertFalse(record.filtered_domain(domain))
                self.assertLessEqual(len(record.identity_key.encode()), 2600)

    def test_one_key_that_begins_another_is_another(self):
        one, two = ("k" * number for number in (9_999, 10_000))
        first = self.effect.with_delay(identity_key=one).rename("x")
        second = self.effect.with_delay(identity_key=two).rename("x")
        self.assertNotEqual(first.uuid, second.uuid)


class TestExactKeys(TwinCase):
    def test_equal_arguments_have_one_key_and_others_another(self):
        found = exact_keys.keys(self.env)
        for name, keys in found.items():
            self.assertEqual(len(set(keys)), 1, name)
        self.assertEqual(len({keys[0] for keys in found.values()}), len(found))

    def test_the_key_of_a_job_that_was_read_back_is_the_same(self):
        for name, values in exact_keys.arguments(self.env).items():
            with self.subTest(name):
                delayed = self.effect.with_delay(identity_key=identity_exact)
                job = delayed.rename(values[0])
                self.env.flush_all()
                self.env.invalidate_all()
                loaded = Job.load(self.env, job.uuid)
                self.assertEqual(identity_exact(loaded), job.identity_key)

    def test_it_is_of_the_records_whatever_their_order(self):
        effects = self.effect + self.effect.copy()
        one, two = (
            identity_exact(Job(each.rename, args=("x",)))
            for each in (effects, effects[1] + effects[0])
        )
        self.assertEqual(one, two)

    def test_each_user_and_the_superuser_have_keys_of_their_own(self):
        everybody = [self.env(user=user, su=su) for user in self.users for su in (0, 1)]
        jobs = [
            self.effect.with_env(env)
            .with_delay(identity_key=identity_exact)
            .rename("after")
            for env in everybody
            for _turn in range(2)
        ]
        self.assertEqual(len({job.uuid for job in jobs}), len(everybody))
        self.assertEqual(len({job.identity_key for job in jobs}), len(everybody))

    def test_a_function_that_returns_none_leaves_the_job_without_a_key(self):
        for key in (lambda job: None, lambda job: False, lambda job: ""):
            jobs = [
                self.effect.with_delay(identity_key=key).rename("after")
                for _turn in range(2)
            ]
            self.assertNotEqual(jobs[0].uuid, jobs[1].uuid)
            self.assertFalse(jobs[0].identity_key)
            self.assertFalse(jobs[0].db_record().identity_key)
