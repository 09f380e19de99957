# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from datetime import date, datetime

from lxml import etree

from odoo.tests import tagged

from odoo.addons.queue_job.fields import decode, encode

from .codec_case import CodecCase


@tagged("post_install", "-at_install")
class TestStoredForm(CodecCase):
    """What is in the columns of databases that exist already."""

    def test_values_are_written_in_the_known_form(self):
        user = self.env.user
        records = user.with_context(lang="en_US", tz=False, unknown=1).with_user(user)
        for value, stored in [
            (datetime(2026, 1, 2, 3, 4, 5), "datetime_isoformat 2026-01-02T03:04:05"),
            (date(2026, 1, 2), "date_isoformat 2026-01-02"),
            (etree.Element("a", b="c"), 'etree_element <a b="c"/>'),
        ]:
            tag, content = stored.split(" ", 1)
            expected = {"_type": tag, "value": content}
            self.assertEqual(json.loads(encode(value)), expected)
        self.assertEqual(
            json.loads(encode(records)),
            {
                "_type": "odoo_recordset",
                "model": "res.users",
                "ids": user.ids,
                "uid": user.id,
                "su": user.id == 1,
                "context": {"lang": "en_US", "tz": False},
            },
        )

    def test_calls_stored_before_an_upgrade_are_read(self):
        user = self.env.ref("base.user_admin")
        stored = [
            {
                "_type": "odoo_recordset",
                "model": "res.partner",
                "ids": user.partner_id.ids,
                "uid": user.id,
                "su": False,
                "context": {"tz": "UTC", "lang": "en_US", "allowed_company_ids": [1]},
            },
            {"_type": "datetime_isoformat", "value": "2026-01-02T03:04:05.000006"},
            {"_type": "date_isoformat", "value": "2026-01-02"},
            {"_type": "etree_element", "value": "<?xml version='1.0'?>\n<a>é</a>\n"},
            [{"1": 10, "plain": None}],
        ]
        partner, moment, day, element, plain = decode(json.dumps(stored), self.env)
        self.assertEqual(partner, user.partner_id)
        self.assertEqual((partner.env.uid, partner.env.su), (user.id, False))
        self.assertEqual(partner.env.context, stored[0]["context"])
        self.assertEqual(moment, datetime(2026, 1, 2, 3, 4, 5, 6))
        self.assertEqual(day, date(2026, 1, 2))
        self.assertEqual(element.text, "é")
        self.assertEqual(plain, [{"1": 10, "plain": None}])

    def test_records_stored_without_su_and_context_are_no_superuser_s(self):
        stored = {"_type": "odoo_recordset", "model": "res.users", "ids": [], "uid": 2}
        env = decode(stored, self.env(su=True, context={"lang": "fr_FR"})).env
        self.assertEqual((env.uid, env.su, env.context), (2, False, {}))

    def test_parsed_json_is_read_like_its_text(self):
        stored = [{"_type": "tuple", "value": [1, {"_type": "set", "value": []}]}]
        self.assertEqual(decode(stored, self.env), [(1, set())])
        self.assertEqual(decode(stored, self.env), decode(json.dumps(stored), self.env))
