# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The process that enqueues: commands go to it as lines of JSON, answers back."""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import time
from pathlib import Path

from .errors import BenchError, BenchTimeout
from .server import die_with_parent
from .target import Target

SCRIPT = Path(__file__).with_name("odoo_side.py")


class Client:
    """A process with the registry of a target, and one cursor at a time."""

    def __init__(self, target: Target, log: Path, timeout: float):
        self.log = log
        self.timeout = timeout
        conf = target.write_conf()
        with open(log, "ab") as errors:
            self.popen = subprocess.Popen(
                [target.paths.python, str(SCRIPT), str(conf), target.database],
                env=target.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.backend = self.receive()["backend"]

    @property
    def pid(self) -> int:
        return self.popen.pid

    def call(self, command: str, **arguments) -> dict:
        """Have a command of odoo_side.py executed; its answer."""
        self.send(command, **arguments)
        return self.receive()

    def send(self, command: str, **arguments) -> None:
        line = json.dumps({"command": command, "arguments": arguments})
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def receive(self, timeout: float | None = None) -> dict:
        answer = json.loads(self._line(timeout or self.timeout))
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer

    def _line(self, timeout: float) -> bytes:
        # one answer to one command: nothing is ever left in the buffer
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, end - time.monotonic())):
                raise BenchTimeout(f"no answer within {timeout:g} s (log: {self.log})")
        line = self.popen.stdout.readline()
        if not line:
            raise BenchError(f"the enqueuing process has ended (log: {self.log})")
        return line

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError, OSError):
            self.popen.stdin.close()
        try:
            self.popen.wait(3)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
