# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other add-ons inherit, read, write and query: models, fields, rights, SQL."""

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.service.model import get_public_method
from odoo.tests.common import new_test_user

from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.jobrunner.channels import ChannelManager
from odoo.addons.queue_job.jobrunner.runner import QueueJobRunner
from odoo.addons.queue_job.utils import must_run_without_delay

from .test_compat import CompatCase

FIELDS = """
    uuid state channel name func_string user_id job_function_id records args kwargs
    model_name method_name identity_key company_id exc_info exc_name exc_message result
    priority eta retry max_retries date_created date_started date_enqueued date_done
    date_cancelled exec_time worker_pid graph_uuid graph_jobs_count dependencies
    dependency_ids dependent_ids dependency_graph channel_method_name
""".split()
PROTECTED = """
    uuid name date_created model_name method_name func_string channel_method_name
    job_function_id records args kwargs
""".split()
METHODS = """
    create write _message_post_on_failure _subscribe_users_domain _message_failed_job
    autovacuum open_related_action related_action_open_record button_done requeue
    button_cancelled _change_job_state open_graph_jobs message_post activity_schedule
""".split()
CONFIG = """
    channel retry_pattern related_action_enable related_action_func_name
    related_action_kwargs job_function_id allow_commit on_fail_method_name
""".split()


class ModelCase(CompatCase):
    def made(self, **options):
        return self.one.with_delay(**options).rename("x").db_record()


