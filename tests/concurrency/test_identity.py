# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Transactions that enqueue the same thing at the same time."""

import threading
from contextlib import closing

from odoo import api
from odoo.modules.registry import Registry
from odoo.tests.common import BaseCase, get_db_name

KEY = "test_identity_of_concurrent_transactions"


class TestIdentity(BaseCase):
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

    def clean(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE identity_key LIKE %s", (KEY + "%",))
            cr.execute("DELETE FROM queue_job_function WHERE method = 'write'")
        self.registry.clear_cache()

    def env(self, cr):
        return api.Environment(cr, api.SUPERUSER_ID, {})

    def count(self, key):
        with self.registry.cursor() as cr:
            cr.execute("SELECT count(*) FROM queue_job WHERE identity_key = %s", (key,))
            return cr.fetchone()[0]

    def test_concurrent_transactions_with_one_key_make_one_job(self):
        number, barrier, found = 8, threading.Barrier(8), []

        def enqueue():
            with closing(self.registry.cursor()) as cr:
                env = self.env(cr)
                partner = env["res.partner"].browse(1)
                partner.env.cr.execute("SELECT 1")  # the snapshot is taken here
                barrier.wait(30)
                job = partner.with_delay(identity_key=KEY).write({"ref": "x"})
                barrier.wait(30)
                cr.commit()
                found.append(job.uuid)

        threads = [threading.Thread(target=enqueue) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(self.count(KEY), 1)
        self.assertEqual(len(found), number)
        self.assertEqual(len(set(found)), 1, "all callers know the job that exists")

    def test_a_twin_that_was_committed_after_our_snapshot_is_found(self):
        with (
            closing(self.registry.cursor()) as cr,
            closing(self.registry.cursor()) as other,
        ):
            env = self.env(cr)
            cr.execute("SELECT 1")
            first = self.env(other)["res.partner"].browse(1)
            theirs = first.with_delay(identity_key=KEY + "2").write({"ref": "y"})
            other.commit()
            ours = (
                env["res.partner"].browse(1).with_delay(identity_key=KEY + "2")
            ).write({"ref": "y"})
            cr.commit()
            self.assertEqual(ours.uuid, theirs.uuid)
        self.assertEqual(self.count(KEY + "2"), 1)

    def test_a_rolled_back_twin_leaves_the_key_free(self):
        with closing(self.registry.cursor()) as cr:
            partner = self.env(cr)["res.partner"].browse(1)
            partner.with_delay(identity_key=KEY + "3").write({"ref": "z"})
            cr.flush()
            cr.rollback()
            partner.with_delay(identity_key=KEY + "3").write({"ref": "z"})
            cr.commit()
        self.assertEqual(self.count(KEY + "3"), 1)
