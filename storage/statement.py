# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A statement with a name, to be prepared or to be sent whole."""

from __future__ import annotations

import re


class Statement:
    """A query in psycopg2's style, each ``%s`` with a type.

    :param name: unique among the statements
    :param query: with ``%s`` for its parameters, each with a cast: ``%s::int``
    """

    def __init__(self, name: str, query: str):
        types = re.findall(r"%s::(\w+(?:\[\])?)", query)
        if len(types) != len(re.findall(r"(?<!%)%s", query)):
            raise ValueError(f"Statement {name}: each parameter needs its type")
        self.name = name
        self.query = query
        given = f" ({', '.join(['%s'] * len(types))})" if types else ""
        self.call = f"EXECUTE {name}{given}"
        numbered = iter(range(1, len(types) + 1))
        body = re.sub(r"(?<!%)%s", lambda _match: f"${next(numbered)}", query)
        body = body.replace("%%", "%")
        taken = f" ({', '.join(types)})" if types else ""
        self.preparation = f"PREPARE {name}{taken} AS {body}"
