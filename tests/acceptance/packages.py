# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Published packages for tests, in a folder of their own beside the environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .server import PYTHON, STATE

#: shared by all checkouts; what is in a folder there never changes
CACHE = Path(os.environ.get("QUEUE_JOB_TEST_CACHE") or STATE)


def folder_with(*requirements: str) -> Path:
    """A folder for Python's search path with just these packages.

    :param requirements: with their versions; what they depend on is not installed
    :raises AssertionError: they cannot be had
    """
    key = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
    folder = CACHE / f"packages-{key}"
    with (CACHE / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(requirements, folder)
    return folder


def _install(requirements, folder: Path) -> None:
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(new), *requirements],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    new.rename(folder)
