# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which databases are copies that have to rest."""

import unittest

from odoo.addons.queue_job.core import home

HOME = home.Place("own-uuid", "16384", "7000", "shop")

#: what was done, where the database is now, why nothing may be executed there
CASES = (
    ("nothing", HOME, None),
    ("renamed", HOME._replace(name="store"), None),
    ("dropped and restored", HOME._replace(oid="20000"), None),
    ("moved to another server", HOME._replace(oid="20000", system="8"), None),
    ("PostgreSQL upgraded", HOME._replace(system="8"), None),
    ("failed over to a replica", HOME, None),
    ("the cluster's number not readable any more", HOME._replace(system=""), None),
    ("createdb -T", HOME._replace(oid="20000", name="test"), home.CLONED),
    (
        "restored under another name on another server, whose first database it is too",
        HOME._replace(system="8", name="test"),
        home.CLONED,
    ),
    (
        "odoo-bin db duplicate",
        home.Place("another-uuid", "20000", "7000", "test"),
        home.DUPLICATED,
    ),
    ("loaded as a copy", HOME._replace(uuid="another-uuid"), home.DUPLICATED),
)


class TestReasonToRest(unittest.TestCase):
    def test_a_copy_rests_and_what_was_moved_does_not(self):
        for what, here, reason in CASES:
            with self.subTest(what):
                self.assertEqual(home.reason_to_rest(HOME, here, False), reason)

    def test_what_was_released_here_is_at_home_although_it_is_neutralized(self):
        self.assertIsNone(home.reason_to_rest(HOME, HOME, True))

    def test_where_no_job_was_ever_taken_only_a_neutralized_database_rests(self):
        self.assertIsNone(home.reason_to_rest(None, HOME, False))
        self.assertEqual(home.reason_to_rest(None, HOME, True), home.NEUTRALIZED)

    def test_a_place_is_read_as_it_was_written(self):
        for place in (HOME, HOME._replace(system=""), HOME._replace(name="a/b")):
            self.assertEqual(home.parse(str(place)), place)
        for text in (None, "", "something", "a/b/c"):
            self.assertIsNone(home.parse(text))
