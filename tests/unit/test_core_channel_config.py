# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The configuration string of the channels, and its merge with the records."""

import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.core.channel_config import ChannelSpec, merge, parse
from odoo.addons.queue_job.core.channels import Channel

PROPERTY = settings(deadline=None, database=None)
ROOT = Channel("root", 1)


def spec(name, capacity=1, **values):
    return ChannelSpec(name, capacity, **values)


class TestParse(unittest.TestCase):
    def test_what_is_written_is_read(self):
        for text, expected in (
            ("", []),
            (" , \n\n,", []),
            ("root", [spec("root")]),
            ("root:4", [spec("root", 4)]),
            ("root:0", [spec("root", 0)]),
            ("root:4,root.sub:2", [spec("root", 4), spec("root.sub", 2)]),
            ("root:4,sub:2", [spec("root", 4), spec("root.sub", 2)]),
            (
                "root:4\nsub.b:2\r\nc",
                [spec("root", 4), spec("root.sub.b", 2), spec("root.c")],
            ),
            (
                " root : 4 , sub : 1 : sequential ",
                [spec("root", 4), spec("root.sub", sequential=True)],
            ),
            ("a:sequential", [spec("root.a", sequential=True)]),
            ("a:1:sequential=no", [spec("root.a")]),
            ("a:1:sequential=1", [spec("root.a", sequential=True)]),
            ("a:1:sequential=YES", [spec("root.a", sequential=True)]),
            ("a:1:sequential=false", [spec("root.a")]),
            ("a:capacity=3", [spec("root.a", 3)]),
            ("a:throttle=2:capacity=3", [spec("root.a", 3, throttle=2.0)]),
            ("a:capacity=none", [spec("root.a", None)]),
            ("a:2:throttle=0.5:paused", [spec("root.a", 2, throttle=0.5, paused=True)]),
            ("a:2:throttle=1e-3", [spec("root.a", 2, throttle=0.001)]),
            ("a:2:paused=True", [spec("root.a", 2, paused=True)]),
            ("a:2:paused=0", [spec("root.a", 2)]),
            ("my channel:2", [spec("root.my channel", 2)]),
            ("# all of it\nroot:4 # four, not 5\n  #end", [spec("root", 4)]),
            ("a:1,# the rest, too\nb#2:1", [spec("root.a"), spec("root.b#2")]),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse(text), expected)

    def test_what_is_wrong_is_named_with_its_place_and_what_is_accepted(self):
        for piece, named in (
            (":4", "it is empty"),
            (".", "a part between its dots is empty"),
            ("root.:1", "a part between its dots is empty"),
            ("root..a:1", "a part between its dots is empty"),
            (".a:1", "a part between its dots is empty"),
            ("root. a:1", "' a'"),
            ("a\x00b:1", "'a\\x00b'"),
            ("a:", "capacity ''"),
            ("a:x", "capacity 'x'"),
            ("a:-1", "capacity '-1'"),
            ("a:1.5", "capacity '1.5'"),
            ("a:+1", "capacity '+1'"),
            ("a:1_0", "capacity '1_0'"),
            ("a:٣", "capacity '٣'"),
            ("a:" + "9" * 5000, "is not a whole number"),
            ("a:capacity", "capacity ''"),
            ("a:capacity=x", "capacity 'x'"),
            ("a:2:capacity=3", "capacity is given twice"),
            ("a:2:3", "unknown key '3'"),
            ("a:2:", "unknown key ''"),
            ("a:2:subcapacity=3", "unknown key 'subcapacity'"),
            ("a:size=3", "unknown key 'size'"),
            ("a:2:sequential", "capacity 1, not 2"),
            ("a:capacity=none:sequential", "capacity 1, not None"),
            ("a:1:sequential=maybe", "'maybe' is neither true nor false"),
            ("a:1:paused:paused", "paused is given twice"),
            ("a:1:throttle", "throttle ''"),
            ("a:1:throttle=x", "throttle 'x'"),
            ("a:1:throttle=-1", "throttle '-1'"),
            ("a:1:throttle=inf", "throttle 'inf'"),
            ("a:1:throttle=nan", "throttle 'nan'"),
            ("a:1:throttle=1e999", "throttle '1e999'"),
            ("a:1:throttle=1.2.3", "throttle '1.2.3'"),
            ("root.ok:3", "'root.ok' is there already"),
        ):
            with self.subTest(piece=piece[:40]):
                with self.assertRaises(ValueError) as caught:
                    parse(f"root:4,, # the root\nok:2,{piece}\nlast:1")
                message = str(caught.exception)
                self.assertIn(named, message)
                self.assertIn(f"piece 3 ({piece!r})", message)
                self.assertIn("name[:capacity[:key[=value]]...]", message)

    @PROPERTY
    @given(
        st.text()
        | st.text(alphabet="root.a:,=#\n1-0 ")
        | st.lists(
            st.sampled_from(
                "root sub . : , = # 1 0 -1 sequential capacity throttle paused".split()
                + [" ", "\n", "\r", "\x85"]
            ),
            max_size=20,
        ).map("".join)
    )
    def test_any_text_gives_channels_that_read_back_or_a_value_error(self, text):
        try:
            specs = parse(text)
        except ValueError:
            return
        self.assertEqual(parse(channel_config.format(specs)), specs)
        names = [each.name for each in specs]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual([channel_config.normalize_name(name) for name in names], names)


