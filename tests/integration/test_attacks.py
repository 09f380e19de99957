# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users have tried over the network, and what it gets them now."""

import json
import logging
import threading
from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

from werkzeug.exceptions import Forbidden

from odoo import SUPERUSER_ID
from odoo.exceptions import AccessError
from odoo.http import Request
from odoo.service.server import thread_local
from odoo.tests.common import HttpCase, get_db_name, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job.client_context import _contexts, _has
from odoo.addons.queue_job.controllers import entrance, main, test_jobs


class AttackCase(HttpCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.other = self.env["res.company"].create({"name": "Other"})
        for name in ("viewer", "operator", "manager"):
            group = f"queue_job.group_queue_job_{name}"
            setattr(self, name, new_test_user(self.env, f"t_{name}", group))
        self.plain = new_test_user(self.env, "t_plain", "base.group_user")
        self.portal = new_test_user(self.env, "t_portal", "base.group_portal")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})

    def kw(self, user, model, method, *args, **kwargs):
        """A call over JSON-RPC; returns the result, or raises what was answered."""
        self.authenticate(user.login, user.login)
        self.env.flush_all()
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        try:
            return self.make_jsonrpc_request(f"/web/dataset/call_kw/{model}", params)
        finally:
            self.env.invalidate_all()

    def refused(self, *args, **kwargs):
        with mute_logger("odoo.http"), self.assertRaisesRegex(Exception, "AccessError"):
            self.kw(*args, **kwargs)

    def enqueuing(self):
        """A public method that delays a call, as add-ons have them."""
        partners = self.env.registry["res.partner"]

        def t_enqueue(self):
            job = self.with_delay().t_body()
            return getattr(job, "uuid", False)

        def t_body(self):
            ran.append(self.env.uid)

        ran = []
        partners.t_enqueue, partners.t_body = t_enqueue, t_body
        self.addCleanup(delattr, partners, "t_enqueue")
        self.addCleanup(delattr, partners, "t_body")
        self.env.registry.clear_cache()
        return ran


