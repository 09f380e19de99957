# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Hide the values that stand under some names in stored JSON."""

HIDDEN = "***"


def mask(stored, names, positions=()):
    """Return a copy of parsed stored JSON with some values replaced by ``***``.

    :param stored: lists and dictionaries as the column holds them
    :param names: the keys, at any depth, whose values are hidden
    :param positions: the places, counted from 0, hidden in the outermost list
    """
    if isinstance(stored, list):
        return [
            HIDDEN if place in positions else mask(value, names)
            for place, value in enumerate(stored)
        ]
    if not isinstance(stored, dict):
        return stored
    pairs = stored.get("value")
    if stored.get("_type") == "dict" and isinstance(pairs, list):
        return {**stored, "value": [_mask_pair(pair, names) for pair in pairs]}
    # The keys of a tagged object are its form, not names that somebody gave.
    hidden = () if "_type" in stored else names
    return {
        key: HIDDEN if key in hidden else mask(value, names)
        for key, value in stored.items()
    }


def _mask_pair(pair, names):
    match pair:
        case [str() as key, _] if key in names:
            return [key, HIDDEN]
    return mask(pair, names)
