# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of verbs, against the one of the architecture written out by hand."""

import unittest

from odoo.addons.queue_job.core import states

# Rows: verbs.  Columns: states in the order of the selection.  x: may move.
#                w  p  e  s  d  c  f
TABLE = """
    enqueue      .  x  .  .  .  .  .   enqueued
    start        .  x  x  .  .  .  .   started
    finish       .  .  .  x  .  .  .   done
    retry        .  .  .  x  .  .  .   pending
    fail         .  .  .  x  .  .  .   failed
    release      x  .  .  .  .  .  .   pending
    rescue       .  .  x  x  .  .  .   pending failed cancelled
    refuse       .  x  x  .  .  .  .   failed
    stop         .  .  .  x  .  .  .   cancelled
    cancel       x  x  x  .  .  .  x   cancelled
    requeue      .  .  x  .  x  x  x   pending wait_dependencies
    hold         .  x  .  .  .  .  .   wait_dependencies
    set_done     x  x  x  .  .  .  x   done
"""
ROWS = [row.split() for row in TABLE.strip().splitlines()]
VALUES = [value for value, _label in states.STATES]


class TestStates(unittest.TestCase):
    def test_the_selection_keeps_its_values_and_their_order(self):
        self.assertEqual(
            VALUES,
            [
                "wait_dependencies",
                "pending",
                "enqueued",
                "started",
                "done",
                "cancelled",
                "failed",
            ],
        )

    def test_every_state_has_a_label_of_its_own(self):
        labels = [label for _value, label in states.STATES]
        self.assertEqual(len(set(labels)), len(labels))
        self.assertTrue(all(labels))

    def test_unfinished_and_ended_share_out_all_states(self):
        self.assertEqual(sorted(states.UNFINISHED + states.ENDED), sorted(VALUES))

    def test_the_groups_lie_within_each_other(self):
        self.assertLess(set(states.NOT_STARTED), set(states.UNFINISHED))
        self.assertLess(set(states.RUNNING), set(states.UNFINISHED))
        self.assertLess(set(states.FINAL), set(states.ENDED))


class TestVerbs(unittest.TestCase):
    def test_the_table_has_each_verb_once(self):
        self.assertEqual([row[0] for row in ROWS], list(states.VERBS))

    def test_each_verb_applies_to_exactly_its_sources(self):
        for verb, *cells in ROWS:
            for state, cell in zip(VALUES, cells[: len(VALUES)], strict=True):
                with self.subTest(verb=verb, state=state):
                    self.assertIs(states.can(verb, state), cell == "x")
                    self.assertIs(state in states.sources(verb), cell == "x")

    def test_each_verb_leads_to_its_targets(self):
        for verb, *cells in ROWS:
            with self.subTest(verb=verb):
                targets = cells[len(VALUES) :]
                self.assertEqual(list(states.VERBS[verb].targets), targets)
                self.assertEqual(states.VERBS[verb].target, targets[0])

    def test_every_state_can_be_left_and_every_ended_one_reached(self):
        left = {state for verb in states.VERBS.values() for state in verb.sources}
        reached = {state for verb in states.VERBS.values() for state in verb.targets}
        self.assertEqual(left, set(VALUES))
        self.assertLessEqual(set(states.ENDED), reached)

    def test_nobody_but_its_executor_and_a_rescue_moves_a_started_job(self):
        movers = {verb for verb in states.VERBS if states.can(verb, "started")}
        self.assertEqual(movers, {"finish", "retry", "fail", "stop", "rescue"})

    def test_sources_can_be_changed_by_the_caller_without_harm(self):
        states.sources("cancel").clear()
        self.assertTrue(states.can("cancel", "pending"))

    def test_the_table_cannot_be_changed(self):
        with self.assertRaises(TypeError):
            states.VERBS["cancel"] = None

    def test_an_unknown_verb_is_an_error(self):
        with self.assertRaises(KeyError):
            states.sources("explode")
        with self.assertRaises(KeyError):
            states.can("explode", "pending")
