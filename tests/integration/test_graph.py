# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that wait for others: stored as barriers, released once, never for ever."""

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import storage
from odoo.addons.queue_job.delay import chain, group


class TestGraph(TransactionCase):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("queue_job.delay_policy", "any")
        self.partner = self.env["res.partner"].create({"name": "Somebody"})

    def calls(self, number):
        return [self.partner.delayable().write({"ref": str(i)}) for i in range(number)]

    def records(self, calls):
        jobs = self.env["queue.job"]
        return jobs.concat(*(call._generated_job.db_record() for call in calls))

    def count(self, table):
        self.env.cr.execute(f"SELECT count(*) FROM {table}")
        return self.env.cr.fetchone()[0]

    def set_state(self, jobs, state):
        self.env.cr.execute(
            "UPDATE queue_job SET state = %s, release_due = %s,"
            " date_done = now() - interval '1 minute' WHERE id = ANY(%s)",
            (state, state == "done", jobs.ids),
        )
        jobs.invalidate_recordset()

    def test_a_group_behind_a_group_is_one_barrier(self):
        barriers, edges = self.count("queue_job_barrier"), self.count("queue_job_edge")
        first, second = self.calls(20), self.calls(30)
        group(*first).on_done(group(*second)).delay()
        self.env.flush_all()
        self.assertEqual(self.count("queue_job_barrier") - barriers, 1)
        self.assertEqual(self.count("queue_job_edge") - edges, 20)
        waiting = self.records(second)
        self.assertEqual(set(waiting.mapped("state")), {"wait_dependencies"})
        self.assertEqual(waiting[0].dependency_ids, self.records(first))
        self.assertEqual(set(self.records(first)[0].dependent_ids), set(waiting))

    def test_a_chain_of_groups_waits_link_by_link(self):
        a, b, c = self.calls(2), self.calls(2), self.calls(1)
        chain(group(*a), group(*b), *c).delay()
        records = self.records(a + b + c)
        self.assertEqual(
            records.mapped("state"), ["pending"] * 2 + ["wait_dependencies"] * 3
        )
        self.assertEqual(len(set(records.mapped("graph_uuid"))), 1)
        self.assertEqual(records[0].graph_jobs_count, 5)

    def test_a_kill_between_done_and_release_is_repaired(self):
        (first,), (second,) = self.calls(1), self.calls(1)
        first.on_done(second).delay()
        parent, child = self.records([first]), self.records([second])
        self.set_state(parent, "done")
        storage.repair.repair(self.env.cr)
        child.invalidate_recordset()
        self.assertEqual(child.state, "pending")
        parent.invalidate_recordset()
        self.assertFalse(parent.release_due)

    def test_many_that_wait_for_one_are_released_some_at_a_time(self):
        (first,), others = self.calls(1), self.calls(7)
        first.on_done(group(*others)).delay()
        parent, children = self.records([first]), self.records(others)
        self.set_state(parent, "done")
        seen = []
        for _time in range(4):
            more = storage.repair.let_go(self.env.cr, parent.ids, limit=3)
            self.env.invalidate_all()
            waiting = children.filtered(lambda job: job.state != "pending")
            seen.append((more, len(waiting), parent.release_due))
        self.assertEqual(
            seen,
            [(True, 4, True), (True, 1, True), (False, 0, False), (False, 0, False)],
        )

    def test_what_is_left_of_many_is_due_though_nobody_had_noted_it(self):
        (first,), others = self.calls(1), self.calls(4)
        first.on_done(group(*others)).delay()
        parent = self.records([first])
        self.set_state(parent, "done")
        self.env.cr.execute("UPDATE queue_job SET release_due = false")
        storage.repair.let_go(self.env.cr, parent.ids, limit=3)
        self.assertIn(parent.id, storage.graph.release_due(self.env.cr))

    def test_a_job_attached_to_one_that_ended_meanwhile_is_released(self):
        (first,), (second,) = self.calls(1), self.calls(1)
        first.on_done(second).delay()
        parent, child = self.records([first]), self.records([second])
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE id = %s", (parent.id,)
        )
        storage.repair.repair(self.env.cr)
        child.invalidate_recordset()
        self.assertEqual(child.state, "pending")

    def test_what_waits_for_a_deleted_job_is_cancelled(self):
        calls = self.calls(3)
        chain(*calls).delay()
        records = self.records(calls)
        self.env.cr.execute("DELETE FROM queue_job WHERE id = %s", (records[0].id,))
        storage.repair.repair(self.env.cr)
        rest = records[1:]
        rest.invalidate_recordset()
        self.assertEqual(set(rest.mapped("state")), {"cancelled"})

    def test_unlinking_a_job_cancels_what_waits_for_it(self):
        calls = self.calls(2)
        chain(*calls).delay()
        records = self.records(calls)
        records[0].sudo().unlink()
        self.assertEqual(records[1].state, "cancelled")

    def test_the_repair_of_many_edges_goes_on_where_it_stopped(self):
        calls = self.calls(5)
        group(*calls).on_done(*self.calls(1)).delay()
        self.env.flush_all()
        self.env.cr.execute(
            "DELETE FROM queue_job_edge WHERE parent_id < %s",
            (self.records(calls)[0].id,),
        )
        repair = storage.repair
        after = repair.repair(self.env.cr, limit=3)
        self.assertEqual(after.parent, self.records(calls)[2].id)
        self.assertEqual(repair.repair(self.env.cr, after, limit=3), repair.START)

    def test_a_circle_is_refused(self):
        first, second = self.calls(2)
        first.on_done(second)
        second.on_done(first)
        with self.assertRaisesRegex(ValueError, "cycle"):
            first.delay()

    def test_a_prepared_call_that_is_never_delayed_is_told(self):
        call = self.partner.delayable().write({"ref": "x"})
        with self.assertLogs("odoo.addons.queue_job.delay", "WARNING"):
            del call
