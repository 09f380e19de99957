# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from collections import OrderedDict, defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum

from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, objectify
from lxml import html as lxml_html
from markupsafe import Markup

from odoo import Command
from odoo.tests import tagged
from odoo.tools import frozendict
from odoo.tools.translate import LazyGettext

from odoo.addons.queue_job.fields import decode, encode, encode_args, encode_kwargs

from .codec_case import CodecCase, typed
from .codec_strategies import fuzzed, text, values

names = text | st.just("_type")


class Level(IntEnum):
    HIGH = 3


@tagged("post_install", "-at_install")
class TestRoundTrip(CodecCase):
    def assertKept(self, *values):
        for value in values:
            self.assertEqual(typed(self.round_trip(value)), typed(value))

    @fuzzed
    @given(values)
    def test_any_value_comes_back_equal_and_of_the_same_types(self, value):
        self.assertKept(value)

    @fuzzed
    @given(st.lists(values, max_size=3), st.dictionaries(names, values))
    def test_any_call_comes_back_as_a_list_and_a_dictionary(self, args, kwargs):
        stored_args = self.through_jsonb(encode_args(tuple(args)))
        stored_kwargs = self.through_jsonb(encode_kwargs(kwargs))
        self.assertEqual(typed(decode(stored_args, self.env)), typed(args))
        self.assertEqual(typed(decode(stored_kwargs, self.env)), typed(kwargs))

    def test_plain_json_is_stored_as_it_is(self):
        plain = {"a": [1, 2.5, None, True, 'é"\\u0000'], "b": {"c": {}}, "d": []}
        self.assertEqual(json.loads(encode(plain)), plain)
        self.assertKept(plain)

    def test_floats_that_jsonb_cannot_hold_are_kept(self):
        self.assertKept(*map(float, ["nan", "inf", "-inf", "-0.0", "1e16", "-1e300"]))
        self.assertKept(0.0, 1.0, 1e-7, 5e-324, 9007199254740993.0, [1e22, 1])

    def test_integers_of_any_usual_size_are_kept(self):
        self.assertKept(2**63, -(10**4000))

    def test_dictionaries_that_json_would_change_are_kept(self):
        self.assertKept({1: 600, 5: (10, 20)}, {"_type": "set", "value": [1]})
        self.assertKept({"_type": {"_type": "odoo_recordset"}}, {None: 1, (1, 2): {}})

    def test_sets_and_tuples_stay_sets_and_tuples(self):
        self.assertKept({1, "a"}, frozenset([(1, 2)]), (), (1, [(2,)]), set())

    def test_equal_sets_have_one_stored_form(self):
        one, other = set(), set()
        one.update([0, 8])  # both in one slot of the hash table: the first comes first
        other.update([8, 0])
        self.assertNotEqual(list(one), list(other))
        self.assertEqual(encode(one), encode(other))

    def test_dates_keep_microseconds_and_offset(self):
        offset = timezone(timedelta(hours=-3, minutes=-30))
        moment = datetime(2026, 2, 3, 4, 5, 6, 7)
        self.assertKept(moment, moment.replace(tzinfo=offset), date.min, datetime.max)

    def test_dates_made_under_a_frozen_clock_are_dates(self):
        with freeze_time("2026-05-04 03:02:01"):
            stored = encode([datetime.now(), date.today()])
        self.assertEqual(
            decode(stored, self.env), [datetime(2026, 5, 4, 3, 2, 1), date(2026, 5, 4)]
        )

    def test_decimals_keep_their_digits(self):
        self.assertKept(*map(Decimal, ["1.50", "1E+30", "-0", "Infinity", "sNaN"]))

    def test_bytes_of_any_value_are_kept(self):
        self.assertKept(b"", bytes(range(256)))

    def test_safe_html_stays_safe_and_text_stays_text(self):
        kept = self.round_trip([Markup('<b>"é</b>'), "<b>"])
        self.assertEqual([type(part) for part in kept], [Markup, str])
        self.assertEqual(kept, [Markup('<b>"é</b>'), "<b>"])

    def test_lazy_terms_are_translated_where_the_job_runs(self):
        named = LazyGettext("Hello %(name)s", _module="base", name=Markup("<b>"))
        placed = LazyGettext("Hello %s", "you", _module="base", _default_lang="en_US")
        for term in (named, placed):
            kept = self.round_trip(term)
            self.assertIsInstance(kept, LazyGettext)
            self.assertEqual(repr(kept), repr(term))
            self.assertEqual(self.env._(kept), self.env._(term))

    def test_instances_of_subclasses_become_their_equal_base(self):
        values = [
            (Level.HIGH, 3),
            (OrderedDict(a=1), {"a": 1}),
            (defaultdict(list, a=[]), {"a": []}),
            (frozendict(a=1), {"a": 1}),
            (type("Words", (list,), {})([1]), [1]),
            (type("Word", (str,), {})("a"), "a"),
            (type("Share", (float,), {})(0.5), 0.5),
            (Command.create({"a": 1}), (0, 0, {"a": 1})),
        ]
        for value, base in values:
            with self.subTest(value=repr(value)):
                self.assertEqual(typed(self.round_trip(value)), typed(base))

    def test_xml_elements_come_back_as_elements(self):
        tree = etree.fromstring(
            b'<?xml version="1.0" encoding="iso-8859-1"?><r xmlns:n="urn:n">'
            b'<n:a b="&lt;">\xe9<![CDATA[<x>]]></n:a>tail<!-- c --> </r>'
        )
        for element in (tree, tree[0]):
            kept = self.round_trip([element])[0]
            self.assertIsInstance(kept, etree._Element)
            self.assertEqual(
                etree.tostring(kept, method="c14n"),
                etree.tostring(element, method="c14n", with_tail=False),
            )

    def test_elements_of_other_parsers_are_elements(self):
        page = lxml_html.fromstring("<p>one<br>two</p>")
        self.assertEqual(self.round_trip(page).findtext("br"), "")
        self.assertEqual(self.round_trip(objectify.fromstring("<a>1</a>")).text, "1")

    def test_large_xml_comes_back(self):
        element = etree.Element("data")
        element.text = "x" * 10_500_000
        self.assertEqual(len(decode(encode(element), self.env).text), 10_500_000)

    def test_the_encoder_keeps_nothing_of_its_argument(self):
        args = [1, {"a": []}]
        stored = encode_args(args)
        args[1]["a"].append(2)
        self.assertEqual(decode(stored, self.env), [1, {"a": []}])
