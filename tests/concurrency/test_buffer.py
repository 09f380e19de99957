# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A delayed call behaves as if its row had been inserted at once."""

from contextlib import closing

import psycopg2

from odoo import api
from odoo.modules.registry import Registry
from odoo.tests.common import BaseCase, get_db_name
from odoo.tools import SQL, mute_logger

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.delay import chain

KEY = "test_buffer_of_a_transaction"
NAME = "Test of the buffer"


class BufferCase(BaseCase):
    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.addCleanup(self.clean)
        self.clean()
        with self.registry.cursor() as cr:
            cr.execute(
                "INSERT INTO queue_job_function (model_id, method, name, declared_by,"
                " channel_id) SELECT model.id, 'write', '<res.partner>.write',"
                " 'record', channel.id FROM ir_model model, queue_job_channel channel"
                " WHERE model.model = 'res.partner' AND channel.name = 'root'"
            )
        self.registry.clear_cache()
        self.cr = self.registry.cursor()
        self.addCleanup(self.cr.close)
        self.env = api.Environment(self.cr, api.SUPERUSER_ID, {})

    def clean(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE name LIKE %s", (NAME + "%",))
            cr.execute("DELETE FROM queue_job_function WHERE method = 'write'")
        self.registry.clear_cache()

    def delay(self, env=None, **options):
        options.setdefault("description", NAME)
        partner = (env or self.env)["res.partner"].browse(1)
        return partner.with_delay(**options).write({"ref": "x"})

    def seen(self, cr=None):
        """How many jobs raw SQL of the transaction sees."""
        cr = cr or self.cr
        cr.execute("SELECT count(*) FROM queue_job WHERE name LIKE %s", (NAME + "%",))
        return cr.fetchone()[0]

    def committed(self):
        with self.registry.cursor() as cr:
            return self.seen(cr)


class TestBuffer(BufferCase):
    def test_raw_sql_of_any_form_sees_the_job(self):
        query = "SELECT count(*) FROM queue_job WHERE name LIKE 'Test of the buffer%'"
        forms = (
            query,
            query.encode(),
            SQL(query.replace("%", "%%")),
            psycopg2.sql.SQL(query),
        )
        for number, form in enumerate(forms, 1):
            with self.subTest(type(form)):
                self.delay()
                self.cr.execute(form)
                self.assertEqual(self.cr.fetchone()[0], number)

    def test_copy_sees_the_job(self):
        import io

        self.delay()
        out = io.StringIO()
        self.cr.copy_expert("COPY (SELECT name FROM queue_job) TO STDOUT", out)
        self.assertIn(NAME, out.getvalue())

    def rolled_back(self):
        """Ways to undo what is done in a block."""

        def raw(inside):
            self.cr.execute("SAVEPOINT mine")
            inside()
            self.cr.execute("ROLLBACK TO SAVEPOINT mine")

        def in_words(inside):
            self.cr.execute("/* a */ savepoint mine")
            inside()
            self.cr.execute("-- undo\n rollback to mine")

        def unflushed(inside):
            savepoint = self.cr.savepoint(flush=False)
            inside()
            savepoint.rollback()
            savepoint.close(rollback=False)

        def closed(inside):
            savepoint = self.cr.savepoint(flush=False)
            inside()
            savepoint.close(rollback=True)

        def flushed(inside):
            savepoint = self.cr.savepoint()
            inside()
            savepoint.close(rollback=True)

        def nested(inside):
            outer = self.cr.savepoint(flush=False)
            inside()
            with self.cr.savepoint(flush=False):
                inside()
            outer.close(rollback=True)

        def failed(inside):
            with (
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.Error),
                self.cr.savepoint(flush=False),
            ):
                inside()
                self.cr.execute("SELECT 1 / 0")

        return (raw, in_words, unflushed, closed, flushed, nested, failed)

    def test_a_job_is_undone_with_what_was_done_beside_it(self):
        for undo in self.rolled_back():
            with self.subTest(undo.__name__):
                self.delay(description=NAME + " before")
                undo(self.delay)
                self.assertEqual(self.seen(), 1)
                self.delay(description=NAME + " after")
                self.cr.commit()
                self.assertEqual(self.committed(), 2)
                self.cr.execute(
                    "DELETE FROM queue_job WHERE name LIKE %s", (NAME + "%",)
                )
                self.cr.commit()

    def test_a_job_stays_when_its_savepoint_is_released(self):
        self.cr.execute("SAVEPOINT mine")
        self.delay()
        self.cr.execute("RELEASE SAVEPOINT mine")
        self.cr.commit()
        self.assertEqual(self.committed(), 1)

    def test_a_text_about_a_rollback_undoes_nothing(self):
        self.delay()
        self.cr.execute("SELECT 'ROLLBACK; rollback', %s", ("rollback",))
        self.cr.commit()
        self.assertEqual(self.committed(), 1)

    def test_a_rolled_back_transaction_leaves_nothing_to_the_next_one(self):
        for _turn in range(3):
            self.delay()
            self.cr.rollback()
        self.delay()
        self.assertNotIn("SAVEPOINT", str(self.cr.execute))
        self.cr.commit()
        self.assertNotIn("execute", vars(self.cr))
        self.assertEqual(self.committed(), 1)

    def test_the_record_of_a_job_may_be_referred_to_at_once(self):
        self.delay(identity_key=KEY)
        twin = self.delay(identity_key=KEY)
        self.cr.execute(
            "CREATE TEMP TABLE of_jobs (job integer) ON COMMIT DROP;"
            "SELECT 1 FROM queue_job WHERE id = %s",
            (twin.id,),
        )
        self.assertTrue(self.cr.fetchone())

    def test_looking_for_twins_burns_no_ids(self):
        self.delay()
        self.cr.commit()
        self.cr.execute("SELECT last_value FROM queue_job_id_seq")
        before = self.cr.fetchone()[0]
        self.delay(identity_key=KEY)
        self.delay(identity_key=KEY)
        self.delay(identity_key=KEY)
        self.cr.commit()
        self.cr.execute("SELECT last_value FROM queue_job_id_seq")
        self.assertEqual(self.cr.fetchone()[0], before + 1)

    def test_what_happens_to_the_object_later_is_not_stored(self):
        job = self.delay(priority=3)
        job.priority = 99
        job.identity_key = KEY
        self.cr.execute(
            "SELECT priority, identity_key FROM queue_job WHERE uuid = %s", (job.uuid,)
        )
        self.assertEqual(self.cr.fetchone(), (3, None))


