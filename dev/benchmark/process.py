# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""CPU time and memory of process trees, read from /proc."""

from __future__ import annotations

import os
from collections import defaultdict

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def parent(pid: int) -> int:
    values = stat(pid)
    return int(values[1]) if values else 0


def _seconds(values: list[str]) -> float:
    # utime, stime, then cutime and cstime: those of children waited for
    return sum(int(v) for v in values[11:15]) / TICK


def tree(root: int) -> dict[int, list[str]]:
    """{pid: stat fields} of a process and all its descendants."""
    every = {}
    children = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (values := stat(int(name))):
            every[int(name)] = values
            children[int(values[1])].append(int(name))
    found, todo = {}, [root]
    while todo:
        pid = todo.pop()
        if pid in every:
            found[pid] = every[pid]
            todo += children[pid]
    return found


def tree_cpu(root: int, without: tuple[int, ...] = ()) -> float:
    """CPU seconds of a tree so far, those of its dead and reaped members included.

    :param without: members left out (they have to be alive)
    """
    return sum(_seconds(v) for pid, v in tree(root).items() if pid not in without)


def memory(pid: int, key: str = "VmRSS") -> float:
    """MiB of a process: VmRSS now, VmHWM at most; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def tree_memory(root: int) -> float:
    """MiB of a tree, memory that processes share counted once (PSS)."""
    return sum(_proportional(pid) for pid in tree(root)) / 1024


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def forget_peak(pid: int) -> None:
    """Make VmHWM start again from the present size."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
    except (FileNotFoundError, ProcessLookupError):
        pass
