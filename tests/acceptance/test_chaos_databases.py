# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Databases come and go, move and break while a server runs."""

from __future__ import annotations

import time

import psycopg2

from odoo.addons.queue_job.core.proof import sign
from odoo.addons.queue_job.storage import home

from .chaos import EFFECTS, ChaosCase
from .server import TEST_DB, Database, Server, Shell, connection, wait_until

#: seconds within which a database is served, or forgotten
SOON = 60
#: seconds within which a job of a sound database is done, whatever the others do
PROMPT = 5

_ENQUEUE = (
    "INSERT INTO queue_job (uuid, name, state, ready, model_name, method_name,"
    " records, args, kwargs, user_id, company_id, channel, priority, date_created,"
    " max_retries, retry, attempt, deaths, sealed)"
    " SELECT gen_random_uuid(), 'copy', 'pending', true, model_name, method_name,"
    " records, args, kwargs, user_id, company_id, channel, priority,"
    " now() AT TIME ZONE 'UTC', max_retries, 0, 0, 0, true"
    " FROM queue_job WHERE state = 'done' AND method_name = 'leave'"
    " ORDER BY id LIMIT 1; NOTIFY queue_job"
)

_RESTS = "SELECT 1 FROM ir_config_parameter WHERE key = 'queue_job.rest'"


def while_nobody_looks(statement: str, source: str) -> None:
    """Execute what wants a database without connections, as its tools do."""

    def execute():
        with connection("postgres") as cnx, cnx.cursor() as cr:
            cr.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                (source,),
            )
            try:
                cr.execute(statement)
            except psycopg2.errors.ObjectInUse:
                return False
        return True

    wait_until(execute, f"nobody is connected to {source}", seconds=20)