parts = st.text(st.characters(exclude_characters=":,.#"), min_size=1, max_size=6)


def is_name(name):
    try:
        channel_config.normalize_name(name)
    except ValueError:
        return False
    return True


names = (
    st.lists(parts, min_size=1, max_size=3)
    .map(".".join)
    .filter(is_name)
    .map(channel_config.normalize_name)
)
throttles = st.just(0.0) | st.floats(0, allow_infinity=False)
plain = st.builds(
    ChannelSpec,
    names,
    st.none() | st.integers(0, 10**9 - 1),
    st.just(False),
    throttles,
    st.booleans(),
)
one_by_one = st.builds(
    ChannelSpec, names, st.just(1), st.just(True), throttles, st.booleans()
)
spec_lists = st.lists(plain | one_by_one, max_size=6, unique_by=lambda one: one.name)


class TestFormat(unittest.TestCase):
    def test_the_string_is_the_one_a_person_would_write(self):
        text = "root:4,root.a:1:sequential,root.b:2:throttle=0.5:paused,root.c:0"
        self.assertEqual(channel_config.format(parse(text)), text)
        self.assertEqual(
            channel_config.format([Channel("root.d", None, throttle=3.0)]),
            "root.d:capacity=none:throttle=3",
        )

    def test_a_sequential_record_of_any_capacity_can_be_written(self):
        for capacity, text in (
            (None, "root.a:1:sequential"),
            (5, "root.a:1:sequential"),
            (0, "root.a:0:sequential"),
        ):
            with self.subTest(capacity=capacity):
                written = channel_config.format(
                    [spec("root.a", capacity, sequential=True)]
                )
                self.assertEqual(written, text)
                self.assertTrue(parse(text)[0].sequential)

    @PROPERTY
    @given(spec_lists, st.sampled_from([",", "\n", " ,\n", ",,", " # x, y\n"]))
    def test_what_is_written_reads_back(self, specs, separator):
        text = separator.join(channel_config.format([each]) for each in specs)
        self.assertEqual(parse(text), specs)


class TestNames(unittest.TestCase):
    def test_root_may_be_left_out(self):
        for name, complete in (
            ("root", "root"),
            ("a", "root.a"),
            ("a.b", "root.a.b"),
            ("root.a.b", "root.a.b"),
            ("rooted", "root.rooted"),
            (" a ", "root.a"),
        ):
            with self.subTest(name=name):
                self.assertEqual(channel_config.normalize_name(name), complete)

    def test_what_is_no_name_is_refused_naming_it(self):
        for name in (
            "",
            "  ",
            None,
            5,
            "a..b",
            "a.",
            "a:b",
            "a,b",
            "a\nb",
            "#a",
            "a #b",
        ):
            with self.subTest(name=name), self.assertRaises(ValueError) as caught:
                channel_config.normalize_name(name)
            self.assertIn(repr(name), str(caught.exception))


