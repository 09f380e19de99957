# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Guards that are taken out of the statements: the search must notice each of them.

Some guards have another one behind them, which makes it harmless that the first is
gone. There both are taken out: the look at the locks that are held, and the try to get
one.
"""

from __future__ import annotations

from typing import NamedTuple

from odoo.addons.queue_job.storage.locks import JOB, JOB_KEYS, PASS


class Planted(NamedTuple):
    """A fault: what statements say instead, and the scene that shows it."""

    scene: str
    replacements: dict[str, str]


_RUNNING = r"(FROM queue_job\s+WHERE) (state IN \('enqueued', 'started'\))(\s+GROUP)"

PLANTED: dict[str, Planted] = {
    "passes at the same time": Planted(
        "passes", {rf"pg_try_advisory_xact_lock\({PASS}, 0\)": "true"}
    ),
    "the running ones not counted": Planted("swap", {_RUNNING: r"\1 false\3"}),
    "a reservation not counted": Planted(
        "swap", {_RUNNING: r"\1 (state = 'started' OR \2 AND run_id IS NULL)\3"}
    ),
    "rescued though alive": Planted(
        "alive",
        {
            rf"classid::int8 - {JOB}": "classid::int8 - 1",
            rf"pg_try_advisory_xact_lock\({JOB_KEYS}": "pg_try_advisory_xact_lock(7",
        },
    ),
    "no sign of life": Planted(
        "alive", {rf"pg_advisory_xact_lock\(\s*{JOB_KEYS}": "abs(1"}
    ),
    "started late without a look": Planted(
        "alive",
        {r"(WHERE uuid = \S+) AND state = 'started' AND run_id =": r"\1 AND 0 <"},
    ),
    "marked whatever its state": Planted(
        "cancel",
        {
            r"WHERE job.state = 'pending' AND job.ready"
            r"\s+FOR NO KEY UPDATE OF job SKIP LOCKED": ""
        },
    ),
    "a dead runner's jobs left": Planted(
        "death",
        {
            r"WHERE state = 'enqueued'\s+AND coalesce\(date_enqueued": (
                "WHERE false AND coalesce(date_enqueued"
            )
        },
    ),
    "dead workers' jobs left": Planted(
        "death", {r"WHERE state = 'started' AND": "WHERE false AND"}
    ),
    "a twin not kept from its start": Planted("key", {r"FOR SHARE SKIP LOCKED": ""}),
}
