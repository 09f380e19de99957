# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Two places with a network between them that may die without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager

_IP = shutil.which("ip") or "/usr/sbin/ip"
_DATABASE, _SERVER = "10.213.77.1", "10.213.77.2"
# The addresses are known to both ends for good: nobody is told that the other one
# does not answer any more.
_LINKS = """
link add end netns {server} address 02:00:00:00:77:02 type veth
    peer name end netns {database} address 02:00:00:00:77:03
-n {database} link add wire address 02:00:00:00:77:01 type bridge
-n {database} link set end master wire
-n {database} link set end up
-n {database} link set wire up
-n {database} link set lo up
-n {server} link set end up
-n {server} link set lo up
-n {database} address add 10.213.77.1/24 dev wire
-n {server} address add 10.213.77.2/24 dev end
-n {database} neighbor add 10.213.77.2 lladdr 02:00:00:00:77:02 dev wire nud permanent
-n {server} neighbor add 10.213.77.1 lladdr 02:00:00:00:77:01 dev end nud permanent
"""


class Network:
    """Namespaces of the kernel: nothing of the machine's own network is touched.

    address: of the side of the database, as the side of the server knows it
    """

    address = _DATABASE

    def __init__(self):
        name = f"qj-{os.getpid()}"
        self._names = {"server": f"{name}-server", "database": f"{name}-database"}

    def __enter__(self) -> Network:
        self._remove()
        try:
            for name in self._names.values():
                self._ip("netns", "add", name)
            for line in _LINKS.replace("\n    ", " ").strip().splitlines():
                self._ip(*line.format(**self._names).split())
        except AssertionError:
            self._remove()
            raise
        return self

    def __exit__(self, *exc_info) -> None:
        self._remove()

    def _remove(self) -> None:
        for name in self._names.values():
            self._ip("netns", "delete", name, check=False)

    def at(self, side: str) -> list[str]:
        """What to put before a command to have it run on a side.

        :param side: ``server`` or ``database``
        """
        return [_IP, "netns", "exec", self._names[side]]

    @contextmanager
    def silent(self):
        """While the block runs all that is sent is lost, and nobody is told."""
        end = ("-n", self._names["database"], "link", "set", "end")
        self._ip(*end, "nomaster")
        try:
            yield
        finally:
            self._ip(*end, "master", "wire")

    @staticmethod
    def _ip(*arguments: str, check: bool = True) -> None:
        command = [_IP, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            trouble = done.stderr.strip() if done.returncode else None
        except OSError as error:
            trouble = f"{error} (Debian: iproute2)"
        if check and trouble is not None:
            raise AssertionError(
                "This test cuts a network of its own, which takes the right to make"
                " namespaces of the network (root, or CAP_SYS_ADMIN and CAP_NET_ADMIN):"
                f" 'ip {' '.join(arguments)}' says {trouble!r}."
            )
