# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tries of jobs that did not finish them (table ``queue_job_try``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_INSERT = """
INSERT INTO queue_job_try (
    job_id, attempt, outcome, date_started, date_ended, exec_time, seconds, worker,
    exc_name, exc_message, exc_info)
VALUES (
    %(job_id)s, %(attempt)s, %(outcome)s, %(date_started)s, %(date_ended)s,
    %(exec_time)s, %(seconds)s, %(worker)s, %(exc_name)s, %(exc_message)s, %(exc_info)s)
"""


def insert(cr, values: Mapping[str, Any]) -> None:
    """Keep a try: ``job_id``, ``attempt``, ``outcome`` and what is known of it."""
    cr.execute(_INSERT, values)
