# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tests as Odoo's own runner wants them."""

import unittest

from odoo.tests.common import BaseCase, tagged

_ADDON = __name__.split(".")[2]


def tag(module):
    """Have the test cases of a module run when all add-ons are installed; return it."""
    for klass in vars(module).values():
        if getattr(klass, "__module__", None) != module.__name__:
            continue  # somebody else's, like TransactionCase
        if isinstance(klass, type) and issubclass(klass, unittest.TestCase):
            if not issubclass(klass, BaseCase):
                _complete(klass)
            tagged("post_install", "-at_install")(klass)
    return module


def _complete(klass) -> None:
    """Give a test case without Odoo what the runner asks of it."""
    klass.test_tags = {"standard"}
    klass.test_module = _ADDON
    klass.test_class = klass.__name__
    klass.__unittest_skip__ = False
