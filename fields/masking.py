# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Hide the values that stand under some names in stored JSON."""

import re
from functools import lru_cache

HIDDEN = "***"

# password2, newPassword, NEW_PASSWORD, APIKey: the words of a name
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")


#: characters of a name that is remembered: the others are of data
_USUAL = 64


def words_of(name):
    """The words that a name is made of, in small letters."""
    return _known_words(name) if len(name) <= _USUAL else _words(name)


def _words(name):
    return tuple(word.lower() for word in _WORDS.findall(name))


_known_words = lru_cache(maxsize=4096)(_words)


class MaskedNames:
    """The names of what nobody may read: each that has one of some in it.

    Whole words count, whatever their case: ``password`` stands for ``new_password`` and
    ``PassWord`` too, ``api_key`` for ``apiKey``, but ``token`` not for ``tokenize``.

    :param setting: names, separated by commas
    """

    def __init__(self, setting):
        found = (words_of(name.strip()) for name in setting.split(","))
        self._words = frozenset(filter(None, found))
        self._known = {}

    def __contains__(self, name):
        hidden = self._known.get(name)
        if hidden is None:
            hidden = self._is_masked(words_of(name)) if isinstance(name, str) else False
            # of data, names may be endless, and there may be endlessly many
            if (
                len(self._known) < 4096
                and isinstance(name, str)
                and len(name) <= _USUAL
            ):
                self._known[name] = hidden
        return hidden

    def _is_masked(self, words):
        # passWord is password: words that are written apart count as one as well
        text = " ".join(words)
        return any(
            f" {' '.join(each)} " in f" {text} " or _joined(each, words)
            for each in self._words
        )

    def pattern(self):
        """What finds each of the names in a text; None without any.

        It may find more, in small letters alone.
        """
        texts = (r"[\W_]*".join(map(re.escape, "".join(w))) for w in self._words)
        return re.compile("|".join(sorted(texts))) if self._words else None


def _joined(masked, words):
    """Do some words in a row, written as one, make the masked one?"""
    wanted = "".join(masked)
    return any(_begins(words, start, wanted) for start in range(len(words)))


def _begins(words, start, wanted):
    """Do the words from ``start`` on begin with some that make ``wanted``?

    No more of them are looked at than that has characters: names may be of data.
    """
    joined = ""
    for word in words[start : start + len(wanted)]:
        joined += word
        if not wanted.startswith(joined):
            return False
        if joined == wanted:
            return True
    return False


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
