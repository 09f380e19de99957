# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database of the earlier add-on (the published 19.0.2.4.0): nothing gets lost."""

import json
import os
import subprocess
import unittest
from pathlib import Path

from .packages import folder_with
from .server import (
    CONF,
    ODOO_BIN,
    PATIENCE,
    PYTHON,
    STATE,
    Database,
    Server,
    _maintenance,
    wait_until,
)

EARLIER = ("odoo-addon-queue-job==19.0.2.4.0.1", "openupgradelib==3.13.7")
BASE = os.environ.get("QUEUE_JOB_TEST_BASE", "")
SEED = Path(__file__).with_name("upgrade_seed.py")

#: what a job is, in the words of both
COLUMNS = (
    "uuid, name, model_name, method_name, func_string, records, args, kwargs, user_id,"
    " company_id, channel, priority, eta, retry, max_retries, identity_key, graph_uuid,"
    " date_created, date_started, date_done, date_cancelled, exec_time, result,"
    " exc_name, exc_message, exc_info"
)


class EarlierDatabase(Database):
    """With the earlier add-on in it, and jobs of every kind."""

    def __init__(self, name):
        super().__init__(name, template=BASE)

    def copied(self, name):
        """The database as it is now, under another name."""
        copy = EarlierDatabase(name)
        copy.drop()
        _maintenance('CREATE DATABASE "{}" TEMPLATE "{}"', copy.name, self.name)
        return copy

    def __enter__(self):
        super().__enter__()
        environ = {**os.environ, "PYTHONPATH": self.earlier_path()}
        self.odoo("server", "-i", "queue_job", "--stop-after-init", env=environ)
        sown = self.odoo("shell", env=environ, input=SEED.read_text(encoding="utf-8"))
        assert "the seed is sown" in sown, sown
        return self

    @staticmethod
    def earlier_path():
        ours = str(STATE / "addons")
        paths = os.environ["PYTHONPATH"].split(os.pathsep)
        others = [path for path in paths if path and path != ours]
        assert len(others) < len(paths), paths
        return os.pathsep.join([str(folder_with(*EARLIER)), *others])

    def odoo(self, command, *options, **popen):
        """Run one of Odoo's commands on the database; return what it printed."""
        popen.setdefault("input", "")
        done = subprocess.run(
            [
                *(PYTHON, ODOO_BIN, command, "-c", CONF, "-d", self.name),
                *("--no-http", "--max-cron-threads=0", "--log-level=warn", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
            **popen,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def jobs(self):
        """``{name: (state, what it is)}``"""
        rows = self.query(
            f"SELECT name, state, to_jsonb(job) FROM"
            f" (SELECT state, {COLUMNS} FROM queue_job) AS job"
        )
        return {name: (state, _without_state(job)) for name, state, job in rows}

    def state(self, name):
        return self.value("SELECT state FROM queue_job WHERE name = %s", (name,))

    def before(self, name):
        """The names of the jobs that a job waits for, or waited for."""
        rows = self.query(
            "SELECT parent.name FROM queue_job AS job"
            "  JOIN queue_job_edge AS edge ON edge.barrier_id = job.barrier_id"
            "  JOIN queue_job AS parent ON parent.id = edge.parent_id"
            " WHERE job.name = %s",
            (name,),
        )
        return {row[0] for row in rows}


def _without_state(job):
    """The job without its state; JSON that was kept as a text is read."""
    job = {key: value for key, value in job.items() if key != "state"}
    for name in ("records", "args", "kwargs"):
        if isinstance(job[name], str):
            job[name] = json.loads(job[name])
    return job


#: what must be as it was, in the words of both
KEPT = {
    "messages": "SELECT id, model, res_id, body, subtype_id FROM mail_message"
    " WHERE model = 'queue.job' ORDER BY id",
    "followers": "SELECT res_id, partner_id FROM mail_followers"
    " WHERE res_model = 'queue.job' ORDER BY id",
    "functions": "SELECT id, name, model_id, method, channel_id, channel,"
    " (retry_pattern #>> '{}')::jsonb, (related_action #>> '{}')::jsonb,"
    " allow_commit, on_fail_method"
    " FROM queue_job_function WHERE starts_with(name, '<res.partner>') ORDER BY id",
    "groups": "SELECT group_rel.uid FROM res_groups_users_rel AS group_rel"
    " JOIN ir_model_data AS data ON data.res_id = group_rel.gid"
    " AND data.model = 'res.groups' AND data.name = 'group_queue_job_manager'"
    " ORDER BY 1",
    "jobs of locks": "SELECT id, queue_job_id FROM queue_job_lock ORDER BY id",
}
CHANNELS = (
    "SELECT id, name, parent_id, complete_name, removal_interval"
    " FROM queue_job_channel WHERE complete_name ~ '^root([.]sub.*)?$' ORDER BY id"
)


earlier = EarlierDatabase("earlier")


def setUpModule():
    earlier.__enter__()


def tearDownModule():
    earlier.drop()


class TestUpgrade(unittest.TestCase):
    """One upgrade; each test looks at one side of what has become of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = earlier.copied("upgraded")
        cls.addClassCleanup(cls.database.drop)
        cls.jobs = cls.database.jobs()
        cls.kept = {what: cls.database.query(query) for what, query in KEPT.items()}
        cls.channels = cls.database.query(CHANNELS)
        cls.log = cls.database.odoo("server", "-u", "queue_job", "--stop-after-init")
        cls.jobs_after = cls.database.jobs()
        cls.states_after = {name: state for name, (state, _j) in cls.jobs_after.items()}

    def test_the_seed_has_a_job_in_every_state(self):
        states = {state for state, _job in self.jobs.values()}
        self.assertEqual(len(states), 7, states)
        self.assertGreater(len(self.kept["messages"]), 0)
        self.assertGreater(len(self.kept["followers"]), 0)

    def test_the_upgrade_has_nothing_to_complain_of(self):
        for level in (" WARNING ", " ERROR ", " CRITICAL "):
            lines = [line for line in self.log.splitlines() if level in line]
            self.assertEqual(
                [line for line in lines if "http_interface" not in line], []
            )

    def test_no_job_and_no_value_of_a_job_is_lost(self):
        self.assertEqual(set(self.jobs) - set(self.jobs_after), set())
        # the one that the update itself has enqueued
        own = {"Hide in the texts of jobs what is to be hidden now"}
        self.assertEqual(set(self.jobs_after) - set(self.jobs), own)
        for name, (_state, job) in self.jobs.items():
            with self.subTest(name):
                self.assertEqual(self.jobs_after[name][1], job)

    def test_states_stay_but_for_the_requests_that_died_with_the_server(self):
        for name, (state, _job) in self.jobs.items():
            expected = {"enqueued": "pending", "g5 next": "pending"}.get(name, state)
            with self.subTest(name):
                self.assertEqual(self.states_after[name], expected)

    def test_messages_followers_functions_and_members_stay(self):
        for what, query in KEPT.items():
            with self.subTest(what):
                self.assertEqual(self.database.query(query), self.kept[what])

    def test_channels_stay_and_the_root_has_a_capacity(self):
        self.assertEqual(self.database.query(CHANNELS), self.channels)
        capacities = dict(
            self.database.query("SELECT complete_name, capacity FROM queue_job_channel")
        )
        self.assertEqual(capacities["root"], 1)
        self.assertEqual(capacities["root.sub.deep"], 0)

    def test_a_channel_that_only_jobs_knew_is_made(self):
        self.assertEqual(
            self.jobs_after["elsewhere"][1]["channel"], "root.only.configured"
        )
        self.assertTrue(
            self.database.query(
                "SELECT 1 FROM queue_job_channel"
                " WHERE complete_name = 'root.only.configured'"
            )
        )

    def test_every_method_may_be_delayed_as_before(self):
        policy = self.database.value(
            "SELECT value FROM ir_config_parameter WHERE key = 'queue_job.delay_policy'"
        )
        self.assertEqual(policy, "any")

    def test_graphs_are_barriers_now(self):
        before = self.database.before
        self.assertEqual(before("g1 first"), set())
        self.assertEqual(before("g1 left"), {"g1 first"})
        self.assertEqual(before("g1 right"), {"g1 first"})
        self.assertEqual(before("g1 last"), {"g1 left", "g1 right"})
        self.assertEqual(before("g2 next"), {"g2 first", "g2 other"})
        self.assertEqual(before("g3 next"), {"g3 first"})
        self.assertEqual(before("g4 next"), {"g4 first"})
        shared = self.database.value(
            "SELECT count(DISTINCT barrier_id) FROM queue_job"
            " WHERE name IN ('g1 left', 'g1 right')"
        )
        self.assertEqual(shared, 1)
        remaining = self.database.query(
            "SELECT job.name, barrier.remaining FROM queue_job AS job"
            " JOIN queue_job_barrier AS barrier ON barrier.id = job.barrier_id"
        )
        self.assertEqual(
            dict(remaining),
            {
                "g1 left": 1,
                "g1 right": 1,
                "g1 last": 2,
                "g2 next": 1,
                "g3 next": 1,
                "g4 next": 0,
            },
        )

    def test_only_jobs_without_a_date_to_wait_for_are_ready(self):
        rows = self.database.query(
            "SELECT name FROM queue_job WHERE NOT ready AND state = 'pending'"
        )
        self.assertEqual({row[0] for row in rows}, {"later", "tried", "g4 next"})

    def test_jobs_with_one_key_stay_side_by_side(self):
        rows = self.database.query(
            "SELECT name, identity_twin FROM queue_job WHERE identity_key = 'the key'"
        )
        self.assertEqual(dict(rows), {"keyed": False, "keyed twin": True})

    def test_nothing_of_the_earlier_add_on_is_in_the_way(self):
        count = self.database.value
        self.assertEqual(
            count(
                "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
                " AND tgrelid = 'queue_job'::regclass AND tgname <> 'queue_job_unseal'"
            ),
            0,
        )
        self.assertEqual(
            count("SELECT count(*) FROM pg_proc WHERE proname = 'queue_job_notify'"), 0
        )
        fresh = Database("fresh")
        with fresh:
            for what in ("indexes", "columns", "constraints"):
                query = SCHEMA[what].format(tables=TABLES)
                with self.subTest(what):
                    self.assertEqual(self.database.query(query), fresh.query(query))

    def test_no_add_on_is_needed_that_a_new_installation_does_not_need(self):
        rows = self.database.query(
            "SELECT dependency.name FROM ir_module_module_dependency AS dependency"
            "  JOIN ir_module_module AS module ON module.id = dependency.module_id"
            " WHERE module.name = 'queue_job'"
        )
        self.assertEqual(rows, [("mail",)])

    def test_views_of_others_still_apply(self):
        self.database.odoo(
            "shell",
            input="""
for model, kind, words in (
    ("queue.job", "form", ['string="Mine"']),
    ("queue.job", "list", ['name="retry"', 'name="uuid"']),
    ("queue.job", "search", ['name="mine"']),
    ("queue.job.function", "form", ['string="Mine"']),
):
    arch = env[model].get_view(view_type=kind)["arch"]
    for word in words:
        assert word in arch, (model, kind, word)
""",
        )

    def test_what_jobs_carry_is_read_back(self):
        self.database.odoo(
            "shell",
            input="""
from datetime import date, datetime
job = env["queue.job"].search([("name", "=", "carrying")])
assert job.kwargs["partner_ids"] == [[date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5)]]
partner, element, text, nothing, number = job.kwargs["attachments"]
assert partner == job.records and partner.name == "Seed", partner
assert (element.tag, text, nothing, number) == ("a", "æ€", None, 1.5)
assert job.records.env.uid == job.user_id.id and not job.records.env.su
assert job.records.env.context["tz"] == "Europe/Paris"
config = env["queue.job.function"].job_config("<res.partner>.write")
assert config.retry_pattern == {1: 10, 5: (20, 30)}, config
assert config.channel == "root.sub.deep" and config.allow_commit, config
assert job.job_function_id.exists() == job.job_function_id
failed = env["queue.job"].search([("name", "=", "failed")])
failed.requeue()
assert failed.state == "pending" and not failed.exc_name
env.cr.rollback()
""",
        )


TABLES = "('queue_job', 'queue_job_channel', 'queue_job_function')"
#: how the tables look
SCHEMA = {
    "indexes": "SELECT indexname, indexdef FROM pg_indexes"
    " WHERE tablename IN {tables}"
    # those of the add-ons that the tests have besides
    " AND NOT starts_with(indexname, 'queue_job_records_') ORDER BY 1",
    "columns": "SELECT column_name, data_type, column_default, is_nullable"
    " FROM information_schema.columns WHERE table_name = 'queue_job'"
    " AND NOT starts_with(column_name, 'test_') ORDER BY 1",
    "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid::regclass::text IN {tables} ORDER BY 1",
}


class TestJobsAfterTheUpgrade(unittest.TestCase):
    """A server executes what was enqueued with the earlier add-on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = earlier.copied("running")
        cls.addClassCleanup(cls.database.drop)
        cls.database.odoo("server", "-u", "queue_job", "--stop-after-init")
        with Server(cls.database) as server:
            wait_until(cls.nothing_to_do, "all jobs ran", server=server)
            cls.log = server.log()

    @classmethod
    def nothing_to_do(cls):
        return not cls.database.query(
            "SELECT 1 FROM queue_job WHERE state IN ('enqueued', 'started')"
            " OR (state = 'pending'"
            "     AND (eta IS NULL OR eta < now() AT TIME ZONE 'UTC'))"
        )

    def test_pending_jobs_run_and_failed_ones_stay(self):
        states = {name: state for name, (state, _job) in self.database.jobs().items()}
        others = {
            "later": "pending",
            "tried": "pending",
            "g4 next": "pending",
            "g3 first": "failed",
            "g3 next": "wait_dependencies",
            "failed": "failed",
            "cancelled": "cancelled",
            # what it carries was never meant to be executed
            "carrying": "failed",
        }
        for name, state in states.items():
            with self.subTest(name):
                self.assertEqual(state, others.get(name, "done"))

    def test_effects_are_there(self):
        rows = self.database.query(
            "SELECT street2, function, street, city, zip FROM res_partner"
            " WHERE name = 'Seed'"
        )
        self.assertEqual(
            rows,
            [
                (
                    "pending ran",
                    "urgent ran",
                    "due ran",
                    "keyed ran",
                    "keyed twin ran",
                )
            ],
        )
        writer = self.database.value(
            "SELECT login FROM res_users JOIN res_partner copy"
            " ON copy.create_uid = res_users.id WHERE copy.name = 'Seed''s copy'"
        )
        self.assertEqual(writer, "queue_manager")

    def test_the_started_job_was_rescued(self):
        self.assertEqual(
            self.database.query(
                "SELECT state, deaths FROM queue_job WHERE name = 'started'"
            ),
            [("done", 1)],
        )
