# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from types import SimpleNamespace
from unittest.mock import patch

from odoo.exceptions import UserError, ValidationError
from odoo.tests import TransactionCase

from odoo.addons.queue_job.declaration import Declaration, job
from odoo.addons.queue_job.exception import JobNotDeclaredError
from odoo.addons.queue_job.jobrunner import config as runner_config

NAME = "<res.partner>.t_method"
CODE_LOG = "odoo.addons.queue_job.models.queue_job_function_code"


class FunctionCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.functions = cls.env["queue.job.function"]
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.channel = cls.env["queue.job.channel"].create({"name": "t_export"})

    def make(self, **values):
        return self.functions.create({"name": NAME, **values})

    def config(self):
        return self.functions.job_config(NAME)


class TestName(FunctionCase):
    def test_the_name_is_made_of_model_and_method(self):
        model = self.env["ir.model"]._get("res.partner")
        function = self.functions.create({"model_id": model.id, "method": "t_method"})
        self.assertEqual(function.name, NAME)
        self.assertEqual(
            self.functions.job_function_name("res.partner", "t_method"), NAME
        )

    def test_a_record_may_give_the_name_instead(self):
        function = self.make()
        self.assertEqual(function.model_id.model, "res.partner")
        self.assertEqual(function.method, "t_method")

    def test_a_new_name_changes_model_and_method(self):
        function = self.make()
        function.name = "<res.users>.other"
        self.assertEqual(
            (function.model_id.model, function.method), ("res.users", "other")
        )

    def test_what_is_no_name_is_refused_with_an_example(self):
        for name in ("res.partner.t_method", "<res.partner>", "<>.t", "<a b>.c"):
            with self.subTest(name=name), self.assertRaisesRegex(UserError, "<res"):
                self.functions.create({"name": name})

    def test_a_model_that_does_not_exist_is_refused(self):
        with self.assertRaisesRegex(UserError, "<t.nothing>.run does not exist"):
            self.functions.create({"name": "<t.nothing>.run"})

    def test_a_method_that_the_model_lacks_is_pointed_out(self):
        self.assertTrue(self.make().method_missing)
        self.assertFalse(
            self.functions.create({"name": "<res.partner>.write"}).method_missing
        )


class TestTexts(FunctionCase):
    def test_a_retry_pattern_keeps_its_numbers(self):
        function = self.make(retry_pattern={1: 60, 5: (300, 600)})
        self.assertEqual(function.edit_retry_pattern, "{1: 60, 5: (300, 600)}")
        self.assertEqual(self.config().retry_pattern, {1: 60, 5: (300, 600)})

    def test_a_retry_pattern_is_edited_as_text(self):
        function = self.make()
        function.edit_retry_pattern = " {1: 10,\n 3: [20, 30]} "
        self.assertEqual(self.config().retry_pattern, {1: 10, 3: (20, 30)})
        function.edit_retry_pattern = ""
        self.assertEqual(self.config().retry_pattern, {})

    def test_a_pattern_with_its_keys_as_json_text_is_understood(self):
        function = self.make()
        self.env.cr.execute(
            "UPDATE queue_job_function SET retry_pattern = %s WHERE id = %s",
            ('{"1": 60, "10": [1, 5]}', function.id),
        )
        self.env.invalidate_all()
        self.env.registry.clear_cache()
        self.assertEqual(self.config().retry_pattern, {1: 60, 10: (1, 5)})

    def test_a_text_that_is_no_dictionary_is_refused_with_an_example(self):
        function = self.make()
        for text in ("{1: ", "[1, 2]", "{1: print('x')}", "60", "[" * 3000):
            for field in ("edit_retry_pattern", "edit_related_action"):
                with (
                    self.subTest(text=text[:20], field=field),
                    self.assertRaisesRegex(ValidationError, "Write it like {"),
                ):
                    function[field] = text

    def test_a_retry_pattern_with_wrong_numbers_is_refused(self):
        for pattern in ({"a": 1}, {1: -5}, {1: (9, 3)}, {1: "soon"}, {1: (1, 2, 3)}):
            with (
                self.subTest(pattern=pattern),
                self.assertRaisesRegex(ValidationError, "Retry pattern"),
            ):
                self.make(retry_pattern=pattern)

    def test_a_related_action_is_a_dictionary_of_three_keys(self):
        function = self.make(
            related_action={
                "enable": True,
                "func_name": "related_action_open_record",
                "kwargs": {"limit": 3},
            }
        )
        config = self.config()
        self.assertTrue(config.related_action_enable)
        self.assertEqual(config.related_action_func_name, "related_action_open_record")
        self.assertEqual(config.related_action_kwargs, {"limit": 3})
        function.edit_related_action = "{'enable': False}"
        self.assertFalse(self.config().related_action_enable)

    def test_a_wrong_related_action_is_refused(self):
        for action in ({"name": "x"}, {"enable": 2}, {"kwargs": [1]}, {"func_name": 3}):
            with self.subTest(action=action), self.assertRaises(ValidationError):
                self.make(related_action=action)

    def test_a_related_action_that_queue_job_lacks_is_refused_in_the_form(self):
        function = self.make()
        with self.assertRaisesRegex(ValidationError, "no method t_nowhere"):
            function.edit_related_action = "{'func_name': 't_nowhere'}"

    def test_a_retry_policy_is_read_and_checked(self):
        self.make(retry_policy='{"exceptions": ["ConnectionError"], "max_tries": 3}')
        policy = self.config().retry_policy
        self.assertEqual(
            (policy.exceptions, policy.max_tries), (("ConnectionError",), 3)
        )
        with self.assertRaisesRegex(ValidationError, "Retry policy"):
            self.make(retry_policy='{"exceptions": 5}')

    def test_negative_limits_are_refused(self):
        for name in ("timeout", "removal_interval"):
            with self.subTest(name=name), self.assertRaises(ValidationError):
                self.make(**{name: -1})


