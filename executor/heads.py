# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where a lease looks for the next job: at the head of its channel's queue.

As long as some transaction is open, in whatever program, PostgreSQL keeps the index
entries of all jobs that were taken since it began, and each look at the head walks over
them. When that gets slow the lease looks behind the job that it has just had, and at
the head again after some time: a job that came in before that one is found then.
"""

from __future__ import annotations

#: seconds that a look at the head may take
SLOW = 0.01
#: how many times as long as a slow look took the head is left alone
SHARE = 10


class Heads:
    """When the head of each channel's queue is to be looked at again."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def are_due(self, channel: str, now: float) -> bool:
        """Whether to look at the head, rather than behind the job taken last."""
        return now >= self._due.get(channel, now)

    def looked(self, channel: str, now: float, seconds: float) -> None:
        """Note how long a look at the head took."""
        if seconds > SLOW:
            self._due[channel] = now + SHARE * seconds
        else:
            self._due.pop(channel, None)
