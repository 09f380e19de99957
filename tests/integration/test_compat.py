# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other add-ons import, call and read: modules, models' methods, jobs."""

import functools
import hashlib
import importlib
from datetime import date, datetime
from unittest.mock import patch

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.delay import Delayable, chain, group
from odoo.addons.queue_job.job import (
    Job,
    describe,
    identity_exact,
    identity_exact_hasher,
)

NAMES = {
    "": "identity_exact exception job delay jobrunner fields",
    ".job": "identity_exact identity_exact_hasher Job STATES WAIT_DEPENDENCIES PENDING"
    " ENQUEUED STARTED DONE CANCELLED FAILED DEFAULT_PRIORITY DEFAULT_MAX_RETRIES"
    " RETRY_INTERVAL job related_action DelayableRecordset",
    ".exception": "RetryableJobError FailedJobError JobError NothingToDoJob"
    " NoSuchJobError ChannelNotFound BaseQueueJobError",
    ".delay": "group chain DelayableRecordset Delayable DelayableGroup DelayableChain"
    " DelayableGraph Graph Job",
    ".fields": "JobEncoder JobDecoder JobSerialized",
    ".tests.common": "trap_jobs JobMixin mock_with_delay JobCounter JobsTrap JobCall"
    " load_doctests",
    ".controllers.main": "RunJobController PG_RETRY",
    ".jobrunner": "QueueJobRunner runner channels",
    ".jobrunner.runner": "QueueJobRunner",
    ".jobrunner.channels": "Channel ChannelManager NOT_DONE ENQUEUED",
    ".models.base": "DelayableRecordset",
    ".utils": "must_run_without_delay",
}


class CompatCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.effects = cls.env["test.queue.effect"]
        cls.one, cls.two = cls.effects.create([{"name": "one"}, {"name": "two"}])
        cls.jobs = cls.env["queue.job"]


class TestNames(CompatCase):
    def test_every_name_can_be_imported_from_where_others_do(self):
        for path, names in NAMES.items():
            module = importlib.import_module(f"odoo.addons.queue_job{path}")
            for name in names.split():
                with self.subTest(module=path, name=name):
                    self.assertTrue(hasattr(module, name))

    def test_values_that_others_know(self):
        from odoo.addons.queue_job import job
        from odoo.addons.queue_job.controllers.main import PG_RETRY

        self.assertEqual((job.DEFAULT_PRIORITY, job.DEFAULT_MAX_RETRIES), (10, 5))
        self.assertEqual((job.RETRY_INTERVAL, PG_RETRY), (600, 5))
        self.assertEqual(
            [value for value, _label in job.STATES],
            "wait_dependencies pending enqueued started done cancelled failed".split(),
        )
        self.assertEqual(
            [value for value, _label in self.jobs._fields["state"].selection],
            [value for value, _label in job.STATES],
        )

    def test_it_is_the_very_same_function_everywhere(self):
        from odoo.addons import queue_job

        self.assertIs(queue_job.identity_exact, identity_exact)

    def test_the_errors_are_a_family(self):
        from odoo.addons.queue_job import exception as e

        for name in ("NoSuchJobError", "FailedJobError", "RetryableJobError"):
            self.assertTrue(issubclass(getattr(e, name), e.JobError))
        self.assertTrue(issubclass(e.ChannelNotFound, e.BaseQueueJobError))
        error = e.RetryableJobError("msg", seconds=3, ignore_retry=True)
        self.assertEqual((error.seconds, error.ignore_retry), (3, True))
        self.assertEqual(str(error), "msg")


