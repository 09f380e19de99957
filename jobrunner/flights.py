# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The requests under way for one database, and the places of those that failed."""

from __future__ import annotations

from collections.abc import Iterable

from ..storage import recovery, schedule
from .backoff import Backoff
from .dispatch import Outcome
from .scheduling import Request

#: seconds without a request after some were refused, the first and the most
_PAUSE = (0.2, 5.0)


class Flights:
    """What was sent and has not come back; all in the thread of the loop."""

    def __init__(self):
        #: jobs with requests under way, and their attempts
        self.flying: dict[int, int] = {}
        #: no request before this moment, on the loop's steady clock
        self.paused_until = 0.0
        self._ended: list[tuple[int, int, Outcome]] = []
        self._pause = Backoff(*_PAUSE)

    def take_off(self, requests: Iterable[Request]) -> None:
        """These are to be sent."""
        for request in requests:
            self.flying[request.id] = request.attempt

    def land(self, request: Request, outcome: Outcome) -> None:
        """A request is over, whatever became of its job."""
        self._ended.append((request.id, request.attempt, outcome))
        if self.flying.get(request.id) == request.attempt:
            del self.flying[request.id]

    def forget_ended(self) -> None:
        """Leave what failed to others: there is no connection to give it back."""
        self._ended.clear()

    def give_back(self, cr, now: float) -> str | None:
        """Free the places of requests that did not get as far as a job's start.

        :param cr: a cursor that commits by itself
        :param now: seconds on the loop's clock
        :return: what is to be told of them
        """
        if not self._ended:
            return None
        attempts = {(job_id, attempt) for job_id, attempt, _outcome in self._ended}
        schedule.begin_short(cr)
        released, held = recovery.release_enqueued(cr, attempts)
        schedule.commit(cr)
        # Only now: when the statement fails, they come back with the next one.
        back, ended = set(released), self._ended
        self._ended = [each for each in ended if each[0] in held]
        if len(back) + len(held) < len(attempts):
            self._pause.reset()
        if not back:
            return None
        # Whatever hinders them hinders the next ones too: do not hammer at it.
        self.paused_until = now + self._pause.fail()
        reasons = {o.reason or "nothing was done" for i, _a, o in ended if i in back}
        return f"{len(back)} requests failed, their jobs wait: {', '.join(reasons)}"
