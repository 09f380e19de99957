# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One text for all values that are equal, in every process.

The stored form almost is that: but dictionaries keep the order in which they were
filled, XML that of its attributes, and records the language of who passed them.
"""

import json

from lxml import etree


def canonical(text):
    """The canonical form of a value's stored JSON text."""
    return json.dumps(_ordered(json.loads(text)), sort_keys=True, ensure_ascii=False)


def _ordered(value):
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("_type")
    if kind == "etree_element":
        return {**value, "value": etree.canonicalize(value["value"])}
    if kind == "odoo_recordset":
        # who sees which language changes nothing of what is to be done
        return {key: each for key, each in value.items() if key != "context"}
    ordered = {key: _ordered(each) for key, each in value.items()}
    if kind in ("dict", "set", "frozenset"):
        ordered["value"].sort(key=lambda each: json.dumps(each, sort_keys=True))
    return ordered
