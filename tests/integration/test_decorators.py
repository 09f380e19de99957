# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the decorators are told is checked, and the default of calls."""

from datetime import timedelta
from unittest.mock import patch

from odoo.tests.common import TransactionCase
from odoo.tools.translate import LazyGettext

from odoo.addons.queue_job.declaration import ATTRIBUTE
from odoo.addons.queue_job.job import Job, identity_exact, job, related_action
from odoo.addons.queue_job.tests.common import trap_jobs

CODE_LOG = "odoo.addons.queue_job.models.queue_job_function_code"

#: ``@job(**options)`` is an error with these words
REFUSED = [
    ({"timeout": "1h"}, TypeError, "timeout is '1h': a number of seconds or a timedel"),
    ({"timeout": -1}, ValueError, "timeout is -1: 0 .no limit. to"),
    ({"timeout": float("inf")}, ValueError, "timeout is inf"),
    (
        {"channel": "root.x"},
        TypeError,
        "@job has no option 'channel'. Did you mean 'def",
    ),
    ({"default_chanel": "x"}, TypeError, "Did you mean 'default_channel'"),
    ({"prio": 1}, TypeError, "Did you mean 'priority'"),
    ({"on_failure": "x"}, TypeError, "Did you mean 'on_fail'"),
    ({"eta": 5}, TypeError, "@job has no option 'eta'.*Its options: default_channel"),
    ({"default_channel": "root..x"}, ValueError, "root..x"),
    ({"retry_pattern": {"x": 1}}, ValueError, "Key 'x' of a retry pattern"),
    ({"retry_policy": {"exceptions": 5}}, ValueError, "Key 'exceptions'"),
    ({"retry_policy": {"exeptions": []}}, ValueError, "Unknown key 'exeptions'"),
    ({"allow_commit": "yes"}, TypeError, "allow_commit is 'yes': True or False"),
    ({"on_fail": len}, TypeError, "on_fail is .*a text. Did you mean 'len'"),
    ({"on_fail": "tell it"}, ValueError, "on_fail is 'tell it': that is no name"),
    ({"priority": "5"}, TypeError, "priority is '5'.*Did you mean 5"),
    ({"priority": 2**31}, ValueError, "priority is 2147483648"),
    ({"max_retries": -1}, ValueError, "max_retries is -1"),
    ({"identity_key": 5}, TypeError, "identity_key is 5: a text is needed"),
    ({"identity_key": lambda: "k"}, TypeError, "identity_key is the function"),
    ({"description": {"a": 1}}, TypeError, "description is {'a': 1}"),
    ({"description": "a\0"}, ValueError, "description is .*NUL"),
]


class DecoratorCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.functions = cls.env["queue.job.function"]

    def setUp(self):
        super().setUp()
        self.addCleanup(self.env.registry.clear_cache)

    def decorate(self, *decorators, **options):
        """Have a method ``t_method`` on the model, as if it were written like that."""

        def t_method(self, name="x"):
            """The docstring"""

        for decorator in (job(**options), *decorators):
            t_method = decorator(t_method)
        patcher = patch.object(type(self.effects), "t_method", t_method, create=True)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.env.registry.clear_cache()
        return getattr(t_method, ATTRIBUTE)


class TestRefused(DecoratorCase):
    def test_an_option_that_is_impossible_is_refused_before_it_decorates(self):
        for options, error, words in REFUSED:
            with self.subTest(options), self.assertRaisesRegex(error, words):
                job(**options)

    def test_what_is_no_method_is_not_decorated(self):
        for wrong, words in (
            ("root.x", r"@job\('root.x'\): an option is given by its name, as in @job"),
            ({1: 5}, "its options are given by name"),
            (5, "of type int"),
            (staticmethod(len), "of type staticmethod"),
            (classmethod(len), "of type classmethod"),
            (property(len), "of type property"),
            (TestRefused, "of type type|of type Meta"),
        ):
            for decorate in (job, job(timeout=5)):
                with self.subTest(wrong), self.assertRaisesRegex(TypeError, words):
                    decorate(wrong)

    def test_a_related_action_is_named_by_a_text(self):
        for wrong in (lambda self: None, 5):
            with (
                self.subTest(wrong),
                self.assertRaisesRegex(TypeError, "related_action"),
            ):
                related_action(wrong)


class TestNamesOfOthers(DecoratorCase):
    """What a decorator names is looked for when the registry is whole."""

    def check(self, declaration, updated=()):
        with patch.object(self.env.registry, "updated_modules", list(updated)):
            self.functions._check_code({(self.effects._name, "t_method"): declaration})

    def assert_told(self, declaration, words):
        expected = rf"@job of test.queue.effect.t_method\(\): {words}"
        with self.assertRaisesRegex(ValueError, expected):
            self.check(declaration, updated=["some"])
        with self.assertLogs(CODE_LOG, "ERROR") as caught:
            self.check(declaration)
        self.assertRegex(caught.output[0], expected)

    def test_a_method_for_failures_that_the_model_does_not_have(self):
        self.assert_told(
            self.decorate(on_fail="mourne"),
            "on_fail='mourne': test.queue.effect has no such method.*mean 'mourn'",
        )
        self.assert_told(self.decorate(on_fail="write"), "on_fail='write'")

    def test_a_related_action_that_jobs_do_not_have(self):
        self.assert_told(
            self.decorate(related_action("related_action_efects")),
            "related action 'related_action_efects'.*mean 'related_action_effects'",
        )

    def test_an_exception_class_that_does_not_exist(self):
        for name, words in (
            ("ConectionError", "retry_policy: .*'ConectionError'. Did you mean 'Conn"),
            (
                "requests.exceptions.Timeot",
                "retry_policy: module requests.except.*mean",
            ),
            ("no_such_9.Error", "retry_policy: there is no module 'no_such_9'"),
        ):
            with self.subTest(name):
                self.assert_told(
                    self.decorate(retry_policy={"exceptions": [name]}), words
                )

    def test_what_exists_is_no_mistake(self):
        declaration = self.decorate(
            related_action("related_action_effects"),
            on_fail="mourn",
            retry_policy={"exceptions": ["requests.exceptions.Timeout", "OSError"]},
        )
        with self.assertNoLogs(CODE_LOG, "ERROR"):
            self.check(declaration)
            self.check(declaration, updated=["some"])

    def test_the_registry_asks_for_each_decorated_method(self):
        self.decorate(on_fail="mourne")
        with self.assertLogs(CODE_LOG, "ERROR") as caught:
            with patch.object(self.env.registry, "updated_modules", []):
                self.effects._register_hook()
        self.assertIn("mourne", "".join(caught.output))


