# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The graph with bundled edges, against plain pairs."""

import itertools
import tracemalloc
import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core.graph import Dag

PROPERTY = settings(deadline=None, database=None)


def chain(*groups):
    """The graph in which each group waits for all of the one before."""
    dag = Dag()
    for group in groups:
        dag.add_group_edges((), group)
    for one, following in itertools.pairwise(groups):
        dag.add_group_edges(one, following)
    return dag


class TestDag(unittest.TestCase):
    def test_an_empty_graph_has_nothing(self):
        dag = Dag()
        self.assertEqual(len(dag), 0)
        for nothing in (dag.vertices(), dag.roots(), dag.leaves(), dag.barriers()):
            self.assertEqual(nothing, [])
        self.assertEqual(dag.topological(), [])

    def test_a_vertex_alone_waits_for_nothing(self):
        dag = Dag()
        dag.add_vertex("a")
        dag.add_vertex("a")
        self.assertIn("a", dag)
        self.assertNotIn("b", dag)
        self.assertEqual(dag.vertices(), ["a"])
        self.assertEqual(dag.parents("a"), set())
        self.assertEqual(dag.children("a"), [])
        self.assertEqual(dag.barriers(), [])

    def test_an_edge_adds_its_ends_and_counts_once(self):
        dag = Dag()
        dag.add_edge("a", "b")
        dag.add_edge("a", "b")
        self.assertEqual(dag.vertices(), ["a", "b"])
        self.assertEqual(dag.children("a"), ["b"])
        self.assertEqual(dag.parents("b"), {"a"})
        self.assertEqual(dag.topological(), ["a", "b"])

    def test_a_vertex_that_is_not_there_is_an_error(self):
        for ask in (Dag().parents, Dag().children):
            with self.assertRaises(KeyError):
                ask("a")

    def test_a_chain_of_groups_makes_each_wait_for_all_before(self):
        dag = chain("ab", "cde", "f")
        self.assertEqual(dag.roots(), ["a", "b"])
        self.assertEqual(dag.leaves(), ["f"])
        self.assertEqual(dag.children("b"), ["c", "d", "e"])
        self.assertEqual(dag.parents("d"), {"a", "b"})
        self.assertEqual(
            [(barrier.parents, barrier.waiting) for barrier in dag.barriers()],
            [({"a", "b"}, ["c", "d", "e"]), ({"c", "d", "e"}, ["f"])],
        )

    def test_a_group_of_chains_within_a_chain_can_be_built(self):
        # start -> (a1 -> a2 | b1) -> end
        dag = chain(["start"], ["a1", "b1"])
        dag.add_edge("a1", "a2")
        dag.add_group_edges(["a2", "b1"], ["end"])
        self.assertEqual(dag.roots(), ["start"])
        self.assertEqual(dag.leaves(), ["end"])
        self.assertEqual(dag.topological(), ["start", "a1", "b1", "a2", "end"])
        self.assertEqual(
            [(set(barrier.parents), barrier.waiting) for barrier in dag.barriers()],
            [({"start"}, ["a1", "b1"]), ({"a1"}, ["a2"]), ({"a2", "b1"}, ["end"])],
        )

    def test_an_empty_group_ties_nothing(self):
        dag = Dag()
        dag.add_group_edges(["a"], [])
        dag.add_group_edges([], ["b"])
        self.assertEqual(dag.roots(), ["a", "b"])
        self.assertEqual(dag.leaves(), ["a", "b"])

    def test_a_vertex_in_several_groups_waits_for_all_of_them(self):
        dag = Dag()
        dag.add_group_edges("ab", "xy")
        dag.add_group_edges("bc", "xz")
        self.assertEqual(dag.parents("x"), {"a", "b", "c"})
        self.assertEqual(dag.children("b"), ["x", "y", "z"])

    def test_equal_sets_of_parents_share_one_barrier_however_they_came_about(self):
        dag = Dag()
        dag.add_group_edges("ab", "x")
        dag.add_edge("a", "y")
        dag.add_edge("b", "y")
        dag.add_group_edges("ba", "z")
        (barrier,) = dag.barriers()
        self.assertEqual(barrier.parents, {"a", "b"})
        self.assertEqual(barrier.waiting, ["x", "y", "z"])

    def test_another_graph_can_be_taken_in(self):
        dag = chain("a", "b")
        other = chain("b", "c")
        other.add_vertex("d")
        dag.update(other)
        self.assertEqual(dag.vertices(), ["a", "b", "c", "d"])
        self.assertEqual(dag.topological(), ["a", "b", "c", "d"])
        self.assertEqual(dag.parents("c"), {"b"})

    def test_order_keeps_to_insertion_where_nothing_else_decides(self):
        dag = Dag()
        for vertex in "dcba":
            dag.add_vertex(vertex)
        self.assertEqual(dag.topological(), ["d", "c", "b", "a"])
        dag.add_edge("a", "d")
        self.assertEqual(dag.topological(), ["c", "b", "a", "d"])


