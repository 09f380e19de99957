# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The documented interface, point by point: delaying calls, decorators, errors."""

import inspect
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests.common import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.declaration import declaration_of
from odoo.addons.queue_job.delay import DelayableRecordset
from odoo.addons.queue_job.exception import (
    ChannelNotFound,
    JobNotDeclaredError,
    RetryableJobError,
)
from odoo.addons.queue_job.job import RETRY_INTERVAL, Job, job, related_action

OPTIONS = "priority eta max_retries description channel identity_key".split()
DIRECT_LOGGER = "odoo.addons.queue_job.models.base"


class ApiCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.effect = cls.effects.create({"name": "before"})
        cls.jobs = cls.env["queue.job"]

    def assert_in(self, seconds, moment):
        """``moment`` is so many seconds from now."""
        expected = fields.Datetime.now() + timedelta(seconds=seconds)
        self.assertAlmostEqual(moment, expected, delta=timedelta(seconds=30))


class TestWithDelay(ApiCase):
    def test_every_model_can_delay_and_the_parameters_stand_in_order(self):
        for name in ("res.partner", "queue.job", "res.config.settings"):
            parameters = list(inspect.signature(self.env[name].with_delay).parameters)
            self.assertEqual(parameters[:6], OPTIONS)
        self.assertIsInstance(self.effects.with_delay(), DelayableRecordset)

    def test_a_call_on_what_it_returns_is_executed_later(self):
        made = self.effect.with_delay().rename("after")
        self.assertIsInstance(made, Job)
        self.assertEqual(self.effect.name, "before")
        record = made.db_record()
        self.assertEqual(record.state, "pending")
        self.assertEqual(record.args, ("after",))
        made.perform()
        self.assertEqual(self.effect.name, "after")

    def test_without_parameters_the_defaults_are_stored(self):
        record = self.effects.with_delay().leave("x").db_record()
        self.assertEqual(record.priority, 10)
        self.assertEqual(record.max_retries, 5)
        self.assertFalse(record.eta)
        self.assertFalse(record.identity_key)
        self.assertEqual(record.channel, "root")
        self.assertEqual(record.name, "Leave an effect")

    def test_the_description_is_computed_from_the_doc_or_the_name(self):
        with_doc = self.effects.with_delay().leave("x")
        without = self.effect.with_delay().rename("x")
        given = self.effects.with_delay(description="For me").leave("x")
        self.assertEqual(with_doc.description, "Leave an effect")
        self.assertEqual(without.description, "test.queue.effect.rename")
        self.assertEqual(given.db_record().name, "For me")

    def test_the_priority_is_stored_and_zero_comes_first(self):
        late = self.effects.with_delay(priority=30).leave("x").db_record()
        first = self.effects.with_delay(priority=0).leave("x").db_record()
        self.assertEqual((late.priority, first.priority), (30, 0))

    def test_the_eta_is_seconds_a_timedelta_or_a_moment(self):
        moment = datetime(2100, 1, 2, 3, 4, 5)
        aware = moment.replace(tzinfo=timezone(timedelta(hours=2)))
        hours = self.effects.with_delay(eta=60 * 60 * 5).leave("x")
        delta = self.effects.with_delay(eta=timedelta(days=2)).leave("x")
        self.assert_in(5 * 3600, hours.db_record().eta)
        self.assert_in(2 * 86400, delta.db_record().eta)
        exact = self.effects.with_delay(eta=moment).leave("x")
        self.assertEqual(exact.db_record().eta, moment)
        shifted = self.effects.with_delay(eta=aware).leave("x")
        self.assertEqual(shifted.db_record().eta, moment - timedelta(hours=2))

    def test_an_eta_of_nothing_is_none(self):
        for eta in (None, False, 0):
            made = self.effects.with_delay(eta=eta).leave("x")
            self.assertFalse(made.db_record().eta, eta)

    def test_zero_retries_are_infinite(self):
        made = self.effects.with_delay(max_retries=0).retry_until(1000)
        self.assertEqual(made.db_record().max_retries, 0)
        for _index in range(30):
            with self.assertRaises(RetryableJobError):
                made.perform()
        self.assertEqual(made.retry, 30)

    def test_a_channel_given_with_the_call_wins_over_the_function(self):
        own = self.effects.with_delay().leave_in_one("x")
        given = self.effects.with_delay(channel="root.test_three").leave_in_one("x")
        self.assertEqual(own.db_record().channel, "root.test_one")
        self.assertEqual(given.db_record().channel, "root.test_three")

    def test_a_second_job_with_the_key_of_one_not_yet_run_is_not_added(self):
        first = self.effects.with_delay(identity_key="key").leave("x")
        second = self.effects.with_delay(identity_key="key").leave("x")
        self.assertEqual(second.uuid, first.uuid)
        self.assertEqual(self.jobs.search_count([("identity_key", "=", "key")]), 1)

    def test_the_key_is_free_again_when_its_job_was_run(self):
        first = self.effects.with_delay(identity_key="key").leave("x")
        first.set_done()
        first.store()
        second = self.effects.with_delay(identity_key="key").leave("x")
        self.assertNotEqual(second.uuid, first.uuid)

    def test_an_unknown_parameter_is_refused(self):
        with self.assertRaises(TypeError):
            self.effects.with_delay(prio=1)

    def test_the_queue_is_a_model_with_a_chatter(self):
        self.assertEqual(self.jobs._name, "queue.job")
        self.assertTrue(hasattr(type(self.jobs), "message_post"))