class TestDelaying(CompatCase):
    def test_both_ways_can_be_overridden_with_keywords(self):
        for name in ("with_delay", "delayable"):
            origin = getattr(type(self.effects), name)

            def override(self, origin=origin, **kwargs):
                kwargs.setdefault("channel", "root.test_one")
                return origin(self, **kwargs)

            self.patch(type(self.effects), name, override)
        made = self.effects.with_delay(priority=3).leave("x")
        self.assertEqual((made.channel, made.priority), ("root.test_one", 3))
        call = self.effects.delayable(priority=4).leave("x")
        self.assertEqual((call.channel, call.priority), ("root.test_one", 4))
        call.delay()

    def test_a_delayable_recordset_tells_what_it_was_made_with(self):
        delayed = self.one.with_delay(
            channel="root.test_one", priority=3, eta=60, identity_key="key"
        )
        call = delayed.delayable
        self.assertIsInstance(call, Delayable)
        self.assertEqual((call.channel, call.priority), ("root.test_one", 3))
        self.assertEqual((call.eta, call.identity_key), (60, "key"))
        self.assertEqual(delayed.recordset, self.one)
        call._generated_job = "somebody's"
        self.assertEqual(call._generated_job, "somebody's")

    def test_an_unknown_keyword_is_a_type_error(self):
        for method in (self.one.with_delay, self.one.delayable):
            with self.assertRaisesRegex(TypeError, "bogus"):
                method(bogus=1)

    def test_a_date_or_the_text_of_one_is_a_moment(self):
        for eta in (date(2100, 1, 2), "2100-01-02", "2100-01-02 00:00:00"):
            made = self.one.with_delay(eta=eta).rename("x")
            self.assertEqual(made.db_record().eta, datetime(2100, 1, 2), eta)

    def test_a_job_is_named_by_the_docstring_of_its_method(self):
        model = type(self.effects)
        for doc, expected in (
            ("Do it", "Do it"),
            ("\n    Do it\n\n    at length\n    ", "Do it"),
            ("", "test.queue.effect.write"),
            # what it overrides may say something else
            (None, "test.queue.effect.write"),
        ):

            def write(self, vals):
                return vals

            write.__doc__ = doc
            describe.cache_clear()
            self.addCleanup(describe.cache_clear)
            with patch.object(model, "write", write):
                made = self.one.with_delay().write({}).db_record()
            self.assertEqual(made.name, expected)

    def test_a_delayable_is_set_up_step_by_step(self):
        call = self.one.delayable()
        self.assertIs(call.set({"priority": 3}), call)
        self.assertIs(call.set(channel="root.test_one", eta=60), call)
        self.assertIs(call.rename("x"), call)
        self.assertIsNone(call._generated_job)
        call.delay()
        job = call._generated_job
        self.assertEqual((job.priority, job.channel), (3, "root.test_one"))
        self.assertEqual(job.db_record().state, "pending")

    def test_what_follows_waits_until_it_is_done(self):
        first = self.one.delayable().rename("x")
        others = [self.two.delayable().rename(name) for name in "yz"]
        self.assertIs(first.on_done(*others), first)
        first.delay()
        for other in others:
            job = other._generated_job
            self.assertEqual(job.state, "wait_dependencies")
            self.assertEqual(job.depends_on, {first._generated_job})
            self.assertEqual(job.graph_uuid, first._generated_job.graph_uuid)

    def test_the_records_of_a_call_are_split(self):
        records = self.one | self.two
        whole = records.delayable(priority=3).rename("x").split(1)
        whole.delay()
        made = self.jobs.search([("method_name", "=", "rename")])
        self.assertEqual({job.records for job in made}, {self.one, self.two})
        self.assertEqual(set(made.mapped("state")), {"pending"})
        self.assertEqual(set(made.mapped("priority")), {3})

    def test_the_parts_may_be_chained(self):
        (self.one | self.two).delayable().rename("x").split(1, chain=True).delay()
        made = self.jobs.search([("method_name", "=", "rename")])
        self.assertEqual(set(made.mapped("state")), {"pending", "wait_dependencies"})

    def test_chains_of_groups_wait_link_by_link(self):
        calls = [self.effects.delayable().leave(name) for name in "abcd"]
        chain(group(*calls[:2]), group(calls[2])).on_done(calls[3]).delay()
        a, b, c, d = (call._generated_job for call in calls)
        self.assertEqual(c.depends_on, {a, b})
        self.assertEqual(d.depends_on, {c})
        self.assertEqual(len({job.graph_uuid for job in (a, b, c, d)}), 1)

    def parents(self, calls):
        """For each call the names of those that it waits for."""
        return {
            call._generated_job.args[0]: sorted(
                parent.args[0] for parent in call._generated_job.depends_on
            )
            for call in calls
        }

    def named(self, names):
        return [self.effects.delayable().leave(name) for name in names]

    def test_what_follows_on_a_member_does_not_hold_up_the_next_link(self):
        a, b, c, d = calls = self.named("abcd")
        chain(a.on_done(b), group(c).on_done(d)).delay()
        self.assertEqual(
            self.parents(calls), {"a": [], "b": ["a"], "c": ["a"], "d": ["c"]}
        )
        a, b, c, d = calls = self.named("abcd")
        group(chain(a, b).on_done(c)).on_done(d).delay()
        self.assertEqual(
            self.parents(calls), {"a": [], "b": ["a"], "c": ["b"], "d": ["b"]}
        )

    def test_a_group_behind_several_waits_for_each(self):
        a, b, c, d = calls = self.named("abcd")
        both = group(c, d)
        a.on_done(both)
        b.on_done(both)
        group(a, b).delay()
        self.assertEqual(
            self.parents(calls), {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]}
        )

    def test_chains_and_groups_are_nested_at_will(self):
        a, b, c, d = calls = self.named("abcd")
        chain(group(a, chain(b, c)), d).delay()
        self.assertEqual(
            self.parents(calls), {"a": [], "b": [], "c": ["b"], "d": ["a", "c"]}
        )

    def test_an_empty_group_in_a_chain_opens_no_gap(self):
        a, b = calls = self.named("ab")
        chain(group(), a, group(), chain(), b).delay()
        self.assertEqual(self.parents(calls), {"a": [], "b": ["a"]})

    def test_a_circle_of_groups_is_an_error(self):
        (a,) = self.named("a")
        with self.assertRaisesRegex(ValueError, "cycle"):
            a.on_done(chain(group(a))).delay()

    def test_a_call_on_its_own_is_no_graph(self):
        self.assertFalse(self.effects.with_delay().leave("x").graph_uuid)

    def test_a_delayable_that_is_dropped_is_told(self):
        self.one.delayable(priority=1)
        with self.assertLogs("odoo.addons.queue_job.delay", "WARNING"):
            self.one.delayable().rename("x")


