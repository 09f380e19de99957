# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Say what is wrong with the content of a wheel: wheel_content.py WHEEL ROOT."""

from __future__ import annotations

import subprocess
import sys
import zipfile

HOME = "odoo/addons/queue_job/"
# Entries of the top level that Odoo never reads.
NOT_INSTALLED = {"dev", "doc", "LICENSE", "pyproject.toml"}
# Of the tests, what needs no more than Odoo.
TESTS = {"__init__", "common", "draining", "test_installation"}


def files_of_wheel(wheel: str) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    return {name for name in names if ".dist-info/" not in name}


def files_of_checkout(root: str) -> set[str]:
    """What git knows or would add, less what a user's Odoo never reads."""
    command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others"]
    output = subprocess.run(
        [*command, "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout
    return {HOME + name for name in output.split("\0") if is_installed(name)}


def is_installed(name: str) -> bool:
    top, _slash, rest = name.partition("/")
    if not top or top in NOT_INSTALLED or top.startswith("."):
        return False
    return top != "tests" or rest.removesuffix(".py") in TESTS


def main(wheel: str, root: str) -> int:
    found, wanted = files_of_wheel(wheel), files_of_checkout(root)
    for name in sorted(found - wanted):
        print(f"error: the wheel should not have {name}")
    for name in sorted(wanted - found):
        print(f"error: the wheel lacks {name}")
    return int(found != wanted)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
