# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every statement that writes a state makes a move that the table of verbs has."""

from __future__ import annotations

import importlib
import pkgutil
import re
import unittest

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.core import states

#: the statements that write a state, and the verbs that they are
VERBS = {
    "execution._FINISH": "finish",
    "execution._FINISH_BY_ID": "finish",
    "execution._START": "start",
    "execution._START_NEXT": "start",
    "graph._RELEASE": "release",
    "last_resort._CANCEL": "stop",
    "last_resort._FAIL": "fail",
    "last_resort._RETRY": "retry",
    "recovery._REFUSE_ENQUEUED": "refuse",
    "recovery._REFUSE_PENDING": "refuse",
    "recovery._RELEASE_ALL": "rescue",
    "recovery._RELEASE_ENQUEUED": "rescue",
    "recovery._RELEASE_STALE": "rescue",
    "recovery._RESCUE_CANCELLED": "rescue",
    "recovery._RESCUE_FAILED": "rescue",
    "recovery._RESCUE_PENDING": "rescue",
    "repair._CANCEL": "cancel",
    "repair._RELEASE_SOME": "release",
    "schedule._MARK_ENQUEUED": "enqueue",
}
_SET = re.compile(r"UPDATE queue_job(?: AS \w+)?\s+SET (.*?)\b(?:FROM|WHERE)\b", re.S)
_STATE = re.compile(r"\bstate = '(\w+)'")


def statements():
    """``{name: text}`` of all that is executed."""
    found = {}
    for module in pkgutil.iter_modules(storage.__path__):
        room = importlib.import_module(f"{storage.__name__}.{module.name}")
        for name, value in vars(room).items():
            if isinstance(value, str) and _SET.search(value):
                found[f"{module.name}.{name}"] = value
    return found


def move(statement):
    """The states that a statement starts from, and the one that it writes."""
    written = _SET.search(statement)
    rest = statement[: written.start()] + statement[written.end() :]
    return set(_STATE.findall(rest)), _STATE.findall(written[1])


class TestStatements(unittest.TestCase):
    def test_each_statement_that_writes_a_state_is_known(self):
        writing = {name for name, text in statements().items() if move(text)[1]}
        self.assertEqual(writing, set(VERBS))

    def test_each_makes_moves_of_its_verb_alone(self):
        """One without a guard would move a job that somebody else has moved."""
        for name, verb in VERBS.items():
            with self.subTest(name):
                sources, (target,) = move(statements()[name])
                self.assertTrue(sources, "it is guarded")
                self.assertLessEqual(sources, set(states.sources(verb)))
                self.assertIn(target, states.VERBS[verb].targets)

    def test_every_way_to_rescue_a_job_is_there(self):
        ways = [move(statements()[n]) for n, verb in VERBS.items() if verb == "rescue"]
        moves = {(source, target) for sources, (target,) in ways for source in sources}
        self.assertEqual(
            moves,
            {
                ("enqueued", "pending"),
                ("started", "pending"),
                ("started", "failed"),
                ("started", "cancelled"),
            },
        )
