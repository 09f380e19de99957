# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Protections that nothing else would miss: each has a test that fails without it."""

import re
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job.console import commands
from odoo.addons.queue_job.fields import elements
from odoo.addons.queue_job.job import identity_exact
from odoo.addons.queue_job.jobrunner import config as configuration
from odoo.addons.queue_job.models.queue_job_live import LIVE
from odoo.addons.queue_job.sentinel import QUIET, machine

ROOT = Path(__file__).resolve().parents[2]
#: keys of contexts that the code reads, and why a client's cannot do harm
CONTEXT_KEYS = {
    "_job_edit_sentinel": "an object that only code can hold",
    "QUIET": "the same object",
    "AS_CALLER": "the same object",
    "_READING": "the same object",
    "company_id": "sent(): checked against the companies of the user",
    "queue_job__no_delay": "sent(): not a client's choice",
    "test_queue_job_no_delay": "sent(): not a client's choice",
    "job_uuid": "sent() where it lets a call run at once; else only a look-up",
    "queue_job_bulk": "the progress that is told, no more",
    "queue_job_all": "searched with the user's rights",
    "active_domain": "searched with the user's rights",
    "active_ids": "searched with the user's rights",
    "active_model": "compared with a name",
    "install_mode": "who creates channels finds one instead",
    "lang": "the language of a text",
    "job_state": "the filter of a list",
    "context_key": "named by code, for calls that it may delay or not",
    "_COMPANIES": "sent(): checked against the companies of the user",
    "key": "of the lists above and below",
}


class ProtectionCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        for name in ("viewer", "operator", "manager"):
            group = f"queue_job.group_queue_job_{name}"
            setattr(cls, name, new_test_user(cls.env, f"t_{name}", group))
        cls.plain = new_test_user(cls.env, "t_plain", "base.group_user")
        cls.partner = cls.env["res.partner"].create({"name": "Somebody"})

    def job(self):
        job = self.partner.with_delay().write({"ref": "x"}).db_record()
        self.env.flush_all()
        return job


class TestRights(ProtectionCase):
    def test_who_steers_must_be_able_to_read(self):
        """An operator whose rules hide the job has no business with it."""
        rule = {
            "name": "none",
            "model_id": self.env.ref("queue_job.model_queue_job").id,
            "domain_force": "[(0, '=', 1)]",
        }
        job = self.job()
        self.env["ir.rule"].create(rule)
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            job.with_user(self.operator)._check_may_steer()

    def test_changes_in_the_background_are_checked_again(self):
        job = self.job()
        domain = [("id", "=", job.id)]
        for operation, values in (("cancelled", {}), ("change", {"priority": 1})):
            for user in (self.viewer, self.plain):
                jobs = self.env["queue.job"].with_user(user)
                with (
                    self.subTest(operation=operation, user=user.login),
                    patch.object(type(jobs), "_bulk_domain") as looked,
                ):
                    with self.assertRaises(AccessError):
                        jobs._bulk_later(operation, domain, values)
                    looked.assert_not_called()
        self.assertEqual(job.state, "pending")

    def test_open_views_of_others_are_not_listened_to(self):
        websocket = self.env["ir.websocket"]
        # what Odoo adds of its own needs a request
        ours, *others = (
            klass
            for klass in type(websocket).__mro__
            if "_build_bus_channel_list" in vars(klass)
        )
        self.assertTrue(ours.__module__.endswith("queue_job_live"))
        listen = patch.object(
            others[0], "_build_bus_channel_list", lambda _self, channels: channels
        )
        for user, hears in ((self.plain, False), (self.viewer, True)):
            with listen, self.subTest(user.login):
                found = websocket.with_user(user)._build_bus_channel_list([LIVE, "own"])
                self.assertEqual(found, [LIVE, "own"] if hears else ["own"])

    def test_arguments_are_not_searched_by_a_path_into_them(self):
        jobs = self.env["queue.job"].with_user(self.manager)
        for name in ("args", "kwargs", "args.x", "kwargs.password", "args.0.x"):
            with self.subTest(name), self.assertRaises(AccessError):
                jobs._field_to_sql("queue_job", name)

    def test_a_digest_reads_with_the_rights_of_its_user(self):
        subscription = (
            self.env["queue.job.subscription"].with_user(self.viewer).create({})
        )
        users = []

        def failures(self, _until):
            users.append((self.env.uid, self.env.su))
            return []

        with patch.object(type(subscription), "_failures", failures):
            subscription.sudo()._send("2030-01-01 00:00:00")
        self.assertEqual(users, [(self.viewer.id, False)])


