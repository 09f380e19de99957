# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What runners end by SQL is told, once, to who has to know of it."""

import logging
from unittest.mock import patch

import psycopg2

from odoo.tests.common import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job import executor, listeners, storage
from odoo.addons.queue_job.core.outcome import Cancelled, after_death
from odoo.addons.queue_job.core.proof import verify
from odoo.addons.queue_job.executor import recording, telling
from odoo.addons.queue_job.jobrunner import housekeeping, scheduling
from odoo.addons.queue_job.jobrunner.config import Config
from odoo.addons.queue_job.jobrunner.housekeeping import LOOK_AFTER, TELL_AGAIN
from odoo.addons.queue_job.storage import recovery, repair, schedule, untold


class TellingCase(TransactionCase):
    def setUp(self):
        super().setUp()
        self.enterContext(self.enter_registry_test_mode())
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})
        self.env["queue.job.function"].create(
            {
                "model_id": self.env.ref("base.model_res_partner").id,
                "method": "write",
                "on_fail_method": "_t_mourn",
            }
        )
        self.mourned = []
        partners = self.env.registry["res.partner"]
        partners._t_mourn = self.mourn
        self.addCleanup(delattr, partners, "_t_mourn")
        self.env.cr.execute("DELETE FROM queue_job_untold")

    def mourn(self, exc_info, exc_name, exc_message):
        values = {"exc_info": exc_info, "exc_name": exc_name}
        self.mourned.append({**values, "exc_message": exc_message})

    def died(self, job=None, outcome=None):
        """A job that a runner ended after the death of its worker."""
        job = job or self.partner.with_delay().write({"ref": "x"}).db_record()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started', attempt = 1, deaths = 2,"
            " date_started = now() AT TIME ZONE 'UTC' WHERE id = %s",
            (job.id,),
        )
        dead = recovery.seize(self.env.cr, job.id, 1)
        recovery.rescue(self.env.cr, dead, outcome or after_death(3, 3))
        self.env.invalidate_all()
        return job

    def tell(self):
        number = executor.tell(self.env)
        self.env.invalidate_all()
        return number

    def messages(self, job):
        subtype = self.env.ref("queue_job.mt_job_failed")
        return job.message_ids.filtered(lambda each: each.subtype_id == subtype)

    def left(self):
        self.env.cr.execute("SELECT count(*) FROM queue_job_untold")
        return self.env.cr.fetchone()[0]

    def be_due(self):
        self.env.cr.execute("UPDATE queue_job_untold SET due = '2020-01-01'")


