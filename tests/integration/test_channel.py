# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from unittest.mock import patch

from odoo.exceptions import UserError, ValidationError
from odoo.tests import TransactionCase

from odoo.addons.queue_job.core import channel_config, channels
from odoo.addons.queue_job.jobrunner import config as runner_config
from odoo.addons.queue_job.storage import channel as storage


class ChannelCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channels = cls.env["queue.job.channel"]
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.sale = cls.channels.create({"name": "t_sale", "parent_id": cls.root.id})
        cls.export = cls.channels.create({"name": "export", "parent_id": cls.sale.id})

    def make_job(self, channel, state="pending"):
        job = self.env["queue.job"].with_delay(channel=channel)._test_job()
        record = job.db_record()
        self.env.cr.execute(
            "UPDATE queue_job SET state = %s WHERE id = %s", (state, record.id)
        )
        record.invalidate_recordset()
        return record

    @contextmanager
    def refused(self, error, text):
        with self.assertRaisesRegex(error, text), self.env.cr.savepoint():
            yield

    def configured(self, text):
        """The configuration string is ``text``."""
        settings = runner_config.Config(channels=tuple(channel_config.parse(text)))
        return patch.object(runner_config, "get", lambda: settings)


class TestTree(ChannelCase):
    def test_the_complete_name_is_the_path_from_the_root(self):
        self.assertEqual(self.root.complete_name, "root")
        self.assertEqual(self.export.complete_name, "root.t_sale.export")

    def test_the_complete_names_below_follow_a_new_name(self):
        self.sale.name = "t_shop"
        self.assertEqual(self.export.complete_name, "root.t_shop.export")

    def test_a_channel_is_below_the_root_unless_said_otherwise(self):
        channel = self.channels.create({"name": "t_plain"})
        self.assertEqual(channel.parent_id, self.root)

    def test_a_channel_without_a_parent_is_refused(self):
        with self.refused(ValidationError, "t_orphan needs a parent"):
            self.channels.create({"name": "t_orphan", "parent_id": False})
        with self.refused(ValidationError, "needs a parent"):
            self.sale.parent_id = False

    def test_a_channel_below_itself_is_refused(self):
        with self.refused(ValidationError, ""):
            self.sale.parent_id = self.export

    def test_a_name_that_the_configuration_could_not_name_is_refused(self):
        for name in ("a..b", ".a", "a.", "a. b", "a:b", "a,b", " a", "a #b", "  "):
            with self.subTest(name=name), self.refused(ValidationError, ""):
                self.channels.create({"name": name})

    def test_a_second_channel_of_the_same_name_is_refused(self):
        with self.refused(ValidationError, "root.t_sale already"):
            self.channels.create({"name": "t_sale"})
        with self.refused(ValidationError, "root.t_sale already"):
            self.export.write({"name": "t_sale", "parent_id": self.root.id})

    def test_the_same_name_below_another_parent_is_another_channel(self):
        channel = self.channels.create({"name": "export"})
        self.assertEqual(channel.complete_name, "root.export")

    def test_two_add_ons_that_bring_the_same_channel_share_it(self):
        self.sale.removal_interval = 7
        values = {"name": "t_sale", "parent_id": self.root.id, "removal_interval": 9}
        loaded = self.channels.with_context(install_mode=True)._load_records(
            [
                {"xml_id": "queue_job.t_channel_a", "values": dict(values)},
                {"xml_id": "queue_job.t_channel_b", "values": dict(values)},
                {
                    "xml_id": "queue_job.t_channel_c",
                    "values": {"name": "t_new", "parent_id": self.root.id},
                },
            ]
        )
        self.assertEqual(loaded[:2].ids, [self.sale.id] * 2)
        self.assertEqual(loaded[2].complete_name, "root.t_new")
        self.assertEqual(self.sale.removal_interval, 7)
        self.assertEqual(self.env.ref("queue_job.t_channel_b"), self.sale)

    def test_a_missing_branch_is_made_from_the_root_on(self):
        channel = self.channels._ensure("t_sale.import.nightly")
        self.assertEqual(channel.complete_name, "root.t_sale.import.nightly")
        self.assertEqual(channel.parent_id.parent_id, self.sale)
        self.assertEqual(self.channels._ensure("root.t_sale.import.nightly"), channel)