@tagged("-at_install", "post_install")
class TestOverTheNetwork(AttackCase):
    def test_portal_users_and_strangers_open_no_related_action(self):
        job = self.partner.sudo().with_delay().write({"ref": "x"}).db_record()
        for user in (self.portal, self.plain):
            for method in ("open_related_action", "related_action_open_record"):
                self.refused(user, "queue.job", method, job.ids)

    def test_machine_entries_are_no_doors(self):
        job = self.partner.with_delay().write({"ref": "x"}).db_record()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done', date_done = '2000-01-01'"
            " WHERE id = %s",
            (job.id,),
        )
        for user in (self.portal, self.manager):
            self.refused(user, "queue.job", "autovacuum")
            self.refused(user, "queue.job.function", "job_config", "<a>.b")
            self.refused(user, "queue.job", "create", [{"uuid": "forged"}])
        self.assertTrue(job.exists())

    def test_the_token_of_monitors_is_told_to_nobody(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.metrics_token", "s3cret token")
        admin = self.env.ref("base.user_admin")
        for user in (self.plain, self.manager, admin):
            found = self.env["res.config.settings"].with_user(user)
            found = found.default_get(["queue_job_metrics_token"])
            self.assertNotIn("s3cret", str(found))
        settings = self.env["res.config.settings"].with_user(admin)
        settings.create({}).execute()
        stored = parameters.get_param("queue_job.metrics_token")
        self.assertEqual(stored, "s3cret token", "saved with what is shown for it")
        settings.create({"queue_job_metrics_token": "  "}).execute()
        self.assertFalse(parameters.get_param("queue_job.metrics_token"))
        settings.create({"queue_job_metrics_token": " new "}).execute()
        self.assertEqual(parameters.get_param("queue_job.metrics_token"), "new")
        with self.assertRaisesRegex(AccessError, "Only administrators"):
            settings.with_user(self.manager).set_values()

    def test_a_token_of_blanks_opens_nothing(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.metrics_token", " \t ")
        for page in ("health", "metrics"):
            for token in ("", " ", "%20%09%20"):
                answer = self.url_open(f"/queue_job/{page}?token={token}")
                self.assertEqual(answer.status_code, 404)

    def test_a_client_chooses_no_company_that_is_not_its_users(self):
        self.enqueuing()
        mine = self.plain.company_id
        for company, expected in ((self.other.id, mine), (False, mine), (0, mine)):
            with self.subTest(company=company):
                job = self.enqueued({"company_id": company})
                self.assertEqual(job.company_id, expected)
        self.plain.company_ids += self.other
        job = self.enqueued({"company_id": self.other.id})
        self.assertEqual(job.company_id, self.other, "one of his own he may")

    def test_nor_by_code_that_asks_for_no_rights(self):
        """As superuser, Odoo takes any company of the context for the present one."""
        self.enqueuing()
        partners = self.env.registry["res.partner"]
        enqueue, mine = partners.t_enqueue, self.plain.company_id
        others = {"allowed_company_ids": self.other.ids}
        for somebody in (lambda me: me.sudo(), lambda me: me.with_user(SUPERUSER_ID)):

            def as_somebody(self, somebody=somebody):
                return enqueue(somebody(self))

            with patch.object(partners, "t_enqueue", as_somebody):
                self.plain.company_ids = mine
                self.assertEqual(self.enqueued(others).company_id, mine)
                self.plain.company_ids += self.other
                self.assertEqual(self.enqueued(others).company_id, self.other)

        def elsewhere(me):
            return enqueue(me.sudo().with_company(self.other))

        self.plain.company_ids = mine
        with patch.object(partners, "t_enqueue", elsewhere):
            for context in ({}, {"allowed_company_ids": mine.ids}):
                job = self.enqueued(context)
                self.assertEqual(job.company_id, self.other, "what code says holds")

    def enqueued(self, context, user=None):
        user = user or self.plain
        uuid = self.kw(
            user, "res.partner", "t_enqueue", user.partner_id.ids, context=context
        )
        return self.env["queue.job"].search([("uuid", "=", uuid)])

    def test_a_client_runs_no_job_in_its_request(self):
        ran = self.enqueuing()
        for key in ("queue_job__no_delay", "test_queue_job_no_delay"):
            with self.subTest(key):
                self.assertEqual(self.enqueued({key: True}).state, "pending")
        self.assertFalse(ran)

    def test_nor_by_any_other_way_in(self):
        ran = self.enqueuing()
        context = {"queue_job__no_delay": True}
        ids = self.plain.partner_id.ids
        self.env.flush_all()
        self.xmlrpc_object.execute_kw(
            get_db_name(),
            self.plain.id,
            self.plain.login.ljust(8, "x"),
            "res.partner",
            "t_enqueue",
            [ids],
            {"context": context},
        )
        self.make_jsonrpc_request(
            "/jsonrpc",
            {
                "service": "object",
                "method": "execute_kw",
                "args": [
                    get_db_name(),
                    self.plain.id,
                    self.plain.login.ljust(8, "x"),
                    "res.partner",
                    "t_enqueue",
                    [ids],
                    {"context": context},
                ],
            },
        )
        keys = self.env["res.users.apikeys"].with_user(self.plain)
        key = keys._generate("rpc", "t", datetime.now() + timedelta(hours=1))
        answer = self.url_open(
            "/json/2/res.partner/t_enqueue",
            json={"ids": ids, "context": context},
            headers={"Authorization": f"bearer {key}"},
        )
        self.assertEqual(answer.status_code, 200, answer.text)
        jobs = self.env["queue.job"].search([("method_name", "=", "t_body")])
        self.assertEqual((jobs.mapped("state"), ran), (["pending"] * 3, []))

    def test_what_code_says_holds_in_a_request_too(self):
        ran = self.enqueuing()
        partners = self.env.registry["res.partner"]
        enqueue = partners.t_enqueue

        def now(self):
            return enqueue(self.with_context(queue_job__no_delay=True))

        with patch.object(partners, "t_enqueue", now):
            self.kw(self.plain, "res.partner", "t_enqueue", self.plain.partner_id.ids)
        self.assertEqual(ran, [self.plain.id])

    def test_runjob_without_a_database_is_refused_without_a_traceback(self):
        with self.assertNoLogs("odoo", "ERROR"):
            answer = self.opener.get(
                f"{self.base_url()}/queue_job/runjob?job_uuid=x",
                cookies={"session_id": "", "db": ""},
                headers={"X-Odoo-Database": ""},
                allow_redirects=False,
            )
        self.assertIn(answer.status_code, (403, 404))

    def test_the_route_refuses_where_no_database_is_chosen(self):
        with patch.object(main.http, "request", SimpleNamespace(db=None)):
            with self.assertRaises(Forbidden):
                main.RunJobController()._verified_attempt({})

    def test_the_access_log_names_no_call_of_an_earlier_request(self):
        thread_local.rpc_model_method = "res.users.write"
        thread = threading.current_thread()
        before = dict(vars(thread))
        try:
            entrance._present(get_db_name(), {"PATH_INFO": "/queue_job/runjob"})
            self.assertEqual(thread_local.rpc_model_method, "")
        finally:
            vars(thread).update(before)

    def test_a_runner_for_another_host_s_databases_is_not_answered(self):
        """The filter of databases counts in the short way in as well."""
        environ = {"HTTP_HOST": "elsewhere"}
        with (
            patch.object(entrance.http, "db_filter", return_value=[]) as allowed,
            patch.object(entrance.executor, "prove", return_value=True),
        ):
            self.assertFalse(entrance._proven(environ, "db", "uuid", 1, "proof"))
        allowed.assert_called_once_with(["db"], host="elsewhere")


@tagged("-at_install", "post_install")
class TestTestJobsAttacked(AttackCase):
    def setUp(self):
        super().setUp()
        self.admin = new_test_user(self.env, "t_erp", "base.group_erp_manager")
        self.authenticate("t_erp", "t_erp")

    def post(self, **options):
        options["csrf_token"] = Request.csrf_token(self)
        return self.url_open("/queue_job/create_test_job", data=options)

    def jobs(self):
        return self.env["queue.job"].search_count([("method_name", "=", "_test_job")])

    def test_a_link_makes_no_jobs_unless_the_switch_is_set(self):
        before = self.jobs()
        self.assertEqual(self.url_open("/queue_job/create_test_job").status_code, 405)
        answer = self.url_open("/queue_job/create_test_job", method="HEAD")
        self.assertEqual(answer.status_code, 405)
        self.assertEqual(self.jobs(), before)
        self.env["ir.config_parameter"].set_param("queue_job.test_jobs_by_get", "1")
        self.assertEqual(self.url_open("/queue_job/create_test_job").status_code, 200)
        self.assertEqual(self.jobs(), before + 1)

    def test_a_form_of_another_page_makes_no_jobs(self):
        before = self.jobs()
        with mute_logger("odoo.http"):
            answer = self.url_open("/queue_job/create_test_job", data={"size": "2"})
        self.assertEqual((answer.status_code, self.jobs()), (400, before))

    def test_every_odd_value_is_a_bad_request(self):
        before = self.jobs()
        for name, bounds in test_jobs.BOUNDS.items():
            odd = ("nan", "inf", "x", "9" * 30, "9" * 5000, bounds.least - 1)
            for value in (*odd, bounds.most + 1):
                with self.subTest(name=name, value=str(value)[:40]):
                    answer = self.post(**{name: value})
                    self.assertEqual(answer.status_code, 400)
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "declared")
        self.assertEqual(self.post(channel="root.nowhere").status_code, 400)
        self.assertEqual(self.jobs(), before)


@tagged("-at_install", "post_install")
class TestSubscriptions(AttackCase):
    def subscriptions(self, user):
        return self.env["queue.job.subscription"].with_user(user)

    def test_nobody_makes_his_digest_that_of_somebody_else(self):
        mine = self.subscriptions(self.viewer).create({"period": "week"})
        with self.assertRaises(AccessError):
            mine.write({"user_id": self.manager.id})
        with self.assertRaises(AccessError):
            self.subscriptions(self.viewer).create({"user_id": self.manager.id})
        mine.invalidate_recordset()
        self.assertEqual(mine.user_id, self.viewer)

    def test_what_is_readonly_is_so_for_requests_too(self):
        year = "9999-12-31 23:59:59"
        mine = self.subscriptions(self.viewer).create({})
        self.refused(self.viewer, mine._name, "write", mine.ids, {"last_sent_at": year})
        mine.unlink()
        self.refused(self.viewer, mine._name, "create", [{"last_sent_at": year}])

    def test_nor_is_it_chosen_by_default(self):
        """By the context of a call, or by a default that a user has stored."""
        year = "9999-12-31 23:59:59"
        for user in (self.viewer, self.manager):
            subscriptions = self.subscriptions(user)
            key = {"default_last_sent_at": year}
            made = subscriptions.with_context(**key).create({})
            self.assertLess(made.last_sent_at.year, 9999)
            made.unlink()
            defaults = self.env["ir.default"].with_user(user)
            defaults.set(made._name, "last_sent_at", year, user_id=True)
            made = subscriptions.create({})
            self.assertLess(made.last_sent_at.year, 9999)

    def test_nobody_says_by_default_that_code_declares_a_function(self):
        functions = self.env["queue.job.function"].with_user(self.manager)
        values = {"name": "<res.partner>.write"}
        with self.assertRaises(AccessError):
            functions.create({**values, "declared_by": "decorator"})
        key = {"default_declared_by": "decorator"}
        made = functions.with_context(**key).create(values)
        self.assertEqual(made.declared_by, "record")

    def test_one_that_cannot_be_sent_stops_no_other(self):
        ill = self.subscriptions(self.viewer).create({})
        well = self.subscriptions(self.operator).create({})
        far = self.subscriptions(self.manager).create({})
        far.sudo().last_sent_at = "9999-12-31 23:59:59"
        (ill | well).sudo().write({"last_sent_at": "2020-01-01 00:00:00"})
        send = type(ill)._send

        def send_or_fail(self, until):
            if self == ill:
                self.env.cr.execute("SELECT 1 / 0")
            return send(self, until)

        with (
            patch.object(type(ill), "_send", send_or_fail),
            self.assertLogs("odoo.addons.queue_job.models", logging.ERROR),
            mute_logger("odoo.sql_db"),
        ):
            self.env["queue.job.subscription"]._send_due()
        self.assertGreater(well.last_sent_at.year, 2020)
        self.assertEqual(ill.last_sent_at.year, 2020)


class TestContextsOfRequests(HttpCase):
    def test_a_context_is_found_wherever_requests_carry_it(self):
        key = "queue_job__no_delay"
        context = {key: True}
        for content in (
            {"kwargs": {"context": context}},
            {"context": context},
            {"context": '{"queue_job__no_delay": true}'},
            {"context": '{"\\u0071ueue_job__no_delay": true}'},
            {"context": "{'queue_job__no_delay': True}"},
            {"args": ["db", 2, "pw", "m", "f", [[1]], {"context": context}]},
            [("db", {"context": context})],
            # pages that take several things as one parameter: exports, reports, sign-in
            {"data": json.dumps({"model": "m", "context": context})},
            {"data": json.dumps(["/report/html/x?context=%7B%22" + key + "%22:1%7D"])},
            {"data": json.dumps(["/report/html/x?%63ontext={%22" + key + "%22:1}"])},
            {"state": json.dumps({"d": "db", "c": context})},
            {"data": json.dumps([{"data": json.dumps({"context": context})}])},
        ):
            with self.subTest(content):
                self.assertTrue(any(_has(each, key) for each in _contexts(content)))
        for content in (
            {"args": [context]},
            {"job_uuid": "x"},
            {"context": 3},
            {"args": ["[", "{", "http://[?", f"what about {key}?", f'["{key}"]']},
            None,
        ):
            with self.subTest(content):
                self.assertFalse(any(_has(each, key) for each in _contexts(content)))
        deep = {}
        for _level in range(10_000):
            deep = {"a": deep}
        self.assertFalse(list(_contexts(deep)))
        self.assertFalse(list(_contexts("[" * 100_000)))