class TestJobModel(ModelCase):
    def test_it_has_the_fields_and_methods_that_others_use(self):
        for name in FIELDS:
            self.assertIn(name, self.jobs._fields)
        for name in METHODS:
            self.assertTrue(hasattr(type(self.jobs), name), name)

    def test_fields_tell_what_was_called(self):
        job = self.made(description="Text", priority=3)
        self.assertEqual(job.name, "Text")
        self.assertEqual((job.model_name, job.method_name), (self.one._name, "rename"))
        self.assertEqual((job.records, job.args, job.kwargs), (self.one, ("x",), {}))
        self.assertEqual(job.func_string, f"{self.one!r}.rename('x')")
        self.assertEqual(job.channel_method_name, "<test.queue.effect>.rename")
        self.assertEqual(job.job_function_id.name, job.channel_method_name)
        self.assertEqual(
            (job.user_id, job.company_id), (self.env.user, self.env.company)
        )

    def test_jobs_are_found_by_what_they_call(self):
        job = self.made(identity_key="prefix-1")
        for domain in (
            [("func_string", "like", str(self.one))],
            [("func_string", "like", "rename")],
            [("identity_key", "=like", "prefix%")],
            [("model_name", "=", self.one._name), ("method_name", "=", "rename")],
            [("job_function_id.method", "=", "rename")],
            [("channel_method_name", "=", "<test.queue.effect>.rename")],
            [("channel_method_name", "in", [job.channel_method_name, "other"])],
        ):
            self.assertIn(job, self.jobs.search(domain), domain)

    def test_fields_of_a_graph_tell_who_waits_for_whom(self):
        calls = [self.one.delayable().rename(name) for name in "ab"]
        chain(*calls).delay()
        first, second = (call._generated_job.db_record() for call in calls)
        self.assertEqual(second.dependency_ids, first)
        self.assertEqual(first.dependent_ids, second)
        self.assertEqual(first.graph_jobs_count, 2)
        self.assertEqual(second.dependencies["depends_on"], [first.uuid])
        self.assertEqual(first.dependencies["reverse_depends_on"], [second.uuid])
        self.assertEqual(second.dependency_graph["edges"], [[first.id, second.id]])
        for domain, expected in (
            ([("dependency_ids", "in", first.ids)], second),
            ([("dependency_ids", "=", first.id)], second),
            ([("dependency_ids.uuid", "=", first.uuid)], second),
            ([("dependent_ids", "in", second.ids)], first),
            ([("dependent_ids.uuid", "=", second.uuid)], first),
            ([("dependency_ids", "in", second.ids)], self.jobs),
        ):
            self.assertEqual(self.jobs.search(domain), expected, domain)
        domain = first.open_graph_jobs()["domain"]
        self.assertEqual(self.jobs.search(domain), first | second)

    def test_protected_fields_are_nobody_s_to_write(self):
        job = self.made()
        manager = new_test_user(
            self.env, "protected", "queue_job.group_queue_job_manager"
        )
        for name in PROTECTED:
            for record in (job.with_user(manager), job.sudo()):
                with self.subTest(name), self.assertRaises(AccessError):
                    record.write({name: False})

    def test_a_manager_writes_the_rest_but_creates_and_deletes_nothing(self):
        job = self.made()
        manager = new_test_user(self.env, "writer", "queue_job.group_queue_job_manager")
        job = job.with_user(manager)
        job.write({"priority": 1, "channel": "root.test_one"})
        self.assertEqual((job.priority, job.channel), (1, "root.test_one"))
        for right in ("create", "unlink"):
            self.assertFalse(job.has_access(right))

    def test_create_is_not_for_clients(self):
        with self.assertRaises(AccessError):
            get_public_method(self.jobs, "create")

    def test_a_job_can_be_deleted_by_the_superuser(self):
        job = self.made()
        job.sudo().unlink()
        self.assertFalse(job.exists())

    def test_buttons_move_jobs(self):
        for button, state in (
            ("button_cancelled", "cancelled"),
            ("requeue", "pending"),
            ("button_done", "done"),
        ):
            if button == "button_cancelled":
                job = self.made()
            getattr(job, button)()
            self.assertEqual(job.state, state)

    def test_a_state_is_changed_with_its_result(self):
        job = self.made()
        job._change_job_state("cancelled", result="Not wanted")
        self.assertEqual((job.state, job.result), ("cancelled", "Not wanted"))
        job._change_job_state("pending", result="Once more")
        self.assertEqual((job.state, job.result), ("pending", "Once more"))

    def test_the_related_action_is_opened_or_there_is_none(self):
        action = self.made().open_related_action()
        self.assertEqual(action["res_id"], self.one.id)
        self.assertEqual(action, self.made().related_action_open_record())
        without = self.effects.with_delay().leave("x").db_record()
        with self.assertRaisesRegex(UserError, "No action available for this job"):
            without.open_related_action()

    def test_who_follows_failures_is_a_list_to_extend(self):
        domain = self.made()._subscribe_users_domain()
        self.assertIsInstance(domain, list)
        domain.append(("id", "=", 0))
        self.assertFalse(self.env["res.users"].search(domain))

    def test_without_a_message_nothing_is_posted(self):
        job = self.made()
        self.patch(type(self.jobs), "_message_failed_job", lambda self: None)
        before = job.message_ids
        job._message_post_on_failure()
        self.assertEqual(job.message_ids, before)

    def test_the_table_has_the_columns_that_others_query(self):
        job = self.made(eta=60)
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT id, uuid, state, priority FROM queue_job"
            " WHERE eta > date_created AND uuid = %s",
            (job.uuid,),
        )
        self.assertEqual(self.env.cr.fetchall(), [(job.id, job.uuid, "pending", 10)])

    def test_serialized_columns_are_jsonb(self):
        self.env.cr.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'queue_job' AND data_type = 'jsonb'"
        )
        names = {row[0] for row in self.env.cr.fetchall()}
        self.assertEqual(
            names & {"records", "args", "kwargs"}, {"records", "args", "kwargs"}
        )

    def test_deleting_all_rows_meets_no_obstacle(self):
        calls = [self.one.delayable().rename(name) for name in "ab"]
        chain(*calls).delay()
        self.jobs.search([], limit=1).sudo().message_post(body=calls[0].recordset.name)
        job = self.made()
        self.env["queue.job.lock"].sudo().create({"queue_job_id": job.id})
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM queue_job")
        self.env.invalidate_all()
        self.assertFalse(self.jobs.search([]))