class TestMerge(unittest.TestCase):
    def in_force(self, records, text=""):
        return channel_config.scheduled(merge(records, parse(text)))

    def sources(self, records, text, name):
        return dict(merge(records, parse(text))[name].sources)

    def test_the_root_is_always_there_with_capacity_one(self):
        self.assertEqual(self.in_force([]), {"root": ROOT})
        self.assertEqual(self.in_force([spec("root", None)]), {"root": ROOT})
        self.assertEqual(self.sources([], "", "root")["capacity"], "default")

    def test_records_are_in_force_where_nothing_is_configured(self):
        records = [spec("root", 6), spec("root.a", None, throttle=2.0)]
        self.assertEqual(
            self.in_force(records),
            {"root": Channel("root", 6), "root.a": Channel("root.a", None, False, 2.0)},
        )
        self.assertEqual(set(self.sources(records, "", "root.a").values()), {"record"})

    def test_the_configuration_wins_over_the_record_it_names(self):
        records = [spec("root", 6), spec("root.a", 3), spec("root.b", 5)]
        in_force = self.in_force(records, "root:2,a:1:sequential:throttle=4:paused=no")
        self.assertEqual(in_force["root"].capacity, 2)
        self.assertEqual(in_force["root.a"], Channel("root.a", 1, True, 4.0))
        self.assertEqual(in_force["root.b"].capacity, 5)

    def test_a_piece_without_capacity_means_one_whatever_the_record_says(self):
        self.assertEqual(self.in_force([spec("root.a", 9)], "a")["root.a"].capacity, 1)

    def test_what_the_configuration_leaves_unsaid_stays_the_records(self):
        records = [spec("root.a", 9, sequential=True, throttle=3.0, paused=True)]
        self.assertEqual(
            self.in_force(records, "a:4")["root.a"],
            Channel("root.a", 4, False, 3.0, True),
        )
        self.assertEqual(
            self.sources(records, "a:4", "root.a"),
            {
                "capacity": "configuration",
                "sequential": "configuration",
                "throttle": "record",
                "paused": "record",
            },
        )

    def test_channels_that_were_not_read_from_a_string_state_all_their_values(self):
        merged = merge([spec("root.a", 9, paused=True)], [ChannelSpec("root.a")])
        self.assertEqual(merged["root.a"].channel, Channel("root.a", 1))

    def test_a_missing_parent_is_added_without_a_limit(self):
        in_force = self.in_force([spec("root.x.y", 2)], "a.b.c:3")
        self.assertEqual(
            list(in_force),
            ["root", "root.a", "root.a.b", "root.a.b.c", "root.x", "root.x.y"],
        )
        for name in ("root.a", "root.a.b", "root.x"):
            self.assertEqual(in_force[name], Channel(name))

    def test_parents_come_before_their_children(self):
        in_force = list(
            self.in_force([spec("root.a-b"), spec("root.a.z"), spec("root.a")])
        )
        self.assertEqual(in_force, ["root", "root.a", "root.a.z", "root.a-b"])

    def test_a_sequential_record_has_capacity_one_whatever_it_says(self):
        for capacity, places in ((None, 1), (5, 1), (1, 1), (0, 0)):
            with self.subTest(capacity=capacity):
                records = [spec("root.a", capacity, sequential=True)]
                self.assertEqual(self.in_force(records)["root.a"].capacity, places)

    def test_root_zero_switches_everything_off(self):
        self.assertEqual(self.in_force([spec("root", 5)], "root:0")["root"].capacity, 0)

    def test_it_tells_which_channels_are_configured(self):
        merged = merge([spec("root.a")], parse("root.b.c:2"))
        configured = [name for name, each in merged.items() if each.configured]
        self.assertEqual(configured, ["root.b.c"])

    @PROPERTY
    @given(spec_lists, spec_lists)
    def test_every_value_comes_from_the_source_it_names(self, records, configured):
        merged = merge(records, parse(channel_config.format(configured)))
        wanted = {"root", *(each.name for each in records + configured)}
        self.assertLessEqual(wanted, set(merged))
        by_source = {
            "record": {each.name: each for each in records},
            "configuration": {each.name: each for each in configured},
        }
        for name, each in merged.items():
            self.assertEqual(set(each.sources), channel_config.VALUES)
            for key, source in each.sources.items():
                if source != "default" and not each.channel.sequential:
                    origin = by_source[source][name]
                    self.assertEqual(getattr(each.channel, key), getattr(origin, key))