class TestTexts(ProtectionCase):
    MARKUP = "<script>alert(1)</script>"

    def assertEscaped(self, messages):
        self.assertTrue(messages)
        for body in messages.mapped("body"):
            self.assertNotIn("<script>", body)
        self.assertIn("&lt;script&gt;", messages[0].body)

    def test_notes_of_few_and_of_many_are_no_markup(self):
        for number in (1, 30):
            jobs = machine(self.env["queue.job"])
            for _index in range(number):
                jobs += self.job().sudo()
            jobs._note(self.MARKUP)
            self.assertEscaped(jobs.message_ids)
            self.assertEqual(len(jobs.message_ids), number)

    def test_the_message_of_a_failure_is_no_markup(self):
        job = self.job().sudo()
        with patch.object(type(job), "_message_failed_job", lambda _job: self.MARKUP):
            job._message_post_on_failure()
        self.assertEscaped(job.message_ids)

    def test_nobody_outside_follows_the_jobs_that_he_causes(self):
        """What fails inside is told by mail to the followers of a job."""
        portal = new_test_user(self.env, "t_portal", "base.group_portal")
        for user, follows in ((portal, False), (self.plain, True)):
            delayed = self.partner.with_user(user).sudo().with_delay().write({})
            job = delayed.db_record().sudo()
            job._message_post_on_failure()
            followers = job.message_partner_ids
            self.assertEqual(user.partner_id in followers, follows, user.login)
            self.assertIn(self.manager.partner_id, followers)

    def test_records_are_named_as_the_user_of_the_job_may_read_them(self):
        secret = self.env["ir.config_parameter"].create({"key": "s3cret", "value": "x"})
        for user, told in (
            (self.plain, False),
            (self.env.ref("base.user_admin"), True),
        ):
            delayed = secret.with_user(user).sudo().with_delay().write({"value": "y"})
            job = delayed.db_record().sudo()
            self.assertEqual("s3cret" in job._message_failed_job(), told, user.login)

    def test_what_a_pattern_means_by_itself_is_escaped_in_names(self):
        channels = self.env["queue.job.channel"]
        one, other = (channels.create({"name": name}) for name in ("t_a", "tXa"))
        below = channels.create({"name": "b", "parent_id": other.id})
        job = self.partner.with_delay(channel=below.complete_name).write({}).db_record()
        self.env.flush_all()
        jobs = self.env["queue.job"]
        self.assertNotIn(job, jobs.search(one.open_jobs()["domain"]))
        self.assertIn(job, jobs.search(other.open_jobs()["domain"]))
        self.assertNotIn(job, jobs.search(commands._of_channel(one.complete_name)))
        self.assertIn(job, jobs.search(commands._of_channel(other.complete_name)))

    def test_xml_of_arguments_fetches_nothing(self):
        parser = elements.etree.XMLParser
        with patch.object(elements.etree, "XMLParser", wraps=parser) as made:
            elements.parse_element("<a/>")
        options = made.call_args.kwargs
        expected = {"no_network": True, "resolve_entities": False, "load_dtd": False}
        self.assertEqual({name: options.get(name) for name in expected}, expected)

    def test_a_secret_of_the_configuration_is_not_told_when_it_is_refused(self):
        def refuse(_text):
            raise ValueError("it is not one.")

        for key in configuration._READERS:
            secret = key.endswith(("password", "token"))
            with self.assertRaises(ValueError) as caught:
                configuration._read(key, "s3cret", refuse)
            self.assertEqual("s3cret" not in str(caught.exception), secret, key)


class TestCalls(ProtectionCase):
    def test_the_call_of_another_user_is_not_swallowed(self):
        def key(user, su=False):
            partner = self.partner.with_user(user).sudo(su)
            return identity_exact(partner.with_delay().write({"ref": "x"}))

        keys = {key(self.viewer), key(self.operator), key(self.operator, su=True)}
        self.assertEqual(len(keys), 3)
        self.assertEqual(key(self.viewer), key(self.viewer))

    def test_every_key_of_contexts_that_is_read_has_its_reason(self):
        found = set()
        pattern = re.compile(
            r"""context(?:\.get\(|\[)["']?(\w+)["']?|(\w+)["']? in """
            r"""(?:self\.)?(?:env\.)?context\b"""
        )
        for path in ROOT.rglob("*.py"):
            room = path.relative_to(ROOT).parts[0]
            if room in ("tests", "dev", "migrations") or room.startswith("."):
                continue
            for match in pattern.finditer(path.read_text()):
                found.add(match[1] or match[2])
        self.assertLessEqual(found, CONTEXT_KEYS.keys(), "say why it may be read")
        self.assertTrue({"company_id", "job_uuid", "active_ids"} <= found)

    def test_no_client_silences_the_message_of_a_failure(self):
        job = machine(self.job())
        job.with_context(**{QUIET: True}).write({"state": "failed"})
        subtype = self.env.ref("queue_job.mt_job_failed")
        self.assertIn(subtype, job.message_ids.subtype_id)
