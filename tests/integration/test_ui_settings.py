# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from types import SimpleNamespace
from unittest.mock import patch

from lxml import etree

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job.jobrunner import config as runner_config

PARAMETERS = ("metrics_token", "health_max_wait", "stat_minute_days", "stat_hour_days")


class TestSettings(TransactionCase):
    def keep(self, **values):
        values = {f"queue_job_{name}": value for name, value in values.items()}
        self.env["res.config.settings"].create(values).execute()
        parameters = self.env["ir.config_parameter"].sudo()
        return [parameters.get_param(f"queue_job.{name}") for name in PARAMETERS]

    def test_what_monitors_need_is_kept_as_system_parameters(self):
        kept = self.keep(
            metrics_token="open sesame",
            health_max_wait=90,
            stat_minute_days=3,
            stat_hour_days=30,
        )
        self.assertEqual(kept, ["open sesame", "90", "3", "30"])

    def test_without_a_word_the_usual_values_are_shown_and_nothing_is_limited(self):
        self.env["ir.config_parameter"].search([("key", "like", "queue_job.")]).unlink()
        names = [f"queue_job_{name}" for name in PARAMETERS]
        values = self.env["res.config.settings"].default_get(names)
        self.assertEqual([values.get(name) or 0 for name in names], [0, 0, 2, 91])
        token, wait, *_days = self.keep(health_max_wait=0)
        self.assertFalse(token or wait)

    def test_figures_are_kept_for_a_day_at_least(self):
        for name, value in (("stat_minute_days", 0), ("stat_hour_days", -1)):
            with self.subTest(name=name), self.assertRaises(ValidationError):
                self.keep(**{name: value})
        with self.assertRaises(ValidationError):
            self.keep(health_max_wait=-1)

    def test_a_token_of_the_server_is_told_but_not_shown(self):
        settings = SimpleNamespace(
            delay_policy=None, max_deaths=None, metrics_token="hidden"
        )
        with patch.object(runner_config, "get", lambda: settings):
            shown = self.env["res.config.settings"].create({})
            self.assertIs(shown.queue_job_server_metrics_token, True)
            self.assertFalse(shown.queue_job_metrics_token)

    def test_only_administrators_of_the_database_see_the_settings(self):
        manager = new_test_user(
            self.env, "t_settings_manager", groups="queue_job.group_queue_job_manager"
        )
        settings = self.env["res.config.settings"].with_user(manager)
        with self.assertRaises(AccessError):
            settings.create({})
        menu = self.env.ref("queue_job.menu_queue_job_settings")
        menus = self.env["ir.ui.menu"].with_user(manager)
        self.assertNotIn(menu.id, menus._visible_menu_ids())

    def test_every_setting_says_what_it_is_for(self):
        arch = self.env["res.config.settings"].get_view(
            self.env.ref("queue_job.res_config_settings_view_form").inherit_id.id
        )["arch"]
        app = etree.fromstring(arch).find(".//app[@name='queue_job']")
        settings = {each.get("id"): each.get("help") for each in app.iter("setting")}
        self.assertLessEqual(
            {f"queue_job_{name}" for name in PARAMETERS}, set(settings)
        )
        self.assertTrue(all(settings.values()), settings)
