# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from datetime import date

from odoo import models
from odoo.tests import tagged

from odoo.addons.queue_job.exception import JobDecodeError
from odoo.addons.queue_job.fields import JobSerialized, Undecodable, encode, encode_args

from .codec_case import CodecCase, typed


@tagged("post_install", "-at_install")
class TestField(CodecCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.model.fields"].create(
            {
                "model_id": cls.env["ir.model"]._get_id("res.partner.category"),
                "name": "x_values",
                "ttype": "job_serialized",
            }
        )
        cls.record = cls.env["res.partner.category"].create({"name": "Holder"})

    def column(self):
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT x_values FROM res_partner_category WHERE id = %s", [self.record.id]
        )
        return self.env.cr.fetchone()[0]

    def set_column(self, stored):
        self.env.cr.execute(
            "UPDATE res_partner_category SET x_values = %s WHERE id = %s",
            [json.dumps(stored), self.record.id],
        )
        self.env.invalidate_all()

    def test_the_type_is_one_of_odoo_s_field_types(self):
        field = self.env["ir.model.fields"]._get("res.partner.category", "x_values")
        self.assertEqual(field.ttype, "job_serialized")
        self.assertIsInstance(self.record._fields["x_values"], JobSerialized)
        self.assertEqual(
            self.record.fields_get(["x_values"])["x_values"]["type"], "job_serialized"
        )

    def test_a_written_value_is_read_back_from_cache_and_column(self):
        value = {"who": self.env.user, "when": (date(2026, 1, 2), 1.0), 3: {b"x"}}
        self.record.x_values = value
        self.assertEqual(self.record.x_values, value)
        self.assertEqual(self.column(), json.loads(encode(value)))
        self.env.invalidate_all()
        self.assertEqual(typed(self.record.x_values[3]), typed({b"x"}))
        self.assertEqual(self.record.x_values, value)

    def test_a_created_value_is_stored(self):
        self.record = self.record.create({"name": "Other", "x_values": [(1,)]})
        self.assertEqual(self.column(), [{"_type": "tuple", "value": [1]}])
        self.assertEqual(self.record.x_values, [(1,)])

    def test_empty_values_are_values_and_nothing_is_null(self):
        for value in ([], {}, "", 0):
            self.record.x_values = value
            self.assertEqual(self.column(), value)
            self.env.invalidate_all()
            self.assertEqual(typed(self.record.x_values), typed(value))
        for nothing in (None, False):
            self.record.x_values = nothing
            self.assertIsNone(self.column())
            self.assertIs(self.record.x_values, False)

    def test_a_value_that_was_read_is_the_reader_s_own(self):
        value = {"a": [1]}
        self.record.x_values = value
        value["a"].append(2)
        self.record.x_values["a"].append(3)
        self.assertEqual(self.record.x_values, {"a": [1]})

    def test_a_read_gives_json_for_the_client(self):
        self.record.x_values = {"who": self.env.user, "tuple": (1,)}
        stored = json.loads(encode({"who": self.env.user, "tuple": (1,)}))
        self.assertEqual(self.record.read(["x_values"])[0]["x_values"], stored)
        self.record.x_values = False
        self.assertIs(self.record.read(["x_values"])[0]["x_values"], False)

    def test_an_export_gives_the_json_text(self):
        self.record.x_values = {"a": (1,)}
        exported = self.record.export_data(["x_values"])["datas"]
        self.assertEqual(exported, [[encode({"a": (1,)})]])

    def test_a_copy_has_the_same_value(self):
        self.record.x_values = {"a": (1,), "_type": "x"}
        self.assertEqual(self.record.copy().x_values, {"a": (1,), "_type": "x"})

    def test_the_json_text_can_be_searched(self):
        self.record.x_values = ["needle ä"]
        for operator, operand in [
            ("like", "needle ä"),
            ("=like", '["needle%'),
            ("!=", False),
            ("=", encode(["needle ä"])),
        ]:
            with self.subTest(operator=operator, operand=operand):
                domain = [("x_values", operator, operand), ("id", "=", self.record.id)]
                found = self.record.search(domain)
                if operand == encode(["needle ä"]):  # that text is another value
                    self.assertFalse(found)
                else:
                    self.assertEqual(found, self.record)
        self.record.x_values = "needle"
        self.assertEqual(self.record.search([("x_values", "=", "needle")]), self.record)

    def test_an_unstorable_value_is_refused_with_the_field_s_name(self):
        pattern = r"field res\.partner\.category\.x_values: the value\[0\]: object of"
        with self.assertRaisesRegex(TypeError, pattern):
            self.record.x_values = [object()]
        with self.assertRaisesRegex(TypeError, pattern):
            self.record.create({"name": "x", "x_values": [object()]})

    def test_unreadable_json_can_be_shown_but_not_worked_with(self):
        stored = [{"_type": "odoo_recordset", "model": "gone", "ids": [1], "uid": 1}]
        self.set_column(stored)
        value = self.record.x_values
        self.assertIsInstance(value, Undecodable)
        self.assertIn("there is no model 'gone'", repr(value))
        self.assertEqual(self.record.read(["x_values"])[0]["x_values"], stored)
        exported = self.record.export_data(["x_values"])["datas"]
        self.assertEqual(json.loads(exported[0][0]), stored)
        for work in (
            lambda: value or (),
            lambda: list(value),
            lambda: len(value),
            lambda: value[0],
            lambda: 1 in value,
            lambda: value.ids,
            lambda: value(),
        ):
            with self.assertRaisesRegex(JobDecodeError, "no model 'gone'"):
                work()

    def test_a_copy_of_unreadable_json_is_the_same_json(self):
        self.set_column({"_type": "spaceship"})
        self.record = self.record.copy()
        self.assertEqual(self.column(), {"_type": "spaceship"})