class TestDots(ChannelCase):
    """A name with dots, as the data of other add-ons have it, is a path."""

    NAME = "t_channel.sale.automatic.workflow"
    COMPLETE = f"root.{NAME}"

    def setUp(self):
        super().setUp()
        self.dotted = self.channels.create(
            {"name": self.NAME, "parent_id": self.root.id, "capacity": 2}
        )

    def load(self, **values):
        """Install or update the data record of an add-on."""
        values = {"name": self.NAME, "parent_id": self.root.id, **values}
        data = [{"xml_id": "queue_job.t_dotted", "values": values}]
        return self.channels.with_context(install_mode=True)._load_records(data)

    def test_it_is_one_channel_with_the_name_that_was_given(self):
        self.assertEqual(self.dotted.name, self.NAME)
        self.assertEqual(self.dotted.complete_name, self.COMPLETE)
        self.assertEqual(self.dotted.parent_id, self.root)
        found = self.channels.search([("complete_name", "like", "t_channel")])
        self.assertEqual(found, self.dotted)
        self.assertEqual(self.channels._ensure(self.COMPLETE), self.dotted)
        self.assertEqual(self.channels._ensure(self.NAME), self.dotted)

    def test_an_add_on_brings_it_updates_it_and_shares_it(self):
        self.assertEqual(self.load(), self.dotted)
        self.assertEqual(self.load(removal_interval=5), self.dotted)
        self.assertEqual(self.dotted.removal_interval, 5)
        self.assertEqual(self.dotted.complete_name, self.COMPLETE)

    def test_it_is_the_same_channel_as_the_last_one_of_that_path(self):
        with self.refused(ValidationError, f"{self.COMPLETE} already"):
            self.channels.create({"name": self.NAME})
        above = self.channels._ensure("t_channel.sale.automatic")
        with self.refused(ValidationError, f"{self.COMPLETE} already"):
            self.channels.create({"name": "workflow", "parent_id": above.id})
        with self.refused(ValidationError, f"{self.COMPLETE} already"):
            self.export.write({"name": "workflow", "parent_id": above.id})

    def test_jobs_are_put_into_it_and_served_there(self):
        for name in (self.COMPLETE, self.dotted.complete_name):
            self.assertEqual(self.make_job(name).channel, self.COMPLETE)
        self.assertEqual(self.make_job(self.COMPLETE).channel_id, self.dotted)
        self.assertEqual(self.dotted.pending_count, 3)

    def test_what_holds_above_on_its_path_holds_for_it(self):
        in_force = self.channels._in_force()
        self.assertEqual(in_force[self.COMPLETE].channel.capacity, 2)
        # a level without a record limits nothing, and one with a record does
        self.assertIsNone(in_force["root.t_channel.sale"].channel.capacity)
        self.channels._ensure("t_channel.sale").capacity = 1
        settings = channel_config.scheduled(self.channels._in_force())
        self.assertEqual(channels.free(settings, {}, {}, 0)[self.COMPLETE], 1)

    def test_the_configuration_string_names_it_by_its_path(self):
        with self.configured(f"root:4,{self.NAME}:3"):
            self.assertEqual(self.dotted.effective_capacity, 3)
            self.assertTrue(self.dotted.is_configured)
        with self.configured(f"root:4,{self.COMPLETE}:5"):
            self.dotted.invalidate_recordset()
            self.assertEqual(self.dotted.effective_capacity, 5)

    def test_it_is_renamed_and_moved_with_its_jobs(self):
        job = self.make_job(self.COMPLETE)
        for values, name in (
            ({"name": "t_queue.job.batch"}, "root.t_queue.job.batch"),
            ({"name": "t_batch"}, "root.t_batch"),
            ({"name": "a.b", "parent_id": self.sale.id}, "root.t_sale.a.b"),
        ):
            self.dotted.write(values)
            self.assertEqual(self.dotted.complete_name, name)
            self.assertEqual(job.channel, name)
        self.sale.name = "t_shop"
        self.assertEqual(job.channel, "root.t_shop.a.b")

    def test_a_function_of_it_sends_its_jobs_there(self):
        self.env["queue.job.function"].create(
            {
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "method": "name_create",
                "channel_id": self.dotted.id,
            }
        )
        job = self.env["res.partner"].with_delay().name_create("x")
        self.assertEqual(job.channel, self.COMPLETE)

    def test_a_deleted_one_leaves_its_jobs_to_its_parent(self):
        job = self.make_job(self.COMPLETE)
        self.dotted.unlink()
        self.assertEqual(job.channel, "root")


class TestRoot(ChannelCase):
    def test_the_root_can_neither_be_renamed_nor_moved_nor_deleted(self):
        with self.refused(UserError, ""):
            self.root.name = "trunk"
        with self.refused(UserError, ""):
            self.root.parent_id = self.sale
        with self.refused(UserError, ""):
            (self.root.search([("id", "!=", self.root.id)]) | self.root).unlink()

    def test_writing_the_root_what_it_is_already_is_no_harm(self):
        self.root.write({"name": "root", "parent_id": False, "capacity": 3})
        self.assertEqual(self.root.capacity, 3)

    def test_the_root_always_has_a_capacity(self):
        with self.refused(ValidationError, "at least 1"):
            self.root.capacity = 0

    def test_a_second_root_is_refused(self):
        with self.refused(ValidationError, "root already"):
            self.channels.create({"name": "root", "parent_id": False, "capacity": 1})


