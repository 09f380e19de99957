# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long things took: counts in fixed buckets, and what they tell.

Each bucket is twice as wide as the one before it, from a millisecond to a day and a
half, so that any two histograms can be added, whoever counted them and when.  What is
read from one is right within the width of a bucket.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

#: seconds: bucket i holds what is less than BOUNDS[i] and not in the one before it
BOUNDS: tuple[float, ...] = tuple(2**power / 1000 for power in range(28))
#: the last bucket holds all the rest
SIZE = len(BOUNDS) + 1

EMPTY: tuple[int, ...] = (0,) * SIZE


def bucket(seconds: float) -> int:
    """The number of the bucket that counts a time of so many seconds."""
    return bisect_right(BOUNDS, seconds)


def of(times: Iterable[float]) -> list[int]:
    """The histogram of these times, in seconds."""
    counts = list(EMPTY)
    for seconds in times:
        counts[bucket(seconds)] += 1
    return counts


def add(histograms: Iterable[Sequence[int]]) -> list[int]:
    """The histogram of all that these count."""
    return [sum(counts) for counts in zip(EMPTY, *histograms)]


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The seconds that this share (0 to 1) of the times stays below, about.

    None when nothing was counted.  Within its bucket a time is taken to lie where
    it would if they were spread evenly on the logarithmic scale; of the times in the
    last bucket it is only known that they are longer than the last bound.
    """
    rank = share * sum(counts)
    below = 0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            return _within(number, max(0.0, rank - below) / count)
        below += count
    return None


def cumulative(counts: Sequence[int]) -> Iterator[tuple[float, int]]:
    """Pairs: an upper bound in seconds (at last infinity), how many are below it."""
    return zip((*BOUNDS, float("inf")), accumulate(counts))


def _within(number: int, fraction: float) -> float:
    if number == 0:
        return BOUNDS[0] * fraction
    low = BOUNDS[number - 1]
    if number == len(BOUNDS):
        return low
    return low * float((BOUNDS[number] / low) ** fraction)
