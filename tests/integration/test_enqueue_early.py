# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls that are delayed while their add-on is still being installed."""

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.exception import ChannelNotFound


class TestEnqueueEarly(TransactionCase):
    def setUp(self):
        super().setUp()
        self.functions = self.env["queue.job.function"]
        self.effects = self.env["test.queue.effect"]
        # as before the registry has come to the method
        self.of_method = [("name", "=", "<test.queue.effect>.leave_in_one")]
        self.functions.search(self.of_method).unlink()
        self.env.ref("test_queue_job.channel_one").unlink()

    def test_a_decorated_method_that_is_not_registered_yet_may_be_delayed(self):
        job = self.effects.with_delay().leave_in_one("x").db_record()
        function = self.functions.search(self.of_method)
        self.assertEqual(job.job_function_id, function)
        self.assertEqual((job.channel, job.state), ("root.test_one", "pending"))
        self.assertEqual(function.channel_id.complete_name, "root.test_one")

    def test_a_channel_of_nobody_is_refused_as_ever(self):
        with self.assertRaises(ChannelNotFound):
            self.effects.with_delay(channel="root.nowhere").leave_in_one("x")
        with self.assertRaises(ChannelNotFound):
            self.effects.with_delay(channel="root.nowhere").leave("x")