class TestNoDelay(ApiCase):
    """For tests and debugging: calls run at once."""

    def assert_direct(self, effect):
        before = self.jobs.search_count([])
        with self.assertLogs(DIRECT_LOGGER, "WARNING"):
            effect.with_delay().rename("at once")
        self.assertEqual(effect.name, "at once")
        self.assertEqual(self.jobs.search_count([]), before)

    def test_by_either_environment_variable(self):
        for name in ("TEST_QUEUE_JOB_NO_DELAY", "QUEUE_JOB__NO_DELAY"):
            with self.subTest(name), patch.dict("os.environ", {name: "1"}):
                self.effect.name = "before"
                self.assert_direct(self.effect)

    def test_by_either_key_of_the_context(self):
        for key in ("test_queue_job_no_delay", "queue_job__no_delay"):
            for value in (1, True):
                with self.subTest(key=key, value=value):
                    self.effect.name = "before"
                    self.assert_direct(self.effect.with_context(**{key: value}))

    def test_a_false_key_delays_again(self):
        with patch.dict("os.environ", {"QUEUE_JOB__NO_DELAY": "1"}):
            effect = self.effect.with_context(queue_job__no_delay=False)
            made = effect.with_delay().rename("later")
        self.assertEqual(made.db_record().state, "pending")
        self.assertEqual(self.effect.name, "before")

    def test_the_logger_can_be_muted_by_its_name(self):
        effect = self.effect.with_context(test_queue_job_no_delay=True)
        with self.assertNoLogs("odoo.addons.queue_job", "WARNING"):
            with mute_logger(DIRECT_LOGGER):
                effect.with_delay().rename("quietly")
        self.assertEqual(self.effect.name, "quietly")


class TestDecorators(ApiCase):
    def test_a_decorated_method_is_called_as_ever(self):
        self.assertEqual(self.effects.leave("now"), "left now")
        self.assertFalse(self.jobs.search([("method_name", "=", "leave")]))

    def test_with_and_without_parentheses(self):
        class Plain:
            @job
            def plain(self):
                return "plain"

            @job()
            def empty(self):
                return "empty"

            @job(default_channel="root.subchannel")
            def named(self):
                return "named"

        found = {
            name: declaration_of(Plain, name) for name in ("plain", "empty", "named")
        }
        self.assertTrue(all(each.delayable for each in found.values()))
        self.assertEqual(found["plain"].channel, "root")
        self.assertEqual(found["empty"].channel, "root")
        self.assertEqual(found["named"].channel, "root.subchannel")
        self.assertEqual(Plain().plain(), "plain")

    def test_a_function_on_its_own_may_be_passed(self):
        def export(self):
            pass

        self.assertIs(job(export), export)
        self.assertIs(job(func=export, default_channel="root.a"), export)

    def test_the_default_channel_is_set_at_installation_and_changed_later(self):
        function = self.env["queue.job.function"].search(
            [("name", "=", "<test.queue.effect>.leave_in_one")]
        )
        self.assertEqual(function.channel, "root.test_one")
        function.channel_id = self.env.ref("test_queue_job.channel_three")
        made = self.effects.with_delay().leave_in_one("x")
        self.assertEqual(made.channel, "root.test_three")

    def test_the_retry_pattern_is_by_the_count_of_retries(self):
        """The documented example: 10 minutes, from the fifth on 20, and so on."""

        @job(retry_pattern={1: 600, 5: 1200, 10: 1800, 15: 43200})
        def retryable_example(self):
            raise RetryableJobError("Must be retried later")

        model_class = type(self.effects)
        name = "retryable_example"
        self.enterContext(
            patch.object(model_class, name, retryable_example, create=True)
        )
        made = self.effects.with_delay().retryable_example()
        expected = {1: 600, 4: 600, 5: 1200, 9: 1200, 10: 1800, 14: 1800, 15: 43200}
        expected[99] = 43200
        for retry, seconds in expected.items():
            made.retry = retry
            made.postpone()
            self.assert_in(seconds, made.eta)

    def test_without_a_pattern_a_retry_comes_after_the_usual_interval(self):
        made = self.effects.with_delay().leave("x")
        made.retry = 1
        made.postpone()
        self.assertEqual(RETRY_INTERVAL, 600)
        self.assert_in(RETRY_INTERVAL, made.eta)

    def test_a_date_of_its_own_wins_over_the_pattern(self):
        made = self.effects.with_delay().retry_until(5)
        made.postpone(seconds=7200)
        self.assert_in(7200, made.eta)

    def test_a_related_action_gets_its_kwargs(self):
        action = self.effects.with_delay().show().related_action()
        self.assertEqual(action["context"], {"extra_arg": 2})
        self.assertEqual(action["res_model"], "test.queue.effect")

    def test_the_button_executes_the_related_action(self):
        record = self.effects.with_delay().show().db_record()
        self.assertEqual(record.open_related_action()["name"], "Effects")

    def test_a_related_action_of_none_has_no_button(self):
        made = self.effects.with_delay().show_nothing()
        self.assertIsNone(made.related_action())
        with self.assertRaisesRegex(UserError, "No action available"):
            made.db_record().open_related_action()

    def test_without_a_related_action_the_record_is_opened(self):
        action = self.effect.with_delay().rename("x").related_action()
        self.assertEqual(action["res_id"], self.effect.id)

    def test_the_decorators_may_stand_in_any_order(self):
        class Plain:
            @related_action(action="related_action_effects", extra_arg=3)
            @job(default_channel="root.a")
            def method(self):
                pass

        found = declaration_of(Plain, "method")
        self.assertEqual(found.channel, "root.a")
        self.assertEqual(found.related_action["kwargs"], {"extra_arg": 3})