class TestIdentity(CompatCase):
    def test_a_duplicate_gives_the_record_of_the_job_that_is_there(self):
        for state in ("pending", "enqueued"):
            with self.subTest(state):
                first = self.one.with_delay(identity_key=state).rename("x")
                first.state = state
                first.store()
                second = self.one.with_delay(identity_key=state).rename("x")
                self.assertEqual(second, first.db_record())
                self.assertEqual(second._name, "queue.job")
                self.assertEqual(second.db_record(), first.db_record())

    def test_a_job_that_waits_for_others_counts(self):
        waiting = self.one.delayable(identity_key="key").rename("x")
        self.two.delayable().rename("y").on_done(waiting).delay()
        second = self.one.with_delay(identity_key="key").rename("x")
        self.assertEqual(second.uuid, waiting._generated_job.uuid)

    def test_a_job_that_runs_or_is_over_does_not_count(self):
        for state in ("started", "done", "cancelled", "failed"):
            with self.subTest(state):
                first = self.one.with_delay(identity_key=state).rename("x")
                first.state = state
                first.store()
                second = self.one.with_delay(identity_key=state).rename("x")
                self.assertNotEqual(second.uuid, first.uuid)

    def test_a_key_may_be_computed_of_the_job(self):
        made = self.one.with_delay(identity_key=lambda job: f"k-{job.args[0]}")
        self.assertEqual(made.rename("x").db_record().identity_key, "k-x")
        made = self.one.with_delay(identity_key=lambda job: job.recordset.id)
        record = made.rename("x").db_record()
        self.assertEqual(record.identity_key, str(self.one.id))

    def test_a_key_of_nothing_is_none(self):
        for key in (None, False, "", lambda job: None, lambda job: ""):
            made = self.one.with_delay(identity_key=key).rename("x")
            self.assertFalse(made.db_record().identity_key)

    def test_a_key_that_is_neither_text_nor_function_is_refused(self):
        with self.assertRaisesRegex(TypeError, "identity_key is 5"):
            self.one.with_delay(identity_key=5).rename("x")

    def test_the_exact_key_is_of_model_method_records_and_arguments(self):
        def key(records, *args, **kwargs):
            return identity_exact(Job(records.leave, args=args, kwargs=kwargs))

        both = self.one | self.two
        turned = self.two | self.one
        self.assertEqual(key(both, "x", number=1), key(turned, "x", number=1))
        keys = {
            key(both, "x"),
            key(self.one, "x"),
            key(both, "y"),
            key(both, "x", number=1),
            identity_exact(Job(both.rename, args=("x",))),
        }
        self.assertEqual(len(keys), 5)

    def test_the_hasher_can_be_fed_with_more(self):
        job = Job(self.one.leave, args=("x",))
        hasher = identity_exact_hasher(job)
        self.assertEqual(hasher.hexdigest(), identity_exact(job))
        hasher.update(b"more")
        self.assertIsInstance(hasher, type(hashlib.sha1()))
        self.assertNotEqual(hasher.hexdigest(), identity_exact(job))

    def graph(self, *keys):
        calls = [
            self.effects.delayable(identity_key=key).leave(str(number))
            for number, key in enumerate(keys)
        ]
        chain(*calls).delay()
        self.env.flush_all()
        return calls

    def test_a_graph_whose_keyed_jobs_all_have_twins_is_skipped(self):
        self.graph("a", "b", None)
        before = self.jobs.search_count([])
        self.graph("a", "b", None)
        self.assertEqual(self.jobs.search_count([]), before)

    def test_a_graph_with_one_new_keyed_job_is_stored_whole(self):
        self.graph("a", "b")
        before = self.jobs.search_count([])
        self.graph("a", "c")
        self.assertEqual(self.jobs.search_count([]), before + 2)