class TestOtherModels(ModelCase):
    def test_wizards_take_jobs_and_move_them(self):
        for model, method, state in (
            ("queue.jobs.to.cancelled", "set_cancelled", "cancelled"),
            ("queue.requeue.job", "requeue", "pending"),
            ("queue.jobs.to.done", "set_done", "done"),
        ):
            if method == "set_cancelled":
                jobs = self.made() | self.made()
            wizard = self.env[model].create({"job_ids": [(6, 0, jobs.ids)]})
            getattr(wizard, method)()
            self.assertEqual(set(jobs.mapped("state")), {state})

    def test_a_field_of_another_model_can_be_serialized(self):
        field = self.env["ir.model.fields"]._get("queue.job", "args")
        self.assertEqual(field.ttype, "job_serialized")

    def test_a_channel_has_its_fields(self):
        channel = self.env["queue.job.channel"].create({"name": "compat"})
        self.assertEqual(channel.parent_id, self.env.ref("queue_job.channel_root"))
        self.assertEqual(channel.complete_name, "root.compat")
        self.assertEqual(channel.removal_interval, 30)
        self.assertFalse(channel.job_function_ids)
        self.assertTrue(self.jobs._fields["channel"].store)
        self.assertTrue(channel._fields["complete_name"].store)

    def function(self, **values):
        return self.env["queue.job.function"].create(
            {"name": "<test.queue.effect>.undeclared", **values}
        )

    def test_the_settings_of_a_function_are_a_named_tuple(self):
        function = self.function(
            channel_id=self.env.ref("test_queue_job.channel_one").id,
            edit_retry_pattern="{1: 10, 5: (20, 30)}",
            edit_related_action='{"enable": True, "kwargs": {"extra_arg": 2},'
            ' "func_name": "related_action_effects"}',
            on_fail_method="rename",
            allow_commit=True,
        )
        config = self.env["queue.job.function"].job_config(function.name)
        for name in CONFIG:
            self.assertIn(name, config._fields)
        self.assertEqual(config.channel, "root.test_one")
        self.assertEqual(config.retry_pattern, {1: 10, 5: (20, 30)})
        self.assertEqual(config.related_action_func_name, "related_action_effects")
        self.assertEqual(config.related_action_kwargs, {"extra_arg": 2})
        self.assertEqual(config.job_function_id, function.id)
        self.assertEqual(
            (config.allow_commit, config.on_fail_method_name), (True, "rename")
        )

    def test_data_records_give_patterns_as_dictionaries(self):
        function = self.function(
            retry_pattern={1: 10, 5: (20, 30)}, related_action={"enable": False}
        )
        function.invalidate_recordset()
        config = self.env["queue.job.function"].job_config(function.name)
        self.assertEqual(config.retry_pattern, {1: 10, 5: (20, 30)})
        self.assertFalse(config.related_action_enable)

    def test_without_a_record_the_defaults_count(self):
        config = self.env["queue.job.function"].job_config("<res.partner>.compat")
        self.assertEqual(config.channel, "root")
        self.assertTrue(config.related_action_enable)
        self.assertFalse(config.job_function_id)

    def test_the_defaults_can_be_overridden_in_part(self):
        functions = self.env["queue.job.function"]
        origin = type(functions).job_default_config
        self.patch(
            type(functions),
            "job_default_config",
            lambda self: origin(self)._replace(channel="root.test_one"),
        )
        config = functions.job_config("<res.partner>.compat")
        self.assertEqual(config.channel, "root.test_one")

    def test_a_second_record_of_a_method_is_tolerated(self):
        first = self.function()
        self.function(channel_id=self.env.ref("test_queue_job.channel_one").id)
        config = self.env["queue.job.function"].job_config(first.name)
        self.assertEqual(config.job_function_id, first.id)
        self.assertEqual(config.channel, "root")

    def test_a_function_has_a_name_with_its_model(self):
        name = self.env["queue.job.function"].job_function_name("a.model", "method")
        self.assertEqual(name, "<a.model>.method")


class TestConfiguration(ModelCase):
    def test_context_and_environment_say_whether_to_delay(self):
        def runs_at_once(**context):
            return must_run_without_delay(self.env(context=context))

        self.assertFalse(runs_at_once())
        self.assertTrue(runs_at_once(queue_job__no_delay=True))
        self.assertFalse(runs_at_once(queue_job__no_delay=False))
        with patch.dict("os.environ", {"QUEUE_JOB__NO_DELAY": "1"}):
            self.assertTrue(runs_at_once())
            for value in (False, None):
                self.assertFalse(runs_at_once(queue_job__no_delay=value))

    def test_a_graph_runs_at_once_in_the_order_of_its_dependencies(self):
        effects = self.effects.with_context(queue_job__no_delay=True)
        calls = [effects.delayable().leave(name) for name in ("1", "2", "3")]
        calls[1].on_done(calls[0])
        calls[2].on_done(calls[1])
        with self.assertLogs("odoo.addons.queue_job.models.base", "WARNING"):
            calls[2].delay()
        before = self.one | self.two
        left = self.effects.search([("id", "not in", before.ids)], order="id")
        self.assertEqual(left.mapped("name"), ["3", "2", "1"])

    def test_channels_are_read_from_the_string(self):
        manager = ChannelManager()
        manager.simple_configure(
            "root:4\nroot.a:2:throttle=3,b,c.d:1:sequential,e:2:paused"
        )
        get = manager.get_channel_by_name
        self.assertEqual(get("root").capacity, 4)
        self.assertEqual((get("a").capacity, get("root.a").throttle), (2, 3))
        self.assertEqual(get("b").capacity, 1)
        self.assertTrue(get("c.d").sequential)
        self.assertEqual(get("c.d").parent.fullname, "root.c")
        self.assertTrue(get("e").paused)

    def test_the_runner_is_made_of_the_configuration(self):
        runner = QueueJobRunner.from_environ_or_config()
        self.assertIsInstance(runner, QueueJobRunner)
