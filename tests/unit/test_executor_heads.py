# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When a lease looks at the head of a queue, and when behind the job it had."""

from unittest import TestCase

from odoo.addons.queue_job.executor.heads import SHARE, SLOW, Heads


class TestHeads(TestCase):
    def setUp(self):
        super().setUp()
        self.heads = Heads()

    def test_the_head_is_looked_at_as_long_as_that_is_fast(self):
        self.assertTrue(self.heads.are_due("root", 5.0))
        self.heads.looked("root", 5.0, SLOW)
        self.assertTrue(self.heads.are_due("root", 5.0))

    def test_slow_looks_take_a_bounded_share_of_the_time(self):
        self.heads.looked("root", 5.0, 0.1)
        self.assertFalse(self.heads.are_due("root", 5.0 + SHARE * 0.1 - 0.01))
        self.assertTrue(self.heads.are_due("root", 5.0 + SHARE * 0.1 + 0.01))

    def test_each_channel_has_a_head_of_its_own(self):
        self.heads.looked("root.a", 5.0, 0.1)
        self.assertTrue(self.heads.are_due("root.b", 5.0))

    def test_a_head_that_is_fast_again_is_looked_at_each_time(self):
        self.heads.looked("root", 5.0, 0.1)
        self.heads.looked("root", 7.0, 0.0)
        self.assertTrue(self.heads.are_due("root", 7.0))
