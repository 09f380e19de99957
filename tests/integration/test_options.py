# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is said of a job, and the call it makes, is checked where it is said."""

import inspect
from datetime import date, datetime, timedelta, timezone
from unittest.mock import patch

from odoo.tests.common import TransactionCase
from odoo.tools.translate import LazyGettext

from odoo.addons.queue_job.delay import Delayable, DelayableRecordset, chain, group
from odoo.addons.queue_job.job import Job, identity_exact

LOGGER = "odoo.addons.queue_job.delay"
NAN, INF = float("nan"), float("inf")


def two(_one, _other):
    """A key of two jobs."""


#: {option: [(value, error, words)]}
REFUSED = {
    "priority": [
        ("1", TypeError, "priority is '1': a whole number is needed.*mean 1 without"),
        ("high", TypeError, "priority is 'high': a whole number is needed"),
        (1.5, TypeError, "priority is 1.5: a whole number is needed"),
        (True, TypeError, "priority is True"),
        (False, TypeError, "priority is False"),
        ([1], TypeError, r"priority is \[1\]"),
        (2**31, ValueError, "priority is 2147483648: -2147483648 to 2147483647 is"),
    ],
    "max_retries": [
        ("5", TypeError, "max_retries is '5'.* 0 for no limit.*Did you mean 5"),
        (-1, ValueError, "max_retries is -1: 0 to 2147483647"),
        (2**31, ValueError, "max_retries is 2147483648"),
        (NAN, TypeError, "max_retries is nan"),
    ],
    "timeout": [
        ("abc", TypeError, "timeout is 'abc': a number of seconds or a timedelta"),
        ("60", TypeError, "timeout is '60'.*Did you mean 60 without"),
        (-1, ValueError, "timeout is -1: 0 \\(no limit\\) to 2147483647 seconds"),
        (NAN, ValueError, "timeout is nan"),
        (INF, ValueError, "timeout is inf"),
        (timedelta(seconds=-1), ValueError, "timeout is -1.0"),
        (timedelta.max, ValueError, "timeout is"),
        (True, TypeError, "timeout is True"),
        (date(2100, 1, 1), TypeError, "timeout is datetime.date"),
    ],
    "eta": [
        (10**12, ValueError, "eta is 1000000000000: that is not within the years 1 to"),
        (10**30, ValueError, "eta is .*1 to 9999"),
        (NAN, ValueError, "eta is nan: a finite number"),
        (INF, ValueError, "eta is inf: a finite number"),
        (timedelta.max, ValueError, "eta is .*1 to 9999"),
        (
            datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
            ValueError,
            "eta is .*1 to 9999",
        ),
        ("soon", TypeError, "eta is 'soon': seconds from now, a timedelta or a dat"),
        (True, TypeError, "eta is True"),
        ([60], TypeError, r"eta is \[60\]"),
    ],
    "description": [
        ("a\0b", ValueError, "description is 'a.x00b': a NUL character cannot be"),
        ("a\ud800", ValueError, "description is .*lone surrogate"),
        ({"a": 1}, TypeError, "description is {'a': 1} .dict.: a text is needed"),
        (5, TypeError, "description is 5 .int.: a text is needed"),
        (b"x", TypeError, "description is b'x' .bytes.: a text is needed"),
    ],
    "channel": [
        (5, TypeError, "channel is 5 .int.: a text is needed"),
        (["root"], TypeError, "channel is .*a text is needed"),
        ("root\0", ValueError, "channel is .*NUL"),
        ("root.\ud800", ValueError, "channel is .*surrogate"),
    ],
    "identity_key": [
        (5, TypeError, "identity_key is 5: a text is needed, or a function of the job"),
        (("a", 1), TypeError, "identity_key is .*a text is needed"),
        ("a\0", ValueError, "identity_key is .*NUL"),
        ("\ud800", ValueError, "identity_key is .*surrogate"),
    ],
}

