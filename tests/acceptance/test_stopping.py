# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that have to stop, that die, that ask for another try: on a real server."""

from __future__ import annotations

import time
import unittest

from .server import Database, Server, Shell, wait_until

#: seconds within which a running job stops when it is asked to
PROMPT = 5

# What PostgreSQL says at a commit, where nothing in the body is to be seen of it.
_CONFLICT_AT_COMMIT = """
CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
END $$;
CREATE CONSTRAINT TRIGGER conflict AFTER INSERT ON test_queue_effect
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.name = 'conflict at commit') EXECUTE FUNCTION conflict()
"""


class TestStopping(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db = cls.enterClassContext(Database("stopping"))
        cls.db.query(
            "UPDATE queue_job_channel SET capacity = 3 WHERE complete_name = 'root'"
        )
        cls.server = cls.enterClassContext(Server(cls.db, workers=4))
        cls.shell = cls.enterClassContext(Shell(cls.db))

    def job(self, uuid, fields="state"):
        (row,) = self.db.query(
            f"SELECT {fields} FROM queue_job WHERE uuid = %s", (uuid,)
        )
        return row if len(row) > 1 else row[0]

    def wait_for(self, uuid, *states):
        return wait_until(
            lambda: self.job(uuid) in states and self.job(uuid),
            f"job {uuid} is {' or '.join(states)}; it is {self.job(uuid)}",
        )

    def stop(self, uuid):
        """Ask as the button does; return how long it took."""
        self.wait_for(uuid, "started")
        self.db.query(
            "INSERT INTO queue_job_stop (job_id, user_id, reason)"
            " SELECT id, 2, 'Cancelled by a test' FROM queue_job WHERE uuid = %s",
            (uuid,),
        )
        began = time.monotonic()
        self.wait_for(uuid, "cancelled")
        return time.monotonic() - began

    def check_stops(self, call):
        uuid = self.shell.enqueue(call)
        self.assertLess(self.stop(uuid), PROMPT)
        self.assertEqual(self.job(uuid, "result"), "Cancelled by a test")
        self.assertFalse(
            self.db.query("SELECT 1 FROM queue_job_stop"), "the request is answered"
        )

    def test_a_sleeping_job_stops_when_it_is_asked_to(self):
        self.check_stops("sleep(60)")

    def test_a_job_in_a_long_query_stops_when_it_is_asked_to(self):
        self.check_stops("query_long(60)")

    def test_a_job_that_waits_for_a_socket_stops_when_it_is_asked_to(self):
        self.check_stops("wait_for_a_socket(60)")

    def test_a_job_that_looks_by_itself_stops_neatly(self):
        self.check_stops("stop_neatly(60)")

    def test_a_job_over_its_time_is_stopped_and_counts_as_a_try(self):
        uuid = self.shell.enqueue("sleep_too_long(60)", "max_retries=1")
        self.wait_for(uuid, "failed")
        retry, name, message, seconds = self.job(
            uuid, "retry, exc_name, exc_message, exec_time"
        )
        self.assertEqual(retry, 1)
        self.assertIn("JobTimeout", name)
        self.assertIn("time limit of 2 s", message)
        self.assertLess(seconds, 2 + PROMPT)

    def test_the_time_limit_can_be_given_with_the_call(self):
        uuid = self.shell.enqueue("query_long(60)", "max_retries=1, timeout=1")
        self.wait_for(uuid, "failed")
        self.assertIn("JobTimeout", self.job(uuid, "exc_name"))

    def test_a_job_that_kills_its_worker_fails_after_some_deaths(self):
        uuid = self.shell.enqueue("die()")
        self.wait_for(uuid, "failed")
        deaths, name = self.job(uuid, "deaths, exc_name")
        self.assertEqual(deaths, 3)
        self.assertEqual(name, "WorkerDied")
        outcomes = self.db.query(
            "SELECT outcome FROM queue_job_try try JOIN queue_job job"
            " ON job.id = try.job_id WHERE job.uuid = %s",
            (uuid,),
        )
        self.assertEqual(outcomes, [("died",)] * 3)

    def test_the_death_of_a_job_is_told_once_though_nobody_of_its_own_lives(self):
        """Runners fail it by SQL: without telling, its followers and the method that
        its function names for failures would never know."""
        uuid = self.shell.enqueue("die_and_be_mourned()")
        self.wait_for(uuid, "failed")
        job_id = self.job(uuid, "id")
        wait_until(
            lambda: not self.db.query("SELECT 1 FROM queue_job_untold"),
            "it is told",
            server=self.server,
        )
        messages = self.db.query(
            "SELECT message.id FROM mail_message message"
            " JOIN ir_model_data data ON data.res_id = message.subtype_id"
            " AND data.model = 'mail.message.subtype' AND data.name = 'mt_job_failed'"
            " WHERE message.model = 'queue.job' AND message.res_id = %s",
            (job_id,),
        )
        self.assertEqual(len(messages), 1)
        effects = "SELECT count(*) FROM test_queue_effect WHERE name = %s"
        self.assertEqual(self.db.value(effects, ("mourned WorkerDied",)), 1)

    def test_serialization_failures_count_as_tries_wherever_they_come_from(self):
        """Tried again without being counted, they could go on for ever."""
        self.db.query(_CONFLICT_AT_COMMIT)
        self.wait_for(self.shell.enqueue("leave('contested')"), "done")
        uuids = {
            when: self.shell.enqueue(f"conflict({when!r})", "max_retries=2")
            for when in ("body", "flush", "commit")
        }
        for when, uuid in uuids.items():
            self.wait_for(uuid, "failed")
            job_id, retry, message = self.job(uuid, "id, retry, exc_message")
            self.assertEqual(retry, 2, when)
            self.assertIn("Max. retries (2) reached", message)
            errors = self.db.query(
                "SELECT outcome, exc_name FROM queue_job_try WHERE job_id = %s"
                " ORDER BY id",
                (job_id,),
            )
            error = "psycopg2.errors.SerializationFailure"
            self.assertEqual(errors, [("retry", error), ("failed", error)], when)
        left = "SELECT name FROM test_queue_effect WHERE name ~ 'conflict|reached'"
        self.assertEqual(self.db.query(left), [])

    def test_a_job_whose_connection_is_lost_is_tried_again(self):
        """It has done nothing then, and is not at fault."""
        uuid = self.shell.enqueue("query_long(2)", "max_retries=3")
        self.wait_for(uuid, "started")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname"
        ended += (
            " = current_database() AND state = 'active' AND query ~ '^SELECT pg_sl'"
        )
        wait_until(lambda: self.db.query(ended), "its query is ended")
        self.wait_for(uuid, "done")
        retry, deaths, job_id = self.job(uuid, "retry, deaths, id")
        self.assertEqual((retry, deaths), (2, 0))
        outcomes = "SELECT outcome FROM queue_job_try WHERE job_id = %s"
        self.assertEqual(self.db.query(outcomes, (job_id,)), [("retry",)])

    def test_an_error_that_the_policy_names_is_tried_again(self):
        uuid = self.shell.enqueue("fail_to_connect()", "max_retries=2")
        self.wait_for(uuid, "failed")
        self.assertEqual(self.job(uuid, "retry"), 2)
        self.assertEqual(self.job(uuid, "exc_name"), "ConnectionError")

    def test_a_job_may_not_commit(self):
        uuid = self.shell.enqueue("commit()")
        self.wait_for(uuid, "failed")
        self.assertEqual(self.job(uuid, "exc_name"), "RuntimeError")

    def test_a_job_that_may_commit_runs_once(self):
        uuid = self.shell.enqueue("commit_often(20, seconds=0.05)")
        self.wait_for(uuid, "done")
        rows = self.db.query(
            "SELECT number FROM test_queue_effect WHERE job_uuid = %s", (uuid,)
        )
        self.assertEqual(sorted(rows), [(number,) for number in range(20)])

    def test_the_progress_is_seen_while_the_job_runs(self):
        uuid = self.shell.enqueue("progress(50, seconds=0.1)")
        wait_until(
            lambda: self.db.query(
                "SELECT 1 FROM queue_job_progress progress JOIN queue_job job"
                " ON job.id = progress.job_id WHERE job.uuid = %s AND state = 'started'"
                " AND done > 5 AND total = 50 AND message LIKE 'step %%'",
                (uuid,),
            ),
            "the progress of the running job is written",
        )
        self.wait_for(uuid, "done")

    def test_jobs_enqueued_by_a_job_run(self):
        self.shell.enqueue("enqueue_more(3)")
        wait_until(
            lambda: (
                self.db.value(
                    "SELECT count(*) FROM test_queue_effect WHERE name = 'more'"
                )
                == 3
            ),
            "the jobs that a job enqueued left their effects",
        )