class TestLimits(ChannelCase):
    def test_a_sequential_channel_runs_one_job_at_a_time(self):
        channel = self.channels.create({"name": "t_line", "sequential": True})
        self.assertEqual(channel.capacity, 1)
        with self.refused(ValidationError, "capacity 1, not 2"):
            channel.capacity = 2
        with self.refused(ValidationError, "capacity 1, not 4"):
            self.sale.write({"sequential": True, "capacity": 4})

    def test_negative_limits_are_refused(self):
        for name in ("capacity", "throttle", "removal_interval"):
            with self.subTest(name=name), self.refused(ValidationError, ""):
                self.sale[name] = -1

    def test_a_new_channel_keeps_its_jobs_for_thirty_days(self):
        self.assertEqual(self.sale.removal_interval, 30)

    def test_every_change_of_the_schedule_wakes_the_runners(self):
        changes = [
            lambda: self.sale.write({"capacity": 2}),
            lambda: self.sale.write({"throttle": 0.5}),
            lambda: self.sale.button_pause(),
            lambda: self.sale.button_resume(),
            lambda: self.channels.create({"name": "t_more"}),
            lambda: self.export.unlink(),
        ]
        for number, change in enumerate(changes):
            with (
                self.subTest(number=number),
                patch("odoo.addons.queue_job.storage.channel.wake") as wake,
            ):
                change()
                wake.assert_called()

    def test_waking_the_runners_is_a_notification_at_the_commit(self):
        executed = self.sqls_of(lambda: self.sale.write({"paused": True}))
        self.assertTrue(any("pg_notify('queue_job'" in sql for sql in executed))

    def sqls_of(self, change):
        executed = []
        execute = type(self.env.cr).execute

        def spy(cr, query, *args, **kwargs):
            executed.append(str(query))
            return execute(cr, query, *args, **kwargs)

        with patch.object(type(self.env.cr), "execute", spy):
            change()
        return executed

    def test_who_changed_a_limit_stands_in_the_chatter(self):
        self.cr.flush()
        self.sale.capacity = 8
        self.cr.flush()
        values = self.sale.message_ids.tracking_value_ids
        changed = values.filtered(lambda value: value.field_id.name == "capacity")
        self.assertEqual(
            [(value.old_value_integer, value.new_value_integer) for value in changed],
            [(0, 8)],
        )


class TestJobsFollow(ChannelCase):
    def test_the_jobs_that_wait_follow_a_renamed_channel(self):
        moving = [
            self.make_job("root.t_sale", state)
            for state in ("pending", "wait_dependencies", "enqueued", "failed")
        ]
        below = self.make_job("root.t_sale.export")
        self.sale.name = "t_shop"
        self.assertEqual({job.channel for job in moving}, {"root.t_shop"})
        self.assertEqual(below.channel, "root.t_shop.export")

    def test_a_started_job_and_one_that_is_over_keep_their_channel(self):
        staying = [
            self.make_job("root.t_sale", state)
            for state in ("started", "done", "cancelled")
        ]
        self.sale.name = "t_shop"
        self.assertEqual({job.channel for job in staying}, {"root.t_sale"})

    def test_a_job_that_ran_meanwhile_finds_its_channel_again(self):
        job = self.make_job("root.t_sale.export", "started")
        self.sale.name = "t_shop"
        self.export.name = "t_send"
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'pending' WHERE id = %s", (job.id,)
        )
        self.assertEqual(storage.rehome(self.env.cr), 1)
        job.invalidate_recordset()
        self.assertEqual(job.channel, "root.t_shop.t_send")
        self.assertEqual(storage.rehome(self.env.cr), 0)

    def test_former_names_lead_to_the_heir_of_a_deleted_channel(self):
        self.export.name = "t_send"
        self.export.unlink()
        aliases = storage.aliases(self.env.cr)
        self.assertEqual(aliases["root.t_sale.export"], "root.t_sale")
        self.assertEqual(aliases["root.t_sale.t_send"], "root.t_sale")

    def test_a_name_in_use_leads_nowhere_else(self):
        self.export.name = "t_send"
        self.export.name = "export"
        self.assertNotIn("root.t_sale.export", storage.aliases(self.env.cr))
        self.export.name = "t_send"
        self.channels.create({"name": "export", "parent_id": self.sale.id})
        self.assertNotIn("root.t_sale.export", storage.aliases(self.env.cr))

    def test_a_job_of_the_same_transaction_follows_too(self):
        job = self.env["queue.job"].with_delay(channel="root.t_sale")._test_job()
        self.sale.name = "t_shop"
        self.assertEqual(job.db_record().channel, "root.t_shop")

    def test_jobs_follow_a_channel_that_moves(self):
        job = self.make_job("root.t_sale.export")
        self.export.parent_id = self.root
        self.assertEqual(job.channel, "root.export")

    def test_jobs_of_a_similar_name_stay(self):
        self.channels.create({"name": "t_sale2"})
        job = self.make_job("root.t_sale2")
        self.sale.name = "t_shop"
        self.assertEqual(job.channel, "root.t_sale2")

    def test_the_jobs_of_a_deleted_channel_go_to_its_parent(self):
        waiting = self.make_job("root.t_sale.export")
        done = self.make_job("root.t_sale.export", "done")
        self.export.unlink()
        self.assertEqual(waiting.channel, "root.t_sale")
        self.assertEqual(done.channel, "root.t_sale.export")

    def test_the_functions_of_a_deleted_channel_go_to_its_parent(self):
        function = self.env["queue.job.function"].create(
            {"name": "<res.partner>.t_method", "channel_id": self.export.id}
        )
        self.export.unlink()
        self.assertEqual(function.channel_id, self.sale)
        config = self.env["queue.job.function"].job_config("<res.partner>.t_method")
        self.assertEqual(config.channel, "root.t_sale")

    def test_a_channel_with_others_below_it_is_not_deleted(self):
        with self.refused(UserError, "root.t_sale.export"):
            self.sale.unlink()

    def test_a_branch_deleted_as_a_whole_leaves_its_jobs_to_what_is_above(self):
        job = self.make_job("root.t_sale.export")
        (self.sale | self.export).unlink()
        self.assertEqual(job.channel, "root")


