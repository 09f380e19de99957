# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json

from hypothesis import given, settings

from odoo.tests import tagged

from odoo.addons.queue_job.exception import JobDecodeError
from odoo.addons.queue_job.fields import decode, encode

from .codec_case import CodecCase
from .codec_strategies import fuzzed, stored_json, text


@tagged("post_install", "-at_install")
class TestDecoder(CodecCase):
    def assertUnreadable(self, stored, pattern):
        with self.assertRaisesRegex(JobDecodeError, pattern):
            decode(stored, self.env)

    @settings(fuzzed, max_examples=300)
    @given(stored_json)
    def test_any_json_is_a_value_or_a_clear_error(self, stored):
        for form in (stored, json.dumps(stored)):
            try:
                decode(form, self.env)
            except JobDecodeError as error:
                self.assertTrue(str(error))

    @fuzzed
    @given(text)
    def test_any_text_is_a_value_or_a_clear_error(self, stored):
        try:
            decode(stored, self.env)
        except JobDecodeError as error:
            self.assertIn("not JSON", str(error))

    def test_an_unknown_tag_is_named(self):
        for tag in ("spaceship", "__class__", "", "Decimal"):
            self.assertUnreadable([{"_type": tag}], f"unknown _type '{tag}'")
        self.assertUnreadable({"_type": ["tuple"]}, "unknown _type")
        self.assertUnreadable('{"\\u005ftype": "spaceship"}', "unknown _type")

    def test_an_unknown_model_is_named(self):
        stored = {"_type": "odoo_recordset", "model": "gone.model", "ids": [], "uid": 1}
        self.assertUnreadable(stored, "odoo_recordset .*there is no model 'gone.model'")

    def test_a_recordset_of_another_shape_is_refused(self):
        good = json.loads(encode(self.env.user))
        for wrong in [
            {"model": 5},
            {"model": ["res.users"]},
            {"ids": 1},
            {"ids": ["1"]},
            {"ids": [True]},
            {"ids": [1.0]},
            {"ids": [[1]]},
            {"ids": {"_type": "tuple", "value": [1]}},
            {"uid": "1"},
            {"uid": True},
            {"su": 1},
            {"su": None},
            {"context": []},
            {"context": {"_type": "dict", "value": [[1, 2]]}},
        ]:
            with self.subTest(wrong=wrong):
                self.assertUnreadable(good | wrong, "the stored odoo_recordset cannot")
        for name in ("model", "ids", "uid"):
            rest = {key: value for key, value in good.items() if key != name}
            self.assertUnreadable(rest, f"odoo_recordset cannot be read .*{name}")

    def test_values_of_another_shape_are_refused(self):
        for tag, value in [
            ("datetime_isoformat", "yesterday"),
            ("datetime_isoformat", 5),
            ("date_isoformat", "2026-02-30"),
            ("etree_element", "<a>"),
            ("etree_element", "no element"),
            ("timedelta", [1, 2]),
            ("timedelta", [1, 2, 3, 4]),
            ("timedelta", [10**12, 0, 0]),
            ("timedelta", ["1", 0, 0]),
            ("decimal", "1.2.3"),
            ("decimal", 1),
            ("bytes", "é"),
            ("bytes", "a"),
            ("tuple", "ab"),
            ("set", [[]]),
            ("set", {"a": 1}),
            ("frozenset", [{}]),
            ("dict", [[1]]),
            ("dict", [[[], 1]]),
            ("dict", ["ab"]),
            ("float", "one"),
            ("float", [1]),
            ("markup", ["<b>"]),
            ("lazy_gettext", ["base", "a"]),
            ("lazy_gettext", ["base", 1, [], ""]),
            ("lazy_gettext", ["base", "a", {"_module": "x"}, ""]),
            ("lazy_gettext", ["base", "a", 5, ""]),
        ]:
            with self.subTest(tag=tag, value=value):
                stored = {"_type": tag, "value": value}
                self.assertUnreadable(stored, f"the stored {tag} cannot be read")
        self.assertUnreadable({"_type": "set"}, "the stored set cannot be read")

    def test_xml_reaches_nothing_outside_its_text(self):
        outside = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'
        element = decode({"_type": "etree_element", "value": outside}, self.env)
        self.assertIsNone(element.text)

    def test_xml_entities_do_not_multiply(self):
        entities = '<!ENTITY a "%s">' % ("x" * 1000)
        for name, before in ("ba", "cb", "dc", "ed"):
            content = f"&{before};" * 20
            entities += f'<!ENTITY {name} "{content}">'
        bomb = f'<!DOCTYPE r [{entities}]><r a="&e;"/>'
        stored = {"_type": "etree_element", "value": bomb}
        self.assertUnreadable(stored, "stored etree_element cannot be read")

    def test_text_that_is_no_json_is_refused(self):
        self.assertUnreadable("{", "not JSON")
        self.assertUnreadable("1" * 5000, "not JSON")
        self.assertUnreadable("[" * 100_000, "nested too deep")

    def test_a_value_of_another_type_than_expected_is_refused(self):
        self.assertEqual(decode("[]", self.env, expect=list), [])
        with self.assertRaisesRegex(JobDecodeError, "holds a list, not dict or set"):
            decode("[]", self.env, expect=(dict, set))
