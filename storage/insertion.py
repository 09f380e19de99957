# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs on their way into the table."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .discretion import discreet

#: the columns that an insertion gives; the others have their defaults
COLUMNS = (
    "id",
    "uuid",
    "name",
    "state",
    "ready",
    "model_name",
    "method_name",
    "func_string",
    "records",
    "args",
    "kwargs",
    "identity_key",
    "identity_twin",
    "user_id",
    "company_id",
    "job_function_id",
    "channel",
    "priority",
    "eta",
    "retry",
    "max_retries",
    "timeout",
    "date_created",
    "graph_uuid",
    "barrier_id",
    "trace",
)
# what no model can write (D14): the calls that come here were encoded by with_delay()
_NAMES = ", ".join((*COLUMNS, "sealed"))

# one round trip: the id, the row, the runner's wake-up
_INSERT_ONE = f"""
WITH made AS (
    INSERT INTO queue_job ({_NAMES})
    VALUES (nextval('queue_job_id_seq'), {", ".join(["%s"] * (len(COLUMNS) - 1))}, true)
    RETURNING id
)
SELECT id, pg_notify('queue_job', '') FROM made
"""
_TAKE_IDS = "SELECT nextval('queue_job_id_seq') FROM generate_series(1, %s)"
# the end of a line: the column sealed
_SEALED = "\tt\n"
_COPY = f"COPY queue_job ({_NAMES}) FROM STDIN"
# wakes the runners when the transaction commits; the same text is sent only once
_NOTIFY = "SELECT pg_notify('queue_job', '')"


def insert_one(cr, row: Sequence[Any]) -> int:
    """Insert one job and wake the runners; return its id.

    :param row: the values of :data:`COLUMNS`, the first one (the id) ignored
    :raises psycopg2.errors.UniqueViolation: its identity key is taken
    """
    with discreet():
        cr.execute(_INSERT_ONE, row[1:])
    return cr.fetchone()[0]


def take_ids(cr, number: int) -> list[int]:
    """Reserve ``number`` job ids, in rising order."""
    cr.execute(_TAKE_IDS, (number,))
    return [row[0] for row in cr.fetchall()]


def copy_rows(cr, rows: Iterable[Sequence[Any]]) -> None:
    """Insert many jobs in one statement; every row has its id."""
    text = "".join(
        ["\t".join([_copy_text(value) for value in row]) + _SEALED for row in rows]
    )
    with discreet():
        cr.copy_expert(_COPY, io.StringIO(text))


def notify(cr) -> None:
    """Wake the runners when the transaction commits."""
    cr.execute(_NOTIFY)


_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _copy_text(value: Any) -> str:
    if value is None:
        return "\\N"
    if value is True:
        return "t"
    if value is False:
        return "f"
    text = value if type(value) is str else str(value)
    if _SPECIAL.search(text):
        return _SPECIAL.sub(lambda match: _ESCAPES[match.group()], text)
    return text
