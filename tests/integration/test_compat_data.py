# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Data, fields and overrides as other add-ons bring them."""

import json
import tempfile

from odoo.tests.common import new_test_user
from odoo.tools import mute_logger
from odoo.tools.convert import convert_xml_import

from odoo.addons.queue_job.fields import JobEncoder, JobSerialized
from odoo.addons.queue_job.tests.common import drain_queue

from .test_compat import CompatCase

FUNCTIONS = b"""
<odoo>
    <record id="compat_channel" model="queue.job.channel">
        <field name="name">compat</field>
        <field name="parent_id" ref="queue_job.channel_root" />
    </record>
    <record id="compat_function" model="queue.job.function">
        <field name="model_id" ref="model_test_queue_effect" />
        <field name="method">undeclared</field>
        <field name="channel_id" ref="compat_channel" />
        <field name="retry_pattern" eval="{1: 60, 5: (300, 600)}" />
        <field
            name="related_action"
            eval='{
                "enable": True,
                "func_name": "related_action_effects",
                "kwargs": {"extra_arg": 2},
            }'
        />
    </record>
    <record id="compat_named_function" model="queue.job.function">
        <field name="name">&lt;test.queue.effect&gt;.leave_in_three</field>
        <field name="channel_id" ref="compat_channel" />
        <field name="related_action" eval='{"enable": False}' />
    </record>
    <record id="compat_text_function" model="queue.job.function">
        <field name="name">&lt;res.partner&gt;.compat</field>
        <field name="channel_id" ref="compat_channel" />
        <field name="edit_retry_pattern">{1: 10}</field>
        <field
            name="edit_related_action"
        >{"func_name": "related_action_effects"}</field>
    </record>
    <record id="queue_job.group_queue_job_manager" model="res.groups">
        <field name="implied_ids" eval="[(4, ref('base.group_partner_manager'))]" />
    </record>
    <record id="compat_action" model="ir.actions.act_window">
        <field name="name">Jobs</field>
        <field name="res_model">queue.job</field>
        <field name="context">{"search_default_failed": 1}</field>
    </record>
    <menuitem
        id="compat_menu"
        parent="queue_job.menu_queue_job_root"
        action="compat_action"
    />
    <menuitem
        id="compat_submenu"
        parent="queue_job.menu_queue"
        action="queue_job.action_queue_job"
    />
</odoo>
"""
VIEWS = {
    "queue.job": b"""
<odoo>
    <record id="compat_form" model="ir.ui.view">
        <field name="model">queue.job</field>
        <field name="inherit_id" ref="queue_job.view_queue_job_form" />
        <field name="arch" type="xml">
            <field name="channel" position="after">
                <field name="func_string" class="compat" />
            </field>
            <xpath expr="//div[@name='button_box']" position="inside">
                <button
                    name="%(queue_job.action_queue_job)d" type="action" string="A"
                />
            </xpath>
        </field>
    </record>
    <record id="compat_list" model="ir.ui.view">
        <field name="model">queue.job</field>
        <field name="inherit_id" ref="queue_job.view_queue_job_tree" />
        <field name="arch" type="xml">
            <list position="inside"><field name="uuid" class="compat" /></list>
            <field name="date_created" position="after"><field name="retry" /></field>
        </field>
    </record>
    <record id="compat_search" model="ir.ui.view">
        <field name="model">queue.job</field>
        <field name="inherit_id" ref="queue_job.view_queue_job_search" />
        <field name="arch" type="xml">
            <field name="channel" position="after"><field name="uuid" /></field>
            <filter name="group_by_graph" position="after">
                <filter name="compat" string="C" context="{'group_by': 'user_id'}" />
            </filter>
        </field>
    </record>
</odoo>
""",
    "queue.job.function": b"""
<odoo>
    <record id="compat_function_form" model="ir.ui.view">
        <field name="model">queue.job.function</field>
        <field name="inherit_id" ref="queue_job.view_queue_job_function_form" />
        <field name="arch" type="xml">
            <xpath expr="//form/group" position="after"><group name="compat" /></xpath>
            <xpath expr="//field[@name='name']/.." position="after"><group /></xpath>
        </field>
    </record>
</odoo>
""",
}