#: {option: [(value, what the job has)]}
ACCEPTED = {
    "priority": [(0, 0), (-(2**31), -(2**31)), (2**31 - 1, 2**31 - 1), (None, 10)],
    "max_retries": [(0, 0), (2**31 - 1, 2**31 - 1), (None, 5)],
    "timeout": [
        (60, 60),
        (0.5, 0.5),
        (0, 0),
        (timedelta(hours=1), 3600),
        (None, 0),
    ],
    "eta": [
        (datetime(2100, 1, 2), datetime(2100, 1, 2)),
        (
            datetime(2100, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))),
            datetime(2100, 1, 2),
        ),
        (date(2100, 1, 2), datetime(2100, 1, 2)),
        ("2100-01-02 00:00:00", datetime(2100, 1, 2)),
        (0, None),
        (False, None),
        (None, None),
    ],
    "description": [
        ("Größe \U0001f600", "Größe \U0001f600"),
        ("", "Leave an effect"),
        (False, "Leave an effect"),
        (LazyGettext("Job Queue"), "Job Queue"),
        ("x" * 20_000, "x" * 9971 + "... [20000 characters in all]"),
    ],
    "channel": [
        ("root.test_one", "root.test_one"),
        (None, "root"),
        (False, "root"),
        ("", "root"),
    ],
    "identity_key": [
        ("k", "k"),
        (None, None),
        (False, None),
        ("", None),
        (lambda job: f"k-{job.args[0]}", "k-x"),
        (lambda job: None, None),
        (lambda job: "", None),
    ],
}


class OptionsCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.effects = cls.env["test.queue.effect"]
        cls.one = cls.effects.create({"name": "one"})
        cls.partners = cls.env["res.partner"]

    def doors(self):
        """Each place where options are given: they are made with them, and said."""
        leave, args = self.effects.leave, ("x",)
        return {
            "with_delay": lambda **options: self.effects.with_delay(**options).leave(
                "x"
            ),
            "delayable": lambda **options: self.effects.delayable(**options),
            "set": lambda **options: self.effects.delayable().set(**options),
            "set a dictionary": lambda **options: self.effects.delayable().set(options),
            "set after the call": lambda **options: (
                self.effects.delayable().leave("x").set(**options)
            ),
            "Delayable": lambda **options: Delayable(self.effects, **options),
            "DelayableRecordset": lambda **options: DelayableRecordset(
                self.effects, **options
            ).leave("x"),
            "Job": lambda **options: Job(leave, args=args, **options),
            "Job.enqueue": lambda **options: Job.enqueue(leave, args=args, **options),
        }

    def jobs(self):
        return self.env["queue.job"].search_count([])


