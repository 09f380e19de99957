# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The documentation taken at its word: its samples are installed, started, typed in."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from docutils import nodes

from ..documentation import ROOT, command_line, documents, samples, tree_of
from ..unit.prometheus import parse
from .sample_addon import SampleAddon, all_samples
from .server import (
    CONF,
    ODOO_BIN,
    PATIENCE,
    PYTHON,
    STATE,
    Database,
    Server,
    Shell,
    wait_until,
)

#: samples that other tests look after, or that say something to people alone
ELSEWHERE = {"ini", "console", "text"}

PREPARE = """
partners = env["res.partner"].with_user(env.ref("base.user_admin"))
names = [{"name": f"Partner {number}"} for number in range(12)]
partners = partners.create(names)
env["ir.config_parameter"].set_param("queue_job.metrics_token", "secret")
"""
FIND = 'partners = env["res.partner"].search([("name", "like", "Partner %")])\n'

#: what the guide promises beside its samples
PROMISES = """
partners.action_greet()
partners.with_delay().announce("news")
partners.with_delay().recompute()
partners[0].with_delay().message_post(body="Hello from a data record")
for answer in ("nothing new", "busy", "soon", "unknown", "fine"):
    partners.with_delay(description=answer).synchronize(answer)
partners.with_delay(channel="root.export", description="lost").synchronize("unknown")
print(partners.with_context(auto_delay_export=True).export("itself").uuid)
"""
NO_MORE_TRIES = """
env["queue.job"].search([("name", "in", ["busy", "soon"])]).button_cancelled()
"""
MENUS = """
print(*env["ir.ui.menu"].search([]).mapped("complete_name"), sep="\\n")
"""
BUTTONS = """
print(partners.with_delay().publish().related_action()["url"])
print(partners[0].open_queue_jobs()["res_model"])
form = partners.get_view(env.ref("base.view_partner_form").id, "form")
print("open_queue_jobs" in form["arch"] and partners[0].queue_job_count > 3)
"""