class TestData(CompatCase):
    def load(self, content):
        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            file.write(content)
            file.flush()
            file.seek(0)
            convert_xml_import(self.env, "test_queue_job", file, {}, "init")

    def config(self, name):
        return self.env["queue.job.function"].job_config(name)

    def test_functions_with_patterns_and_actions_are_loaded_and_loaded_again(self):
        for _load in range(2):
            self.load(FUNCTIONS)
            config = self.config("<test.queue.effect>.undeclared")
            self.assertEqual(config.channel, "root.compat")
            self.assertEqual(config.retry_pattern, {1: 60, 5: (300, 600)})
            self.assertEqual(config.related_action_func_name, "related_action_effects")
            self.assertEqual(config.related_action_kwargs, {"extra_arg": 2})
            function = self.env.ref("test_queue_job.compat_function")
            self.assertEqual(function.name, "<test.queue.effect>.undeclared")
            self.assertEqual(config.job_function_id, function.id)

    def test_a_function_is_named_by_model_and_method(self):
        self.load(FUNCTIONS)
        function = self.env.ref("test_queue_job.compat_named_function")
        self.assertEqual(function.model_id.model, "test.queue.effect")
        self.assertEqual(function.method, "leave_in_three")
        self.assertEqual(function.channel, "root.compat")
        config = self.config("<res.partner>.compat")
        self.assertEqual(config.retry_pattern, {1: 10})
        self.assertEqual(config.related_action_func_name, "related_action_effects")

    def test_what_a_data_record_says_holds_for_its_jobs(self):
        self.load(FUNCTIONS)
        job = self.one.with_delay().undeclared()
        self.assertEqual(job.channel, "root.compat")
        action = job.db_record().open_related_action()
        self.assertEqual(action["context"], {"extra_arg": 2})
        job.retry = 1
        self.assertEqual(job._retry_seconds(), 60)

    def test_groups_menus_and_actions_of_others_refer_to_ours(self):
        self.load(FUNCTIONS)
        manager = new_test_user(self.env, "compat", "queue_job.group_queue_job_manager")
        self.assertTrue(manager.has_group("base.group_partner_manager"))
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        self.assertEqual(action["res_model"], "queue.job")
        menus = self.env["ir.ui.menu"].with_user(manager).load_menus(False)
        menu = self.env.ref("test_queue_job.compat_submenu")
        self.assertIn(menu.id, menus)

    def test_views_of_others_take_hold_as_they_are_written(self):
        for model, content in VIEWS.items():
            self.load(content)
            for kind in ("form", "list", "search"):
                if model == "queue.job" or kind == "form":
                    arch = self.env[model].get_view(view_type=kind)["arch"]
                    self.assertIn("compat", arch, (model, kind))


class TestFields(CompatCase):
    def test_a_model_of_others_has_fields_of_our_type(self):
        runs = self.env["test.queue.run"]
        self.assertIsInstance(runs._fields["seen"], JobSerialized)
        run = runs.create({"seen": {"effect": self.one, "ids": [1, 2]}})
        self.assertEqual(runs.create({}).seen, {})
        self.env.flush_all()
        run.invalidate_recordset()
        self.assertEqual(run.seen, {"effect": self.one, "ids": [1, 2]})
        run.seen = {"changed": True}
        run.invalidate_recordset()
        self.assertEqual(run.seen, {"changed": True})
        text = json.dumps({"effect": self.one}, cls=JobEncoder)
        self.assertIn("test.queue.effect", text)

    def test_a_field_of_others_is_stored_with_a_job_at_once_and_at_each_store(self):
        def values(self, job):
            return {"test_note": f"{job.args[0]} {job.state}", "name": "Forged"}

        model = type(self.effects)
        self.addCleanup(delattr, model, "_job_store_values_for_rename")
        model._job_store_values_for_rename = values
        made = [self.one.with_delay(description=name).rename(name) for name in "ab"]
        other = self.one.with_delay().leave("c").db_record()
        records = self.jobs.browse([job.db_record().id for job in made])
        self.assertEqual(records.mapped("test_note"), ["a pending", "b pending"])
        self.assertEqual(records.mapped("name"), ["a", "b"])
        self.assertFalse(other.test_note)
        made[0].set_enqueued()
        made[0].store()
        self.assertEqual(records[0].test_note, "a enqueued")
        drain_queue(self.env)
        self.assertEqual(records[1].test_note, "b done")
        found = self.jobs.search([("test_note", "=", "b done")])
        self.assertEqual(found, records[1])


class TestOverrides(CompatCase):
    def failed(self):
        made = self.one.with_delay(description="Try").fail("because")
        with mute_logger("odoo.addons.queue_job.executor.recording"):
            drain_queue(self.env)
        return made.db_record()

    def test_who_follows_a_failure_and_what_it_says_can_be_overridden(self):
        user = new_test_user(self.env, "follower")
        model = type(self.jobs)
        origin = model._subscribe_users_domain

        def domain(self):
            return ["|", ("id", "=", user.id), *origin(self)]

        self.patch(model, "_subscribe_users_domain", domain)
        self.patch(model, "_message_failed_job", lambda self: f"Sorry: {self.name}")
        record = self.failed()
        self.assertEqual(record.state, "failed")
        self.assertIn(user.partner_id, record.message_partner_ids)
        self.assertIn("Sorry: Try", record.message_ids[0].body)

    def test_nothing_is_posted_when_there_is_nothing_to_say(self):
        self.patch(type(self.jobs), "_message_failed_job", lambda self: False)
        self.assertFalse(self.failed().message_ids)

    def test_a_failure_is_posted_by_the_method_that_others_override(self):
        seen = []
        self.patch(
            type(self.jobs),
            "_message_post_on_failure",
            lambda self: seen.append((self.uuid, self.state, self.exc_message)),
        )
        record = self.failed()
        self.assertEqual(seen, [(record.uuid, "failed", "because")])
        record.requeue()
        record.sudo().write({"state": "failed"})
        self.assertEqual(len(seen), 2)

    def test_who_holds_the_sentinel_corrects_a_job(self):
        record = self.one.with_delay().rename("x").db_record()
        key = self.jobs.EDIT_SENTINEL
        record.with_context(_job_edit_sentinel=key).write({"name": "Corrected"})
        self.assertEqual(record.name, "Corrected")

    def test_how_long_jobs_are_kept_by_default_can_be_overridden(self):
        self.assertEqual(self.jobs._removal_interval, 30)
        self.patch(type(self.jobs), "_removal_interval", 7)
        channel = self.env["queue.job.channel"].create({"name": "compat"})
        self.assertEqual(channel.removal_interval, 7)
