# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where things lie and how much of everything is measured."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from .errors import BenchError


@dataclass(frozen=True)
class Paths:
    """What dev/bench set up and handed over in the environment."""

    state: Path
    python: str
    odoo_bin: str
    odoo: str
    addons: Path
    prefix: str
    #: {target: folder for Python's path}
    sources: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> Paths:
        env = os.environ
        return cls(
            state=Path(env["BENCH_STATE"]),
            python=env["BENCH_PYTHON"],
            odoo_bin=env["BENCH_ODOO_BIN"],
            odoo=env["BENCH_ODOO"],
            addons=Path(env["BENCH_ADDONS"]),
            prefix=env["BENCH_PREFIX"],
            sources={
                "ours": env["BENCH_OURS"],
                "peer": env["BENCH_PEER"],
                "before": env.get("BENCH_BEFORE", ""),
            },
        )

    def frozen(self) -> Paths:
        """The same with a copy of the checkout: edits do not reach into a run."""
        copies = self.state / "source"
        shutil.rmtree(copies, ignore_errors=True)
        skipped = shutil.ignore_patterns("tests", "__pycache__", "node_modules")
        package = Path("odoo", "addons", "queue_job")
        ours = Path(self.sources["ours"], package)
        shutil.copytree(ours, copies / "ours" / package, ignore=skipped)
        own = Path("bench_queue_job")
        addons = copies / "addons"
        shutil.copytree(self.addons / own, addons / own, ignore=skipped)
        sources = self.sources | {"ours": str(copies / "ours")}
        return replace(self, addons=addons, sources=sources)


@dataclass(frozen=True)
class Sizes:
    """Counts (of jobs unless said otherwise) and limits (seconds)."""

    enqueue: int = 2000
    drain: int = 2000
    latency: int = 300
    backlog: int = 200_000
    backlog_drain: int = 1000
    million: int = 1_000_000
    steady_rate: int = 200  # jobs a second
    steady_minutes: float = 10.0
    steady_retention: float = 15.0  # seconds between two removals of old jobs
    graph: int = 1000  # jobs in each of the two groups
    ours_times: int = 5  # ours gets that many times as many jobs, to last as long
    workers: int = 4
    timeout: float = 600.0

    def overridden(self, assignments: list[str]) -> Sizes:
        """A copy with ``name=value`` items applied; BenchError on a bad one."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        values = {}
        for item in assignments:
            name, _, value = item.partition("=")
            if name not in kinds or not value:
                raise BenchError(f"--set {item}: one of {', '.join(kinds)} = number")
            values[name] = kinds[name](float(value))
        return replace(self, **values)


FULL = Sizes()
QUICK = Sizes(
    enqueue=400,
    drain=250,
    latency=60,
    backlog=20_000,
    backlog_drain=100,
    million=50_000,
    steady_minutes=0.1,
    steady_rate=100,
    steady_retention=2.0,
    graph=60,
    timeout=90.0,
)