class TestValues(OptionsCase):
    def test_a_value_that_is_impossible_is_refused_at_each_door(self):
        before = self.jobs()
        for option, rows in REFUSED.items():
            for value, error, words in rows:
                for door, call in self.doors().items():
                    with self.subTest(f"{door}({option}={value!r})"):
                        with self.assertRaisesRegex(error, words) as caught:
                            call(**{option: value})
                        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(self.jobs(), before)

    def test_a_value_that_people_would_give_is_taken_at_each_door(self):
        for option, rows in ACCEPTED.items():
            for value, expected in rows:
                for door, call in self.doors().items():
                    with self.subTest(f"{door}({option}={value!r})"):
                        made = call(**{option: value})
                        if isinstance(made, Delayable):
                            made._method_name, made._args = "leave", ("x",)
                            made.delay()
                            made = made._generated_job
                        self.assertEqual(getattr(made, option), expected)
                        if isinstance(made, Job):
                            made.identity_key = None  # no twin of the next one

    def test_seconds_and_a_timedelta_count_from_now(self):
        for eta in (3600, 3600.0, timedelta(hours=1)):
            with self.subTest(eta=eta):
                made = self.effects.with_delay(eta=eta).leave("x")
                wait = made.eta - made.date_created
                self.assertAlmostEqual(wait.total_seconds(), 3600, delta=60)

    def test_a_channel_is_given_as_a_record_as_well(self):
        channel = self.env.ref("test_queue_job.channel_one")
        made = self.effects.with_delay(channel=channel).leave("x")
        self.assertEqual(made.channel, "root.test_one")
        with self.assertRaisesRegex(TypeError, "channel is test.queue.effect"):
            self.effects.delayable(channel=self.one)
        with self.assertRaisesRegex(ValueError, "singleton"):
            both = channel | self.env.ref("queue_job.channel_root")
            self.effects.delayable(channel=both)

    def test_a_channel_that_does_not_exist_is_told_with_the_one_that_was_meant(self):
        for name in ("test_one", "root.tset_one", "root.test_on", "tset_one"):
            with self.subTest(name):
                with self.assertRaisesRegex(Exception, "Did you mean 'root.test_one'"):
                    self.effects.with_delay(channel=name).leave("x")

    def test_a_function_that_is_no_key_of_a_job_is_refused(self):
        for function in (lambda: "k", two, lambda *, job: "k"):
            with self.subTest(inspect.signature(function)):
                for call in self.doors().values():
                    with self.assertRaisesRegex(TypeError, "identity_key is the func"):
                        made = call(identity_key=function)
                        made.identity_key  # noqa: B018  # of a Job that is not stored

    def test_an_error_of_the_function_itself_is_not_hidden(self):
        with self.assertRaisesRegex(TypeError, "can only concatenate"):
            self.effects.with_delay(identity_key=lambda job: "k" + 1).leave("x")

    def test_what_the_delayable_was_given_is_kept_as_it_was_given(self):
        given = {"eta": 60, "identity_key": identity_exact, "timeout": timedelta(1)}
        call = self.effects.delayable(**given)
        self.assertEqual({name: getattr(call, name) for name in given}, given)
        call._settled = True


class TestNames(OptionsCase):
    def test_an_option_that_does_not_exist_is_told_with_the_one_that_was_meant(self):
        for door, call in self.doors().items():
            with self.subTest(door), self.assertRaises(TypeError) as caught:
                call(prio=1)
            said = str(caught.exception)
            self.assertIn("has no option 'prio'. Did you mean 'priority'?", said)
            self.assertIn("options: priority, eta, max_retries, description,", said)

    def test_an_override_of_with_delay_passes_on_what_it_is_told(self):
        def with_delay(self, **options):
            return super(type(self), self).with_delay(**options)

        with patch.object(type(self.effects), "with_delay", with_delay):
            with self.assertRaisesRegex(TypeError, "with_delay.. has no option 'prio'"):
                self.effects.with_delay(prio=1)

    def test_set_takes_a_dictionary_or_keywords(self):
        call = self.effects.delayable().set({"priority": 3}, eta=60)
        self.assertEqual((call.priority, call.eta), (3, 60))
        for wrong in ((5,), ("priority",), ({}, {})):
            with self.subTest(wrong), self.assertRaisesRegex(TypeError, "set.. takes"):
                call.set(*wrong)
        call._settled = True


