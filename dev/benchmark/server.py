# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The Odoo server under test: started, ready, stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import process
from .errors import BenchError, BenchTimeout
from .target import Target

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In the child: be ended when the benchmark is killed outright."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _i in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


class Server:
    """A prefork server of a target; a context manager that stops it."""

    def __init__(self, target: Target, log: Path):
        self.http, gevent = free_ports(2)
        self.log = log
        conf = target.write_conf(self.http, gevent)
        command = [target.paths.python, target.paths.odoo_bin, "server"]
        command += ["-c", str(conf), f"--logfile={log}"]
        with open(f"{log}.err", "ab") as errors:
            self.popen = subprocess.Popen(
                command,
                env=target.environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.started = time.time()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def wait_ready(self, timeout: float) -> None:
        """Wait until it answers HTTP requests."""
        end = time.monotonic() + timeout
        url = f"http://127.0.0.1:{self.http}/web/health"
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                raise BenchError(f"the server has ended (log: {self.log})")
            with contextlib.suppress(OSError, urllib.error.URLError):
                with urllib.request.urlopen(url, timeout=5):
                    return
            time.sleep(0.05)
        raise BenchTimeout(f"the server is not ready within {timeout:g} s ({self.log})")

    def cpu(self) -> float:
        """CPU seconds so far of the whole process tree."""
        return process.tree_cpu(self.pid)

    def peak_memory(self) -> float:
        """MiB of the largest process, at its largest since forget_peak()."""
        return max(process.memory(pid, "VmHWM") for pid in process.tree(self.pid))

    def forget_peak(self) -> None:
        for pid in process.tree(self.pid):
            process.forget_peak(pid)

    def stop(self) -> None:
        """End the whole process group, gently first."""
        if self.popen.poll() is None:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
