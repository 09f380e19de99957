# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs whose numbers do not fit into 32 bits live like all others."""

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.core.outcome import Failed
from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.storage import ids, locks

FAR = 2**31 + 5
SEQUENCES = ("queue_job", "queue_job_barrier", "queue_job_try", "queue_job_untold")


class TestIds(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        cls.partner = cls.env["res.partner"].create({"name": "Far"})
        # as long as this transaction lives: a later one begins where it did
        for table in SEQUENCES:
            cls.env.cr.execute(
                "SELECT last_value FROM pg_sequences WHERE sequencename = %s",
                (f"{table}_id_seq",),
            )
            before = cls.env.cr.fetchone()[0] or 1
            cls.env.cr.execute("SELECT setval(%s, %s)", (f"{table}_id_seq", FAR))
            cls.addClassCleanup(
                cls.env.cr.execute,
                "SELECT setval(%s, %s)",
                (f"{table}_id_seq", before),
            )

    def delay(self):
        job = self.partner.with_delay().write({"ref": "far"})
        self.env.flush_all()
        return self.env["queue.job"].search([("uuid", "=", job.uuid)])

    def test_every_column_with_such_a_number_has_64_bits(self):
        self.env.cr.execute(
            "SELECT table_name, column_name, udt_name FROM information_schema.columns"
            " WHERE table_name = ANY(%s)",
            (list(ids.COLUMNS),),
        )
        types = {
            (table, column): type_ for table, column, type_ in self.env.cr.fetchall()
        }
        for table, columns in ids.COLUMNS.items():
            for column in columns:
                with self.subTest(table=table, column=column):
                    self.assertIn(types[table, column], ("int8", "_int8"))

    def test_whatever_refers_to_a_job_has_64_bits(self):
        self.env.cr.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint"
            "  JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY(conkey)"
            " WHERE contype = 'f' AND confrelid = 'queue_job'::regclass"
            "   AND atttypid <> 'int8'::regtype AND conrelid::regclass::text LIKE"
            "       'queue\\_%'"
        )
        self.assertEqual(self.env.cr.fetchall(), [])

    def test_a_narrow_table_is_widened_in_place(self):
        self.env.cr.execute(
            "ALTER TABLE queue_job_stop ALTER COLUMN job_id TYPE integer;"
            "ALTER TABLE queue_job_edge ALTER COLUMN parent_id TYPE integer"
        )
        ids.widen(self.env.cr)
        self.test_every_column_with_such_a_number_has_64_bits()

    def test_what_is_wide_is_not_locked_again(self):
        self.env.cr.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND mode = 'AccessExclusiveLock'"
        )
        before = self.env.cr.fetchone()
        storage.schema.prepare(self.env.cr)
        self.env.cr.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND mode = 'AccessExclusiveLock'"
        )
        self.assertEqual(self.env.cr.fetchone(), before)

    def test_a_far_job_runs_and_is_done(self):
        job = self.delay()
        self.assertGreater(job.id, 2**31)
        taken = storage.schedule.mark_enqueued(self.env.cr, [job.id], 7)
        self.assertEqual([each.id for each in taken], [job.id])
        statements = storage.execution.start_statements(["orm_signaling_registry"])
        run = storage.execution.Run(job.uuid, taken[0].attempt, 1, "w:1", 1)
        storage.execution.start(self.env.cr, statements, run)
        row, _signals = storage.execution.read_started(self.env.cr, statements, run)
        self.assertEqual(row.id, job.id)
        values = {"retry": 1, "date_done": None, "exec_time": 1.0, "result": "x"}
        self.assertTrue(storage.execution.finish(self.env.cr, row, values).moved)

    def test_the_lock_of_a_far_job_is_its_own(self):
        job = self.delay()
        near = job.id - 2**32
        self.assertTrue(storage.locks.hold_job(self.env.cr, job.id))
        self.assertTrue(storage.locks.job_is_held(self.env.cr, job.id))
        self.assertFalse(storage.locks.job_is_held(self.env.cr, job.id + 1))
        self.env.cr.execute(f"SELECT {locks.HELD_JOBS}")
        held = self.env.cr.fetchone()[0]
        self.assertIn(job.id, held)
        self.assertNotIn(near, held)

    def test_a_far_job_is_given_back_rescued_and_tried_again(self):
        job = self.delay()
        storage.schedule.mark_enqueued(self.env.cr, [job.id], 7)
        back = storage.recovery.release_stale(self.env.cr, 7, [], grace=-1)
        self.assertEqual([each.id for each in back], [job.id])
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started', date_started = '2020-01-01'"
            " WHERE id = %s RETURNING attempt",
            (job.id,),
        )
        attempt = self.env.cr.fetchone()[0]
        self.assertIn((job.id, attempt), storage.recovery.orphans(self.env.cr))
        dead = storage.recovery.seize(self.env.cr, job.id, attempt)
        outcome = Failed("WorkerDied", "died", "")
        storage.recovery.rescue(self.env.cr, dead, outcome)
        self.env.cr.execute("SELECT state FROM queue_job WHERE id = %s", (job.id,))
        self.assertEqual(self.env.cr.fetchone(), ("failed",))
        self.env.cr.execute(
            "SELECT min(id) FROM queue_job_try WHERE job_id = %s", (job.id,)
        )
        self.assertGreater(self.env.cr.fetchone()[0], 2**31)
        self.env.cr.execute(
            "SELECT id > 2^31 FROM queue_job_untold WHERE job_id = %s", (job.id,)
        )
        self.assertEqual(self.env.cr.fetchone(), (True,))

    def test_a_far_job_fails_is_requeued_and_cancelled_by_people(self):
        job = self.delay()
        job._message_post_on_failure()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'failed' WHERE id = %s", (job.id,)
        )
        job.invalidate_recordset()
        user = self.env.ref("base.user_admin")
        job.with_user(user).requeue()
        self.assertEqual(job.state, "pending")
        job.with_user(user).button_cancelled()
        self.assertEqual(job.state, "cancelled")

    def test_far_jobs_wait_for_each_other_and_go(self):
        chain(
            self.partner.delayable().write({"ref": "1"}),
            self.partner.delayable().write({"ref": "2"}),
        ).delay()
        self.env.flush_all()
        first, second = self.env["queue.job"].search(
            [("id", ">", FAR)], order="id", limit=2
        )
        self.assertGreater(second.barrier_id, 2**31)
        self.assertEqual(
            storage.graph.descendants(self.env.cr, [first.id]), [second.id]
        )
        storage.repair.let_go(self.env.cr, [first.id])
        second.invalidate_recordset()
        self.assertEqual(second.state, "pending")

    def test_far_jobs_leave_the_table(self):
        job = self.delay()
        self.assertEqual(storage.retention.remove(self.env.cr, [job.id]), 1)

    def test_looking_for_a_twin_burns_no_number(self):
        self.env.cr.execute("SELECT last_value FROM queue_job_id_seq")
        before = self.env.cr.fetchone()[0]
        for _time in range(3):
            self.partner.with_delay(identity_key="far").write({"ref": "x"})
        self.env.flush_all()
        self.env.cr.execute("SELECT last_value FROM queue_job_id_seq")
        self.assertEqual(self.env.cr.fetchone()[0], before + 1)

    def test_a_sign_of_life_burns_no_number(self):
        values = {"node": "n", "pid": 1, "version": "v", "kind": ""}
        values.update(passes=1, dispatched=2, rescued=3, configuration='{"a": 1}')
        storage.presence.heartbeat(self.env.cr, 2**31 - 9, values)
        self.env.cr.execute("SELECT last_value FROM queue_job_runner_id_seq")
        before = self.env.cr.fetchone()[0]
        for passes in (2, 3, 4):
            storage.presence.heartbeat(
                self.env.cr, 2**31 - 9, {**values, "passes": passes}
            )
        self.env.cr.execute("SELECT last_value FROM queue_job_runner_id_seq")
        self.assertEqual(self.env.cr.fetchone()[0], before)
        self.env.cr.execute(
            "SELECT passes, dispatched, rescued, configuration, node, pid"
            "  FROM queue_job_runner WHERE number = %s",
            (2**31 - 9,),
        )
        self.assertEqual(self.env.cr.fetchall(), [(4, 2, 3, '{"a": 1}', "n", 1)])