class TestDefaults(DecoratorCase):
    GIVEN = {
        "priority": 3,
        "max_retries": 7,
        "identity_key": identity_exact,
        "description": "By the code",
        "timeout": timedelta(minutes=2),
    }

    def test_a_call_that_says_nothing_has_what_the_decorator_says(self):
        self.decorate(**self.GIVEN)
        for made in (
            self.effects.with_delay().t_method("a"),
            Job.enqueue(self.effects.t_method, args=("b",)),
        ):
            record = made.db_record()
            self.assertEqual((record.priority, record.max_retries), (3, 7))
            self.assertEqual((record.name, record.timeout), ("By the code", 120))
            self.assertEqual(record.identity_key, identity_exact(made))
        twin = self.effects.with_delay().t_method("a")
        self.assertEqual(len(self.of_method()), 2)
        self.assertIn(twin.uuid, self.of_method().mapped("uuid"))

    def of_method(self):
        self.env.flush_all()
        return self.env["queue.job"].search([("method_name", "=", "t_method")])

    def test_what_the_call_says_wins(self):
        self.decorate(**self.GIVEN)
        made = self.effects.with_delay(
            priority=0, max_retries=0, identity_key="k", description="By the call",
            timeout=0,
        ).t_method()  # fmt: skip
        record = made.db_record()
        self.assertEqual((record.priority, record.max_retries), (0, 0))
        self.assertEqual((record.name, record.identity_key), ("By the call", "k"))
        self.assertEqual(made.timeout, 0)

    def test_a_call_may_do_without_key_and_description(self):
        self.decorate(**self.GIVEN)
        for nothing in (False, ""):
            made = self.effects.with_delay(identity_key=nothing, description=nothing)
            record = made.t_method().db_record()
            self.assertFalse(record.identity_key)
            self.assertEqual(record.name, "The docstring")
        self.assertEqual(len(self.of_method()), 2)

    def test_what_the_record_says_wins_over_the_decorator(self):
        self.decorate(**self.GIVEN)
        self.functions.create({"name": "<test.queue.effect>.t_method", "timeout": 5})
        made = self.effects.with_delay().t_method()
        self.assertEqual((made.timeout, made.priority, made.max_retries), (5, 3, 7))

    def test_zero_and_a_lazy_text_are_values_as_well(self):
        text = LazyGettext("Job Queue")
        self.decorate(priority=0, max_retries=0, description=text)
        made = self.effects.with_delay().t_method()
        self.assertEqual((made.priority, made.max_retries), (0, 0))
        self.assertEqual(made.db_record().name, "Job Queue")

    def test_a_stored_job_keeps_what_it_was_stored_with(self):
        made = self.effects.with_delay(identity_key=False).leave("x")
        made.db_record()
        declaration = getattr(type(self.effects).leave, ATTRIBUTE)
        with patch.multiple(declaration, priority=1, identity_key="k", description="D"):
            self.env.registry.clear_cache()
            loaded = Job.load(self.env, made.uuid)
            self.assertEqual(loaded.priority, 10)
            self.assertEqual(loaded.description, "Leave an effect")
            self.assertIsNone(loaded.identity_key)

    def test_parts_and_graphs_have_them_too(self):
        self.decorate(priority=3)
        call = self.effects.delayable().t_method()
        call.on_done(self.effects.delayable(priority=4).t_method()).delay()
        self.assertEqual(call._generated_job.priority, 3)
        self.assertEqual(self.of_method().mapped("priority"), [4, 3])

    def test_a_trap_sees_them_on_the_job_and_not_among_what_was_given(self):
        self.decorate(priority=3)
        with trap_jobs() as trap:
            self.effects.with_delay().t_method()
        self.assertEqual(trap.enqueued_jobs[0].priority, 3)
        self.assertIsNone(trap.calls[0].properties["priority"])

    def test_the_form_of_the_function_shows_them(self):
        self.decorate(**self.GIVEN)
        function = self.functions.create({"name": "<test.queue.effect>.t_method"})
        lines = function.code_defaults.split("\n")
        self.assertIn("Priority: 3", lines)
        self.assertEqual(len(lines), 4)
        self.assertTrue(any(each.endswith(": identity_exact") for each in lines))
        other = self.functions.create({"name": "<test.queue.effect>.undeclared"})
        self.assertFalse(other.code_defaults)
