# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Say how many mutants the tests killed: judge_mutants.py FIGURES ROOT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib


def main(figures: str, root: str) -> int:
    found = json.loads(Path(figures).read_text(encoding="utf-8"))
    config = tomllib.loads(Path(root, "pyproject.toml").read_text(encoding="utf-8"))
    least = config["tool"]["queue_job"]["mutation"]["killed"]
    # one that never ends is noticed as well
    killed = found["killed"] + found["timeout"]
    reached = 100 * killed / found["total"]
    word = "killed" if reached >= least else "error: killed"
    print(f"{killed} of {found['total']} mutants {word}: {reached:.1f} % ({least} %)")
    return int(reached < least)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
