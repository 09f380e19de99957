"""Remove each protection in a copy of the checkout, and expect its test to fail.

Called by ``dev/guards``. A protection is a text in a file; without it stands another
text. When the test passes all the same, nobody would notice that the protection is
gone. When the text is not there any more, ``guards.toml`` is to be brought up to date.
"""

from __future__ import annotations

import ast
import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import tomllib


class Guard(NamedTuple):
    """A protection: where it is, what stands there, what without it, who notices."""

    name: str
    path: str
    text: str
    without: str
    test: str


def guards() -> list[Guard]:
    """All of them, as ``guards.toml`` lists them."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return [Guard(name, **each) for name, each in listed.items()]


def copy(root: Path, place: Path) -> None:
    """The checkout without what was made of it; its database is made anew."""
    shutil.rmtree(place, ignore_errors=True)
    left = shutil.ignore_patterns(".git", ".odoo", "__pycache__", ".*_cache", "build")
    shutil.copytree(root, place, ignore=left, symlinks=True)


def judge(guard: Guard, place: Path) -> str | None:
    """What is wrong with a guard; None when its test fails without it."""
    path = place / guard.path
    source = path.read_text(encoding="utf-8")
    if guard.text not in source:
        return f"{guard.path} does not say {guard.text!r}: bring guards.toml up to date"
    changed = source.replace(guard.text, guard.without)
    if path.suffix == ".py" and not is_python(changed):
        return f"{guard.path} is no Python without it: bring guards.toml up to date"
    path.write_text(changed, encoding="utf-8")
    try:
        return None if fails(guard, place) else f"{guard.test} passes without it"
    finally:
        path.write_text(source, encoding="utf-8")


def is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def fails(guard: Guard, place: Path) -> bool:
    """Is there a failed test, among others that do run?"""
    # rules and columns are in the database: each state of the code has its own
    environment = {
        **os.environ,
        "QUEUE_JOB_DEV_STATE": str(place.parent / "guards-state"),
    }
    test = place / "tests" / "integration" / guard.test
    command = [str(place / "dev" / "test"), str(test), "-q", "-x", "--no-header"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    with (place.parent / "guards.log").open("a", encoding="utf-8") as log:
        log.write(f"\n===== {guard}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return done.returncode != 0 and " failed" in done.stdout


def main(root: str, place: str, *names: str) -> int:
    chosen = [
        guard
        for guard in guards()
        if not names or any(fnmatch.fnmatch(guard.name, name) for name in names)
    ]
    copy(Path(root), Path(place))
    wrong = {}
    for guard in chosen:
        problem = judge(guard, Path(place))
        print(f">> {guard.name}: {problem or 'noticed by ' + guard.test}", flush=True)
        if problem:
            wrong[guard.name] = problem
    print(f">> {len(chosen)} protections, {len(wrong)} of them not guarded")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