class TestTelling(TellingCase):
    def test_a_job_whose_worker_died_too_often_is_told_once(self):
        job = self.died()
        self.assertEqual((job.state, len(self.messages(job))), ("failed", 0))
        self.assertEqual((self.tell(), self.tell()), (1, 0))
        self.assertEqual(len(self.messages(job)), 1)
        (kept,) = self.mourned
        self.assertEqual(kept["exc_name"], "WorkerDied")
        self.assertIn("died (death 3", kept["exc_message"])

    def test_a_job_that_somebody_requeued_meanwhile_is_not_told(self):
        job = self.died()
        job.requeue()
        self.assertEqual(self.tell(), 0)
        self.assertEqual((len(self.messages(job)), self.left()), (0, 0))

    def test_a_deleted_job_is_not_told(self):
        self.died().unlink()
        self.assertEqual((self.tell(), self.left()), (0, 0))

    def test_whoever_dies_over_it_leaves_it_to_the_next_one_for_a_while(self):
        job = self.died()
        for _try in range(telling.TRIES - 1):
            self.assertTrue(untold.take(self.env.cr))  # and dies
            self.assertEqual(self.tell(), 0, "somebody may be at it")
            self.be_due()
        self.assertEqual(self.tell(), 1)
        self.assertEqual(len(self.messages(job)), 1)

    def test_an_end_that_kills_who_tells_of_it_is_given_up(self):
        job = self.died()
        for _try in range(telling.TRIES):
            self.assertTrue(untold.take(self.env.cr))
            self.be_due()
        with self.assertLogs(telling.__name__, "ERROR"):
            self.assertEqual(self.tell(), 0)
        self.assertEqual((len(self.messages(job)), self.left()), (0, 0))

    def test_who_was_overtaken_tells_nothing(self):
        job = self.died()
        slow = untold.take(self.env.cr)
        self.be_due()
        untold.take(self.env.cr)
        self.assertFalse(telling._tell(self.env, slow))
        self.assertEqual(len(self.messages(job)), 0)

    def test_an_error_of_others_leaves_it_for_later(self):
        job = self.died()
        Listening = listeners.Listeners(True, True)
        with (
            patch.object(listeners, "of", return_value=Listening),
            patch.object(telling, "_write_again", side_effect=ValueError("theirs")),
            self.assertLogs(telling.__name__, "ERROR"),
        ):
            self.assertEqual(self.tell(), 0)
        self.be_due()
        self.assertEqual(self.tell(), 1)
        self.assertEqual(len(self.messages(job)), 1)

    def test_whoever_changes_the_job_at_this_moment_puts_it_off(self):
        job = self.died()
        conflict = psycopg2.errors.SerializationFailure("theirs was first")
        with (
            patch.object(recording, "post_failure", side_effect=conflict),
            self.assertLogs(telling.__name__, logging.INFO) as logs,
        ):
            self.assertEqual(self.tell(), 0)
        self.assertIn("is told later", logs.output[0])
        self.be_due()
        self.assertEqual(self.tell(), 1)
        self.assertEqual(len(self.messages(job)), 1)

    def test_when_the_time_is_over_the_rest_is_left_to_the_next_request(self):
        job = self.died()
        with patch.object(telling, "SECONDS", 0.0):
            self.assertEqual((self.tell(), self.left()), (0, 1))
        self.assertEqual((self.tell(), self.left()), (1, 0))
        self.assertEqual(len(self.messages(job)), 1)

    @mute_logger("odoo.addons.queue_job.executor.recording")
    def test_a_method_on_fail_that_fails_takes_nothing_along(self):
        job = self.died()
        mourn = patch.object(self.env.registry["res.partner"], "_t_mourn")
        with mourn as mourned:
            mourned.side_effect = ValueError("theirs")
            self.assertEqual(self.tell(), 1)
        self.assertEqual((len(self.messages(job)), self.left()), (1, 0))

    def test_a_job_that_cannot_be_read_is_told_to_its_followers(self):
        job = self.partner.with_delay().write({"ref": "x"}).db_record()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET method_name = 'gone' WHERE id = %s", (job.id,)
        )
        self.died(job)
        self.assertEqual(self.tell(), 1)
        self.assertEqual((len(self.messages(job)), self.mourned), (1, []))

    def test_jobs_behind_one_that_was_stopped_by_its_death_are_cancelled(self):
        nodes = [self.partner.delayable().write({"ref": str(i)}) for i in range(3)]
        nodes[0].on_done(nodes[1].on_done(nodes[2]))
        nodes[0].delay()
        jobs = [node._generated_job.db_record() for node in nodes]
        self.died(jobs[0], Cancelled("enough"))
        self.assertEqual(self.tell(), 1)
        self.assertEqual([job.state for job in jobs], ["cancelled"] * 3)
        self.assertEqual((self.mourned, self.left()), ([], 0))

    def test_other_add_ons_see_each_end_written(self):
        failed = self.died()
        stopped = self.died(outcome=Cancelled("enough"))
        written = []
        jobs = self.env.registry["queue.job"]
        write = jobs.write

        def overridden(self, vals):
            written.extend((job.id, vals.get("state")) for job in self)
            return write(self, vals)

        overridden.__module__ = "odoo.addons.another"
        with patch.object(jobs, "write", overridden):
            self.assertEqual(self.tell(), 2)
        ends = [each for each in written if each[1]]
        self.assertEqual(ends, [(failed.id, "failed"), (stopped.id, "cancelled")])
        self.assertEqual(len(self.messages(failed)), 1)

    def test_all_that_runners_end_is_told(self):
        gone, refused = (
            self.partner.with_delay().write({"ref": "x"}).db_record() for _i in "ab"
        )
        self.env.flush_all()
        cr = self.env.cr
        cr.execute("UPDATE queue_job SET channel = 'root.t' WHERE id = %s", (gone.id,))
        recovery.refuse_pending(cr, "root.t", "ChannelNotFound", "no channel")
        query = "UPDATE queue_job SET state = 'enqueued' WHERE id = %s"
        cr.execute(query, (refused.id,))
        recovery.refuse_enqueued(cr, refused.id, "ValueError", "no uuid")
        self.env.invalidate_all()
        self.assertEqual(self.tell(), 2)
        self.assertEqual([len(self.messages(job)) for job in (gone, refused)], [1, 1])

    def test_what_a_repair_of_graphs_cancels_is_told_at_once(self):
        nodes = [self.partner.delayable().write({"ref": str(i)}) for i in range(2)]
        nodes[0].on_done(nodes[1])
        nodes[0].delay()
        parent, child = (node._generated_job.db_record() for node in nodes)
        self.env.flush_all()
        query = "UPDATE queue_job SET state = 'cancelled' WHERE id = %s"
        self.env.cr.execute(query, (parent.id,))
        repair.repair(self.env.cr)
        self.env.invalidate_all()
        self.assertEqual((child.state, self.left()), ("cancelled", 1))
        self.assertEqual((self.tell(), self.left()), (1, 0))


class TestAsking(TellingCase):
    """A runner asks for it when there is something to tell."""

    def setUp(self):
        super().setUp()
        self.keeper = housekeeping.Housekeeper("db", Config(), 9, "test")
        # The runner's cursor is its own; here the look is a part of the test's
        # transaction, which it must not end.
        for verb in ("begin_short", "commit"):
            self.enterContext(patch.object(schedule, verb))

    def asked(self, now):
        return bool(self.keeper.to_tell(self.env.cr, now))

    def test_it_asks_at_once_and_again_when_nothing_happened(self):
        self.assertFalse(self.asked(0.0))
        self.died()
        times = (LOOK_AFTER, LOOK_AFTER + TELL_AGAIN / 2, LOOK_AFTER + TELL_AGAIN)
        self.assertEqual([self.asked(now) for now in times], [True, False, True])
        self.tell()
        self.assertFalse(self.asked(99.0))

    def test_the_request_has_a_proof_that_fits_no_job(self):
        request = scheduling.telling("db", "secret")
        self.assertEqual((request.id, request.uuid), (0, storage.untold.REQUEST))
        self.assertTrue(verify("secret", "db", "untold", 0, request.proof))

    def test_a_request_for_it_is_no_request_for_a_job(self):
        job = self.died()
        number = executor.serve(self.env, None, storage.untold.REQUEST, 0, 1.0)
        self.env.invalidate_all()
        self.assertEqual((number, len(self.messages(job))), (0, 1))
