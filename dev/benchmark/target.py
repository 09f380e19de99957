# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is measured: an add-on, its configuration and its database."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import database
from .errors import BenchError
from .settings import Paths

# The same for both. The eight channels of the mixed drain may each use half of
# the root, the others one place.
CHANNELS = ",".join(
    ["root:4"] + [f"root.bench_{i:02}:{2 if i < 8 else 1}" for i in range(50)]
)

CONNECTION = ("host", "port", "user", "password")

CONF = """\
[options]
{connection}
db_name = {database}
dbfilter = ^{database}$
list_db = False
data_dir = {data}
addons_path = {addons}
http_interface = 127.0.0.1
http_port = {http}
gevent_port = {gevent}
workers = {workers}
max_cron_threads = 0
server_wide_modules = base,rpc,web,queue_job

[queue_job]
channels = {channels}
"""

# Everything that either of them depends on, so that both start from one template.
DEPENDENCIES = "mail,base_sparse_field,web"


@dataclass(frozen=True)
class Target:
    """An add-on to measure: "ours", "peer" or "before", ours at another revision."""

    name: str
    paths: Paths
    workers: int

    @property
    def database(self) -> str:
        return f"{self.paths.prefix}_{self.name}"

    @property
    def source(self) -> Path:
        return Path(self.paths.sources[self.name])

    @property
    def environment(self) -> dict[str, str]:
        """For the processes of Odoo; without what belongs to the benchmark."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("ODOO_")}
        path = [str(self.source), self.paths.odoo]
        return env | {"PYTHONPATH": os.pathsep.join(filter(None, path))}

    def write_conf(self, http: int = 8069, gevent: int = 8072, name: str = "") -> Path:
        """Write the configuration file for a database (normally its own)."""
        conf = self.paths.state / f"{name or self.database}.conf"
        conf.write_text(
            CONF.format(
                connection=self._connection(),
                database=name or self.database,
                data=self.paths.state / "data",
                addons=self.paths.addons,
                http=http,
                gevent=gevent,
                workers=self.workers,
                channels=CHANNELS,
            )
        )
        return conf

    def _connection(self) -> str:
        given = ((name, os.environ.get(f"PG{name.upper()}")) for name in CONNECTION)
        return "\n".join(f"db_{name} = {value}" for name, value in given if value)

    # -------------------------------------------------------- databases
    def prepare(self) -> None:
        """Make the template database; BenchError when the add-on does not install."""
        self._template()

    def fresh_database(self) -> None:
        """A new database with the add-on and the benchmark's own installed."""
        database.create(self.database, self._template())

    def drop_database(self) -> None:
        database.drop(self.database)

    def _template(self) -> str:
        prefix = f"{self.database}_tpl_"
        name = prefix + self._digest()
        if not database.has(name):
            database.drop_like(prefix, but=name)
            self._install(name, self._dependencies(), "bench_queue_job")
        return name

    def _dependencies(self) -> str:
        release = Path(self.paths.odoo, "odoo", "release.py")
        text = release.read_bytes() if release.is_file() else b""
        name = f"{self.paths.prefix}_deps_" + hashlib.sha256(text).hexdigest()[:8]
        if not database.has(name):
            self._install(name, "template0", DEPENDENCIES, "--load=base,rpc,web")
        return name

    def _install(self, name: str, template: str, modules: str, *options: str):
        new = name + "_new"
        database.create(new, template)
        conf = self.write_conf(name=new)
        command = [self.paths.python, self.paths.odoo_bin, "server", "-c", str(conf)]
        command += ["-i", modules, "--no-http", "--workers=0", "--stop-after-init"]
        command += ["--log-level=warn", *options]
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=600,
        )
        conf.unlink()
        if done.returncode or " ERROR " in done.stderr or " CRITICAL " in done.stderr:
            raise BenchError(f"{self.name} does not install:\n{done.stderr[-4000:]}")
        with database.Database("postgres") as db:
            db.cr.execute(f'ALTER DATABASE "{new}" RENAME TO "{name}"')

    def _digest(self) -> str:
        """Changes with the source, so a template is never that of older code."""
        digest = hashlib.sha256()
        package = self.source / "odoo" / "addons" / "queue_job"
        for root in (package, self.paths.addons):
            for folder, names, files in os.walk(root, followlinks=True):
                names[:] = sorted(set(names) - {"tests", "static", "__pycache__"})
                for file in sorted(files):
                    if file.endswith((".py", ".xml", ".csv")):
                        digest.update(file.encode())
                        digest.update(Path(folder, file).read_bytes())
        return digest.hexdigest()[:8]
