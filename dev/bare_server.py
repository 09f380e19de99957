# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A user's server, from its database to the removal of the add-on.

bare_server.py PLACE PG_BIN; dev/bare starts it as an ordinary user, without a variable
of the set-up, in a Python that has Odoo, what Odoo needs, and the wheel.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

PLACE, PG_BIN = map(Path, sys.argv[1:])
HERE = PLACE / "server"
CLONE = PLACE / "the clone" / "queue_job"
ADDON, CLIENT = "queue_job", "queue_job_client"
#: the name that the documentation uses, and another one
PRODUCTION, SECOND = "production", "Zweite-Firma"
#: what the process itself is given, and no more
ENVIRONMENT = {"HOME", "LANG", "TZ", "PATH", "LC_CTYPE", "PWD", "SHLVL", "_"}
#: seconds; generous, since nothing waits for it when all is well
PATIENCE = 120


def main() -> None:
    steps = [value for name, value in globals().items() if name.startswith("step_")]
    try:
        for step in steps:
            begun = time.monotonic()
            step()
            title = step.__name__.removeprefix("step_").replace("_", " ")
            print(f">> [{time.monotonic() - begun:5.1f} s] {title}", flush=True)
    finally:
        stop_server()
        if (HERE / "pg").is_dir():
            postgres("pg_ctl", "-D", HERE / "pg", "-m", "immediate", "stop")
    print(f"{len(steps)} passed, 0 failed")


# ----------------------------------------------------------------------------- steps


def step_nothing_of_the_set_up_is_there():
    modules = (PLACE / "development").read_text().split()
    assert {"pytest", "hypothesis", "websocket", "coverage"} <= set(modules), modules
    found = [name for name in modules if find_spec(name)]
    assert not found, f"importable: {found}"
    assert set(os.environ) <= ENVIRONMENT, sorted(os.environ)
    assert os.getuid() != 0
    assert not os.access(PLACE / "env" / "bin", os.W_OK) or os.getuid() == owner()


def step_a_database_server_as_it_comes_is_started():
    options = ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    postgres("initdb", "-D", HERE / "pg", "-U", "odoo", *options)
    start = f"-k {HERE} -c listen_addresses="
    postgres(
        "pg_ctl", "-w", "-D", HERE / "pg", "-l", HERE / "pg.log", "-o", start, "start"
    )
    settings = {name: sql("postgres", f"SHOW {name}") for name in ("fsync", "timezone")}
    assert settings == {"fsync": "on", "timezone": "Asia/Kathmandu"}, settings
    write_conf("odoo.conf", [PLACE / "add ons"])
    write_conf("clone.conf", [PLACE / "add ons", PLACE / "the clone"])


def step_two_databases_of_odoo_are_made():
    load(PRODUCTION, "-i", "mail", "--load-language=de_DE", "--skip-auto-install")
    # without a filestore, which nothing here reads
    sql("postgres", f'CREATE DATABASE "{SECOND}" TEMPLATE "{PRODUCTION}"')


def step_an_add_on_that_depends_on_it_is_installed_with_its_tests():
    log = load(PRODUCTION, "-i", CLIENT, "--test-enable")
    check_tests(log)
    assert (
        sql(PRODUCTION, f"SELECT demo FROM ir_module_module WHERE name = '{ADDON}'")
        == "f"
    )


def step_it_is_installed_in_a_second_database():
    load(SECOND, "-i", CLIENT)


def step_a_server_executes_the_jobs_of_both():
    for name in (PRODUCTION, SECOND):
        shell(name, ENQUEUE)
    start_server()
    for name in (PRODUCTION, SECOND):
        wait_for(lambda name=name: states(name) == "done|3", f"the jobs of {name} ran")
        words = f"queue job runner: serves database {name}"
        assert words in server_log(), server_log()
    query = "SELECT DISTINCT result FROM queue_job WHERE method_name = 'export'"
    assert sql(PRODUCTION, query) == "exported in de_DE Asia/Kathmandu"


#: commands that end with 1 when no job matches
MATCHING = " (requeue|retry|cancel|done|list|show) "


def step_the_commands_of_the_documentation_are_found_and_do_their_work():
    lines = printed_commands()
    assert len(lines) > 5, lines
    for line in lines:
        # whether a job matches is another question
        allowed = {0, 1} if re.search(MATCHING, line) else {0}
        done = run(["bash", "-c", line])
        assert done.returncode in allowed, f"{line}\n{done.stdout}"
    status = run(
        ["odoo-bin", ADDON, "status", "-d", PRODUCTION, "--json"], rc="odoo.conf"
    )
    assert json.loads(status.stdout)["executed_by"] == "runner", status.stdout


def step_it_is_uninstalled_from_one_database_while_the_other_goes_on():
    wait_for(uninstalled, f"it is uninstalled from {SECOND}")
    left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'queue\\_job%'"
    assert sql(SECOND, left) == "0", sql(SECOND, left.replace("count(*)", "relname"))
    shell(PRODUCTION, ENQUEUE)
    wait_for(lambda: states(PRODUCTION) == "done|6", "the jobs of the other ran")
    stop_server()
    for level in ("ERROR", "CRITICAL", "Traceback"):
        assert level not in server_log(), server_log()[-9000:]


def step_it_is_upgraded_in_the_form_of_a_clone_with_its_tests():
    """A clone has our tests for developers as well, which Odoo must not see."""
    os.environ["PATH"] = f"{PLACE / 'env-clone' / 'bin'}:/usr/bin:/bin"
    log = load(PRODUCTION, "-u", ADDON, "--test-enable", conf="clone.conf")
    check_tests(log)
    assert states(PRODUCTION) == "done|6"


