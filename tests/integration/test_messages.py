# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The page of messages says what is said: each mistake is made here."""

import os
import unittest

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.core import channel_config

from ..documentation import IS_CHECKOUT, ROOT

PAGE = ROOT / "doc" / "messages.rst"
HEAD = """========
Messages
========

What is said to whoever makes a mistake.  This page is made by making each of them:
``QUEUE_JOB_WRITE_MESSAGES=1`` has ``tests/integration/test_messages.py`` write it anew.
"""


@unittest.skipUnless(IS_CHECKOUT, "an installed package has no guides")
class TestMessages(TransactionCase):
    def mistakes(self):
        """What is written, what is called by that, and with what."""
        effects = self.env["test.queue.effect"]
        partners = self.env["res.partner"]
        return [
            ("partners.with_delay().write({})", partners.with_delay().write, ({},)),
            ("with_delay().leave(env)", effects.with_delay().leave, (self.env,)),
            ("with_delay().leave(cr)", effects.with_delay().leave, (self.cr,)),
            ("with_delay().leave(range(3))", effects.with_delay().leave, (range(3),)),
            ("channels = root:many", channel_config.parse, ("root:many",)),
            (
                "channels = root:4:sequential",
                channel_config.parse,
                ("root:4:sequential",),
            ),
            ("channels = root,root", channel_config.parse, ("root,root",)),
            ("channels = root:1:speed=3", channel_config.parse, ("root:1:speed=3",)),
            ("channels = root.:1", channel_config.parse, ("root.:1",)),
        ]

    def said(self, call, given):
        with self.assertRaises(Exception) as caught:
            call(*given)
        return f"{type(caught.exception).__name__}: {caught.exception}"

    def test_the_page_has_what_was_said(self):
        parts = [HEAD]
        for title, call, given in self.mistakes():
            with self.subTest(title):
                said = " ".join(self.said(call, given).split())
                parts.append(f"``{title}``\n  ``{said}``\n")
        page = "\n".join(parts)
        if os.environ.get("QUEUE_JOB_WRITE_MESSAGES"):
            PAGE.write_text(page, encoding="utf-8")
        self.assertEqual(PAGE.read_text(encoding="utf-8"), page)
