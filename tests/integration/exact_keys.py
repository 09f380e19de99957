# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The exact keys of many calls; other processes compute them, too."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from lxml import etree

from odoo.addons.queue_job.job import Job, identity_exact


def arguments(env):
    """``{name: values that are the same argument}``"""
    partners = env["res.partner"].browse([1, 2, 3])
    names = [f"name {number}" for number in range(40)]
    backwards = names[::-1]
    zone = timezone(timedelta(hours=2))
    return {
        "set": [set(names), set(backwards)],
        "frozenset": [frozenset(names), frozenset(backwards)],
        "set of tuples": [{(n, 1) for n in names}, {(n, 1) for n in backwards}],
        "dict": [dict.fromkeys(names, 1), dict.fromkeys(backwards, 1)],
        "dict of numbers": [{1: "a", 2: "b"}, {2: "b", 1: "a"}],
        "dict within": [[{"a": {"x": 1, "y": 2}}], [{"a": {"y": 2, "x": 1}}]],
        "set of sets": [
            {frozenset(names), frozenset("ab")},
            {frozenset("ba"), frozenset(backwards)},
        ],
        "XML": [
            etree.fromstring("<a x='1' y='2'><b/>é</a>"),
            etree.fromstring('<a  y="2"  x="1" ><b></b>&#233;</a>'),
        ],
        "records": [partners, partners.with_context(lang="fr_FR", tz="UTC")],
        "datetime": [
            datetime(2026, 1, 2, 3, 4, 5, 6),
            datetime(2026, 1, 2, 3, 4, 5, 6),
        ],
        "datetime of a zone": [datetime(2026, 1, 2, 3, tzinfo=zone)],
        "date": [date(2026, 1, 2)],
        "timedelta": [timedelta(seconds=90), timedelta(minutes=1, seconds=30)],
        "decimal": [Decimal("1.50"), Decimal("1.50")],
        "bytes": [b"\0\xff", bytes([0, 255])],
        "nothing": [None],
        "number": [1],
        "another number": [1.5],
        "text": ["é"],
        "tuple": [(1, 2)],
        "list": [[1, 2]],
    }


def keys(env):
    partner = env["res.partner"].browse(1)
    found = {}
    for name, values in arguments(env).items():
        found[name] = [
            identity_exact(Job(partner.write, args=(value,))) for value in values
        ]
        found[f"{name} by its name"] = [
            identity_exact(Job(partner.write, kwargs={"vals": value}))
            for value in values
        ]
    return found
