# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table and the plots."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from .figures import Figure
from .results import Results, Row

HEAD = ("figure", "metric", "ours", "peer", "ratio", "demand", "")
# Percent of the machine that others may take.
DISTURBED = 10
COLOUR = {"ours": "#1f77b4", "peer": "#bbbbbb", "before": "#ff7f0e"}


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits, whole when large."""
    if value is None:
        return "-"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def table(results: Results, figures: list[Figure]) -> str:
    """A Markdown table of medians, ratios and demands."""
    lines = [HEAD]
    for figure in figures:
        for metric in figure.metrics:
            row = results.row(figure, metric)
            if row.ours is not None or row.peer is not None:
                lines.append(_cells(row))
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, _line(["-" * width for width in widths], widths))
    for (figure, target), reason in results.failures.items():
        text.append(f"\n{figure}, {target}: {reason.strip().splitlines()[-1]}")
    return "\n".join([*text, "", *_against(results, figures), *_notes(results)])


def _against(results: Results, figures: list[Figure]) -> list[str]:
    """Ours beside ours of another revision; the ratio is the median of the rounds'."""
    lines = []
    for figure in figures:
        for metric in figure.metrics:
            found = results.against(figure.name, metric.key)
            if found is not None:
                ours, before = (number(value, metric.unit) for value in found[:2])
                ratio = f"{found[2]:.3f}x"
                lines.append((figure.name, metric.label, ours, before, ratio))
    if not lines:
        return []
    head = ("figure", "metric", "ours", str(results.about["against"]), "ratio")
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(5)]
    rule = _line(["-" * width for width in widths], widths)
    return [_line(head, widths), rule, *(_line(line, widths) for line in lines), ""]


def _notes(results: Results) -> list[str]:
    about = results.about
    notes = [
        f"{about['rounds']} rounds, medians; {about['cores']} cores,"
        f" {about['postgresql']}, commit {about['commit']}.",
        ", ".join(f"{name} {value}" for name, value in about["durable"].items()) + ".",
        f"Sizes: {about['sizes']}; ours enqueues and drains"
        f" {about['counts']['ours_times']} times as many jobs as the peer.",
    ]
    if others := results.others:
        notes.append(
            f"Other programs took {median(others):.0f} % of the machine (median of"
            f" the measurements; {max(others):.0f} % at most)."
        )
        if max(others) > DISTURBED:
            notes.append("That is too much to trust the figures.")
    return notes


def _cells(row: Row) -> tuple[str, ...]:
    unit = row.metric.unit
    ratio = f"{number(row.ratio)}x" if row.ratio is not None else ""
    cells = (number(row.ours, unit), number(row.peer, unit), ratio)
    return (row.figure.name, row.metric.label, *cells, row.demand, row.verdict)


def _line(cells, widths) -> str:
    cells = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join(cells)} |"


def plot(results: Results, figures: list[Figure], folder: Path) -> list[Path]:
    """Write the plots; their paths."""
    import matplotlib

    matplotlib.use("Agg")
    rows = [
        results.row(figure, metric)
        for figure in figures
        for metric in figure.metrics
        if any(key[:2] == (figure.name, metric.key) for key in results.values)
    ]
    paths = [_bars(results, rows, folder / "figures.png")] if rows else []
    for figure in figures:
        if getattr(figure, "series", None):
            paths.append(_series(figure.series, folder / f"{figure.name}.png"))
    return paths


def _bars(results: Results, rows: list[Row], path: Path) -> Path:
    """One small chart a metric: the medians, and a dot for each round."""
    from matplotlib import pyplot

    columns = 4
    height = -(-len(rows) // columns)
    fig, axes = pyplot.subplots(
        height, columns, figsize=(4 * columns, 2 * height), squeeze=False
    )
    for axis in axes.flat[len(rows) :]:
        axis.set_visible(False)
    for axis, row in zip(axes.flat, rows, strict=False):
        for target in ("peer", "ours"):
            key = (row.figure.name, row.metric.key, target)
            values = results.values.get(key, [])
            middle = getattr(row, target)
            if middle is not None:
                bar = axis.barh(target, middle, color=COLOUR[target])
                axis.bar_label(bar, [number(middle)], label_type="center", fontsize=7)
                axis.plot(values, [target] * len(values), "k.", markersize=4)
        ratio = f", {number(row.ratio)}x" if row.ratio is not None else ""
        title = f"{row.figure.name}: {row.metric.label}\n{row.metric.unit}{ratio}"
        axis.set_title(f"{title} ({row.demand})" if row.demand else title, fontsize=8)
        axis.tick_params(labelsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    pyplot.close(fig)
    return path


def _series(series: dict, path: Path) -> Path:
    """Dead tuples and sizes over time, a line for each target."""
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(3, 1, figsize=(9, 8), sharex=True)
    labels = {"dead": "dead tuples", "table": "table, MiB", "indexes": "indexes, MiB"}
    for axis, (key, label) in zip(axes, labels.items(), strict=True):
        for target, samples in series.items():
            times = [seconds for seconds, _sample in samples]
            values = [sample[key] for _seconds, sample in samples]
            axis.plot(times, values, color=COLOUR[target], label=target)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
    axes[0].legend()
    axes[-1].set_xlabel("seconds")
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    pyplot.close(fig)
    return path
