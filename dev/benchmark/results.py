# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What was measured: kept, added up, judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .figures import Figure, Metric


@dataclass
class Results:
    """Values of every round, and what went wrong instead of one."""

    about: dict
    #: {(figure, metric, target): values, one a round}
    values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    #: {(figure, target): reason}
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    #: percent of the machine that other programs took, one a measurement
    others: list[float] = field(default_factory=list)

    def add(self, figure: str, target: str, measured: dict[str, float]) -> None:
        for key, value in measured.items():
            self.values.setdefault((figure, key, target), []).append(float(value))

    def fail(self, figure: str, target: str, reason: str) -> None:
        self.failures[figure, target] = reason

    def median(self, figure: str, key: str, target: str) -> float | None:
        values = self.values.get((figure, key, target))
        return median(values) if values else None

    def against(self, figure: str, key: str) -> tuple[float, float, float] | None:
        """Ours, ours before (medians), and the median of the rounds' ratios."""
        ours = self.values.get((figure, key, "ours"), [])
        before = self.values.get((figure, key, "before"), [])
        ratios = [o / b for o, b in zip(ours, before, strict=False) if b]
        if not ratios:
            return None
        return median(ours), median(before), median(ratios)

    def row(self, figure: Figure, metric: Metric) -> Row:
        ours = self.median(figure.name, metric.key, "ours")
        peer = self.median(figure.name, metric.key, "peer")
        return Row(figure, metric, ours, peer)

    def save(self, path: Path) -> None:
        data = {
            "about": self.about,
            "others": self.others,
            "values": [
                {"figure": figure, "metric": metric, "target": target, "values": values}
                for (figure, metric, target), values in self.values.items()
            ],
            "failures": [
                {"figure": figure, "target": target, "reason": reason}
                for (figure, target), reason in self.failures.items()
            ],
        }
        path.write_text(json.dumps(data, indent=1))


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    figure: Figure
    metric: Metric
    ours: float | None
    peer: float | None

    @property
    def ratio(self) -> float | None:
        if self.ours is None or not self.peer:
            return None
        if self.metric.limit is not None:
            return None  # differences and shares: a ratio of them tells nothing
        return self.ours / self.peer

    @property
    def demand(self) -> str:
        sign = "≥" if self.metric.better == "higher" else "≤"
        if self.metric.ratio is not None:
            return f"{sign} {self.metric.ratio:g}x"
        if self.metric.limit is not None:
            return f"{sign} {self.metric.limit:g} {self.metric.unit}".rstrip()
        return ""

    @property
    def verdict(self) -> str:
        """Whether ours is as demanded: reached, missed, or nothing to say."""
        metric = self.metric
        if metric.limit is not None and self.ours is not None:
            reached = metric.reached(self.ours, metric.limit)
        elif metric.ratio is not None and self.ratio is not None:
            reached = metric.reached(self.ratio, metric.ratio)
        else:
            return ""
        return "reached" if reached else "missed"
