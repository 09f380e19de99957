# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the tests of the codec draw values and stored JSON from."""

from datetime import timedelta, timezone

from hypothesis import settings
from hypothesis import strategies as st

fuzzed = settings(max_examples=100, deadline=None, database=None, derandomize=True)

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
offsets = st.integers(-1439, 1439).map(lambda n: timezone(timedelta(minutes=n)))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | text
    | st.datetimes()
    | st.datetimes(timezones=offsets)
    | st.dates()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.binary()
)
hashables = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner),
    max_leaves=5,
)
keys = text | st.just("_type") | hashables
values = st.recursive(
    hashables | st.sets(hashables, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=15,
)
TAGS = [
    "odoo_recordset",
    "datetime_isoformat",
    "date_isoformat",
    "etree_element",
    "timedelta",
    "decimal",
    "bytes",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "float",
    "markup",
    "lazy_gettext",
]
json_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | text
    | st.sampled_from(["base", "res.users", "<a/>", "2026-01-02", "1e400", "__class__"])
)
members = st.sampled_from(["_type", "value", "model", "ids", "uid", "su", "context"])
stored_json = st.recursive(
    json_leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(members | text, inner, max_size=6)
        | st.builds(
            lambda tag, rest: {**rest, "_type": tag},
            st.sampled_from(TAGS) | text,
            st.dictionaries(members, inner, max_size=6),
        )
        | st.builds(
            lambda tag, value: {"_type": tag, "value": value},
            st.sampled_from(TAGS),
            inner | st.lists(st.lists(inner, min_size=2, max_size=2), max_size=3),
        )
    ),
    max_leaves=20,
)