class TestHooks(BufferCase):
    def test_a_call_delayed_after_the_commit_is_stored_by_itself(self):
        for before in (lambda: None, lambda: self.env["res.partner"].search_count([])):
            self.cr.postcommit.add(before)
            self.cr.postcommit.add(self.delay)
        self.cr.commit()
        self.assertEqual(self.committed(), 2)
        self.cr.rollback()
        self.assertEqual(self.committed(), 2)

    def test_a_keyed_call_delayed_after_the_commit_makes_one_job(self):
        found = []

        def hook():
            found.append(self.delay(identity_key=KEY))

        self.cr.postcommit.add(hook)
        self.cr.postcommit.add(hook)
        self.cr.commit()
        self.assertEqual(self.committed(), 1)
        self.assertEqual(found[0].uuid, found[1].uuid)
        self.cr.rollback()  # to a snapshot that has it
        self.assertEqual(found[1].state, "pending")

    def test_a_graph_delayed_after_the_commit_is_whole(self):
        partner = self.env["res.partner"].browse(1)

        def hook():
            first = partner.delayable(description=NAME).write({"ref": "1"})
            second = partner.delayable(description=NAME).write({"ref": "2"})
            chain(first, second).delay()

        self.cr.postcommit.add(hook)
        self.cr.commit()
        with self.registry.cursor() as cr:
            cr.execute(
                "SELECT state FROM queue_job WHERE name = %s ORDER BY id", (NAME,)
            )
            states = [state for (state,) in cr.fetchall()]
        self.assertEqual(sorted(states), ["pending", "wait_dependencies"])

    def test_a_call_delayed_after_a_rollback_is_stored(self):
        self.cr.postrollback.add(self.delay)
        self.cr.rollback()
        self.assertEqual(self.committed(), 1)

    def test_a_call_delayed_before_a_rollback_is_undone(self):
        self.cr.prerollback.add(self.delay)
        self.cr.rollback()
        self.env["res.partner"].search_count([])
        self.cr.commit()
        self.assertEqual(self.committed(), 0)

    def test_a_call_delayed_before_the_commit_is_part_of_it(self):
        self.cr.precommit.add(lambda: (self.delay(), self.cr.precommit.add(self.delay)))
        self.cr.commit()
        self.assertEqual(self.committed(), 2)

    def test_a_call_delayed_behind_a_commit_belongs_to_the_next_one(self):
        self.cr.commit()
        self.delay()
        self.assertEqual(self.committed(), 0)
        self.cr.commit()
        self.assertEqual(self.committed(), 1)

    def test_hooks_run_by_hand_have_not_ended_the_transaction(self):
        self.cr.postcommit.add(self.delay)
        self.cr.postcommit.run()
        self.assertEqual(self.committed(), 0)
        self.assertEqual(self.seen(), 1)

    def test_a_closed_cursor_refuses_a_call(self):
        with closing(self.registry.cursor()) as cr:
            env = self.env(cr=cr)
            env["res.partner"].browse(1).with_delay  # noqa: B018
            self.delay(env)
            cr.rollback()
        with self.assertRaisesRegex(psycopg2.InterfaceError, "cursor is closed"):
            self.delay(env)

    def test_a_read_only_cursor_refuses_a_call_where_it_is_made(self):
        with (
            closing(self.registry.cursor(readonly=True)) as cr,
            mute_logger("odoo.sql_db"),
        ):
            cr.connection.set_session(readonly=True)
            with self.assertRaises(psycopg2.errors.ReadOnlySqlTransaction):
                self.delay(self.env(cr=cr))


