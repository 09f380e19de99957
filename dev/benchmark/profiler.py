# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Sampling of running processes with py-spy, and a summary to read."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from .errors import BenchError

# Where a thread that waits for work is found; py-spy cannot always tell.
WAITING = (
    "Condition.wait ",
    "EpollSelector.select ",
    "Hub.run ",
    "PreforkServer.sleep ",
    "SocketIO.readinto ",
    "Thread._wait_for_tstate_lock ",
    "Worker.sleep ",
    "acquire_with_timeout ",
)
SUFFIX = {"raw": "txt", "flamegraph": "svg", "speedscope": "json"}


class Profiler:
    """Records what a process and its children do; does nothing without a format."""

    def __init__(self, folder: Path, kind: str | None = None, rate: int = 200):
        self.folder = folder
        self.kind = kind
        self.rate = rate
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def record(self, pid: int, name: str):
        if not self.kind:
            yield
            return
        path = self.folder / f"profile-{next(self._numbers)}-{name}"
        path = path.with_suffix("." + SUFFIX[self.kind])
        popen = self._start(pid, path)
        try:
            yield
        finally:
            popen.send_signal(signal.SIGINT)
            popen.communicate(timeout=60)
        print(f"profile: {path}")
        if self.kind == "raw" and path.exists():
            print(summary(path.read_text()))

    def _start(self, pid: int, path: Path) -> subprocess.Popen:
        tool = Path(sys.executable).with_name("py-spy")
        command = [str(tool), "record", "--pid", str(pid), "--subprocesses"]
        command += ["--function", "--rate", str(self.rate), "--format", self.kind]
        command += ["--duration", "unlimited", "--output", str(path)]
        popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        # it says so once it has attached; before that nothing is recorded
        for line in popen.stdout:
            if "Sampling process" in line:
                return popen
        raise BenchError("py-spy could not attach (is ptrace allowed here?)")


def summary(stacks: str, count: int = 25) -> str:
    """The functions of collapsed stacks by share of samples, own and in all."""
    own, total = Counter(), Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = [f.strip() for f in stack.split(";") if "(" in f]
        if frames and samples.isdigit() and not frames[-1].startswith(WAITING):
            own[frames[-1]] += int(samples)
            for frame in set(frames):
                total[frame] += int(samples)
    everything = sum(own.values()) or 1
    lines = [f"{everything} samples", "  own  total  function (own first)"]
    shown = [frame for frame, _n in own.most_common(count)]
    lines += [_share(f, own, total, everything) for f in shown]
    lines += ["", "  own  total  function (total first)"]
    shown = [frame for frame, _n in total.most_common(2 * count)]
    lines += [_share(f, own, total, everything) for f in shown]
    return "\n".join(lines)


def _share(frame, own, total, everything) -> str:
    return f"{own[frame] / everything:5.1%} {total[frame] / everything:6.1%}  {frame}"
