# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a figure is: metrics, and how they are measured in a session."""

from __future__ import annotations

from dataclasses import dataclass

from ..session import Session


@dataclass(frozen=True)
class Metric:
    """One number of a figure.

    :param better: "higher" or "lower"
    :param ratio: the ratio ours / peer to reach
    :param limit: the value of ours to reach, whatever the peer's
    """

    key: str
    label: str
    unit: str
    better: str = "lower"
    ratio: float | None = None
    limit: float | None = None

    def reached(self, value: float, reference: float) -> bool:
        return value >= reference if self.better == "higher" else value <= reference


class Figure:
    """A figure of the table; subclasses say what it needs and how it is measured."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    #: measured once, whatever the number of rounds
    once = False

    def measure(self, session: Session) -> dict[str, float]:
        """Measure once; {key of a metric: value}.  The queue is empty before."""
        raise NotImplementedError
