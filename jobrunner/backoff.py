# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long to wait after a failure."""

from __future__ import annotations


class Backoff:
    """Times that double from one failure to the next.

    :param least: seconds after the first one
    :param most: seconds that are never exceeded
    """

    def __init__(self, least: float, most: float):
        self._least, self._most = least, most
        self._next = least

    def fail(self) -> float:
        """Seconds to wait after this failure."""
        wait, self._next = self._next, min(self._next * 2, self._most)
        return wait

    def reset(self) -> None:
        """It went well: the next failure is a first one."""
        self._next = self._least
