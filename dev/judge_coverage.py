# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tell what the tests did not run: judge_coverage.py [PART...], in the root.

The parts are those of ``[tool.queue_job.coverage]`` in ``pyproject.toml``: folders of
the top level with their thresholds, and ``whole``.  All of them when none is given.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import coverage

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

CONFIG = "pyproject.toml"


def thresholds(parts: list[str]) -> dict[str, float]:
    config = tomllib.loads(Path(CONFIG).read_text(encoding="utf-8"))
    known = config["tool"]["queue_job"]["coverage"]
    return {part: known[part] for part in parts or known}


def percent(measured: coverage.Coverage, part: str, output) -> float:
    include = None if part == "whole" else [f"{part}/*"]
    return measured.report(include=include, file=output)


def main(*parts: str) -> int:
    measured = coverage.Coverage(config_file=CONFIG, messages=False)
    measured.combine(keep=True)
    wanted = thresholds(list(parts))
    for part in wanted:
        if part == "whole" or len(wanted) == 1:
            percent(measured, part, sys.stdout)
    reached = {part: percent(measured, part, io.StringIO()) for part in wanted}
    for part, least in wanted.items():
        word = "covered" if reached[part] >= least else "error: covered"
        print(f"{part}: {reached[part]:.2f} % {word} ({least} % is asked for)")
    return int(any(reached[part] < least for part, least in wanted.items()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