class TestHooksOfModels(CompatCase):
    def auto_delay(self, context_key=None):
        patched = self.effects._patch_job_auto_delay("rename", context_key)
        self.patch(type(self.effects), "rename", patched)

    def test_a_patched_method_delays_itself(self):
        self.auto_delay()
        made = self.one.rename("x")
        self.assertIsInstance(made, Job)
        self.assertEqual(self.one.name, "one")
        made.perform()
        self.assertEqual(self.one.name, "x")

    def test_it_runs_directly_in_a_job_or_without_delay_or_without_the_key(self):
        self.auto_delay("auto_delay")
        contexts = (
            {},
            {"auto_delay": False},
            {"auto_delay": True, "job_uuid": "x"},
            {"auto_delay": True, "queue_job__no_delay": True},
        )
        for number, context in enumerate(contexts):
            self.one.with_context(**context).rename(f"direct {number}")
            self.assertEqual(self.one.name, f"direct {number}")
        context = {"auto_delay": True, "job_uuid": False}
        self.assertIsInstance(self.one.with_context(**context).rename("x"), Job)

    def test_its_options_come_from_a_method_with_the_same_arguments(self):
        def rename_job_options(self, name):
            return {"priority": 3, "description": f"Rename to {name}"}

        type(self.effects).rename_job_options = rename_job_options
        self.addCleanup(delattr, type(self.effects), "rename_job_options")
        self.auto_delay()
        made = self.one.rename("x")
        self.assertEqual((made.priority, made.description), (3, "Rename to x"))

    def test_the_way_of_the_hook_is_open(self):
        origin = type(self.effects).rename
        patched = self.effects._patch_job_auto_delay("rename")
        functools.update_wrapper(patched, origin)
        self.patch(type(self.effects), "rename", patched)
        self.assertIsInstance(self.one.rename("x"), Job)

    def test_some_keys_of_the_context_are_kept(self):
        keys = self.effects._job_prepare_context_before_enqueue_keys()
        expected = {"tz", "lang", "allowed_company_ids", "force_company", "active_test"}
        self.assertEqual(set(keys), expected)
        records = self.one.with_context(tz="UTC", active_test=False, other=1)
        kept = records._job_prepare_context_before_enqueue()
        self.assertEqual(kept, {"tz": "UTC", "active_test": False})
        made = records.with_delay().rename(records)
        loaded = Job.load(self.env, made.db_record().uuid)
        self.assertEqual(loaded.recordset.env.context, kept)
        self.assertEqual(loaded.args[0].env.context, kept)

    def test_the_kept_keys_can_be_extended(self):
        def keys(self):
            return ("tz", "other")

        name = "_job_prepare_context_before_enqueue_keys"
        self.patch(type(self.effects), name, keys)
        made = self.one.with_context(other=1).with_delay().rename("x")
        loaded = Job.load(self.env, made.db_record().uuid)
        self.assertEqual(loaded.recordset.env.context, {"other": 1})

    def test_methods_give_values_to_store_but_not_those_of_the_core(self):
        self.assertEqual(self.one._job_store_values(Job(self.one.leave)), {})

        def values(self, job):
            return {"state": "done", "name": "Forged", "user_id": 1}

        type(self.effects)._job_store_values_for_rename = values
        self.addCleanup(delattr, type(self.effects), "_job_store_values_for_rename")
        made = self.one.with_delay(description="True").rename("x")
        record = made.db_record()
        self.assertEqual((record.state, record.name), ("pending", "True"))
        made.set_started()
        made.store()
        self.assertEqual((record.state, record.name), ("started", "True"))
