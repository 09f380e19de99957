# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts of others forge no line of the log."""

import io
import logging
import re
import unittest
from pathlib import Path

from odoo.addons.queue_job.log_lines import Block, get_logger

ROOT = Path(__file__).resolve().parents[2]
FORGED = "\n2026-01-01 00:00:00,000 1 INFO db odoo: forged\r\n\x1b[2J\x9b\u2028end"


class TestLines(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.logger = get_logger("odoo.addons.queue_job.test_lines")
        self.out = io.StringIO()
        handler = logging.StreamHandler(self.out)
        handler.setFormatter(logging.Formatter("AT %(message)s"))
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.addHandler(handler)
        self.addCleanup(self.logger.removeHandler, handler)

    def check_lines(self, number):
        text = self.out.getvalue()
        starts = [line for line in text.split("\n") if line and line[:4] != "    "]
        self.assertEqual(len(starts), number, text)
        self.assertTrue(all(line.startswith("AT ") for line in starts))
        self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text))

    def test_an_argument_of_whatever_kind_stays_in_its_line(self):
        for value in (FORGED, ValueError(FORGED), {"a": FORGED}, [FORGED], (FORGED,)):
            with self.subTest(type=type(value).__name__):
                self.out.truncate(0)
                self.out.seek(0)
                self.logger.error("job %s: %s", 7, value)
                self.check_lines(1)

    def test_names_as_places_are_filled_plainly_as_well(self):
        self.logger.error("job %(uuid)s", {"uuid": FORGED})
        self.check_lines(1)

    def test_a_text_without_places_is_made_plain(self):
        self.logger.error(FORGED)
        self.check_lines(1)

    def test_numbers_stay_numbers(self):
        self.logger.error("%d of %.1f and %s", 3, 4.25, None)
        self.assertEqual(self.out.getvalue(), "AT 3 of 4.2 and None\n")

    def test_a_traceback_stands_indented(self):
        try:
            raise ValueError(FORGED)
        except ValueError:
            self.logger.exception("it failed")
        self.assertIn("    Traceback (most", self.out.getvalue())
        self.check_lines(1)

    def test_a_block_stands_indented(self):
        self.logger.error("it failed:\n%s", Block("a\nb" + FORGED))
        self.assertIn("    a\n    b\n", self.out.getvalue())
        self.check_lines(1)

    def test_every_logger_of_the_add_on_is_such_a_one(self):
        others = [
            str(path.relative_to(ROOT))
            for path in ROOT.rglob("*.py")
            if "getLogger(__name__)" in path.read_text(encoding="utf-8")
            and path.relative_to(ROOT).parts[0]
            not in ("tests", "dev", "migrations", ".odoo", "log_lines.py")
        ]
        self.assertEqual(others, [])
