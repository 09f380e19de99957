# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What stands beside a server: a pooler, a PostgreSQL of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import psycopg2

from .network import Network
from .server import TEST_DB, free_port, wait_until


def clock_at(hour: int) -> dict[str, str]:
    """The variables that have it be that hour (UTC) of today for a process.

    :raises AssertionError: there is no libfaketime
    """
    library = os.environ.get("QUEUE_JOB_TEST_FAKETIME", "")
    assert library, "libfaketime is missing: apt-get install libfaketime"
    now = datetime.now(timezone.utc)
    wanted = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    site = Path(__file__).resolve().parents[2] / "dev" / "clock_site"
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{(wanted - now).total_seconds():+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


class Bouncer:
    """A PgBouncer in transaction mode before the PostgreSQL of the tests."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="qj-bouncer-", dir="/tmp"))
        self.port = free_port()

    def __enter__(self) -> Bouncer:
        folder = self.folder
        (folder / "users.txt").write_text('"odoo" ""\n')
        (folder / "bouncer.ini").write_text(
            "[databases]\n"
            f"* = host={os.environ['PGHOST']} port={os.environ.get('PGPORT', 5432)}"
            " user=odoo\n"
            "[pgbouncer]\n"
            "pool_mode = transaction\n"
            "listen_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\n"
            "unix_socket_dir =\n"
            "auth_type = any\n"
            f"auth_file = {folder}/users.txt\n"
            "max_client_conn = 300\n"
            "default_pool_size = 30\n"
            f"logfile = {folder}/log\n"
            "ignore_startup_parameters = extra_float_digits\n"
        )
        command = ["pgbouncer", str(folder / "bouncer.ini")]
        if os.getuid() == 0:  # it refuses to be root
            owner = pwd.getpwnam("nobody")
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            command = ["setpriv", "--reuid=nobody", "--clear-groups", *command]
        program = shutil.which(command[-2]) or "/usr/sbin/pgbouncer"
        self.process = subprocess.Popen(
            [*command[:-2], program, command[-1]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens, "PgBouncer listens", seconds=10)
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def __exit__(self, *exc_info) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def options(self) -> dict[str, str]:
        """Options of a server that goes through it."""
        return {"db_host": "127.0.0.1", "db_port": str(self.port), "db_user": "odoo"}

    @property
    def arguments(self) -> list[str]:
        """The same for the command line."""
        return [f"--{name}={text}" for name, text in self.options.items()]

    @contextmanager
    def connect(self, dbname: str):
        """A connection through it."""
        cnx = psycopg2.connect(
            dbname=dbname, host="127.0.0.1", port=self.port, user="odoo"
        )
        try:
            yield cnx
        finally:
            cnx.close()


class Cluster:
    """A PostgreSQL that a test may kill, with a copy of the test database.

    :param network: it listens there, on the side of the database
    :param environ: variables of its programs, such as those of :func:`clock_at`
    """

    def __init__(self, network: Network | None = None, environ=None):
        self.network = network
        self.environ = environ or {}
        self.folder = Path(tempfile.mkdtemp(prefix="qj-pg-", dir="/tmp"))
        self.port = free_port()
        self.bin = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.name = TEST_DB

    def __enter__(self) -> Cluster:
        if os.getuid() == 0:  # it refuses to be root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        data = str(self.folder / "data")
        self._run(
            "initdb",
            "-D",
            data,
            "-U",
            "odoo",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        if self.network:
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
        self.start()
        subprocess.run(["createdb", *self.arguments, self.name], check=True)
        dump = subprocess.Popen(["pg_dump", self.name], stdout=subprocess.PIPE)
        psql = ["psql", "-q", *self.arguments, "-d", self.name]
        subprocess.run(psql, stdin=dump.stdout, stdout=subprocess.DEVNULL, check=True)
        assert dump.wait() == 0
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        address = self.network.address if self.network else ""
        options = f"-k {self.folder} -p {self.port} -c fsync=off"
        options += f" -c listen_addresses='{address}'"
        self._run(
            "pg_ctl",
            "-s",
            "-w",
            "-D",
            str(self.folder / "data"),
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "start",
        )

    def stop(self) -> None:
        """End it as a crash does."""
        self._run(
            "pg_ctl", "-s", "-D", str(self.folder / "data"), "-m", "immediate", "stop"
        )

    def _run(self, program: str, *arguments: str) -> None:
        # last: who becomes another user must not have the library of a clock before
        settings = [f"{name}={value}" for name, value in self.environ.items()]
        command = ["env", *settings, str(self.bin / program), *arguments]
        if os.getuid() == 0:
            command = [
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            ]
        if self.network:
            command = [*self.network.at("database"), *command]
        log = self.folder.with_suffix(".out")
        with log.open("ab") as out:
            subprocess.run(
                command,
                check=True,
                cwd="/",
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        log.unlink()

    def query(self, query: str, params=()) -> list[tuple]:
        """Execute a statement in a transaction of its own; return its rows."""
        cnx = self.connect()
        try:
            cnx.autocommit = True
            with cnx.cursor() as cr:
                cr.execute(query, params)
                return cr.fetchall() if cr.description else []
        finally:
            cnx.close()

    def connect(self):
        """A new connection."""
        return psycopg2.connect(
            dbname=self.name, host=str(self.folder), port=self.port, user="odoo"
        )

    @property
    def arguments(self) -> list[str]:
        """Arguments of PostgreSQL's own programs."""
        return ["-h", str(self.folder), "-p", str(self.port), "-U", "odoo"]

    @property
    def options(self) -> dict[str, str]:
        """Options of a server that uses it."""
        return {
            "db_host": str(self.folder),
            "db_port": str(self.port),
            "db_user": "odoo",
        }

    @property
    def arguments_of_odoo(self) -> list[str]:
        """The same for Odoo's command line."""
        return [f"--{name}={text}" for name, text in self.options.items()]

    @property
    def options_from_afar(self) -> dict[str, str]:
        """Options of a server on the other side of the network."""
        return {**self.options, "db_host": self.network.address}