class TestConfig(FunctionCase):
    def test_nothing_known_means_the_root_channel_and_not_declared(self):
        config = self.config()
        self.assertEqual(config.channel, "root")
        self.assertEqual(config.retry_pattern, {})
        self.assertTrue(config.related_action_enable)
        self.assertFalse(config.job_function_id)
        self.assertFalse(config.declared)

    def test_an_override_may_replace_a_part_of_the_default(self):
        def job_default_config(self):
            return original(self)._replace(channel="root.t_export")

        model = type(self.functions)
        original = model.job_default_config
        with patch.object(model, "job_default_config", job_default_config):
            self.assertEqual(self.config().channel, "root.t_export")
        self.assertEqual(self.config().channel, "root")

    def test_a_record_gives_all_settings(self):
        function = self.make(
            channel_id=self.channel.id,
            allow_commit=True,
            on_fail_method="t_failed",
            timeout=9.5,
            removal_interval=3,
        )
        config = self.config()
        self.assertEqual(config.channel, "root.t_export")
        self.assertEqual(config.job_function_id, function.id)
        self.assertTrue(config.declared and config.allow_commit)
        self.assertEqual(config.on_fail_method_name, "t_failed")
        self.assertEqual((config.timeout, config.removal_interval), (9.5, 3))

    def test_of_two_records_the_first_one_counts(self):
        first = self.make(channel_id=self.channel.id)
        self.make()
        self.assertEqual(self.config().job_function_id, first.id)
        first.unlink()
        self.assertEqual(self.config().channel, "root")

    def test_a_change_takes_effect_at_once(self):
        function = self.make()
        self.assertEqual(self.config().channel, "root")
        function.channel_id = self.channel
        self.assertEqual(self.config().channel, "root.t_export")
        self.channel.name = "t_import"
        self.assertEqual(self.config().channel, "root.t_import")
        self.assertEqual(function.channel, "root.t_import")
        function.unlink()
        self.assertFalse(self.config().declared)

    def test_somebody_without_rights_gets_the_settings_of_his_job(self):
        self.make(channel_id=self.channel.id)
        user = self.env["res.users"].create({"name": "T", "login": "t_function"})
        config = self.functions.with_user(user).job_config(NAME)
        self.assertEqual(config.channel, "root.t_export")

    def test_a_record_counts_for_its_very_model_only(self):
        self.functions.create({"name": "<mail.thread>.t_method"})
        self.assertFalse(self.config().declared)


