# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which order of steps is tried next: all of them, those with few interruptions first.

An order is repeated from the beginning up to a step at which somebody else could have
gone on instead, and from there it is another one. Where the tables, the actors and what
may still happen are the same as at a step of an order before, nothing new can follow.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

#: steps of one order; more of them, and it never ends
MOST_STEPS = 600


class Budget(NamedTuple):
    """What may still happen in an order.

    interruptions: changes from an actor that could go on to another one
    faults: deaths and cuts
    """

    interruptions: int
    faults: int


class Choice(NamedTuple):
    """What happens next: an actor takes a step, or something befalls him."""

    kind: str  # "step" or the name of a fault
    actor: str

    def __str__(self) -> str:
        return self.actor if self.kind == "step" else f"{self.kind} {self.actor}"


class Diverged(Exception):
    """The order could not be repeated: what was possible then is not possible now."""


@dataclass
class Search:
    """The orders that were not tried yet.

    :param budget: of each order
    :param seed: decides in which sequence they are tried
    """

    budget: Budget
    seed: int = 0
    tried: int = 0
    steps: int = 0
    pruned: int = 0
    diverged: int = 0
    _seen: set[Hashable] = field(default_factory=set)
    #: by what was spent on them: the beginnings of orders
    _left: dict[int, list[tuple[Choice, ...]]] = field(
        default_factory=lambda: {0: [()]}
    )

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def exhausted(self) -> bool:
        return not len(self)

    def __len__(self) -> int:
        return sum(map(len, self._left.values()))

    def orders(self, most: int | None = None) -> Iterator[Order]:
        """The orders one after the other, at most so many."""
        while not self.exhausted and (most is None or self.tried < most):
            # faults are few and shallow; of what costs the same, any: deep and wide
            left = self._left[min(cost for cost, each in self._left.items() if each)]
            index = self._random.randrange(len(left))
            left[index], left[-1] = left[-1], left[index]
            self.tried += 1
            yield Order(self, left.pop())

    def is_new(self, key: Hashable) -> bool:
        if key in self._seen:
            self.pruned += 1
            return False
        self._seen.add(key)
        return True

    def add(self, prefix: tuple[Choice, ...], spent: int) -> None:
        self._left.setdefault(spent, []).append(prefix)


class Order:
    """One order of steps: given up to a point, and then with the fewest changes."""

    def __init__(self, search: Search, given: tuple[Choice, ...]):
        self._search = search
        self._given = given
        self._budget = search.budget
        self.taken: list[Choice] = []
        #: the same for people, with what was executed
        self.told: list[str] = []

    def next(self, possible: list[Choice], key: Hashable) -> Choice:
        """What happens now.

        :param possible: the steps first; at least one
        :param key: of the state in which that is so
        :raises Diverged: what was chosen in the order before is not possible
        """
        self._search.steps += 1
        place = len(self.taken)
        if place >= MOST_STEPS:
            raise AssertionError(f"no end after {place} steps")
        last = self.taken[-1].actor if self.taken else None
        usual = next((each for each in possible if each.actor == last), possible[0])
        if place < len(self._given):
            choice = self._given[place]
            if choice not in possible:
                self._search.diverged += 1
                raise Diverged(f"step {place}: {choice} is not possible")
        else:
            choice = usual
            self._branch(possible, usual, key)
        self._budget = self._after(choice, usual)
        self.taken.append(choice)
        return choice

    def _branch(self, possible: list[Choice], usual: Choice, key: Hashable) -> None:
        if not self._search.is_new((key, self._budget, usual)):
            return
        for each in possible:
            after = self._after(each, usual)
            if each != usual and min(after) >= 0:
                spent = self._search.budget.interruptions - after.interruptions
                self._search.add((*self.taken, each), spent)

    def _after(self, choice: Choice, usual: Choice) -> Budget:
        interruptions, faults = self._budget
        if choice.kind != "step":
            return Budget(interruptions, faults - 1)
        last = self.taken[-1].actor if self.taken else None
        interrupts = choice.actor != usual.actor and usual.actor == last
        return Budget(interruptions - interrupts, faults)

    @property
    def faults(self) -> int:
        """How many happened."""
        return self._search.budget.faults - self._budget.faults

    def __str__(self) -> str:
        return "\n".join(f"  {each}" for each in self.told)
