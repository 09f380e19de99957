# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a line of the log tells of a job, for machines as well.

Each line about a job has these fields besides its text, as far as they are known, as
attributes of the log record: a formatter that writes JSON finds them there.
"""

from __future__ import annotations

from typing import Any


def fields(job: Any, state: str, seconds: float | None = None) -> dict[str, Any]:
    """The argument ``extra`` of a line about a job in ``state``.

    :param job: a ``Job``, or the row of a started one
    :param seconds: how long this try took, once it is over
    """
    return {
        "job_uuid": job.uuid,
        "job_channel": job.channel,
        "job_function": f"<{job.model_name}>.{job.method_name}",
        "job_attempt": job.attempt,
        "job_state": state,
        "job_duration": seconds,
    }