class TestDeclared(FunctionCase):
    place = ("res.partner", "t_method")

    def declare(self, **values):
        """Have the code say this of the method from now on."""

        def t_method(self):
            """T"""

        t_method._job_declaration = Declaration(delayable=True, **values)
        model = type(self.env["res.partner"])
        self.enterContext(patch.object(model, "t_method", t_method, create=True))
        self.addCleanup(self.env.registry.clear_cache)
        self.env.registry.clear_cache()
        return t_method._job_declaration

    def register(self, **values):
        self.functions._register_declared({self.place: self.declare(**values)})
        return self.functions.search([("name", "=", NAME)])

    def test_a_decorated_method_gets_its_record_and_channels(self):
        function = self.register(
            channel="root.t_a.t_b",
            retry_pattern={1: 5},
            timeout=3,
            allow_commit=True,
            retry_policy={"exceptions": ["OSError"]},
            related_action={"enable": True, "func_name": "t_open", "kwargs": {"a": 1}},
            on_fail="t_failed",
        )
        self.assertEqual(function.declared_by, "decorator")
        self.assertEqual(function.on_fail_method, "t_failed")
        self.assertEqual(function.channel_id.complete_name, "root.t_a.t_b")
        config = self.config()
        self.assertTrue(config.declared and config.allow_commit)
        self.assertEqual(config.retry_pattern, {1: 5})
        self.assertEqual(config.retry_policy.exceptions, ("OSError",))
        self.assertEqual(config.related_action_func_name, "t_open")
        self.assertEqual(config.on_fail_method_name, "t_failed")
        self.assertEqual(config.timeout, 3)

    def test_a_decorator_names_the_method_for_failures_without_a_record(self):
        @job(on_fail="t_failed")
        def t_method(self):
            """T"""

        model = type(self.env["res.partner"])
        self.addCleanup(self.env.registry.clear_cache)
        with patch.object(model, "t_method", t_method, create=True):
            config = self.functions.job_config(NAME)
        self.assertIsNone(config.job_function_id)
        self.assertEqual(config.on_fail_method_name, "t_failed")

    def test_what_an_administrator_changed_stays(self):
        function = self.register(channel="root.t_a", retry_pattern={1: 5})
        function.write({"channel_id": self.channel.id, "edit_retry_pattern": ""})
        again = self.register(channel="root.t_a", retry_pattern={1: 5})
        self.assertEqual(again, function)
        self.assertEqual(function.channel_id, self.channel)
        self.assertEqual(self.config().retry_pattern, {})

    def update(self, **values):
        """An update of the add-on whose code says this now."""
        modules = patch.object(self.env.registry, "updated_modules", ["some"])
        with modules, self.assertLogs(CODE_LOG) as logs:
            logging.getLogger(CODE_LOG).info("updated")
            function = self.register(**values)
        self.env.flush_all()
        return function, "\n".join(logs.output)

    def test_what_nobody_changed_follows_the_code_at_an_update(self):
        self.register(channel="root.t_a", retry_pattern={1: 5, 2: (3, 4)}, timeout=3)
        function, log = self.update(
            channel="root.t_b",
            retry_pattern={1: 7},
            timeout=3,
            allow_commit=True,
            retry_policy={"exceptions": ["OSError"]},
            related_action={"enable": False, "func_name": None, "kwargs": {}},
            on_fail="t_failed",
        )
        self.assertEqual(function.channel, "root.t_b")
        self.assertEqual(self.config().retry_pattern, {1: 7})
        self.assertEqual(self.config().retry_policy.exceptions, ("OSError",))
        self.assertFalse(self.config().related_action_enable)
        self.assertEqual(function.on_fail_method, "t_failed")
        self.assertTrue(function.allow_commit)
        self.assertFalse(function.code_note)
        self.assertIn(f"{NAME}: channel is root.t_b now", log)
        self.assertIn("it was root.t_a", log)
        self.assertNotIn("timeout", log)

    def test_each_changed_value_stays_at_an_update_and_the_form_shows_the_code(self):
        function = self.register(channel="root.t_a", timeout=3)
        function.timeout = 9
        function, log = self.update(channel="root.t_b", timeout=4)
        self.assertEqual((function.channel, function.timeout), ("root.t_b", 9))
        self.assertIn("timeout stays 9.0, as somebody changed it", log)
        self.assertEqual(function.code_note, "Time Limit (s): 4.0")
        # ... nor does the next update take it for untouched
        function, _log = self.update(channel="root.t_b", timeout=5)
        self.assertEqual(function.timeout, 9)
        function.reset_to_code()
        self.assertEqual(function.timeout, 5)
        self.assertFalse(function.code_note)
        function, _log = self.update(channel="root.t_b", timeout=6)
        self.assertEqual(function.timeout, 6)

    def test_a_record_of_an_earlier_version_keeps_its_values(self):
        function = self.register(channel="root.t_a", timeout=3)
        function.code_values = {}
        function, _log = self.update(channel="root.t_a", timeout=4)
        self.assertEqual(function.timeout, 3)
        self.assertIn("4.0", function.code_note)
        function, _log = self.update(channel="root.t_c", timeout=4)
        self.assertEqual((function.channel, function.timeout), ("root.t_c", 3))

    def test_an_ordinary_start_takes_nothing_over(self):
        function = self.register(timeout=3)
        with patch.object(self.env.registry, "updated_modules", []):
            self.register(timeout=4)
        self.assertEqual(function.timeout, 3)

    def test_a_method_whose_decorator_went_cannot_be_delayed(self):
        function = self.register()
        self.assertTrue(self.config().declared)
        model = type(self.env["res.partner"])

        def t_method(self):
            """T"""

        with patch.object(model, "t_method", t_method):
            self.env.registry.clear_cache()
            self.env.invalidate_all()
            self.assertFalse(self.config().declared)
            self.assertTrue(function.decorator_missing)
            with self.assertRaisesRegex(JobNotDeclaredError, "t_method"):
                self.env["res.partner"].with_delay().t_method()
            with patch.object(self.env.registry, "updated_modules", ["some"]):
                with self.assertLogs(CODE_LOG, "WARNING") as logs:
                    self.functions._register_hook()
            self.assertIn(NAME, "\n".join(logs.output))
            with self.assertRaises(UserError):
                function.reset_to_code()

    def test_a_data_record_of_the_method_stays(self):
        function = self.make(channel_id=self.channel.id)
        self.assertEqual(self.register(channel="root.t_a"), function)
        self.assertEqual(function.declared_by, "record")

    def test_an_ordinary_start_of_the_server_writes_nothing(self):
        self.register(channel="root.t_a")
        self.env.flush_all()
        self.env.invalidate_all()
        modules = patch.object(self.env.registry, "updated_modules", [])
        with modules, self.assertQueryCount(1):
            self.functions._register_declared(
                {self.place: Declaration(delayable=True, channel="root.t_a")}
            )

    def test_a_record_that_another_server_just_made_is_no_error(self):
        self.register()
        with self.assertNoLogs("odoo.sql_db"):
            self.functions._register_one(NAME, Declaration(delayable=True))
        self.assertEqual(self.functions.search_count([("name", "=", NAME)]), 1)

    def test_a_decorator_counts_even_before_it_is_registered(self):
        name = "<queue.job.demo>._demo_retry"
        self.functions.search([("name", "=", name)]).unlink()
        config = self.functions.job_config(name)
        self.assertTrue(config.declared)
        self.assertEqual(config.channel, "root.demo")
        self.assertEqual(config.retry_pattern, {1: 5, 2: 10})

    def test_the_decorated_methods_of_the_registry_are_registered(self):
        function = self.functions.search([("name", "=", "<queue.job.demo>._demo_fail")])
        self.assertEqual(function.declared_by, "decorator")
        self.assertEqual(function.channel, "root.demo")


