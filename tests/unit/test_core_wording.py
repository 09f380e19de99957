# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is told to people can be said in their language."""

import unittest

from odoo.addons.queue_job.core import retry
from odoo.addons.queue_job.core.wording import Refusal, Text, worded


def in_capitals(source, **values):
    """A language: all in capitals, but for what is put into the text."""
    places = {f"%({name.upper()})S": value for name, value in values.items()}
    text = source.upper()
    for place, value in places.items():
        text = text.replace(place, value)
    return text


class TestWording(unittest.TestCase):
    def test_a_refusal_says_itself_in_english(self):
        error = Refusal(Text("Not %(what)s.", {"what": "that"}), Text("But this.", {}))
        self.assertEqual(str(error), "Not that. But this.")
        self.assertIsInstance(error, ValueError)

    def test_a_refusal_is_said_in_another_language(self):
        error = Refusal(Text("Not %(what)s.", {"what": "that"}), Text("But this.", {}))
        self.assertEqual(worded(error, in_capitals), "NOT that. BUT THIS.")

    def test_another_error_stays_as_it_is(self):
        self.assertEqual(worded(ValueError("as it is"), in_capitals), "as it is")

    def test_what_is_wrong_with_a_retry_pattern_is_translated(self):
        with self.assertRaises(ValueError) as caught:
            retry.validate_pattern({"first": 3})
        said = worded(caught.exception, in_capitals)
        self.assertIn("KEY 'first' OF A RETRY PATTERN. A RETRY", said)
