# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Rounds through scenarios, each with a seed of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from .scenarios import ROOT, Scenario


@dataclass
class Round:
    """What became of one round.

    figures: one dictionary for each test that was through
    """

    seed: int
    passed: bool
    seconds: float
    figures: list[dict] = field(default_factory=list)


def play(scenarios: list[Scenario], seed: int, short: bool, state: Path) -> Round:
    """Run the scenarios once; pytest says what happens."""
    figures = state / f"chaos-{os.getpid()}.jsonl"
    figures.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "QUEUE_JOB_CHAOS": "" if short else "long",
        "QUEUE_JOB_CHAOS_SEED": str(seed),
        "QUEUE_JOB_CHAOS_FIGURES": str(figures),
    }
    # The private server of PostgreSQL is found anew.
    if environment.get("PGHOST", "").startswith("/tmp/.queue_job-"):
        for name in ("PGHOST", "PGPORT", "PGUSER"):
            environment.pop(name, None)
    command = [str(ROOT / "dev" / "test"), "-v", "--no-skips"]
    command += ["-o", "faulthandler_timeout=3000"]
    began = time.monotonic()
    status = subprocess.call(
        [*command, *(str(each.path) for each in scenarios)], env=environment
    )
    seconds = time.monotonic() - began
    lines = figures.read_text("utf-8").splitlines() if figures.exists() else []
    figures.unlink(missing_ok=True)
    return Round(seed, status == 0, seconds, [json.loads(line) for line in lines])
