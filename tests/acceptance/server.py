# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Real Odoo servers on databases of their own, for tests from outside."""

from __future__ import annotations

import configparser
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2

PYTHON = os.environ.get("QUEUE_JOB_TEST_PYTHON", "")
ODOO_BIN = os.environ.get("QUEUE_JOB_TEST_ODOO_BIN", "")
CONF = os.environ.get("QUEUE_JOB_TEST_CONF", "")
STATE = Path(os.environ.get("QUEUE_JOB_TEST_STATE", "/nonexistent"))
TEST_DB = os.environ.get("QUEUE_JOB_TEST_DB", "")
TEMPLATE = os.environ.get("QUEUE_JOB_TEST_TEMPLATE", "")

#: seconds; generous, since nothing waits for it when all is well
PATIENCE = 90


def wait_until(
    condition, what: str, seconds: float = PATIENCE, interval=0.05, server=None
):
    """Return the first true result of ``condition()``.

    :param server: the end of its log goes into the error
    :raises AssertionError: naming ``what`` did not come true
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(interval)
    log = f"\n{_of_interest(server.log())}" if server else ""
    raise AssertionError(f"after {seconds} s still not: {what}{log}")


def _of_interest(log: str) -> str:
    """The end of a log, without the scheduled actions of others."""
    lines = [line for line in log.splitlines() if "ir_cron" not in line]
    return "\n".join(lines)[-9000:]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Database:
    """A copy of the database with the add-ons, or of another, removed at the end."""

    def __init__(self, name: str, template: str = TEMPLATE):
        self.name = f"{TEST_DB}_{name}"
        self.template = template

    def __enter__(self) -> Database:
        self.drop()
        _maintenance('CREATE DATABASE "{}" TEMPLATE "{}"', self.name, self.template)
        store = STATE / "data" / "filestore"
        origin = store / self.template
        if origin.is_dir():
            shutil.copytree(origin, store / self.name, copy_function=os.link)
        return self

    def __exit__(self, *exc_info) -> None:
        self.drop()

    def drop(self) -> None:
        _maintenance('DROP DATABASE IF EXISTS "{}" WITH (FORCE)', self.name)
        shutil.rmtree(STATE / "data" / "filestore" / self.name, ignore_errors=True)

    def query(self, query: str, params=()) -> list[tuple]:
        """Execute a statement in a transaction of its own; return its rows."""
        with connection(self.name) as cnx, cnx.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else []

    def connect(self):
        """A new connection."""
        return psycopg2.connect(dbname=self.name)

    def value(self, query: str, params=()):
        """The first value of the first row."""
        return self.query(query, params)[0][0]

    def states(self, where: str = "true") -> dict[str, int]:
        """How many jobs are in each state."""
        rows = self.query(
            f"SELECT state, count(*) FROM queue_job WHERE {where} GROUP BY state"
        )
        return dict(rows)

    def load(self, *options: str, environ=None) -> str:
        """As :meth:`run_odoo`; return the log.

        :raises AssertionError: Odoo failed; with the errors in its log
        """
        done = self.run_odoo(*options, environ=environ)
        errors = re.findall(r"(?ms)^\S+ \S+ \d+ ERROR .*?(?=^\d{4}-|\Z)", done.stdout)
        assert done.returncode == 0, "".join(errors) or done.stdout[-9000:]
        return done.stdout

    def run_odoo(
        self, *options: str, environ=None, seconds: float = 300
    ) -> subprocess.CompletedProcess:
        """Have an Odoo load it, with tests or whatever the options say, and end.

        :param environ: more for the environment of the process
        :return: its log is what it wrote
        """
        command = [PYTHON, ODOO_BIN, "server", "-c", CONF, "-d", self.name]
        # with tests, Odoo serves HTTP whatever is said
        command += ["--stop-after-init", "--http-port", str(free_port())]
        command += ["--workers=0", "--max-cron-threads=0"]
        return subprocess.run(
            [*command, *options],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def shell(self, code: str) -> str:
        """Run code in another process, with ``env`` as in Odoo's shell, and commit.

        :return: what it printed
        :raises AssertionError: it failed
        """
        done = subprocess.run(
            [
                PYTHON,
                ODOO_BIN,
                "shell",
                "-c",
                CONF,
                "-d",
                self.name,
                "--no-http",
                "--log-level=warn",
            ],
            input=f"{code}\nenv.cr.commit()\nprint('shell', 'ended')\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "shell ended" in done.stdout, done.stdout + done.stderr
        return done.stdout


class Shell:
    """A process with ``env`` as in Odoo's shell, for code from time to time."""

    # Odoo's shell executes its whole standard input: this input goes on reading.
    _LOOP = """
import contextlib, io, json, traceback
with open({pipe!r}) as pipe:
    for line in pipe:
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                exec(json.loads(line), {{"env": env}})
                env.cr.commit()
            error = None
        except Exception:
            env.cr.rollback()
            error = traceback.format_exc()
        print("answer", json.dumps([out.getvalue(), error]), flush=True)
"""

    def __init__(self, database: Database, *options: str):
        self.database = database
        self.options = options
        self.pipe_path = STATE / f"{database.name}-{id(self):x}.pipe"

    def __enter__(self) -> Shell:
        self.pipe_path.unlink(missing_ok=True)
        os.mkfifo(self.pipe_path)
        command = [PYTHON, ODOO_BIN, "shell", "-c", CONF, "-d", self.database.name]
        self.process = subprocess.Popen(
            [*command, "--no-http", "--log-level=warn", *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.process.stdin.write(self._LOOP.format(pipe=str(self.pipe_path)))
        self.process.stdin.close()
        wait_until(self._opens, "the shell reads", seconds=PATIENCE)
        return self

    def _opens(self) -> bool:
        """Open the pipe once the shell is there to read it."""
        assert self.process.poll() is None, f"the shell ended: {self.process.poll()}"
        try:
            pipe = os.open(self.pipe_path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False
        os.set_blocking(pipe, True)
        self.pipe = os.fdopen(pipe, "w")
        return True

    def __exit__(self, *exc_info) -> None:
        self.pipe.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.pipe_path.unlink()

    def run(self, code: str) -> str:
        """Run code and commit; return what it printed.

        :raises AssertionError: it failed
        """
        self.pipe.write(json.dumps(code) + "\n")
        self.pipe.flush()
        for line in self.process.stdout:
            if line.startswith("answer "):
                output, error = json.loads(line[len("answer ") :])
                assert error is None, error
                return output
        raise AssertionError("the shell has ended")

    def enqueue(self, call: str, options: str = "") -> str:
        """Enqueue a call on the test model; return the uuid of its job."""
        effects = 'env["test.queue.effect"].with_user(env.ref("base.user_admin"))'
        return self.run(f"print({effects}.with_delay({options}).{call}.uuid)").strip()


@contextmanager
def connection(dbname: str):
    """An autocommitting connection to a database."""
    cnx = psycopg2.connect(dbname=dbname)
    cnx.autocommit = True
    try:
        yield cnx
    finally:
        cnx.close()


def _maintenance(statement: str, *names: str) -> None:
    with connection("postgres") as cnx, cnx.cursor() as cr:
        cr.execute(statement.format(*names))


class Server:
    """An Odoo server as a process of its own.

    :param databases: the databases it serves
    :param workers: prefork workers; 0: threaded
    :param options: further command line options
    :param config: more for the configuration file: ``{section: {key: value}}``
    :param supervised: it is started again when it ends, as a service manager does
    :param prefix: what to put before the command
    """

    def __init__(
        self,
        *databases,
        workers=0,
        options=(),
        config=None,
        environ=None,
        supervised=False,
        prefix=(),
    ):
        self.databases = databases
        self.prefix = list(prefix)
        self.workers = workers
        self.supervised = supervised
        self.port, self.gevent_port = free_port(), free_port()
        self.options = list(options)
        # The environment would win over the configuration file.
        self.environ = {
            name: value
            for name, value in {**os.environ, **(environ or {})}.items()
            if name not in ("PGHOST", "PGPORT", "PGUSER")
        }
        self.name = f"server-{self.port}"
        self.conf = STATE / f"{self.name}.conf"
        self.log_path = STATE / f"{self.name}.log"
        self.process: subprocess.Popen | None = None
        # between whoever ends it and whoever starts it again
        self._ending = threading.Lock()
        self._write_conf(config or {})

    def _write_conf(self, config: dict) -> None:
        parser = configparser.RawConfigParser()
        parser.read(CONF, encoding="utf-8")
        parser["options"].update(
            db_name=",".join(each.name for each in self.databases),
            dbfilter="",
            http_port=str(self.port),
            gevent_port=str(self.gevent_port),
            http_interface="127.0.0.1",
            workers=str(self.workers),
            max_cron_threads="1",
        )
        parser.read_dict(config)
        with self.conf.open("w", encoding="utf-8") as file:
            parser.write(file)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, exc_type, *exc_info) -> None:
        self.stop()
        if exc_type is None:
            self.conf.unlink(missing_ok=True)
            self.log_path.unlink(missing_ok=True)

    def start(self, wait: bool = True) -> None:
        self._spawn()
        if self.supervised:
            threading.Thread(target=self._supervise, daemon=True).start()
        if wait:
            wait_until(self._answers, f"the server answers\n{self.log()[-3000:]}")

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            command = [PYTHON, ODOO_BIN, "server", "-c", str(self.conf)]
            self.process = subprocess.Popen(
                [*self.prefix, *command, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environ,
                start_new_session=True,
            )

    def _supervise(self) -> None:
        while process := self.process:
            process.wait()
            with self._ending:
                if self.process is process:
                    self._kill_group(process)
                    self._spawn()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended:\n{self.log()[-5000:]}")
        try:
            return self.get("/web/health").status == 200
        except OSError:
            return False

    def get(self, path: str, headers=None):
        """The response to a request; HTTP errors are responses as well."""
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, headers=headers or {})
        try:
            return urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            return error

    def stop(self, seconds: float = 30) -> None:
        """End it as a service manager does: politely, then by force."""
        process = self.let_go()
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self._kill_group(process)

    def kill(self) -> None:
        """End all its processes at once."""
        process = self.let_go()
        if process is not None:
            self._kill_group(process)

    def let_go(self) -> subprocess.Popen | None:
        """Its main process, which is not started again from now on."""
        with self._ending:
            process, self.process = self.process, None
        return process

    @staticmethod
    def _kill_group(process) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")
