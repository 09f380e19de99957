# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that share a request are as strangers to each other as requests are."""

from __future__ import annotations

import os
import signal
import unittest
from contextlib import closing

from .server import Database, Server, Shell, wait_until

SET_UP = """
env.ref("queue_job.channel_root").capacity = 1
env["res.lang"]._activate_lang("fr_FR")
company = env["res.company"].create({"name": "Second"})
for login, lang in (("one", "en_US"), ("two", "fr_FR")):
    env["res.users"].create({
        "name": login, "login": login, "lang": lang,
        "company_id": company.id if login == "two" else env.company.id,
        "company_ids": [(6, 0, (env.company | company).ids)],
    })
"""

OF_USER = """
user = env["res.users"].search([("login", "=", {login!r})])
effects = env["test.queue.effect"].with_user(user).with_context(lang=user.lang)
effects.with_delay().leave({login!r})
"""


class TestLease(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("lease"))
        cls.shell = cls.enterClassContext(Shell(cls.db))
        cls.shell.run(SET_UP)
        config = {"queue_job": {"lease_seconds": "60"}}
        cls.server = cls.enterClassContext(Server(cls.db, workers=2, config=config))

    def wait_until_done(self):
        wait_until(
            lambda: set(self.db.states()) == {"done"},
            "all jobs are done",
            server=self.server,
        )

    def wait_until_started(self, uuid):
        return wait_until(
            lambda: self.db.query(
                "SELECT worker_pid FROM queue_job"
                " WHERE uuid = %s AND state = 'started'",
                (uuid,),
            ),
            "the job has started",
        )[0][0]

    def test_each_job_runs_as_its_own_user_in_its_company_and_language(self):
        code = "".join(OF_USER.format(login=each) for each in ["one", "two"] * 5)
        self.shell.run(code)
        self.wait_until_done()
        rows = self.db.query(
            "SELECT effect.name, users.login, company.name = 'Second', effect.lang"
            " FROM test_queue_effect effect"
            " JOIN res_users users ON users.id = effect.user_id"
            " JOIN res_company company ON company.id = effect.company_id"
            " WHERE effect.name IN ('one', 'two')"
        )
        self.assertEqual(len(rows), 10)
        self.assertEqual(
            set(rows), {("one", "one", False, "en_US"), ("two", "two", True, "fr_FR")}
        )

    def test_what_others_change_is_seen_by_the_next_job_of_the_same_request(self):
        self.shell.run('env["ir.config_parameter"].set_param("test.seen", "before")')
        first = self.shell.enqueue("read_parameter('test.seen', seconds=2)")
        self.shell.enqueue("read_parameter('test.seen')")
        pid = self.wait_until_started(first)
        self.shell.run(
            'env["ir.config_parameter"].set_param("test.seen", "after")\n'
            "env.cr.commit(); env.registry.signal_changes()"
        )
        self.wait_until_done()
        names = self.db.query(
            "SELECT name, pid FROM test_queue_effect WHERE name IN ('before', 'after')"
            " ORDER BY id"
        )
        self.assertEqual(names, [("before", pid), ("after", pid)])

    def test_what_others_install_is_known_to_the_next_job_of_the_same_request(self):
        """With the registry of the first job, the second one would have no method."""
        self.shell.run('env["ir.module.module"].update_list()')
        with closing(self.db.connect()) as cnx, cnx.cursor() as cr:
            cr.execute("SELECT pg_advisory_lock(77)")
            pid = self.wait_until_started(self.shell.enqueue("wait_for_lock(77)"))
            self.db.load("-i", "test_queue_hooks", "--log-level=warn")
        self.wait_until_done()
        rows = self.db.query(
            "SELECT worker_pid, runner, retry FROM queue_job"
            " WHERE method_name = 'leave_from_hook'"
        )
        # no runner has asked for it: it was taken by the request of the first job
        self.assertEqual(rows, [(pid, None, 1)])

    def test_what_a_job_changes_is_seen_by_others(self):
        self.shell.run(
            'env["ir.config_parameter"].set_param("test.told", "old")\n'
            "env.cr.commit(); env.registry.signal_changes()\n"
            'print(env["ir.config_parameter"].get_param("test.told"))'
        )
        before = self.db.value("SELECT max(id) FROM orm_signaling_stable")
        self.shell.enqueue("write_parameter('test.told', 'new')")
        self.wait_until_done()
        self.assertGreater(
            self.db.value("SELECT max(id) FROM orm_signaling_stable"), before
        )
        value = self.shell.run(
            "env.registry.check_signaling()\n"
            'print(env["ir.config_parameter"].get_param("test.told"))'
        )
        self.assertEqual(value.strip(), "new")

    def test_a_worker_that_was_asked_to_stop_takes_no_further_job(self):
        first = self.shell.enqueue("sleep(2)")
        self.shell.run(
            'for i in range(20): env["test.queue.effect"].with_delay().sleep(0)'
        )
        pid = self.wait_until_started(first)
        os.kill(pid, signal.SIGINT)
        self.wait_until_done()
        rows = self.db.query(
            "SELECT worker_pid = %s, count(*) FROM queue_job"
            " WHERE id >= (SELECT id FROM queue_job WHERE uuid = %s) GROUP BY 1",
            (pid, first),
        )
        self.assertEqual(dict(rows), {True: 1, False: 20})
