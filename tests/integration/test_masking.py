# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What arguments hold that are nobody's business is shown by no way."""

import logging
import traceback
from contextlib import suppress
from unittest.mock import patch

import psycopg2

from odoo.service.model import call_kw
from odoo.tests.common import TransactionCase, new_test_user

from odoo.addons.queue_job import listeners
from odoo.addons.queue_job.fields import MaskedNames
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.listeners import Listeners
from odoo.addons.queue_job.tests.common import drain_queue


class TestMaskingAtTheSource(TransactionCase):
    """The field itself hides, so that no door has to think of it."""

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.manager = new_test_user(
            self.env, "manager", "base.group_system,queue_job.group_queue_job_manager"
        )
        self.effects = self.env["test.queue.effect"]

        def t_any(self, *args, **kwargs):
            pass

        effects = type(self.effects)
        effects.t_any = t_any
        self.addCleanup(delattr, effects, "t_any")

    def job(self, **kwargs):
        job = self.effects.with_delay().t_any(**kwargs).db_record()
        self.env.flush_all()
        self.env.invalidate_all()
        return job.with_user(self.manager)

    def test_names_are_matched_by_whole_words_whatever_their_case(self):
        names = MaskedNames("password, passwd, secret, token, api_key, Пароль")
        for name in (
            "password Password NEW_PASSWORD newPassword client_secret accessToken"
            " apiKey api_key x-api-key APIKey apikey password2 pass_word мой_пароль"
        ).split():
            self.assertIn(name, names)
            self.assertTrue(names.pattern().search(f"({name}='x')".lower()), name)
        for name in ("tokenize", "secretary", "compass_word", "key", "", 3, None):
            self.assertNotIn(name, names)
        self.assertNotIn("password", MaskedNames(" , "))
        self.assertIsNone(MaskedNames("").pattern())

    def test_the_words_of_a_name_hide_its_value_in_every_text(self):
        job = self.job(Password="s3cret", client_secret="s3cret", shown="seen")
        for text in (job.func_string, job.arguments_display, job.kwargs):
            self.assertIn("seen", str(text))
            self.assertNotIn("s3cret", str(text))

    def test_a_name_of_data_takes_no_time(self):
        """Each of its words was tried with all behind it: hours, for such a one."""
        names = MaskedNames("password, api_key")
        for name in ("aB" * 200_000, "a1" * 200_000, "apiKE" * 100_000):
            self.assertNotIn(name, names)
        for name in ("aB" * 200_000 + "_pass_word", "api" * 9 + "ApiKey" * 50_000):
            self.assertIn(name, names)
        self.assertLess(max(map(len, names._known), default=0), 100, "nor memory")

    def test_json_in_a_json_text_hides_as_much(self):
        """Earlier versions wrote it so, and it is read as the call it is."""
        broken = '{"password": "s3cret"'
        for kwargs in ('{"password": "s3cret", "shown": "seen"}', broken):
            job = self.job(shown="seen")
            self.env.cr.execute(
                "UPDATE queue_job SET kwargs = to_jsonb(%s::text),"
                " args = to_jsonb(%s::text) WHERE id = %s",
                (kwargs, '[{"api_key": "s3cret"}]', job.id),
            )
            job.invalidate_recordset()
            found = call_kw(job, "read", [job.ids, ["args", "kwargs"]], {})
            found += [job.arguments_display]
            self.assertNotIn("s3cret", str(found))
            self.assertEqual("seen" in str(found), kwargs != broken)

    def test_the_arguments_of_a_method_that_has_gone_are_hidden(self):
        job = self.effects.with_delay().t_any("s3cret").db_record()
        self.env.flush_all()
        for place in ({"method_name": "gone"}, {"model_name": "gone"}):
            (column, value), *_others = place.items()
            self.env.cr.execute(
                f"UPDATE queue_job SET {column} = %s WHERE id = %s", (value, job.id)
            )
            self.env.invalidate_all()
            found = job.with_user(self.manager).read(["args", "arguments_display"])
            self.assertNotIn("s3cret", str(found))

    def test_arguments_are_hidden_whatever_an_override_calls_them(self):
        effects = type(self.effects)

        def named(self, shown, password=None):
            pass

        def passing(self, *args, **kwargs):
            pass

        def rest(self, shown, *passwords_and_token):
            pass

        origin = next(each for each in effects.__mro__ if "leave" in vars(each))
        for base, override, args in (
            (named, passing, ["s3cret"]),
            (passing, named, ["s3cret"]),
            (passing, rest, ["s3cret", "s3cret too"]),
        ):
            base.__name__ = override.__name__ = "t_secret"
            with (
                self.subTest(base=base, override=override),
                patch.object(origin, "t_secret", base, create=True),
                patch.object(effects, "t_secret", override, create=True),
            ):
                self.env.registry.clear_cache()
                job = self.effects.with_delay().t_secret("seen", *args).db_record()
                self.env.flush_all()
                self.env.invalidate_all()
                texts = (job.func_string, *job.with_user(self.manager).args)
                self.assertNotIn("s3cret", str(texts))
                self.assertEqual(texts[1], "seen")
        self.env.registry.clear_cache()

    def test_code_and_templates_read_what_anybody_may_read(self):
        job = self.job(password="s3cret")
        self.assertEqual(job.kwargs, {"password": "***"})
        self.assertEqual(job.sudo().kwargs, {"password": "***"})
        rendered = self.env["mail.render.mixin"]._render_template_inline_template(
            "{{ object.kwargs }} {{ object.args }}", "queue.job", job.ids
        )
        self.assertNotIn("s3cret", rendered[job.id])
        self.assertEqual(Job.load(self.env, job.uuid).kwargs, {"password": "s3cret"})

    def test_a_client_that_names_another_method_is_shown_no_more(self):
        effects = type(self.effects)

        def t_login(self, password):
            pass

        effects.t_login = t_login
        self.addCleanup(delattr, effects, "t_login")
        self.env.registry.clear_cache()
        job = self.effects.with_delay().t_login("s3cret").db_record()
        self.env.flush_all()
        self.env.invalidate_all()
        jobs = self.env["queue.job"].with_user(self.manager)
        spec = {name: {} for name in ("args", "method_name", "arguments_display")}
        edited = {"method_name": "leave", "model_name": "res.partner"}
        for values, changed in ((edited, list(edited)), (edited, []), ({}, [])):
            found = call_kw(jobs, "onchange", [job.ids, values, changed, spec], {})
            self.assertNotIn("s3cret", str(found))

    def test_texts_of_older_jobs_are_hidden_when_a_name_is_added(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("queue_job.masked_arguments", "nothing")
        named = self.job(pin="s3cret", shown="seen")
        effects = type(self.effects)

        def t_pin(self, pin):
            pass

        effects.t_pin = t_pin
        self.addCleanup(delattr, effects, "t_pin")
        self.env.registry.clear_cache()
        placed = self.effects.with_delay().t_pin("s3cret").db_record()
        gone = self.job(pin="s3cret")
        self.env.cr.execute(
            "UPDATE queue_job SET method_name = 'gone', state = 'failed' WHERE id = %s",
            (gone.id,),
        )
        drain_queue(self.env)
        self.assertIn("s3cret", named.func_string)
        parameters.set_param("queue_job.masked_arguments", "pin")
        drain_queue(self.env)
        for job in (named, placed, gone):
            job.invalidate_recordset()
            self.assertNotIn("s3cret", job.func_string)
        self.assertIn("seen", named.func_string)

    def test_a_failing_insertion_repeats_its_values_nowhere(self):
        constraint = "ALTER TABLE queue_job ADD CHECK (name <> 'refused') NOT VALID"
        self.env.cr.execute(constraint)
        for number, by_orm in ((1, False), (2, False), (1, True)):
            with self.subTest(number=number, by_orm=by_orm):
                self.check_failing(number, by_orm)

    def check_failing(self, number, by_orm):
        listening = Listeners(create=by_orm, write=False)
        with (
            self.assertLogs("odoo", "WARNING") as logs,
            patch.object(listeners, "of", return_value=listening),
            suppress(psycopg2.Error),
            self.env.cr.savepoint(flush=False),
        ):
            logging.getLogger("odoo").warning("there is always a line")
            for _index in range(number):
                delayed = self.effects.with_delay(description="refused")
                delayed.t_any(password="s3cret", shown="seen")
            error = None
            try:
                self.env["queue.job"].flush_model()
            except psycopg2.Error as caught:
                error = caught
            self.assertIn("violates check constraint", str(error))
            text = "".join(traceback.format_exception(error))
            self.assertNotIn("s3cret", text)
            self.assertNotIn("seen", text)
            raise error
        self.assertNotIn("s3cret", "\n".join(logs.output))
        self.env.cr.precommit.data.clear()
        self.env.clear()
