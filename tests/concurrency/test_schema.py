# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# pylint: disable=method-required-super
"""An update of add-ons beside transactions and runners at work (issue 12, 5)."""

import threading
from contextlib import closing, contextmanager
from unittest.mock import patch

from psycopg2 import errors

from odoo import SUPERUSER_ID, api
from odoo.tools import mute_logger

from odoo.addons.queue_job.storage import catalogue, rollup

from ..acceptance.server import connection, wait_until
from .test_drain import DrainCase

#: the strong locks that a transaction holds, of tables and indexes that were there
STRONG = """
SELECT locked.relname, mode FROM pg_locks JOIN pg_class AS locked ON oid = relation
 WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted
   AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
   AND starts_with(relname, 'queue_job')
 ORDER BY 1, 2
"""
FILES = """
SELECT relname, relfilenode, reloptions FROM pg_class
 WHERE starts_with(relname, 'queue_job') ORDER BY 1
"""
HARM = {
    "a table": "DROP TABLE queue_job_stop",
    "an index": "DROP INDEX queue_job_edge_unmet_idx",
    "an index of a model": "DROP INDEX queue_job_ready_idx",
    "a column": "ALTER TABLE queue_job DROP COLUMN run_id",
    "a default": "ALTER TABLE queue_job ALTER COLUMN retry DROP DEFAULT",
    "a setting": "ALTER TABLE queue_job RESET (autovacuum_vacuum_threshold)",
    "a setting of another table": "ALTER TABLE queue_job_stat RESET (fillfactor)",
    "a column of another table": "ALTER TABLE queue_job_stat DROP COLUMN run_histogram",
    "the row of watermarks": "DELETE FROM queue_job_rollup",
    "a type": "ALTER TABLE queue_job_stop ALTER COLUMN job_id TYPE integer",
    "a sequence": "ALTER SEQUENCE queue_job_id_seq AS integer",
    "the seal's default": "ALTER TABLE queue_job ALTER COLUMN sealed SET DEFAULT true",
    "the trigger": "DROP TRIGGER queue_job_unseal ON queue_job",
    "the trigger at work": "ALTER TABLE queue_job DISABLE TRIGGER queue_job_unseal",
    "the trigger's function": "CREATE OR REPLACE FUNCTION queue_job_unseal()"
    " RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
}
SCHEMA = """
SELECT concat_ws(' ', 'column', attrelid::regclass, attname,
                 format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid))
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  JOIN pg_class ON pg_class.oid = attrelid
 WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
   AND starts_with(relname, 'queue_job')
 UNION ALL
SELECT concat_ws(' ', 'index', indexdef) FROM pg_indexes
 WHERE starts_with(tablename, 'queue_job')
 UNION ALL
SELECT concat_ws(' ', 'options', relname, array_to_string(ARRAY(
           SELECT unnest(reloptions) ORDER BY 1), ','))
  FROM pg_class WHERE starts_with(relname, 'queue_job')
 UNION ALL
SELECT concat_ws(' ', 'sequence', seqrelid::regclass, seqtypid::regtype)
  FROM pg_sequence
 UNION ALL
SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(pg_trigger.oid), tgenabled, prosrc)
  FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE NOT tgisinternal AND tgrelid = 'queue_job'::regclass
 UNION ALL
SELECT concat_ws(' ', 'watermarks', id) FROM queue_job_rollup
 ORDER BY 1
"""


