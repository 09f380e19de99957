# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import unittest

from odoo.addons.queue_job.core import exception_names


class Outer:
    class Lost(Exception):
        """One within a class."""


class TestNames(unittest.TestCase):
    def test_a_class_that_exists_is_no_mistake(self):
        for name in (
            "ConnectionError",
            "KeyboardInterrupt",
            "RetryableJobError",
            "builtins.OSError",
            "socket.gaierror",
            "xml.dom.DOMException",
            f"{__name__}.Outer.Lost",
            "Lost",
        ):
            with self.subTest(name):
                self.assertIsNone(exception_names.mistake(name))

    def test_one_that_does_not_is_told_with_the_one_that_was_meant(self):
        for name, words in (
            (
                "ConectionError",
                "no exception class 'ConectionError'. Did you mean 'Conn",
            ),
            ("Nothing_Like_It_9", "One of a library is written with its module"),
            (
                "socket.gaieror",
                "module socket has no .* 'gaieror'. Did you mean 'gaier",
            ),
            ("socket.socket", "module socket has no exception class 'socket'"),
            ("builtins.int", "module builtins has no exception class 'int'"),
            ("no_such_module_9.Error", "no module 'no_such_module_9'"),
            ("os.path.no.Error", "has no exception class 'no.Error'"),
        ):
            with self.subTest(name):
                self.assertRegex(exception_names.mistake(name), words)