class TestTwins(BufferCase):
    def pass_of_a_runner(self):
        with self.registry.cursor() as cr:
            storage.schedule.look(cr)
            storage.schedule.read(cr)
            ids = [row[0] for row in storage.schedule.candidates(cr, {"root": 100})]
            return {job.id for job in storage.schedule.mark_enqueued(cr, ids, 1)}

    def stored(self):
        job = self.delay(identity_key=KEY)
        self.cr.commit()
        return job.db_record().id

    def test_a_twin_does_not_start_before_who_relies_on_it_has_committed(self):
        job_id = self.stored()
        twin = self.delay(identity_key=KEY)
        self.assertEqual(twin.id, job_id)
        self.assertNotIn(job_id, self.pass_of_a_runner())
        self.cr.commit()
        self.assertIn(job_id, self.pass_of_a_runner())

    def test_beside_a_twin_that_has_started_meanwhile_a_job_is_added(self):
        job_id = self.stored()
        self.cr.execute("SELECT 1")  # the snapshot in which it has not
        self.assertIn(job_id, self.pass_of_a_runner())
        new = self.delay(identity_key=KEY)
        again = self.delay(identity_key=KEY)
        self.cr.commit()
        self.assertEqual(new.uuid, again.uuid)
        self.assertEqual(self.committed(), 2)

    def test_beside_a_twin_on_its_way_to_a_worker_a_job_is_added(self):
        self.stored()
        self.pass_of_a_runner()
        self.cr.rollback()
        self.delay(identity_key=KEY)
        self.cr.commit()
        self.assertEqual(self.committed(), 2)

    def test_many_keys_in_different_orders_wait_for_nobody(self):
        keys = [f"{KEY}{number}" for number in range(20)]
        for key in keys:
            self.delay(identity_key=key)
        self.cr.commit()
        with closing(self.registry.cursor()) as cr:
            env = self.env(cr=cr)
            cr.execute("SET lock_timeout = '5s'")
            for ours, theirs in zip(keys, reversed(keys)):
                self.delay(identity_key=ours)
                self.delay(env, identity_key=theirs)
            self.cr.commit()
            cr.commit()
        self.assertEqual(self.committed(), 20)

    def test_the_same_key_stored_twice_makes_two_jobs(self):
        from odoo.addons.queue_job.job import Job

        partner = self.env["res.partner"].browse(1)
        for stored_before in (False, True):
            for _turn in range(2):
                Job(
                    partner.write,
                    args=({},),
                    identity_key=KEY,
                    description=NAME,
                ).store()
                if stored_before:
                    self.cr.flush()
        self.cr.commit()
        self.assertEqual(self.committed(), 4)

    def test_a_uuid_that_is_taken_is_refused_where_it_is_given(self):
        from odoo.addons.queue_job.job import Job

        partner = self.env["res.partner"].browse(1)
        options = {"args": ({},), "identity_key": KEY, "description": NAME}
        first = Job(partner.write, **options)
        first.store()
        again = Job(partner.write, job_uuid=first.uuid, **options)
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.Error):
            again.store()