class TestErrors(ApiCase):
    """What is wrong is refused where it enters, in words that help."""

    def test_an_undeclared_method_is_refused_with_the_three_ways_to_allow_it(self):
        with self.assertRaises(JobNotDeclaredError) as caught:
            self.effects.with_delay().undeclared()
        message = str(caught.exception)
        self.assertIn("test.queue.effect.undeclared", message)
        self.assertIn("@job", message)
        self.assertIn("<test.queue.effect>.undeclared", message)
        self.assertIn("queue_job.delay_policy", message)

    def test_each_of_the_three_ways_allows_it(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.delay_policy", "any")
        self.assertTrue(self.effects.with_delay().undeclared())
        parameters.set_param("queue_job.delay_policy", "declared")
        with self.assertRaises(JobNotDeclaredError):
            self.effects.with_delay().undeclared()
        self.env["queue.job.function"].create(
            {"name": "<test.queue.effect>.undeclared"}
        )
        self.assertTrue(self.effects.with_delay().undeclared())
        self.assertTrue(self.effects.with_delay().leave("decorated"))

    def test_an_undeclared_method_in_a_graph_is_refused_and_nothing_stored(self):
        before = self.jobs.search_count([])
        first = self.effects.delayable().leave("x")
        first.on_done(self.effects.delayable().undeclared())
        with self.assertRaises(JobNotDeclaredError):
            first.delay()
        self.assertEqual(self.jobs.search_count([]), before)

    def test_a_method_that_does_not_exist_is_named(self):
        with self.assertRaisesRegex(AttributeError, "nothing_like_it"):
            self.effects.with_delay().nothing_like_it()

    def test_a_wrong_eta_is_refused(self):
        for eta in ("tomorrow", [1], True):
            with self.subTest(eta=eta), self.assertRaisesRegex(TypeError, "eta is"):
                self.effects.with_delay(eta=eta).leave("x")

    def test_wrong_numbers_are_refused(self):
        for name in ("priority", "max_retries"):
            with self.subTest(name), self.assertRaisesRegex(TypeError, name):
                self.effects.with_delay(**{name: "5"}).leave("x")
        with self.assertRaisesRegex(ValueError, "max_retries is -1"):
            self.effects.with_delay(max_retries=-1).leave("x")

    def test_a_wrong_retry_pattern_is_refused_in_code_and_in_the_form(self):
        with self.assertRaisesRegex(ValueError, "soon"):
            job(retry_pattern={1: "soon"})(lambda self: None)
        function = self.env["queue.job.function"].create(
            {"name": "<test.queue.effect>.undeclared"}
        )
        with self.assertRaisesRegex(ValidationError, "soon"):
            function.edit_retry_pattern = "{1: 'soon'}"

    def test_an_unknown_channel_is_refused_with_those_there_are(self):
        with self.assertRaisesRegex(ChannelNotFound, "root.no_such.*root.test_one"):
            self.effects.with_delay(channel="root.no_such").leave("x")

    def test_a_channel_name_that_is_none_is_refused_by_the_decorator(self):
        with self.assertRaises(ValueError):
            job(default_channel="root..x")(lambda self: None)

    def test_a_wrong_configuration_string_is_refused_with_an_example(self):
        for text in ("root:many", "root:4:colour=red", "a:2:sequential"):
            with self.subTest(text), self.assertRaises(ValueError) as caught:
                channel_config.parse(text)
            self.assertIn(text.split(":")[0], str(caught.exception))

    def test_an_argument_that_cannot_be_stored_is_named(self):
        with self.assertRaisesRegex(TypeError, "object"):
            self.effects.with_delay().leave(object())