@tagged("post_install", "-at_install")
class TestBaseType(CodecCase):
    def to_stored(self, field, value):
        return field.convert_to_cache(value, self.env.user)

    def to_value(self, field, stored):
        return field.convert_to_record(stored, self.env.user)

    def test_a_field_not_set_reads_as_an_empty_value_of_its_type(self):
        for base_type, empty in [
            (None, False),
            (list, []),
            (dict, {}),
            (tuple, ()),
            ((dict, list), {}),
            (models.BaseModel, self.env["base"]),
        ]:
            field = JobSerialized(base_type=base_type)
            field.base_type = base_type
            self.assertEqual(typed(self.to_value(field, None)), typed(empty))

    def test_values_of_another_type_are_refused(self):
        field = JobSerialized()
        field.base_type = list
        self.assertEqual(self.to_stored(field, [1]), [1])
        self.assertEqual(self.to_stored(field, (1,)), [1])
        self.assertEqual(self.to_value(field, [1]), [1])
        for value in ({}, "ab", 1, True, {1}):
            with self.assertRaisesRegex(TypeError, "expected list, not"):
                self.to_stored(field, value)
        field.base_type = (dict, models.BaseModel)
        self.assertEqual(self.to_stored(field, {"a": 1}), {"a": 1})
        self.assertEqual(self.to_stored(field, self.env.user)["ids"], self.env.user.ids)
        with self.assertRaisesRegex(TypeError, "expected dict or BaseModel, not list"):
            self.to_stored(field, [])

    def test_a_field_of_tuples_stores_the_list_of_a_call_s_arguments(self):
        field = JobSerialized()
        field.base_type = tuple
        for value in ([1, (2,)], (1, (2,))):
            stored = self.to_stored(field, value)
            self.assertEqual(stored, json.loads(encode_args(value)))
            self.assertEqual(typed(self.to_value(field, stored)), typed((1, (2,))))
        kept = self.to_value(field, {"_type": "tuple", "value": [1]})
        self.assertEqual(kept, (1,))
        self.assertIsInstance(self.to_value(field, {"a": 1}), Undecodable)

    def test_stored_values_of_another_type_are_unreadable(self):
        field = JobSerialized()
        field.base_type = list
        value = self.to_value(field, {"a": 1})
        self.assertIsInstance(value, Undecodable)
        self.assertIn("holds a dict, not list or tuple", repr(value))

    def test_a_related_field_has_the_type_of_its_target(self):
        self.assertIn("base_type", dict(JobSerialized.related_attrs))