def step_the_commands_of_the_documentation_are_found_in_a_clone():
    for line in printed_commands():
        if " status " in line:
            done = run(["bash", "-c", line.replace("odoo.conf", "clone.conf")])
            assert done.returncode == 0, f"{line}\n{done.stdout}"
            assert f"Database {PRODUCTION}" in done.stdout, done.stdout


ENQUEUE = """
admin = env.ref("base.user_admin")
if env["res.lang"].search([("code", "=", "de_DE")]):
    admin.lang = "de_DE"
admin.tz = "Asia/Kathmandu"
partners = env["res.partner"].with_user(admin).with_context(lang=admin.lang)
partners = partners.create([{"name": "Zoë"}, {"name": "Søren"}])
partners.action_export()
partners.with_delay().announce("Grüße")
"""
UNINSTALL = """
modules = env["ir.module.module"]
modules.search([("name", "=", "queue_job")]).button_immediate_uninstall()
"""


# ----------------------------------------------------------------------------- Odoo


def write_conf(name: str, folders: list[Path]) -> None:
    parser = configparser.RawConfigParser()
    options = {
        "addons_path": ",".join(map(str, folders)),
        "db_host": HERE,
        "db_port": 5432,
        "db_user": "odoo",
        "dbfilter": f"^({PRODUCTION}|{SECOND})$",
        "data_dir": HERE / "data",
        "server_wide_modules": f"base,rpc,web,{ADDON}",
        "workers": 2,
        "max_cron_threads": 1,
        "http_interface": "127.0.0.1",
        "http_port": free_port(),
        "gevent_port": free_port(),
        "logfile": "",
    }
    parser["options"] = {key: str(value) for key, value in options.items()}
    parser[ADDON] = {"channels": "root:2"}
    with (HERE / name).open("w") as file:
        parser.write(file)


def load(database: str, *options: str, conf: str = "odoo.conf") -> str:
    """Have an Odoo load the database and end; return its log."""
    command = ["odoo-bin", "-c", conf, "-d", database, *options, "--stop-after-init"]
    done = run([*command, "--workers=0", "--max-cron-threads=0"])
    ill = re.findall(r"(?m)^.* (?:ERROR|CRITICAL) .*$", done.stdout)
    assert done.returncode == 0 and not ill, done.stdout[-9000:]
    return done.stdout


def check_tests(log: str) -> None:
    for name in (ADDON, CLIENT):
        assert re.search(rf" odoo\.addons\.{name}\.tests\.\S+: Starting ", log), log
    assert re.search(r" 0 failed, 0 error\(s\) of [1-9]\d* tests when loading", log), (
        log
    )


def uninstalled() -> bool:
    """Have Odoo uninstall it; not now, when a scheduled action is being executed."""
    command = ["odoo-bin", "shell", "-c", "odoo.conf", "-d", SECOND, "--no-http"]
    # Odoo keeps what the server loads as a whole, so this one does not load it
    told = run_code([*command, "--load=base,rpc,web"], UNINSTALL)
    assert "shell ended" in told or "processing a scheduled action" in told, told
    return "shell ended" in told


def shell(database: str, code: str) -> None:
    """Run code in Odoo's shell and commit."""
    command = ["odoo-bin", "shell", "-c", "odoo.conf", "-d", database, "--no-http"]
    told = run_code(command, code)
    assert "shell ended" in told, told


def run_code(command: list[str], code: str) -> str:
    return run(command, code + "\nenv.cr.commit()\nprint('shell', 'ended')\n").stdout


def printed_commands() -> list[str]:
    texts = [
        (CLONE / name).read_text() for name in ("README.rst", "doc/operator_guide.rst")
    ]
    return re.findall(r"(?m)^ +(ODOO_RC=.*)$", "\n".join(texts))


SERVER: list[subprocess.Popen] = []


def start_server() -> None:
    with (HERE / "server.log").open("ab") as log:
        SERVER.append(
            subprocess.Popen(
                ["odoo-bin", "-c", "odoo.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )
    wait_for(answers, "the server answers")


def answers() -> bool:
    assert SERVER[0].poll() is None, server_log()
    parser = configparser.RawConfigParser()
    parser.read(HERE / "odoo.conf")
    url = f"http://127.0.0.1:{parser['options']['http_port']}/web/health"
    try:
        return urllib.request.urlopen(url, timeout=10).status == 200
    except OSError:
        return False


def stop_server() -> None:
    while SERVER:
        server = SERVER.pop()
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def server_log() -> str:
    """What the server told, without the scheduled actions of others."""
    lines = (HERE / "server.log").read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if "ir_cron" not in line)


# ------------------------------------------------------------------ everything else


def states(database: str) -> str:
    """``done|3``: how many jobs are in which state, a line for each state."""
    return sql(database, "SELECT state, count(*) FROM queue_job GROUP BY state")


def sql(database: str, query: str) -> str:
    command = [PG_BIN / "psql", "-XAtq", "-h", HERE, "-U", "odoo", "-d", database]
    done = run([*command, "-c", query])
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def postgres(program: str, *arguments) -> None:
    done = subprocess.run(
        [PG_BIN / program, *arguments],
        cwd=HERE,
        stdin=subprocess.DEVNULL,
        stdout=(HERE / "pg.out").open("ab"),
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, (HERE / "pg.out").read_text()


def run(command, text: str = "", rc: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(each) for each in command],
        cwd=HERE,
        env={**os.environ, **({"ODOO_RC": rc} if rc else {})},
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def wait_for(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"still not: {what}\n{server_log()[:9000]}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def owner() -> int:
    return (PLACE / "env").stat().st_uid


if __name__ == "__main__":
    main()
