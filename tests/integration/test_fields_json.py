# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from odoo.addons.queue_job.exception import JobDecodeError
from odoo.addons.queue_job.fields import JobDecoder, JobEncoder, decode, encode, mask

from .codec_case import CodecCase, Colour, typed


@tagged("post_install", "-at_install")
class TestJsonClasses(CodecCase):
    def test_the_json_module_writes_and_reads_with_the_classes(self):
        value = {"who": self.env.user, "when": (date(2026, 1, 2),), 3: {"_type": 1}}
        stored = json.dumps(value, cls=JobEncoder)
        self.assertEqual(json.loads(stored, cls=JobDecoder, env=self.env), value)
        self.assertEqual(json.loads(stored), json.loads(encode(value)))

    def test_options_of_the_json_module_apply(self):
        value = {"b": {1}, "a": "é"}
        self.assertEqual(
            json.dumps(value, cls=JobEncoder, indent=1, sort_keys=True),
            json.dumps(json.loads(encode(value)), indent=1, sort_keys=True),
        )
        decoded = json.loads(
            encode([1.5, {"a": 1}, {1}]),
            cls=JobDecoder,
            parse_float=Decimal,
            object_hook=lambda members: sorted(members.items()),
        )
        self.assertEqual(typed(decoded), typed([Decimal("1.5"), [("a", 1)], {1}]))

    def test_text_alone_is_encoded(self):
        self.assertEqual(json.dumps("é", cls=JobEncoder), '"\\u00e9"')

    def test_an_encoder_may_replace_objects_that_are_refused(self):
        class Encoder(JobEncoder):
            def default(self, o):
                if isinstance(o, Colour):
                    return (o.value,)
                return super().default(o)

        stored = json.dumps({"a": [Colour.RED]}, cls=Encoder)
        self.assertEqual(decode(stored, self.env), {"a": [("red",)]})
        for encoder in (Encoder, JobEncoder):
            with self.assertRaisesRegex(TypeError, r"the value\[0\]: object of type"):
                json.dumps([object()], cls=encoder)

    def test_records_need_an_environment_and_the_rest_does_not(self):
        self.assertEqual(json.loads(encode([{1}]), cls=JobDecoder), [{1}])
        with self.assertRaisesRegex(JobDecodeError, "records need an environment"):
            json.loads(encode(self.env.user), cls=JobDecoder)


@tagged("post_install", "-at_install")
class TestMask(CodecCase):
    def hide(self, value, *args):
        return decode(mask(json.loads(encode(value)), *args), self.env)

    def test_values_under_the_names_are_hidden_at_any_depth(self):
        value = {"token": {"a": 1}, "b": [({"token": [1]}, {5: {"token": 2}})], "c": 3}
        self.assertEqual(
            self.hide(value, {"token"}),
            {"token": "***", "b": [({"token": "***"}, {5: {"token": "***"}})], "c": 3},
        )
        escaped = {"_type": "x", "token": "secret", 1: "token"}
        self.assertEqual(
            self.hide(escaped, {"token"}), {"_type": "x", "token": "***", 1: "token"}
        )

    def test_what_gives_a_stored_value_its_form_is_not_hidden(self):
        value = [(1,), self.env.user.with_context(tz="UTC", lang="en_US")]
        kept, records = self.hide(value, {"value", "ids", "context", "tz"})
        self.assertEqual((kept, records), ((1,), self.env.user))
        self.assertEqual(records.env.context, {"tz": "***", "lang": "en_US"})

    def test_places_are_hidden_in_the_outermost_list_alone(self):
        self.assertEqual(self.hide([1, [2, 3], 4], (), {1}), [1, "***", 4])

    def test_nothing_is_hidden_without_names_and_damaged_json_is_left(self):
        for stored in (
            {"_type": "dict", "value": 5},
            {"_type": "dict", "value": [[1], 2, [[], {"a": 1}]]},
            ["a", 1, None],
        ):
            self.assertEqual(mask(stored, {"b"}), stored)