class TestInForce(ChannelCase):
    def test_without_a_configuration_the_record_is_in_force(self):
        self.sale.write({"capacity": 3, "throttle": 1.5})
        with self.configured(""):
            self.assertEqual(self.sale.config_source, "record")
            self.assertFalse(self.sale.is_configured)
            self.assertFalse(self.sale.configuration_note)
            self.assertEqual(self.sale.effective_capacity, 3)
            self.assertEqual(self.sale.effective_throttle, 1.5)

    def test_the_configuration_wins_over_the_records_it_names(self):
        self.sale.write({"capacity": 3, "paused": True})
        with self.configured("root:4,t_sale:2:throttle=5"):
            self.assertEqual(self.root.effective_capacity, 4)
            self.assertEqual(self.sale.config_source, "configuration")
            self.assertEqual(self.sale.effective_capacity, 2)
            self.assertEqual(self.sale.effective_throttle, 5)
            self.assertIn("capacity 2", self.sale.configuration_note)
            self.assertTrue(self.sale.effective_paused, "it says nothing of that")
            self.assertEqual(self.export.config_source, "record")

    def test_a_configured_capacity_of_zero_reads_as_paused(self):
        with self.configured("t_sale:0"):
            self.assertTrue(self.sale.effective_paused)

    def test_a_channel_of_the_configuration_alone_is_known(self):
        with self.configured("t_night.import:2"):
            self.env.registry.clear_cache()
            known = self.channels._known_names()
        self.env.registry.clear_cache()
        self.assertLessEqual(
            {"root", "root.t_sale.export", "root.t_night", "root.t_night.import"}, known
        )

    def test_a_new_name_is_known_at_once(self):
        self.assertIn("root.t_sale", self.channels._known_names())
        self.sale.name = "t_shop"
        self.assertIn("root.t_shop.export", self.channels._known_names())
        self.assertNotIn("root.t_sale", self.channels._known_names())

    def test_the_counters_of_a_channel_hold_what_is_below_it(self):
        before = self.root.pending_count
        self.make_job("root.t_sale", "started")
        self.make_job("root.t_sale", "enqueued")
        self.make_job("root.t_sale.export")
        self.make_job("root.t_sale.export", "failed")
        self.make_job("root.t_sale.export", "done")
        self.channels.invalidate_model(["running_count"])
        counts = (
            self.sale.running_count,
            self.sale.pending_count,
            self.sale.failed_count,
        )
        self.assertEqual(counts, (2, 1, 1))
        self.assertEqual(self.export.pending_count, 1)
        self.channels.invalidate_model(["pending_count"])
        self.assertEqual(self.root.pending_count, before + 1)

    def test_the_jobs_button_opens_the_channel_and_what_is_below_it(self):
        self.channels.create({"name": "txsale"})
        self.channels.create({"name": "t_sale2"})
        inside = self.make_job("root.t_sale") | self.make_job("root.t_sale.export")
        self.make_job("root.t_sale2")
        action = self.sale.with_context(job_state="pending").open_jobs()
        self.assertEqual(self.env["queue.job"].search(action["domain"]), inside[::-1])
        self.assertEqual(action["context"], {"search_default_pending": 1})
