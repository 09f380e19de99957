# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A directed acyclic graph that stays small when everything waits for everything.

Ten thousand vertices below ten thousand others have 10^8 edges but one set of
parents.  So edges are kept in bundles: a set of parents, and all the children
that wait for exactly this set; a child in several bundles waits for all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)

# A longer cycle is shown by its beginning and its end.
_SHOWN = 8


@dataclass(frozen=True)
class Barrier(Generic[V]):
    """All of `waiting` may go on when all of `parents` are through."""

    parents: frozenset[V]
    waiting: list[V] = field(default_factory=list)


@dataclass(frozen=True)
class _Bundle(Generic[V]):
    key: frozenset[V]
    # Dictionaries as sets that keep the order of insertion.
    parents: dict[V, None]
    children: dict[V, None] = field(default_factory=dict)


class Dag(Generic[V]):
    """Vertices are anything hashable; order is always the order of insertion."""

    def __init__(self) -> None:
        self._bundles: dict[frozenset[V], _Bundle[V]] = {}
        # For each vertex: the bundles that it waits for, those that wait for it.
        self._above: dict[V, list[frozenset[V]]] = {}
        self._below: dict[V, list[frozenset[V]]] = {}

    def __len__(self) -> int:
        return len(self._above)

    def __contains__(self, vertex: object) -> bool:
        return vertex in self._above

    def add_vertex(self, vertex: V) -> None:
        """Add a vertex; one that is there already stays as it is."""
        if vertex not in self._above:
            self._above[vertex] = []
            self._below[vertex] = []

    def add_edge(self, parent: V, child: V) -> None:
        """Let `child` wait for `parent`; both are added when they are missing."""
        self.add_group_edges((parent,), (child,))

    def add_group_edges(self, parents: Iterable[V], children: Iterable[V]) -> None:
        """Let each of `children` wait for all of `parents`, in O(sum of both).

        Where one side is empty, only the vertices of the other are added.
        """
        above, below = dict.fromkeys(parents), dict.fromkeys(children)
        for vertex in (*above, *below):
            self.add_vertex(vertex)
        if above and below:
            self._tie(above, below)

    def update(self, other: Dag[V]) -> None:
        """Add all vertices and edges of another graph."""
        for vertex in other._above:
            self.add_vertex(vertex)
        for bundle in other._bundles.values():
            self.add_group_edges(bundle.parents, bundle.children)

    def vertices(self) -> list[V]:
        """All vertices."""
        return list(self._above)

    def roots(self) -> list[V]:
        """The vertices that wait for nothing."""
        return [vertex for vertex, bundles in self._above.items() if not bundles]

    def leaves(self) -> list[V]:
        """The vertices that nothing waits for."""
        return [vertex for vertex, bundles in self._below.items() if not bundles]

    def parents(self, vertex: V) -> frozenset[V]:
        """What the vertex waits for; KeyError when it is not in the graph."""
        bundles = self._above[vertex]
        return bundles[0] if len(bundles) == 1 else frozenset().union(*bundles)

    def children(self, vertex: V) -> list[V]:
        """What waits for the vertex; KeyError when it is not in the graph."""
        bundles = (self._bundles[key] for key in self._below[vertex])
        return list(dict.fromkeys(each for one in bundles for each in one.children))

    def barriers(self) -> list[Barrier[V]]:
        """The vertices that wait, grouped by what they wait for.

        One barrier, and one set, for each distinct set of parents.
        """
        unions: dict[tuple[frozenset[V], ...], frozenset[V]] = {}
        barriers: dict[frozenset[V], Barrier[V]] = {}
        for vertex, bundles in self._above.items():
            if not bundles:
                continue
            key = tuple(bundles)
            if key not in unions:
                unions[key] = self.parents(vertex)
            parents = unions[key]
            if parents not in barriers:
                barriers[parents] = Barrier(parents)
            barriers[parents].waiting.append(vertex)
        return list(barriers.values())

    def topological(self) -> list[V]:
        """All vertices, parents first, else in the order of insertion.

        Raises ValueError naming a cycle when there is one.
        """
        index = {vertex: number for number, vertex in enumerate(self._above)}
        vertices = self.vertices()
        lacking = {vertex: len(bundles) for vertex, bundles in self._above.items()}
        open_parents = {key: len(key) for key in self._bundles}
        ready = [index[vertex] for vertex in self.roots()]
        order: list[V] = []
        while ready:
            vertex = vertices[heapq.heappop(ready)]
            order.append(vertex)
            for key in self._below[vertex]:
                open_parents[key] -= 1
                if open_parents[key]:
                    continue
                for child in self._bundles[key].children:
                    lacking[child] -= 1
                    if not lacking[child]:
                        heapq.heappush(ready, index[child])
        if len(order) < len(vertices):
            raise ValueError(_describe(self._find_cycle(set(order))))
        return order

    def _tie(self, parents: dict[V, None], children: dict[V, None]) -> None:
        key = frozenset(parents)
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = self._bundles[key] = _Bundle(key, parents)
            for parent in parents:
                self._below[parent].append(key)
        for child in children:
            if child not in bundle.children:
                bundle.children[child] = None
                # One object for all: comparing it with itself costs nothing.
                self._above[child].append(bundle.key)

    def _find_cycle(self, through: set[V]) -> list[V]:
        """A cycle among the vertices that are not `through`, from child to parent.

        Each of them has a parent that is not through either, so going up from
        any must come back to where one has been.
        """
        upward: dict[frozenset[V], V] = {}
        for key, bundle in self._bundles.items():
            stuck = (parent for parent in bundle.parents if parent not in through)
            for parent in stuck:
                upward[key] = parent
                break
        vertex = next(vertex for vertex in self._above if vertex not in through)
        path: dict[V, None] = {}
        while vertex not in path:
            path[vertex] = None
            vertex = next(upward[key] for key in self._above[vertex] if key in upward)
        walked = list(path)
        return walked[walked.index(vertex) :]


def _describe(cycle: list[V]) -> str:
    names = [str(vertex) for vertex in reversed(cycle)]
    names.append(names[0])
    if len(names) > _SHOWN:
        names[_SHOWN // 2 : -_SHOWN // 2] = [f"({len(names) - _SHOWN} more)"]
    return (
        f"The graph has a cycle, nothing in it could ever start: {' -> '.join(names)}"
    )
