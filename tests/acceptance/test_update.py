# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``-u`` beside open transactions and a server at work: nobody waits, nothing fails."""

import unittest

from .server import Database, Server, wait_until

FILES = """
SELECT relname, relfilenode FROM pg_class
 WHERE starts_with(relname, 'queue_job') AND relkind IN ('r', 'i') ORDER BY 1
"""
ENQUEUE = """
effects = env["test.queue.effect"].with_user(env.ref("base.user_admin"))
for number in range(60):
    effects.with_delay().leave("{}", number=number)
"""
#: an update that waits for a lock fails
IMPATIENT = {"PGOPTIONS": "-c lock_timeout=5s"}


class TestUpdate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.enterClassContext(Database("update"))
        cls.server = cls.enterClassContext(Server(cls.database))

    def open_transaction(self):
        """A job that is being added by somebody, whose transaction goes on."""
        cnx = self.database.connect()
        self.addCleanup(cnx.close)
        with cnx.cursor() as cr:
            cr.execute(
                "INSERT INTO queue_job (uuid, state, channel, model_name, method_name)"
                " VALUES ('open', 'pending', 'root', 'res.users', '_test_job')"
            )
            cr.execute("SELECT FROM queue_job FOR UPDATE")
        return cnx

    def wait_for(self, name):
        wait_until(
            lambda: (
                self.database.value(
                    "SELECT count(*) FROM test_queue_effect WHERE name = %s", (name,)
                )
                == 60
            ),
            f"the jobs of '{name}' ran",
            server=self.server,
        )

    def test_updates_beside_a_server_at_work(self):
        files = self.database.query(FILES)
        for name in ("queue_job", "test_queue_job"):
            with self.subTest(name):
                self.database.shell(ENQUEUE.format(name))
                cnx = self.open_transaction()
                log = self.database.load("-u", name, environ=IMPATIENT)
                self.assertNotIn(" ERROR ", log)
                self.assertNotIn("could not serialize", log)
                cnx.rollback()
                self.wait_for(name)
        self.assertEqual(self.database.query(FILES), files)
        self.assertEqual(self.database.states("state NOT IN ('done', 'pending')"), {})
