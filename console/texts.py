# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the commands have to tell, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_EXECUTED_BY = {
    "runner": "jobs are executed by the runner",
    "cron": "jobs are executed by a scheduled action",
    "nobody": "NOBODY executes jobs",
}
_ENDS = {
    "done": "done",
    "failed": "failed",
    "retry": "to be retried",
    "cancelled": "cancelled",
    "died": "rescued from a dead worker",
}
_CHANNEL = (
    "channel", "capacity", "running", "pending", "scheduled", "failed", "oldest",
)  # fmt: skip
_JOB = ("uuid", "state", "channel", "method", "date_created", "exc_name")
_RUNNER = ("node", "pid", "kind", "version", "passes", "dispatched", "rescued")


def status(found: Mapping[str, Any]) -> str:
    """The state of the queue on a screen."""
    return "\n".join(_status_lines(found))


def _status_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"Database {found['database']}: {_EXECUTED_BY[found['executed_by']]}."
    for problem in found["problems"]:
        yield f"{'ERROR' if problem['error'] else 'Note'}: {problem['text']}"
    yield ""
    yield from _table(_CHANNEL, map(_channel_row, found["channels"]))
    yield ""
    if found["runners"]:
        rows = ([str(each[name]) for name in _RUNNER] for each in found["runners"])
        yield from _table(("runner", *_RUNNER[1:]), rows)
        yield from map(_goes_by, filter(_told, found["runners"]))
        yield ""
    yield _last_hour(found["last_hour"])


def _told(runner: Mapping[str, Any]) -> bool:
    return bool(runner.get("configuration"))


def _goes_by(runner: Mapping[str, Any]) -> str:
    told = runner["configuration"]
    return (
        f"{runner['node']}:{runner['pid']} goes by: {told['address']},"
        f" workers {told['workers']}, lease {told['lease_seconds']:g} s,"
        f" channels {told['channels'] or '(none)'}"
        + (" (the last that could be read)" if told["channels_error"] else "")
    )


def _channel_row(channel: Mapping[str, Any]) -> list[str]:
    capacity = "-" if channel["capacity"] is None else str(channel["capacity"])
    depth = channel["name"].count(".")
    more = "+" if channel["capped"] else ""
    notes = [name for name in ("sequential", "paused") if channel[name]]
    if channel["throttle"]:
        notes.append(f"throttle {channel['throttle']:g} s")
    return [
        "  " * depth + channel["name"],
        capacity + (f" ({', '.join(notes)})" if notes else ""),
        str(channel["running"]),
        *(f"{channel[name]}{more}" for name in ("pending", "scheduled", "failed")),
        duration(channel["oldest"]),
    ]


def _last_hour(total: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{total[name]} {word}" for name, word in _ENDS.items())
    times = "; ".join(f"{name} {_percentiles(total[name])}" for name in ("wait", "run"))
    return f"Last hour: {counts}; {total['throughput']:.1f} done per minute; {times}."


def _percentiles(times: Mapping[str, float | None]) -> str:
    return ", ".join(f"{key} {duration(times[key])}" for key in ("p50", "p95", "p99"))


def channels(found: Mapping[str, Any]) -> str:
    """The channels and their jobs."""
    return "\n".join(_table(_CHANNEL, map(_channel_row, found["channels"])))


def check(found: Mapping[str, Any]) -> str:
    """What is to be put right."""
    if not found["findings"]:
        return f"Database {found['database']}: no mistake found."
    return "\n".join(
        f"{'ERROR' if each['error'] else 'Note'} {each['code']}: {each['text']}"
        for each in found["findings"]
    )


def jobs(found: Mapping[str, Any]) -> str:
    """A line a job."""
    if not found["jobs"]:
        return "No job matches."
    rows = ([_cell(job[name]) for name in _JOB] for job in found["jobs"])
    return "\n".join(line.rstrip() for line in _left(_JOB, rows))


def job(found: Mapping[str, Any]) -> str:
    """All about one job, what is not known left out."""
    lines = [
        f"{name}: {_indented(value)}"
        for name, value in found["job"].items()
        if name not in ("attempts", "held_by") and value not in (None, "")
    ]
    for each in found["job"]["held_by"]:
        lines.append(
            f"held by: {each['state']} job {each['uuid']} ({each['method']}):"
            f" {_cell(each['exc_message'])}; requeue it, or set it done"
        )
    for each in found["job"]["attempts"]:
        lines.append(
            f"attempt {each['attempt']}: {each['outcome']}, {each['date_ended']},"
            f" {duration(each['exec_time'])}, {_cell(each['exc_name'])}:"
            f" {_cell(each['exc_message'])}"
        )
    return "\n".join(lines)


def _indented(value: Any) -> str:
    """Its further lines look like none of ours."""
    return "\n    ".join(str(value).splitlines())


def _cell(value: Any) -> str:
    return "-" if value in (None, "") else str(value).splitlines()[0][:60]


def _left(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        yield "  ".join(text.ljust(size) for text, size in zip(line, widths))


def run(found: Mapping[str, Any]) -> str:
    """What became of the jobs that were executed."""
    return (
        f"{found['executed']} jobs executed: {found['done']} done, {found['failed']}"
        f" failed, {found['retry']} to be tried again, {found['cancelled']} cancelled."
    )


def release(found: Mapping[str, Any]) -> str:
    """Whether there was something to release."""
    if found["reason"]:
        return f"Released: jobs are executed here now (it rested: {found['reason']})."
    return "This database does not rest: its jobs are executed anyway."


def pause(found: Mapping[str, Any]) -> str:
    """Whether the channel starts jobs now."""
    text = f"Channel {found['channel']} is {'paused' if found['paused'] else 'active'}."
    return f"{text} {found['note']}" if found["note"] else text


def move(found: Mapping[str, Any]) -> str:
    """How many jobs were found and moved."""
    if not found["found"]:
        return "No job matches."
    if found["dry_run"]:
        return f"{found['found']} jobs match; nothing was done."
    word = next(each for each in ("requeued", "cancelled", "set done") if each in found)
    return f"{found['found']} jobs match, {found[word]} were {word}."


def bench(found: Mapping[str, Any]) -> str:
    """The rates of a benchmark."""
    lines = [
        f"Enqueued {found['jobs']} jobs in {duration(found['enqueue_seconds'])}:"
        f" {found['enqueue_per_second']:.0f} per second.",
        f"Executed {found['done']} of them in {duration(found['execute_seconds'])},"
        f" {_by(found)}: {found['execute_per_second'] or 0:.0f} per second.",
    ]
    for name, text in (("wait", "They waited"), ("run", "They ran")):
        p50, p95 = (duration(found[name][key]) for key in ("p50", "p95"))
        lines.append(f"{text} p50 {p50}, p95 {p95}.")
    return "\n".join(lines)


def _by(found: Mapping[str, Any]) -> str:
    who = "by this process" if found["executed_by"] == "here" else "by the runner"
    return f"in channel {found['channel']} {who}"


def duration(seconds: float | None) -> str:
    """A time with a unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        first, *others = zip(line, widths)
        cells = [first[0].ljust(first[1]), *(text.rjust(size) for text, size in others)]
        yield "  ".join(cells)
