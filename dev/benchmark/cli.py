# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command line: which figures, of what, how often; then the loop."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psycopg2

from . import report
from .database import Database
from .errors import BenchError
from .figures import FIGURES, Figure
from .machine import Others
from .profiler import SUFFIX, Profiler
from .results import Results
from .session import Session
from .settings import FULL, QUICK, Paths, Sizes
from .target import Target

TARGETS = ("peer", "ours")
# Small, they would tell nothing: made quickly only when asked for by name.
SLOW = {"steady", "million_pending"}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev/bench",
        description="Measure the add-on and its peer, interleaved, in one run.",
        epilog="figures: " + ", ".join(FIGURES),
        formatter_class=argparse.HelpFormatter,
    )
    add = parser.add_argument
    add(
        "figures",
        nargs="*",
        metavar="figure",
        help="which ones; none: all",
    )
    add("--target", choices=(*TARGETS, "both"), default="both", help="what; both")
    add(
        "--against",
        metavar="REVISION",
        help="measure ours beside itself at a revision of git too, with ratios",
    )
    add("--rounds", type=int, help="how often; 5, or 1 with --quick")
    add(
        "--quick",
        action="store_true",
        help="small counts, one round, without the slow ones: some 90 seconds",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="another count or limit: " + ", ".join(asdict(FULL)),
    )
    add(
        "--profile",
        nargs="?",
        const="raw",
        choices=SUFFIX,
        help="sample ours with py-spy while it is measured (slower, so no figures)",
    )
    add("--keep", action="store_true", help="leave the databases for inspection")
    options = parser.parse_args(arguments)
    if unknown := set(options.figures) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return options


class Benchmark:
    """One run: every figure of every target, round after round."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.sizes: Sizes = (QUICK if options.quick else FULL).overridden(options.set)
        self.paths = Paths.from_environment().frozen()
        self.folder = self._folder()
        names = [name for name in FIGURES if name in self._wanted()]
        self.figures: list[Figure] = [FIGURES[name]() for name in names]
        wanted = TARGETS if options.target == "both" else (options.target,)
        if options.against:
            wanted = (*wanted, "before")
        if options.profile:
            wanted = ("ours",)
        workers = self.sizes.workers
        self.targets = [Target(name, self.paths, workers) for name in wanted]
        self.rounds = options.rounds or (1 if options.quick or options.profile else 5)
        self.profiler = Profiler(self.folder, options.profile)
        self.results = Results(self._about())

    def _wanted(self) -> set[str]:
        if self.options.figures:
            return set(self.options.figures)
        return set(FIGURES) - (SLOW if self.options.quick else set())

    def _folder(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        folder = self.paths.state / stamp
        (folder / "logs").mkdir(parents=True)
        latest = self.paths.state / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(stamp)
        return folder

    def _about(self) -> dict:
        with Database("postgres") as db:
            postgresql = " ".join(db.one("SELECT version()").split()[:2])
            self.postmaster = db.postmaster()
            names = ("fsync", "full_page_writes", "synchronous_commit")
            durable = {name: db.one(f"SHOW {name}") for name in names}
        return {
            "rounds": self.rounds,
            "cores": os.cpu_count(),
            "postgresql": postgresql,
            "durable": durable,
            "against": self.options.against,
            "commit": self._commit(),
            "sizes": "quick" if self.options.quick else "full",
            "counts": asdict(self.sizes),
        }

    def _commit(self) -> str:
        root = Path(__file__).parent
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() or "unknown"

    def run(self) -> int:
        """Measure, write table and plots; 1 when something could not be measured."""
        for target in self.targets:
            target.prepare()
        try:
            for number in range(self.rounds):
                self._round(number)
        finally:
            self._report()
            if not self.options.keep:
                for target in self.targets:
                    target.drop_database()
        return 1 if self.results.failures else 0

    def _round(self, number: int) -> None:
        # each of them is the first in every other round
        turn = self.targets if number % 2 == 0 else self.targets[::-1]
        for target in turn:
            logs = self.folder / "logs" / f"round-{number + 1}"
            logs.mkdir(exist_ok=True)
            with Session(target, self.sizes, logs, self.profiler) as session:
                for figure in self.figures:
                    if not (figure.once and number):
                        self._measure(session, figure, number)

    def _measure(self, session: Session, figure: Figure, number: int) -> None:
        target = session.target.name
        head = f"round {number + 1} {target} {figure.name}"
        start = time.monotonic()
        others = Others(self.postmaster)
        try:
            session.db.clear()
            measured = figure.measure(session)
        except (BenchError, psycopg2.Error) as error:
            self.results.fail(figure.name, target, f"{type(error).__name__}: {error}")
            self.results.add(figure.name, target, getattr(error, "partial", {}))
            print(f"{head}: {error}", flush=True)
            session.renew()
            return
        self.results.add(figure.name, target, measured)
        share, took = others.share(), time.monotonic() - start
        self.results.others.append(share)
        units = {metric.key: metric.unit for metric in figure.metrics}
        values = (f"{k} {report.number(v, units[k])}" for k, v in measured.items())
        note = f"({took:.0f} s, others {share:.0f} %)"
        print(f"{head}: {', '.join(values)} {note}", flush=True)

    def _report(self) -> None:
        if not self.results.values and not self.results.failures:
            return
        self.results.save(self.folder / "results.json")
        text = report.table(self.results, self.figures)
        (self.folder / "table.md").write_text(text + "\n")
        print("\n" + text)
        for path in report.plot(self.results, self.figures, self.folder):
            print(f"plot: {path}")


def stop(signum, frame):
    raise KeyboardInterrupt


@contextlib.contextmanager
def alone(state: Path):
    """Two runs at once would measure each other."""
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another benchmark of this checkout is running") from None
        yield


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with alone(Paths.from_environment().state):
            return Benchmark(options).run()
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