class TestMethods(OptionsCase):
    def test_a_method_that_does_not_exist_is_told_with_the_one_that_was_meant(self):
        for make in (self.effects.with_delay, self.effects.delayable):
            with self.assertRaisesRegex(AttributeError, "no 'renam'.*mean 'rename'"):
                make().renam("x")

    def test_a_field_is_no_method(self):
        for make in (self.one.with_delay, self.one.delayable):
            for name in ("name", "id", "display_name"):
                with self.subTest(name):
                    with self.assertRaisesRegex(AttributeError, f"{name} is a field"):
                        getattr(make(), name)

    def test_what_is_neither_field_nor_method_is_refused(self):
        for name in ("_name", "_order"):
            with self.subTest(name), self.assertRaisesRegex(AttributeError, name):
                getattr(self.one.with_delay(), name)

    def test_a_method_called_like_an_option_can_be_delayed(self):
        def channel(self, name):
            """A name of ours."""

        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        for name in ("channel", "priority", "set", "split", "delay", "on_done"):
            with self.subTest(name):
                channel.__name__ = name
                with patch.object(type(self.one), name, channel, create=True):
                    made = getattr(self.one.with_delay(), name)("x")
                    self.assertEqual(made.method_name, name)

    def test_a_call_that_does_not_fit_the_method_is_refused_at_each_door(self):
        calls = (
            ((), {}, "missing a required argument: 'name'"),
            (("x", 1, 2), {}, "too many positional arguments"),
            (("x",), {"nubmer": 1}, "'nubmer'.*Did you mean 'number'"),
            (("x",), {"priority": 1}, r"with_delay\(priority=...\).leave\(...\)"),
        )
        before = self.jobs()
        leave = self.effects.leave
        for args, kwargs, words in calls:
            for door, call in (
                ("with_delay", self.effects.with_delay().leave),
                ("delayable", self.effects.delayable().leave),
                ("Job.enqueue", lambda *args, **kw: Job.enqueue(leave, args, kw)),
            ):
                with self.subTest(f"{door}: {args} {kwargs}"):
                    expected = rf"leave.. cannot.*{words}.*leave\(name, number=0\)"
                    with self.assertRaisesRegex(TypeError, expected):
                        call(*args, **kwargs)
        self.assertEqual(self.jobs(), before)

    def test_a_stored_job_whose_method_has_changed_can_be_read(self):
        made = self.effects.with_delay().leave("x", 3)
        made.db_record()

        def leave(self):
            """It took two arguments once."""

        with patch.object(type(self.effects), "leave", leave):
            self.assertEqual(Job.load(self.env, made.uuid).args, ("x", 3))

    def test_a_call_that_delays_itself_has_to_fit_the_method(self):
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        model = type(self.partners)
        patched = self.partners._patch_job_auto_delay("write")
        with patch.object(model, "write", patched):
            with self.assertRaisesRegex(TypeError, r"It is write\(vals\)"):
                self.partners.write(1, 2)

    def test_arguments_of_a_job_are_a_list(self):
        for wrong in ("csv", b"csv", {"name": "x"}):
            with self.subTest(wrong), self.assertRaisesRegex(TypeError, "args is"):
                Job(self.effects.leave, args=wrong)


class TestGraphs(OptionsCase):
    def call(self, name="x"):
        return self.effects.delayable().leave(name)

    def test_prepared_calls_may_be_given_as_one_list(self):
        for make in (chain, group):
            for form in (list, tuple, iter, lambda calls: (each for each in calls)):
                with self.subTest(make=make, form=form):
                    calls = [self.call(name) for name in "ab"]
                    make(form(calls)).delay()
                    first, second = (each._generated_job for each in calls)
                    expected = {first} if make is chain else set()
                    self.assertEqual(second.depends_on, expected)

    def test_so_may_what_follows(self):
        first, *others = (self.call(name) for name in "abc")
        first.on_done(others).delay()
        for each in others:
            self.assertEqual(each._generated_job.depends_on, {first._generated_job})

    def test_what_is_no_prepared_call_is_refused_with_what_was_meant(self):
        job = self.effects.with_delay().leave("x")
        for wrong, words in (
            (job, r"<Job .*enqueued it already. Write delayable\(\)"),
            (job.db_record(), "enqueued it already"),
            (self.effects.with_delay(), r"write delayable\(\) for with_delay"),
            (
                self.effects.delayable().leave,
                r"not the method leave itself: call it, as in leave\(",
            ),
            ([self.call()], "not a list beside others"),
            (None, ", not None"),
            ("text", ", not 'text'"),
            ({"a": 1}, ", not {'a': 1}"),
            (self.effects, r", not test.queue.effect\(\)"),
        ):
            for name, make in (
                ("chain", chain),
                ("group", group),
                ("on_done", self.call().on_done),
            ):
                with self.subTest(f"{name}: {words}"):
                    expected = rf"{name}\(\) takes prepared calls.*{words}"
                    with self.assertRaisesRegex(TypeError, expected):
                        make(self.call(), wrong)
        with self.assertRaisesRegex(TypeError, "chain.. takes prepared calls"):
            chain([self.call(), None])
        with self.assertRaisesRegex(TypeError, "chain.. takes prepared calls"):
            chain({self.call()})  # a set has no order

    def test_a_job_is_not_followed(self):
        made = self.effects.with_delay().leave("x")
        for name in ("on_done", "split", "set", "delay"):
            words = rf"no {name}\(\).*delayable\(\)\.leave\(...\)\.{name}"
            with self.subTest(name), self.assertRaisesRegex(AttributeError, words):
                getattr(made, name)
        with self.assertRaisesRegex(AttributeError, "'Job' object has no 'nothing'"):
            made.nothing  # noqa: B018

    def test_the_size_of_a_part_is_a_number_from_one(self):
        for size, error in (
            ("2", TypeError),
            (2.0, TypeError),
            (None, TypeError),
            (True, TypeError),
            (0, ValueError),
            (-1, ValueError),
        ):
            call = self.one.delayable().rename("x")
            with self.subTest(size=size):
                with self.assertRaisesRegex(error, f"The size of a part is {size!r}"):
                    call.split(size)


