# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from datetime import date
from unittest import mock

from odoo.tests import tagged

from odoo.addons.queue_job.fields import (
    decode,
    encode,
    encode_args,
    encode_kwargs,
    encode_recordset,
    env_part,
    recordset_json,
)

from .codec_case import CodecCase


@tagged("post_install", "-at_install")
class TestRecords(CodecCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.demo = cls.env["res.users"].create({"name": "Codec", "login": "codec"})
        cls.categories = cls.env["res.partner.category"].create(
            [{"name": name} for name in "abc"]
        )

    def test_records_come_back_in_order_in_the_same_transaction(self):
        kept = self.round_trip(self.categories[::-1])
        self.assertEqual(kept.ids, self.categories[::-1].ids)
        self.assertIs(kept.env.cr, self.env.cr)

    def test_records_of_abstract_models_and_no_records_are_kept(self):
        for records in (self.env["base"], self.env["res.partner"]):
            kept = self.round_trip(records)
            self.assertEqual((kept._name, kept.ids), (records._name, []))

    def test_user_and_superuser_flag_are_restored(self):
        for records in (
            self.categories.with_user(self.demo),
            self.categories.with_user(self.demo).sudo(),
            self.categories.with_user(1),
        ):
            env = self.round_trip([records])[0].env
            self.assertEqual((env.uid, env.su), (records.env.uid, records.env.su))

    def test_no_user_stays_no_user_whoever_decodes(self):
        records = self.categories.with_env(self.env(user=self.demo, su=False))
        stored = json.loads(encode(records)) | {"uid": None}
        env = decode(stored, self.env(user=1)).env
        self.assertEqual((env.uid, env.su), (None, False))

    def test_only_the_job_s_context_keys_are_stored(self):
        context = {
            "lang": "en_US",
            "tz": "Europe/Brussels",
            "allowed_company_ids": [1],
            "active_test": False,
            "default_name": "not for the job",
            "job_uuid": "of another job",
        }
        kept = self.round_trip(self.categories.with_context(context))
        del context["default_name"], context["job_uuid"]
        self.assertEqual(kept.env.context, context)

    def test_context_values_may_be_of_any_stored_type(self):
        records = self.categories.with_context(tz=("a", {1: date(2026, 1, 2)}))
        kept = self.round_trip(records)
        self.assertEqual(kept.env.context["tz"], ("a", {1: date(2026, 1, 2)}))

    def test_decoded_records_know_the_job_but_not_the_rest_of_its_context(self):
        stored = encode({"a": self.categories.with_context(lang="en_US")})
        env = self.env(context={"job_uuid": "abc", "tz": "UTC", "lang": "fr_FR"})
        kept = decode(stored, env)["a"]
        self.assertEqual(kept.env.context, {"lang": "en_US", "job_uuid": "abc"})

    def test_a_model_may_keep_further_context_keys(self):
        records = self.categories.with_context(kept="yes")
        keys = ("kept",)
        with mock.patch.object(
            type(records), "_job_prepare_context_before_enqueue_keys", lambda self: keys
        ):
            kept = self.round_trip(records)
        self.assertEqual(kept.env.context, {"kept": "yes"})

    def test_a_cache_gives_each_environment_its_own_members(self):
        cache = {}
        mine = self.categories.with_context(tz="UTC")
        theirs = mine.with_user(self.demo)
        partner = mine.env["res.partner"]
        for records in (mine, theirs, partner, mine.sudo(), mine, theirs[0]):
            self.assertEqual(encode_recordset(records, cache), encode(records))
            self.assertEqual(encode([records], cache), encode([records]))
            self.assertEqual(encode_args([records], cache), encode([records]))

    def test_a_cache_spares_the_preparation_of_the_context(self):
        cache, prepared = {}, []
        records = self.categories.with_context(tz="UTC")
        prepare = type(records)._job_prepare_context_before_enqueue
        with mock.patch.object(
            type(records),
            "_job_prepare_context_before_enqueue",
            lambda self: prepared.append(self) or prepare(self),
        ):
            for record in records:
                encode_recordset(record, cache)
                encode_kwargs({"record": record}, cache)
        self.assertEqual(len(prepared), 1)

    def test_the_parts_of_a_stored_recordset_can_be_joined_by_the_caller(self):
        part = env_part(self.categories)
        for records in (self.categories, self.categories[0], self.categories[:0]):
            joined = recordset_json(records._name, records._ids, part)
            self.assertEqual(json.loads(joined), json.loads(encode(records)))

    def test_unsaved_records_are_refused(self):
        unsaved = self.env["res.partner"].new({"name": "x"})
        draft = self.env["res.partner"].new(origin=self.env.user.partner_id)
        for records in (unsaved, draft):
            pattern = r"unsaved records \(res\.partner\) cannot be stored; save"
            self.assertRefused({"a": records}, rf"the value\['a'\]: {pattern}")
            with self.assertRaisesRegex(TypeError, f"the records: {pattern}"):
                encode_recordset(records)

    def test_a_context_that_cannot_be_stored_is_named(self):
        records = self.categories.with_context(tz=object())
        for refuse in (encode_recordset, encode):
            with self.assertRaisesRegex(TypeError, r"\.env\.context\['tz'\]: object"):
                refuse(records)
