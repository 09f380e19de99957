# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The names under which other add-ons know the runner's channels."""

import unittest

from odoo.addons.queue_job.core import states
from odoo.addons.queue_job.jobrunner import QueueJobRunner as exported
from odoo.addons.queue_job.jobrunner import channels, runner


class TestDoor(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.manager = channels.ChannelManager()

    def test_without_a_configuration_there_is_the_root(self):
        self.assertEqual(self.manager.root_channel.fullname, "root")
        self.assertEqual(self.manager.root_channel.capacity, 1)
        self.assertIsNone(self.manager.root_channel.parent)

    def test_a_configuration_makes_a_tree(self):
        self.manager.simple_configure(
            "root:4,root.a.b:2:throttle=3,root.c:1:sequential"
        )
        root = self.manager.root_channel
        deep = self.manager.get_channel_by_name("a.b")
        self.assertEqual(root.capacity, 4)
        self.assertEqual(set(root.children), {"a", "c"})
        self.assertEqual((deep.name, deep.fullname), ("b", "root.a.b"))
        self.assertEqual((deep.capacity, deep.throttle), (2, 3))
        self.assertIs(deep.parent.parent, root)
        self.assertTrue(self.manager.get_channel_by_name("root.c").sequential)
        self.assertIn("root.a.b", repr(deep))

    def test_a_channel_that_is_not_there_is_none(self):
        self.assertIsNone(self.manager.get_channel_by_name("nowhere"))

    def test_a_bad_configuration_is_an_error(self):
        with self.assertRaises(ValueError):
            self.manager.simple_configure("root:many")

    def test_the_names_of_states_are_there(self):
        self.assertEqual(channels.ENQUEUED, states.ENQUEUED)
        self.assertEqual(
            set(channels.NOT_DONE),
            {"wait_dependencies", "pending", "enqueued", "started", "failed"},
        )

    def test_the_runner_is_where_others_look_for_it(self):
        self.assertIs(exported, runner.QueueJobRunner)
        self.assertTrue(callable(exported.from_environ_or_config))
