# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Figures in the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"

Labels = Mapping[str, str]


@dataclass
class Metric:
    """All samples of one name."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """Add a value; None is not known and left out."""
        if value is not None:
            self.samples.append((self.name, labels, value))

    def add_histogram(
        self, counts: Sequence[int], seconds: float, **labels: str
    ) -> None:
        """Add counts of `core.histogram`, whose times are so many seconds in sum."""
        for bound, number in histogram.cumulative(counts):
            bounded = {**labels, "le": _number(bound)}
            self.samples.append((f"{self.name}_bucket", bounded, number))
        self.samples.append((f"{self.name}_sum", labels, seconds))
        self.samples.append((f"{self.name}_count", labels, sum(counts)))


def render(metrics: Iterable[Metric]) -> str:
    """The text of the metrics that have samples."""
    return "".join(
        f"{line}\n" for metric in metrics if metric.samples for line in _lines(metric)
    )


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {_escape(metric.help)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for name, labels, value in metric.samples:
        pairs = ",".join(
            f'{key}="{_escape(text, quotes=True)}"' for key, text in labels.items()
        )
        yield (
            f"{name}{{{pairs}}} {_number(value)}"
            if pairs
            else (f"{name} {_number(value)}")
        )


def _escape(text: str, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return repr(value) if value % 1 else str(int(value))