class TestDatabases(ChaosCase):
    """Without looking again and again, a database that came later would need a
    restart; without a room of its own for each, a broken one would stop them all."""

    def test_databases_come_and_go_while_the_server_runs(self):
        self.db = self.enterContext(Database("come_sound"))
        self.prefix = self.db.name.removesuffix("sound")
        config = {"options": {"db_name": "", "dbfilter": f"^{self.prefix}"}}
        self.server = self.enterContext(Server(workers=2, config=config))
        with Shell(self.db) as shell:
            shell.run(f"{EFFECTS}.with_delay().leave('first')")
        wait_until(self.is_drained, "the first job is done", server=self.server)
        self.times = {}
        self.check_a_new_one_is_served_once_the_queue_is_in_use()
        self.check_a_clone_rests_and_is_served_once_released()
        self.check_a_renamed_one_is_served_under_its_new_name()
        self.check_a_broken_one_disturbs_nobody()
        self.check_a_dropped_one_is_forgotten()
        self.report(**self.times)
        self.assertIsNone(self.server.process.poll())

    def is_drained(self, db=None) -> bool:
        states = (db or self.db).states()
        return set(states) == {"done"}

    def check_the_sound_one_goes_on(self):
        done = self.done()
        self.db.query(_ENQUEUE)
        began = time.monotonic()
        wait_until(
            lambda: self.done() > done, "the sound one goes on", server=self.server
        )
        seconds = time.monotonic() - began
        self.times["sound"] = round(max(self.times.get("sound", 0), seconds), 2)
        self.assertLess(seconds, PROMPT)

    def wait_until_served(self, what, db, began):
        wait_until(
            lambda: self.is_drained(db),
            f"a database that was {what} is served",
            seconds=SOON,
            server=self.server,
        )
        self.times[what] = round(time.monotonic() - began, 1)

    def check_a_new_one_is_served_once_the_queue_is_in_use(self):
        self.new = self.enterContext(Database("come_new"))
        module = "UPDATE ir_module_module SET state = %s WHERE name = 'queue_job'"
        self.new.query(module, ("uninstalled",))
        with connection(self.db.name) as cnx, cnx.cursor() as cr:
            cr.execute("SELECT row_to_json(job)::text FROM queue_job job LIMIT 1")
            ((row,),) = cr.fetchall()
        self.new.query(
            "INSERT INTO queue_job SELECT (json_populate_record(NULL::queue_job, %s))"
            ".*",
            (row,),
        )
        self.new.query("SELECT nextval('queue_job_id_seq')")
        self.new.query("UPDATE queue_job SET state = 'pending', ready = true")
        self.new.query(module, ("installed",))
        self.wait_until_served("created", self.new, time.monotonic())
        self.check_the_sound_one_goes_on()

    def check_a_clone_rests_and_is_served_once_released(self):
        """Jobs that wait, that somebody was asked for, and that ran in the source."""
        clone = Database("come_clone")
        clone.drop()
        self.addCleanup(clone.drop)
        self.new.query(
            "UPDATE queue_job_channel SET paused = true WHERE complete_name = 'root'"
        )
        for state in ("started", "enqueued", "pending"):
            self.new.query(_ENQUEUE)
            self.new.query(
                "UPDATE queue_job SET state = %s, date_started = date_created,"
                " worker = 'away:1', runner = 1 WHERE state = 'pending'"
                if state != "pending"
                else "UPDATE queue_job SET state = %s WHERE state = 'pending'",
                (state,),
            )
        while_nobody_looks(
            f'CREATE DATABASE "{clone.name}" TEMPLATE "{self.new.name}"', self.new.name
        )
        brought = clone.states()
        for each in (clone, self.new):
            each.query("UPDATE queue_job_channel SET paused = false")
        wait_until(
            lambda: clone.query(_RESTS),
            "the clone is known to be one",
            seconds=SOON,
            server=self.server,
        )
        wait_until(lambda: self.is_drained(self.new), "its source is served meanwhile")
        self.assertEqual(clone.states(), brought)
        began = time.monotonic()
        with connection(clone.name) as cnx, cnx.cursor() as cr:
            home.release(cr)
        self.wait_until_served("cloned", clone, began)
        for each in (clone, self.new):
            effects = each.value("SELECT count(*) FROM test_queue_effect")
            self.assertEqual(effects, 4)
        self.check_no_proof_is_valid_in_another(clone)
        self.check_the_sound_one_goes_on()

    def check_no_proof_is_valid_in_another(self, clone):
        """They have the same secret and the same jobs; but not the same name."""
        query = "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
        secret = clone.value(query)
        self.assertEqual(self.new.value(query), secret)
        ((uuid, attempt),) = clone.query(
            "SELECT uuid, attempt FROM queue_job ORDER BY id DESC LIMIT 1"
        )
        for db, other in ((clone, self.new), (self.new, clone)):
            own = sign(secret, db.name, uuid, attempt)
            foreign = sign(secret, other.name, uuid, attempt)
            answers = [self.ask(db, uuid, attempt, proof) for proof in (own, foreign)]
            self.assertEqual([answer.status for answer in answers], [200, 403])

    def ask(self, db, uuid, attempt, proof):
        return self.server.get(
            f"/queue_job/runjob?job_uuid={uuid}&attempt={attempt}&proof={proof}",
            {"X-Odoo-Database": db.name},
        )

    def check_a_renamed_one_is_served_under_its_new_name(self):
        renamed = Database("come_renamed")
        renamed.drop()
        self.addCleanup(renamed.drop)
        self.new.query(_ENQUEUE.replace("'pending'", "'wait_dependencies'"))
        while_nobody_looks(
            f'ALTER DATABASE "{self.new.name}" RENAME TO "{renamed.name}"',
            self.new.name,
        )
        renamed.query(
            "UPDATE queue_job SET state = 'pending' WHERE state = 'wait_dependencies'"
        )
        began = time.monotonic()
        self.wait_until_served("renamed", renamed, began)
        self.wait_until_forgotten("renamed", self.new, began)
        self.new = renamed
        self.check_the_sound_one_goes_on()

    def check_a_broken_one_disturbs_nobody(self):
        self.new.query("DROP TABLE queue_job CASCADE")
        for _turn in range(3):
            self.check_the_sound_one_goes_on()

    def check_a_dropped_one_is_forgotten(self):
        self.new.drop()
        self.wait_until_forgotten("dropped", self.new, time.monotonic())
        self.check_the_sound_one_goes_on()

    def wait_until_forgotten(self, what, db, began):
        wait_until(
            lambda: f"database {db.name} is gone" in self.server.log(),
            f"a database that was {what} is forgotten",
            seconds=SOON,
            server=self.server,
        )
        self.times[f"{what}_forgotten"] = round(time.monotonic() - began, 1)


class TestNames(ChaosCase):
    """How a server is told which databases are its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.databases = [cls.enterClassContext(Database(f"own{i}")) for i in range(2)]
        for db in cls.databases:
            with Shell(db) as shell:
                shell.run(f"for _ in 'abc': {EFFECTS}.with_delay(eta=9999).leave('x')")

    def check_both_are_served(self, options, seconds=SOON):
        names = ",".join(each.name for each in self.databases)
        config = {"options": {"db_name": names, **options}}
        server = self.enterContext(Server(workers=2, config=config))
        for db in self.databases:
            db.query(
                "UPDATE queue_job SET eta = NULL WHERE id ="
                " (SELECT min(id) FROM queue_job WHERE state = 'pending');"
                " NOTIFY queue_job"
            )
        for db in self.databases:
            wait_until(
                lambda db=db: set(db.states("eta IS NULL")) == {"done"},
                f"{db.name} is served",
                seconds=seconds,
                server=server,
            )

    def test_several_names_in_the_configuration_without_a_list(self):
        self.check_both_are_served({"list_db": "False"})

    def test_a_filter_beside_the_names_of_databases_without_a_list(self):
        options = {"dbfilter": f"^{TEST_DB}_own[01]$", "list_db": "False"}
        self.check_both_are_served(options)

    def test_a_filter_with_a_host_of_its_own_for_each(self):
        """Under the address that the runner asks, the filter refuses them all: only
        the scheduled action would execute jobs, once a minute."""
        self.check_both_are_served({"db_name": "", "dbfilter": "^%d$"}, seconds=20)
