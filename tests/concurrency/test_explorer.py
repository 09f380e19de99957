# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Some hundred orders of the explorer ``dev/explore``; ``.ci/long`` tries many more."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
import sys
import unittest

from ..documentation import ROOT

DEV = ROOT / "dev"
#: orders of each scene
ORDERS = 5


def explore(*options: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [os.environ["QUEUE_JOB_TEST_PYTHON"], "-m", "explorer", *map(str, options)],
        cwd=DEV,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class TestExplorer(unittest.TestCase):
    def test_nothing_is_wrong_in_some_hundred_orders(self):
        done = explore("--orders", ORDERS)
        self.assertEqual(done.returncode, 0, done.stdout)
        tried = sum(map(int, re.findall(r"(?m)^\S+ +(\d+) orders,", done.stdout)))
        self.assertGreater(tried, 80, done.stdout)


class TestSearch(unittest.TestCase):
    """The search itself, on actors who do nothing but take their steps."""

    def setUp(self):
        super().setUp()
        path = DEV / "explorer" / "search.py"
        spec = importlib.util.spec_from_file_location("explorer_search", path)
        self.search = importlib.util.module_from_spec(spec)
        self.addCleanup(sys.modules.pop, spec.name, None)
        sys.modules[spec.name] = self.search
        spec.loader.exec_module(self.search)

    def orders(self, interruptions, faults=0, steps=2):
        """All that are tried: who takes which of so many steps each."""
        budget = self.search.Budget(interruptions, faults)
        search = self.search.Search(budget)
        for order in search.orders():
            left, told = {"a": steps, "b": steps}, ""
            while any(left.values()):
                able = [each for each, number in left.items() if number]
                possible = [self.search.Choice("step", each) for each in able]
                possible += [self.search.Choice("kill", each) for each in able]
                choice = order.next(possible[: None if faults else len(able)], told)
                killed = choice.kind == "kill"
                left[choice.actor] -= left[choice.actor] if killed else 1
                told += choice.actor.upper() if killed else choice.actor
            yield told
        self.assertTrue(search.exhausted)

    def test_all_orders_are_tried_each_once(self):
        tried = sorted(self.orders(interruptions=9))
        every = sorted({"".join(each) for each in itertools.permutations("aabb")})
        self.assertEqual(tried, every)

    def test_those_with_few_interruptions_alone_when_no_more_are_wanted(self):
        self.assertEqual(sorted(self.orders(0)), ["aabb", "bbaa"])
        self.assertEqual(sorted(self.orders(1)), ["aabb", "abba", "baab", "bbaa"])

    def test_a_fault_comes_at_any_step_of_anybody(self):
        tried = set(self.orders(0, faults=1))
        self.assertLessEqual({"Abb", "aAbb", "aaB", "aabB", "Baa", "bBaa"}, tried)
        self.assertFalse([each for each in tried if sum(map(str.isupper, each)) > 1])
