# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every verb on every state, by SQL and as others see it."""

import itertools
from unittest.mock import patch

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import listeners, moves, storage
from odoo.addons.queue_job.core import states
from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.listeners import Listeners


class TestMoves(TransactionCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})

    def job_in(self, state):
        record = self.partner.with_delay().write({"ref": state}).db_record()
        self.env.cr.execute(
            "UPDATE queue_job SET state = %s WHERE id = %s", (state, record.id)
        )
        record.invalidate_recordset()
        return record

    def check_all(self):
        for verb in states.VERBS.values():
            for state, _label in states.STATES:
                with self.subTest(verb=verb.name, state=state):
                    job = self.job_in(state)
                    values = {"state": verb.target}
                    moved = moves.move(self.env, verb.name, job.ids, values)
                    if state in verb.sources:
                        self.assertEqual(moved, job.ids)
                        self.assertEqual(job.state, verb.target)
                    else:
                        self.assertEqual(moved, [])
                        self.assertEqual(job.state, state)

    def test_a_verb_moves_jobs_from_its_sources_only(self):
        self.check_all()

    def test_a_verb_that_others_see_moves_jobs_from_its_sources_only(self):
        with patch.object(listeners, "of", return_value=Listeners(True, True)):
            self.check_all()

    def test_a_requeued_job_starts_anew(self):
        job = self.job_in(states.FAILED)
        self.env.cr.execute(
            "UPDATE queue_job SET retry = 5, exc_name = 'E', deaths = 2, result = 'r'"
            " WHERE id = %s",
            (job.id,),
        )
        job.invalidate_recordset()
        self.assertEqual(moves.requeue(self.env, job.ids), job.ids)
        self.assertEqual(job.state, states.PENDING)
        self.assertEqual((job.retry, job.deaths), (0, 0))
        self.assertFalse(job.exc_name or job.result)

    def test_a_requeued_job_whose_dependencies_are_not_done_waits_for_them(self):
        first = self.partner.delayable().write({"ref": "1"})
        second = self.partner.delayable().write({"ref": "2"})
        first.on_done(second).delay()
        waiting = second._generated_job.db_record()
        moves.cancel(self.env, waiting.ids, "no")
        self.assertEqual(waiting.state, states.CANCELLED)
        moves.requeue(self.env, waiting.ids)
        self.assertEqual(waiting.state, states.WAIT_DEPENDENCIES)

    def test_cancelling_a_job_cancels_all_that_waits_for_it(self):
        nodes = [self.partner.delayable().write({"ref": str(i)}) for i in range(4)]
        nodes[0].on_done(nodes[1].on_done(nodes[2]), nodes[3])
        nodes[0].delay()
        jobs = self.env["queue.job"].concat(
            *(node._generated_job.db_record() for node in nodes)
        )
        moves.cancel(self.env, jobs[0].ids, "no")
        self.assertEqual(set(jobs.mapped("state")), {states.CANCELLED})

    def test_setting_a_job_done_releases_what_waits_for_it_alone(self):
        nodes = [self.partner.delayable().write({"ref": str(i)}) for i in range(4)]
        nodes[0].on_done(nodes[2])
        nodes[1].on_done(nodes[2], nodes[3])
        nodes[0].delay()
        nodes[1].delay()
        jobs = [node._generated_job.db_record() for node in nodes]
        moves.set_done(self.env, jobs[1].ids, "by hand")
        self.assertEqual(jobs[3].state, states.PENDING)

    def test_a_release_that_is_repeated_releases_nothing_twice(self):
        first = self.partner.delayable().write({"ref": "1"})
        second = self.partner.delayable().write({"ref": "2"})
        first.on_done(second).delay()
        parent = first._generated_job.db_record()
        child = second._generated_job.db_record()
        moves.set_done(self.env, parent.ids, "by hand")
        moves.cancel(self.env, child.ids, "no")
        moves.release(self.env, parent.ids)
        self.assertEqual(child.state, states.CANCELLED)

    def test_a_running_job_is_asked_to_stop(self):
        job = self.job_in(states.STARTED)
        job.button_cancelled()
        self.assertEqual(job.state, states.STARTED)
        requests = storage.transition.stops(self.env.cr, job.ids)
        self.assertIn(self.env.user.name, requests[job.id])


class TestRequeuedChain(TransactionCase):
    """The order of a chain that was done counts again."""

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})

    def done(self, *places):
        """Jobs delayed in this order, a tuple is a group; all done."""
        steps = [
            group(*[self.step(name) for name in place])
            if len(place) > 1
            else self.step(place)
            for place in places
        ]
        chain(*steps).delay()
        self.jobs = {
            job.args[0]["ref"]: job
            for job in self.env["queue.job"].search(
                [("model_name", "=", "res.partner")]
            )
        }
        self.finish(*self.jobs)

    def step(self, name):
        return self.partner.delayable().write({"ref": name})

    def finish(self, *names):
        for name in sorted(names):
            job = self.jobs[name]
            self.env.cr.execute(
                "UPDATE queue_job SET state = 'done' WHERE id = %s", (job.id,)
            )
            job.invalidate_recordset()
            moves.release(self.env, job.ids)

    def requeue(self, *names):
        ids = [self.jobs[name].id for name in names]
        moves.requeue(self.env, ids)

    def states(self):
        self.env.invalidate_all()
        letters = {"wait_dependencies": "w", "pending": "p", "done": "d"}
        return "".join(letters[self.jobs[name].state] for name in sorted(self.jobs))

    def test_in_bulk_and_one_by_one_in_any_order(self):
        for each in itertools.permutations("ABC"):
            for calls in ([each], [(name,) for name in each]):
                with self.subTest(calls=calls):
                    self.env["queue.job"].search([]).sudo().unlink()
                    self.done("A", "B", "C")
                    for names in calls:
                        self.requeue(*names)
                    self.assertEqual(self.states(), "pww")
                    self.finish("A")
                    self.assertEqual(self.states(), "dpw")
                    self.finish("B")
                    self.assertEqual(self.states(), "ddp")

    def test_parts_of_it(self):
        for names, states_ in (
            ("A", "pdd"),
            ("B", "dpd"),
            ("AC", "pdp"),
            ("BC", "dpw"),
        ):
            with self.subTest(names=names):
                self.env["queue.job"].search([]).sudo().unlink()
                self.done("A", "B", "C")
                self.requeue(*names)
                self.assertEqual(self.states(), states_)

    def test_a_group_before_a_job(self):
        self.done("AB", "C")
        self.requeue("A", "C")
        self.assertEqual(self.states(), "pdw")
        self.requeue("B")
        self.assertEqual(self.states(), "ppw")
        self.finish("A")
        self.assertEqual(self.states(), "dpw")
        self.finish("B")
        self.assertEqual(self.states(), "ddp")