class TestForgotten(OptionsCase):
    """What was prepared, and made no job, is told with its place."""

    def told(self, prepare):
        """The warning, and the line of this file that it names."""
        with self.assertLogs(LOGGER, "WARNING") as caught:
            prepare()
        (record,) = caught.records
        return record.getMessage()

    def assert_place(self, said, function, line=1):
        code = function.__code__
        place = f"({code.co_filename}:{code.co_firstlineno + line})"
        self.assertTrue(said.endswith(place), (said, place))

    def test_a_with_delay_without_a_call(self):
        def prepare():
            self.one.with_delay(priority=1)

        said = self.told(prepare)
        self.assertIn("with_delay() is followed by no call", said)
        self.assert_place(said, prepare)

    def test_a_method_without_brackets(self):
        def prepare():
            self.one.with_delay().rename  # noqa: B018

        said = self.told(prepare)
        self.assertIn("with_delay().rename is not called", said)
        self.assert_place(said, prepare)

    def test_a_delayable_without_a_call(self):
        def prepare():
            self.one.delayable()

        said = self.told(prepare)
        self.assertIn("delayable() is followed by no call", said)
        self.assert_place(said, prepare)

    def test_a_prepared_call_without_delay(self):
        def prepare():
            # its line is that of the call, wherever it is dropped
            made = self.one.delayable().rename("x")
            del made

        said = self.told(prepare)
        self.assertIn("was prepared but never delayed: call delay()", said)
        self.assert_place(said, prepare, 2)

    def test_each_call_of_a_chain_or_group_without_delay(self):
        for make in (chain, group):
            with self.assertLogs(LOGGER, "WARNING") as caught:
                make(self.one.delayable().rename("x"), self.one.delayable().rename("y"))
            self.assertEqual(len(caught.records), 2)

    def test_the_parts_of_a_call(self):
        def prepare():
            call = self.one.delayable().rename("x")
            call.split(1)

        self.assert_place(self.told(prepare), prepare)

    def test_the_line_is_that_of_who_calls_an_override(self):
        def with_delay(self, **options):
            options["priority"] = 3
            return super(type(self), self).with_delay(**options)

        def prepare():
            self.one.with_delay()

        with patch.object(type(self.one), "with_delay", with_delay):
            self.assert_place(self.told(prepare), prepare)

    def test_nothing_is_told_of_what_was_delayed_or_was_an_error(self):
        def wrong(call, error=TypeError):
            with self.assertRaises(error):
                call()

        with self.assertNoLogs(LOGGER, "WARNING"):
            self.one.with_delay().rename("x")
            self.one.delayable().rename("x").delay()
            chain(self.one.delayable().rename("x")).delay()
            wrong(self.one.with_delay().rename)
            wrong(lambda: self.one.with_delay().renam("x"), AttributeError)
            wrong(lambda: self.one.with_delay(prio=1))
            wrong(lambda: self.one.delayable(priority="x"))
            wrong(lambda: self.one.with_delay(priority="x").rename("x"))