class SchemaCase(DrainCase):
    def models(self):
        """What updates of the add-on, and of one on top of it, look after."""
        return [
            name
            for name, model in self.registry.models.items()
            if {"queue_job", "test_queue_job"}
            & {base.__dict__.get("_module") for base in model._base_classes__}
        ]

    def prepare(self, cr):
        context = {"module": "queue_job"}
        self.registry.init_models(cr, self.models(), context, False)

    @contextmanager
    def update(self):
        """The part of an update that looks after the tables, not yet committed."""
        with closing(self.registry.cursor()) as cr:
            cr.execute("SET LOCAL lock_timeout = '2s'")
            self.prepare(cr)
            yield cr
            cr.rollback()

    @contextmanager
    def busy(self):
        """Somebody's open transaction: a job added, and one whose row is locked."""
        self.enqueue()
        with closing(self.registry.cursor()) as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["queue.job"].with_delay()._test_job()
            env.flush_all()
            for table in ("queue_job", "queue_job_stat", "queue_job_rollup"):
                cr.execute(f"SELECT FROM {table} FOR UPDATE")
            yield cr
            cr.rollback()


class TestUpdate(SchemaCase):
    def test_the_models_with_tables_of_jobs_are_among_those_prepared(self):
        ours = {name for name in self.registry.models if name.startswith("queue.job")}
        self.assertLessEqual(ours | {"test.queue.record"}, set(self.models()))

    def test_an_update_that_changes_nothing_waits_for_nobody(self):
        with self.busy(), self.update() as cr:
            cr.execute(STRONG)
            self.assertEqual(cr.fetchall(), [])

    def test_an_update_that_changes_nothing_writes_no_table_anew(self):
        before = self.database.query(FILES)
        with self.update() as cr:
            cr.execute(FILES)
            self.assertEqual(cr.fetchall(), before)

    def test_an_update_begun_before_a_runner_wrote_its_figures_goes_on(self):
        with closing(self.registry.cursor()) as cr:
            cr.execute("SELECT FROM queue_job LIMIT 1")
            with self.registry.cursor() as runner:
                rollup.begin(runner)
                rollup.add_up(runner)
            self.prepare(cr)
            cr.rollback()

    def test_whatever_differs_is_put_right(self):
        with closing(self.registry.cursor()) as cr:
            cr.execute(SCHEMA)
            right = cr.fetchall()
        for what, statement in HARM.items():
            with self.subTest(what), closing(self.registry.cursor()) as cr:
                cr.execute(statement)
                cr.execute(SCHEMA)
                self.assertNotEqual(cr.fetchall(), right)
                self.prepare(cr)
                cr.execute(SCHEMA)
                self.assertEqual(cr.fetchall(), right)
                cr.rollback()


class TestAlteration(SchemaCase):
    def alteration(self, cr):
        catalogue.set_defaults(cr, "queue_job", {"retry": "7"})

    def test_an_alteration_lets_others_pass_while_it_waits(self):
        """The transaction that it waits for can even go on with work of others."""
        altered = threading.Event()

        def alter():
            with closing(self.registry.cursor()) as cr:
                cr.execute("SET LOCAL lock_timeout = '33s'")
                self.alteration(cr)
                cr.execute("SHOW lock_timeout")
                self.assertEqual(cr.fetchone()[0], "33s")
                altered.set()
                cr.rollback()

        with self.busy():
            with connection(self.database.name) as cnx, cnx.cursor() as other:
                thread = threading.Thread(target=alter)
                thread.start()
                wait_until(lambda: self.waits(), "the alteration waits")
                # Without a pause in the waiting these would stand behind it for ever.
                other.execute("SET lock_timeout = '20s'")
                other.execute("SELECT count(*) FROM queue_job")
                other.execute("UPDATE queue_job SET priority = 3 WHERE false")
                self.assertFalse(altered.is_set())
        thread.join(60)
        self.assertTrue(altered.is_set())

    def waits(self):
        return self.database.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND relation = 'queue_job'::regclass AND mode = 'AccessExclusiveLock'"
        )

    def test_an_alteration_gives_up_after_its_time(self):
        with (
            self.busy(),
            closing(self.registry.cursor()) as cr,
            patch.object(catalogue, "PATIENCE", 0),
            mute_logger("odoo.addons.queue_job.storage.catalogue"),
            self.assertRaises(errors.LockNotAvailable),
        ):
            self.alteration(cr)