class TestCycles(unittest.TestCase):
    def cycle(self, dag):
        with self.assertRaises(ValueError) as caught:
            dag.topological()
        return str(caught.exception).rpartition(": ")[2].split(" -> ")

    def test_a_vertex_that_waits_for_itself_is_a_cycle(self):
        dag = Dag()
        dag.add_edge("a", "a")
        self.assertEqual(self.cycle(dag), ["a", "a"])

    def test_a_cycle_is_named_from_parent_to_child(self):
        dag = chain("s", "a", "b", "c", "t")
        dag.add_edge("c", "a")
        cycle = self.cycle(dag)
        self.assertEqual(sorted(set(cycle)), ["a", "b", "c"])
        for parent, child in itertools.pairwise(cycle):
            self.assertIn(child, dag.children(parent))

    def test_a_group_that_waits_for_one_of_its_own_is_a_cycle(self):
        dag = Dag()
        dag.add_group_edges("ab", "bc")
        self.assertEqual(self.cycle(dag), ["b", "b"])

    def test_a_long_cycle_is_shown_in_part(self):
        dag = chain(*([number] for number in range(1000)))
        dag.add_edge(999, 0)
        cycle = self.cycle(dag)
        self.assertEqual(len(cycle), 9)
        self.assertEqual(cycle[4], "(993 more)")
        self.assertEqual(cycle[0], cycle[-1])

    def test_a_cycle_of_seven_is_shown_whole(self):
        dag = chain(*"abcdefg")
        dag.add_edge("g", "a")
        self.assertEqual(len(self.cycle(dag)), 8)


class TestLargeGraphs(unittest.TestCase):
    def test_ten_thousand_below_ten_thousand_stay_small(self):
        above, below = range(10_000), range(10_000, 20_000)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        dag = chain(above, below, ["last"])
        order = dag.topological()
        barriers = dag.barriers()
        _now, peak = tracemalloc.get_traced_memory()
        # 10^8 edges would need gigabytes.
        self.assertLess(peak, 50 * 2**20)
        self.assertTrue(order == [*above, *below, "last"])
        self.assertEqual([len(each.parents) for each in barriers], [10_000, 10_000])
        self.assertEqual([len(each.waiting) for each in barriers], [10_000, 1])
        self.assertTrue(dag.parents(10_000) is dag.parents(19_999))

    def test_a_chain_of_ten_thousand_is_no_deeper_than_python_allows(self):
        dag = chain(*([number] for number in range(10_000)))
        self.assertTrue(dag.topological() == list(range(10_000)))


groups = st.lists(st.integers(0, 12), max_size=4)
bundles = st.lists(st.tuples(groups, groups), max_size=8)


def build(bundles, vertices=()):
    dag, pairs = Dag(), set()
    for vertex in vertices:
        dag.add_vertex(vertex)
    for above, below in bundles:
        dag.add_group_edges(above, below)
        pairs |= set(itertools.product(above, below))
    return dag, pairs


@st.composite
def dags(draw):
    """Random graphs without cycles, their vertices in random order."""
    order = draw(st.permutations(range(10)))
    made = []
    for _ in range(draw(st.integers(0, 8))):
        cut = draw(st.integers(1, 9))
        above = draw(st.lists(st.sampled_from(order[:cut]), max_size=4))
        below = draw(st.lists(st.sampled_from(order[cut:]), max_size=4))
        made.append((above, below))
    return build(made, draw(st.lists(st.sampled_from(order))))


class TestAgainstPairs(unittest.TestCase):
    @PROPERTY
    @given(dags())
    def test_parents_and_children_are_those_of_the_pairs(self, made):
        dag, pairs = made
        for vertex in dag.vertices():
            parents = {parent for parent, child in pairs if child == vertex}
            children = {child for parent, child in pairs if parent == vertex}
            self.assertEqual(dag.parents(vertex), parents)
            self.assertEqual(set(dag.children(vertex)), children)
            self.assertEqual(len(dag.children(vertex)), len(children))
            self.assertIs(vertex in dag.roots(), not parents)
            self.assertIs(vertex in dag.leaves(), not children)

    @PROPERTY
    @given(dags())
    def test_barriers_are_the_real_sets_of_parents(self, made):
        dag, _pairs = made
        barriers = dag.barriers()
        sets = [barrier.parents for barrier in barriers]
        self.assertEqual(len(set(sets)), len(sets))
        waiting = [vertex for barrier in barriers for vertex in barrier.waiting]
        self.assertEqual(len(set(waiting)), len(waiting))
        self.assertEqual(set(waiting), set(dag.vertices()) - set(dag.roots()))
        for barrier in barriers:
            for vertex in barrier.waiting:
                self.assertEqual(barrier.parents, dag.parents(vertex))

    @PROPERTY
    @given(dags())
    def test_the_order_is_the_first_possible_one(self, made):
        dag, _pairs = made
        left, order = dag.vertices(), []
        while left:
            vertex = next(each for each in left if dag.parents(each) <= set(order))
            left.remove(vertex)
            order.append(vertex)
        self.assertEqual(dag.topological(), order)

    @PROPERTY
    @given(bundles)
    def test_a_graph_has_an_order_or_a_cycle_that_is_one(self, bundles):
        dag, pairs = build(bundles)
        try:
            order = dag.topological()
        except ValueError as error:
            text = str(error).rpartition(": ")[2]
            cycle = [step for step in text.split(" -> ") if "more" not in step]
            if cycle == text.split(" -> "):
                steps = set(itertools.pairwise(map(int, cycle)))
                self.assertLessEqual(steps, pairs)
            self.assertEqual(cycle[0], cycle[-1])
        else:
            place = {vertex: number for number, vertex in enumerate(order)}
            self.assertEqual(sorted(place), sorted(dag.vertices()))
            self.assertTrue(all(place[one] < place[other] for one, other in pairs))
