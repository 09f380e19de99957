# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who sees what is done while an order is played, and says what may never be."""

from __future__ import annotations

from collections import Counter

from .stage import Actor
from .wire import current

# At this moment, for everybody: in short, to recognize it; the places that are taken,
# where who has reserved a job counts with it; each job's state.
_SEEN = """
SELECT (SELECT md5(coalesce(string_agg(row, '|' ORDER BY row), '')) FROM (
            SELECT (id, state, ready, attempt, deaths, retry, barrier_id, release_due,
                    priority)::text AS row FROM queue_job
             UNION ALL
            SELECT (barrier_id, met, parent_id)::text FROM queue_job_edge
             UNION ALL
            SELECT (id, name, job_uuid)::text FROM test_queue_effect
       ) AS all_rows),
       (SELECT count(DISTINCT coalesce(run_id, -id)) FROM queue_job
         WHERE state IN ('enqueued', 'started')),
       (SELECT json_object_agg(uuid, state) FROM queue_job)
"""
_TOO_EARLY = """
SELECT FROM queue_job AS job
  JOIN queue_job_edge AS edge ON edge.barrier_id = job.barrier_id
  JOIN queue_job AS parent ON parent.id = edge.parent_id
 WHERE job.uuid = %s AND parent.state <> 'done'
"""
# The effect of a job names the changes that it saw: rows of nobody's job.
_LEAVE = """
INSERT INTO test_queue_effect (name, job_uuid)
SELECT concat_ws(' after ', %s, string_agg(name, ', ')), %s
  FROM test_queue_effect WHERE job_uuid IS NULL
"""


class Witness:
    """The eyes of one order.

    :param query: asks the database, on a connection that is nobody's
    :param capacity: how many jobs may be executed at once
    """

    def __init__(self, query, capacity: int = 1):
        self._query = query
        self.capacity = capacity
        self.actors: list[Actor] = []
        #: what was wrong, each once, in this order
        self.problems: dict[str, None] = {}
        #: how often the body of a job was begun, by uuid
        self.begun: Counter[str] = Counter()

    def blame(self, problem: str) -> None:
        self.problems[problem] = None

    def body(self):
        """The method that jobs of scenes are made of."""

        def leave(records, name, number=0):
            """Leave an effect"""
            uuid = records.env.context["job_uuid"]
            self._begins(uuid)
            records.env.cr.execute(_LEAVE, (name, uuid))

        return leave

    def _begins(self, uuid: str) -> None:
        actor = current()
        self.begun[uuid] += 1
        if self._query(_TOO_EARLY, (uuid,)):
            self.blame("a job runs before one that it depends on")
        if actor is None:
            return
        others = [] if actor.lost else [one for one in self._busy() if one is not actor]
        if any(one.running == uuid for one in others):
            self.blame(f"{actor.name}: the job is executed by two at once")
        if len(others) >= self.capacity:
            self.blame(f"{actor.name}: {len(others) + 1} jobs are executed at once")
        actor.running = uuid

    def _busy(self) -> list[Actor]:
        return [one for one in self.actors if one.running and not one.lost]

    def look(self) -> str:
        """See what has been committed so far; return it in short."""
        digest, places, states = self._query(_SEEN)[0]
        if places > self.capacity:
            self.blame(f"{places} places are taken, there are {self.capacity}")
        for actor in self._busy():
            state = (states or {}).get(actor.running)
            if state is None:
                actor.lost = True
            elif state != "started":
                self.blame(f"{actor.name}: executes a job that is {state}")
        return digest

    def check_beginnings(self, most: int) -> None:
        """No body is begun again without a reason.

        :param most: how often one may be begun, by what happened
        """
        if any(number > most for number in self.begun.values()):
            self.blame(f"a body was begun {max(self.begun.values())} times")
