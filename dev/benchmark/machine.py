# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How much of the machine other programs take while something is measured."""

from __future__ import annotations

import os
import time

from . import process

IDLE = (3, 4)  # the columns idle and iowait


def busy() -> float:
    """CPU seconds that all programs have taken since the machine was started."""
    with open("/proc/stat") as file:
        ticks = [int(value) for value in file.readline().split()[1:]]
    # guest and guest_nice are contained in user and nice
    used = (v for i, v in enumerate(ticks[:8]) if i not in IDLE)
    return sum(used) / process.TICK


class Others:
    """Begins to watch when made; share() tells what was taken since then.

    :param postmaster: the process of PostgreSQL, which belongs to what is measured
    """

    def __init__(self, postmaster: int):
        self.postmaster = postmaster
        self.before = self._now()

    def _now(self) -> tuple[float, float]:
        own = process.tree_cpu(os.getpid()) + process.tree_cpu(self.postmaster)
        return time.monotonic(), busy() - own

    def share(self) -> float:
        """Percent of all cores."""
        since, before = self.before
        now, after = self._now()
        capacity = (now - since) * (os.cpu_count() or 1)
        return max(0.0, 100 * (after - before) / max(capacity, 0.001))