class SampleCase(unittest.TestCase):
    """An Odoo with the samples as an add-on, and a server as the README has it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Path(tempfile.mkdtemp(prefix="samples-", dir=STATE))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.addon = SampleAddon(folder)
        path = {"PYTHONPATH": cls.addon.python_path}
        cls.enterClassContext(patch.dict(os.environ, path))
        cls.database = cls.enterClassContext(Database("samples"))
        cls.log = cls.addon.install(cls.database)
        # no job may run before all are there: what waits for what is looked at
        cls.shell = cls.enterClassContext(Shell(cls.database))
        cls.shell.run(PREPARE)
        cls.run_scripts()
        cls.own_uuid = cls.shell.run(FIND + PROMISES).strip()
        cls.server = cls.enterClassContext(cls.server_of_the_readme())
        cls.wait_for_the_jobs()
        # as they are now: the commands change them
        cls.jobs = cls.read_jobs()
        # or else the command that runs all jobs would never come to an end
        cls.shell.run(NO_MORE_TRIES)

    @classmethod
    def run_scripts(cls):
        for sample in cls.addon.scripts:
            try:
                cls.shell.run(f"{FIND}\n{sample.text}")
            except AssertionError as error:
                raise AssertionError(f"{sample.place}\n{error}") from error

    @classmethod
    def server_of_the_readme(cls):
        (sample,) = (s for s in samples(ROOT / "README.rst") if s.language == "ini")
        parser = configparser.RawConfigParser()
        parser.read_string(sample.text)
        config = {section: dict(parser.items(section)) for section in parser.sections()}
        return Server(cls.database, config=config)

    @classmethod
    def wait_for_the_jobs(cls):
        wait_until(
            lambda: (
                not cls.database.states(
                    "state IN ('enqueued', 'started', 'wait_dependencies')"
                    " OR state = 'pending' AND eta IS NULL"
                )
            ),
            "the jobs of the samples have run",
            server=cls.server,
        )

    @classmethod
    def read_jobs(cls):
        rows = cls.database.query("SELECT row_to_json(job) FROM queue_job job")
        return [job for (job,) in rows]

    def jobs_with(self, **values):
        return [job for job in self.jobs if values.items() <= job.items()]

    def job(self, **values):
        """The one job that has these values."""
        found = self.jobs_with(**values)
        self.assertEqual(len(found), 1, (values, found))
        return found[0]


class TestSamples(SampleCase):
    def test_each_sample_is_used(self):
        found = all_samples()
        self.assertGreater(len(found), 25)
        rest = [each for each in found if each not in self.addon.claimed]
        self.assertLessEqual({each.language for each in rest}, ELSEWHERE)

    def test_the_tests_of_the_guide_pass(self):
        (number,) = re.findall(r"0 failed, 0 error\(s\) of (\d+) tests", self.log)
        self.assertGreaterEqual(int(number), 6)

    def test_nobody_is_warned_of_the_samples(self):
        wrong = re.findall(r".* (?:WARNING|ERROR) .*queue_job_samples.*", self.log)
        self.assertEqual(wrong, [])

    def test_the_log_tells_whether_a_runner_is_at_work(self):
        words = f"queue job runner: serves database {self.database.name}"
        self.assertIn(words, self.server.log())

    def test_the_example_of_the_readme_does_what_it_says(self):
        job = self.job(method_name="greet")
        self.assertEqual((job["name"], job["priority"]), ("Greet partners", 5))
        self.assertEqual((job["state"], job["result"]), ("done", "12 greeted"))
        self.assertEqual(job["channel"], "root.greetings")
        self.assertEqual(self.messages("Hello"), 12)

    def messages(self, text):
        plain = "regexp_replace(body, '<[^>]*>', '', 'g')"
        query = f"SELECT count(*) FROM mail_message WHERE {plain} = %s"
        return self.database.value(query, (text,))

    def test_options_are_those_of_the_guide(self):
        job = self.job(name="Export to the shop")
        self.assertEqual((job["state"], job["priority"]), ("done", 0))
        later = self.job(state="pending", args=["archive"])
        self.assertGreater(later["eta"], later["date_created"])
        self.assertEqual(len(self.jobs_with(state="cancelled")), 1)

    def test_an_identity_key_is_there_once(self):
        keyed = [job["identity_key"] for job in self.jobs if job["identity_key"]]
        self.assertEqual(len(keyed), 1 + 12)
        self.assertEqual(len(set(keyed)), 1 + 12)

    def test_graphs_run_in_their_order(self):
        edges = self.database.query(
            "SELECT below.date_started >= above.date_done FROM queue_job_edge edge"
            " JOIN queue_job above ON above.id = edge.parent_id"
            " JOIN queue_job below ON below.barrier_id = edge.barrier_id"
        )
        # two before and two behind the group, and two parts
        self.assertEqual(edges, [(True,)] * 6)
        self.job(name="Export partners (split 2/2)", state="done")

    def test_errors_lead_where_the_guide_says(self):
        for answer, state, retry in (
            ("nothing new", "done", 1),
            ("busy", "pending", 1),
            ("soon", "pending", 0),
            ("unknown", "failed", 1),
            ("fine", "done", 1),
        ):
            with self.subTest(answer=answer):
                self.job(name=answer, state=state, retry=retry)
        policy = self.database.value(
            "SELECT retry_policy FROM queue_job_function WHERE method = 'download'"
        )
        self.assertEqual(json.loads(policy)["max_tries"], 8)

    def test_a_failed_job_calls_the_method_of_its_function(self):
        self.job(method_name="announce", state="failed")
        self.assertEqual(self.messages("Not announced: Nobody listens"), 12)

    def test_a_data_record_declares_a_method(self):
        self.job(channel="root.messages", state="done")

    def test_progress_is_told(self):
        query = "SELECT done, total FROM queue_job_progress"
        self.assertEqual(self.database.query(query), [(12, 12)])

    def test_a_method_delays_itself(self):
        self.job(uuid=self.own_uuid, state="done", name="Export to itself", priority=20)

    def test_buttons_lead_to_records_and_jobs(self):
        found = self.shell.run(FIND + BUTTONS)
        self.assertEqual(found.split(), ["https://example.com", "queue.job", "True"])

    # ------------------------------------------------------------- what is typed in

    def test_the_commands_of_the_operator_guide_do_what_is_asked_for(self):
        for command in commands("odoo-bin"):
            with self.subTest(shlex.join(command[1:])):
                done = self.run_odoo(command)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def run_odoo(self, command):
        """Execute a line on the test's database."""
        environ, _program, *arguments = command
        here = {"production": self.database.name, "odoo.conf": str(self.conf())}
        environ = {name: here[value] for name, value in environ.items()}
        return subprocess.run(
            [PYTHON, ODOO_BIN, *(here.get(each, each) for each in arguments)],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def conf(self):
        """The file of an Odoo whose only database is the test's."""
        parser = configparser.RawConfigParser()
        parser.read(CONF, encoding="utf-8")
        name = self.database.name
        parser["options"].update(db_name=name, dbfilter=f"^{name}$")
        path = STATE / f"{name}.conf"
        with path.open("w", encoding="utf-8") as file:
            parser.write(file)
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def test_menus_that_are_named_exist(self):
        known = set(self.shell.run(MENUS).splitlines())
        found = menus()
        self.assertGreater(len(found), 4)
        for menu in found:
            with self.subTest(menu):
                self.assertIn(menu.replace(" > ", "/"), known)

    def test_monitors_are_answered(self):
        for command in commands("curl"):
            with self.subTest(shlex.join(command[1:])):
                _environ, _curl, flag, header, url = command
                self.assertEqual(flag, "-H")
                path = url.removeprefix("http://localhost:8069")
                answer = self.server.get(path, dict([header.split(": ")]))
                self.assertEqual(answer.status, 200)
                text = answer.read().decode()
                if path.endswith("health"):
                    self.assertEqual(json.loads(text)["status"], "ok")
                else:
                    self.assertTrue(parse(text))


def menus():
    """The menus that a document leads to."""
    texts = {
        node.astext().replace("\n", " ")
        for path in documents()
        for node in tree_of(path).findall(nodes.emphasis)
    }
    return sorted(text for text in texts if text.startswith("Job Queue >"))


def commands(program):
    """The lines of all console samples that call the program, see ``command_line``."""
    lines = [
        command_line(line)
        for sample in all_samples()
        if sample.language == "console"
        for line in sample.text.replace("\\\n", " ").splitlines()
    ]
    found = [line for line in lines if line[1] == program]
    assert found, program
    return found
