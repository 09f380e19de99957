# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import functools
import inspect
import unittest

from odoo.addons.queue_job.core import calls


class Model:
    def plain(self, one, two=2):
        """Two arguments, the second of them optional."""

    def bare(self):
        """None at all."""

    def named(self, one, *, must, may=None):
        """One that has to be named."""

    def any_place(self, one, *rest):
        """At least one."""

    def any_name(self, one, /, **rest):
        """One by its place alone."""

    def anything(*args, **kwargs):
        """Without a name for the recordset."""

    def typed(self, one: int, two: "dict[str, list]" = None) -> bool:
        """Annotations make a signature long."""

    @functools.wraps(plain)
    def wrapped(self, *args, force=False, **kwargs):
        """Takes more than what it wraps."""


def said(name, *args, **kwargs):
    """What is wrong with a call; None when nothing is."""
    options = ("priority", "eta")
    try:
        calls.check(getattr(Model, name), name, args, kwargs, options)
    except TypeError as error:
        return str(error)
    return None


class TestCalls(unittest.TestCase):
    def test_a_call_that_python_would_take_is_taken(self):
        for name, args, kwargs in (
            ("plain", (1,), {}),
            ("plain", (1, 2), {}),
            ("plain", (), {"one": 1}),
            ("plain", (1,), {"two": 2}),
            ("bare", (), {}),
            ("named", (1,), {"must": 1}),
            ("named", (), {"one": 1, "must": 1, "may": 2}),
            ("any_place", (1, 2, 3), {}),
            ("any_name", (1,), {"one": 1, "priority": 2}),
            ("anything", (), {}),
            ("anything", (1, 2), {"priority": 3}),
            ("wrapped", (), {"force": True}),
            ("wrapped", (1, 2, 3), {}),
        ):
            with self.subTest(name=name, args=args, kwargs=kwargs):
                self.assertIsNone(said(name, *args, **kwargs))
                getattr(Model(), name)(*args, **kwargs)

    def test_one_that_it_would_not_take_is_refused_with_the_signature(self):
        for name, args, kwargs, words in (
            ("plain", (), {}, "missing a required argument: 'one'"),
            ("plain", (1, 2, 3), {}, "too many positional arguments"),
            ("plain", (1,), {"one": 1}, "multiple values for argument 'one'"),
            ("bare", (1,), {}, "too many positional arguments. It is bare()"),
            ("named", (1,), {}, "'must'"),
            ("named", (1,), {}, "It is named(one, *, must, may=None)"),
            ("any_place", (), {}, "It is any_place(one, *rest)"),
            ("any_name", (), {"one": 1}, "It is any_name(one, /, **rest)"),
            ("plain", (1,), {"tow": 2}, "Did you mean 'two'? It is plain(one, two=2)"),
            ("plain", (1,), {"colour": 2}, "'colour'. It is plain(one, two=2)"),
            (
                "plain",
                (1,),
                {"priority": 2},
                "priority is said of the job: with_delay(priority=...).plain(...). It",
            ),
            ("typed", (), {}, "It is typed(one, two=None)"),
        ):
            with self.subTest(name=name, args=args, kwargs=kwargs):
                found = said(name, *args, **kwargs)
                self.assertIn(f"{name}() cannot be called like this: ", found)
                self.assertIn(words, found)
                with self.assertRaises(TypeError):
                    getattr(Model(), name)(*args, **kwargs)

    def test_a_signature_that_hides_itself_takes_anything(self):
        class Silent:
            __signature__ = "none"

            def __call__(self):
                """Not asked."""

        self.assertRaises(TypeError, inspect.signature, Silent())
        calls.check(Silent(), "silent", (1, 2), {"three": 3})
        calls.check(Silent(), "silent", (), {})

    def test_a_recordset_without_a_name_is_not_taken_from_the_signature(self):
        def nameless(*args, must):
            """The recordset is among them."""

        with self.assertRaisesRegex(TypeError, r"It is nameless\(\*args, must\)"):
            calls.check(nameless, "nameless", (), {})

    def test_a_function_without_a_parameter_has_no_room_for_a_recordset(self):
        with self.assertRaisesRegex(TypeError, r"It is static\(\)"):
            calls.check(lambda: None, "static", (), {})
        with self.assertRaisesRegex(TypeError, r"It is static\(\*, one\)"):
            calls.check(lambda *, one: None, "static", (), {"one": 1})
