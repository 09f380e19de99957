# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many requests a runner has under way: no more than somebody can take.  Pure.

A capacity says how many jobs may run, not how many workers there are.  What nobody can
take waits where nobody sees it, at the socket that the server listens on, until the
system drops it there.
"""

from __future__ import annotations

#: seconds after which there is room for one more, whatever was answered
GROW_AFTER = 1.0


class Room:
    """The number of requests that may be under way at the same time.

    It is halved when a request gets no answer, once for all that were under way then,
    and grows by one with each answer, up to the ceiling; and each second, since
    requests under way may last for hours. The clock is passed in, in seconds.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = max(1, ceiling)
        self.allowed = self.ceiling
        self._sent = 0
        self._halved_at = 0
        self._grown_at = 0.0

    def send(self) -> int:
        """A request goes out; return its number."""
        self._sent += 1
        return self._sent

    def end(self, number: int, answered: bool, now: float) -> None:
        """The request with that number is over."""
        if answered:
            self._grow(1)
        elif number > self._halved_at:
            self.allowed = max(1, self.allowed // 2)
            self._halved_at, self._grown_at = self._sent, now

    def _grow(self, number: int) -> None:
        self.allowed = min(self.ceiling, self.allowed + number)

    def share(self, now: float, under_way: int, hungry: int = 1) -> int:
        """How many requests one of so many hungry databases may send now.

        At least one, as long as there is room for any.
        """
        steps = int(max(0.0, now - self._grown_at) / GROW_AFTER)
        self._grow(steps)
        self._grown_at += steps * GROW_AFTER
        free = max(0, self.allowed - under_way)
        return max(1, free // max(1, hungry)) if free else 0


def ceiling(workers: int, connections: int, wanted: int | None = None) -> int:
    """How many requests a server can take at the same time.

    :param workers: its processes, 0: it has threads
    :param connections: to a database, that all its threads share; a job has its own
        cursor, and for moments another one, and people need some
    :param wanted: the operator's own word
    """
    return wanted or workers or max(1, connections // 3)