class TestPolicy(FunctionCase):
    def policy(self, server=None):
        settings = SimpleNamespace(delay_policy=server)
        with patch.object(runner_config, "get", lambda: settings):
            return self.functions._delay_policy()

    def test_only_declared_methods_may_be_delayed_by_default(self):
        self.assertEqual(self.policy(), "declared")

    def test_the_system_parameter_says_otherwise(self):
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.assertEqual(self.policy(), "any")
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "nonsense")
        self.assertEqual(self.policy(), "declared")

    def test_the_server_wins_over_the_system_parameter(self):
        self.assertEqual(self.policy("any"), "any")
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.assertEqual(self.policy("declared"), "declared")

    def test_the_settings_keep_policy_and_deaths_even_when_zero(self):
        settings = self.env["res.config.settings"].create(
            {"queue_job_delay_policy": "any", "queue_job_max_deaths": 0}
        )
        settings.execute()
        parameters = self.env["ir.config_parameter"].sudo()
        self.assertEqual(parameters.get_param("queue_job.delay_policy"), "any")
        self.assertEqual(parameters.get_param("queue_job.max_deaths"), "0")
        values = self.env["res.config.settings"].default_get(
            ["queue_job_delay_policy", "queue_job_max_deaths"]
        )
        self.assertEqual(values["queue_job_max_deaths"], 0)
        self.assertEqual(values["queue_job_delay_policy"], "any")

    def test_the_settings_tell_what_the_server_says(self):
        settings = SimpleNamespace(delay_policy="any", max_deaths=0, metrics_token=None)
        with patch.object(runner_config, "get", lambda: settings):
            shown = self.env["res.config.settings"].create({})
            self.assertEqual(shown.queue_job_server_delay_policy, "any")
            self.assertEqual(shown.queue_job_server_max_deaths, "0")
