# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import models

from .. import storage
from ..fields import BigMany2one


class QueueJobLock(models.Model):
    """A place for rows that other add-ons lock while they handle a job.

    The queue itself shows by advisory locks that a job is being executed.
    """

    _name = "queue.job.lock"
    _description = "Queue Job Lock"
    _log_access = False

    queue_job_id = BigMany2one(
        "queue.job", required=True, index=True, ondelete="cascade"
    )

    def init(self):
        storage.ids.widen(self.env.cr)
