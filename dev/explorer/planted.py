# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# ruff: noqa: E501
"""Guards that are taken out of the statements: the search must notice each of them."""

from __future__ import annotations

from typing import NamedTuple

from odoo.addons.queue_job.storage.locks import JOB, JOB_KEYS, PASS


class Planted(NamedTuple):
    """A fault: what statements say instead, and the scene that shows it."""

    scene: str
    replacements: dict[str, str]


PLANTED: dict[str, Planted] = {
    "passes at the same time": Planted(
        "swap",
        {
            rf"pg_try_advisory_xact_lock\({PASS}, 0\)": "true",
        },
    ),
    "the running ones not counted": Planted(
        "swap",
        {
            r"(FROM queue_job\s+WHERE state IN \('enqueued', 'started'\))(\s+GROUP)": r"\1 AND false\2"
        },
    ),
    "rescued though alive": Planted(
        "alive",
        {
            rf"classid::int8 - {JOB}": "classid::int8 - 1",
            rf"pg_try_advisory_xact_lock\({JOB_KEYS}": "pg_try_advisory_xact_lock(7",
        },
    ),
    "marked whatever its state": Planted(
        "cancel",
        {
            r"WHERE job.state = 'pending' AND job.ready\s+FOR NO KEY UPDATE OF job SKIP LOCKED": ""
        },
    ),
    "a dead runner's jobs left": Planted(
        "death",
        {
            r"WHERE state = 'enqueued'\s+AND coalesce\(date_enqueued": "WHERE false AND coalesce(date_enqueued"
        },
    ),
    "dead workers' jobs left": Planted(
        "death", {r"WHERE state = 'started' AND": "WHERE false AND"}
    ),
}
