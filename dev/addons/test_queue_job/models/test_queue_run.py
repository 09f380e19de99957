# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os
import time

from odoo import fields, models

from odoo.addons.queue_job.fields import JobSerialized
from odoo.addons.queue_job.job import job

# a number of the tests' own: the locks of jobs that are watched while they run
_LOCK = 1_900_119_900


class TestQueueRun(models.Model):
    """What was seen of the runs of jobs, those included that were never finished."""

    _name = "test.queue.run"
    _description = "Run of a Test Job"

    job_uuid = fields.Char()
    pid = fields.Integer()
    began = fields.Float(digits=(16, 6))
    alone = fields.Boolean()
    seen = JobSerialized(base_type=dict)


class TestQueueEffect(models.Model):
    _inherit = "test.queue.effect"

    @job
    def leave_watched(self, name, number=0, seconds=0):
        """Leave an effect; tell at once if the job is run a second time meanwhile"""
        uuid = self.env.context.get("job_uuid")
        with self.env.registry.cursor() as cr:
            # Free at once when the worker dies, and held by nobody but a live run.
            cr.execute(
                "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, uuid)
            )
            self._note_run(uuid, cr.fetchone()[0])
            self._leave(name, number=number)
            time.sleep(seconds)

    def _note_run(self, uuid, alone):
        # On a cursor of its own: it stays, whatever becomes of the run.
        with self.env.registry.cursor() as cr:
            cr.execute(
                "INSERT INTO test_queue_run (job_uuid, pid, began, alone)"
                " VALUES (%s, %s, %s, %s)",
                (uuid, os.getpid(), time.time(), alone),
            )
