# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import fields, models

from .. import buffer, storage
from ..core import states


class QueueJobRecordMixin(models.AbstractModel):
    """PUBLIC: for models whose forms show the jobs of their records.

    Inherit it and put the button into the form's ``button_box``::

        class Order(models.Model):
            _inherit = ["sale.order", "queue.job.record.mixin"]
            _name = "sale.order"

        <button name="open_queue_jobs" type="object" class="oe_stat_button"
                icon="fa-cogs" invisible="not queue_job_count"
                groups="queue_job.group_queue_job_viewer">
            <field name="queue_job_count" widget="statinfo" string="Jobs"/>
        </button>

    The jobs of a record are those that were delayed on it: alone or among others.
    """

    _name = "queue.job.record.mixin"
    _description = "Records with Jobs"

    queue_job_count = fields.Integer(
        "Jobs", compute="_compute_queue_job_count", compute_sudo=True
    )
    queue_job_running_count = fields.Integer(
        "Unfinished Jobs", compute="_compute_queue_job_count", compute_sudo=True
    )
    queue_job_failed_count = fields.Integer(
        "Failed Jobs", compute="_compute_queue_job_count", compute_sudo=True
    )

    def init(self):
        result = super().init()
        if not self._abstract:
            storage.asker.index_records(self.env.cr, self._name)
        return result

    def _queue_job_ids(self):
        """``{id of a record: ids of its jobs}``"""
        buffer.flush(self.env)
        self.env["queue.job"].flush_model(["state"])
        ids = [id_ for id_ in self._origin.ids if id_]
        return storage.asker.of_records(self.env.cr, self._name, ids)

    def _compute_queue_job_count(self):
        found = self._queue_job_ids()
        jobs = self.env["queue.job"].browse(
            {id_ for ids in found.values() for id_ in ids}
        )
        by_state = {job.id: job.state for job in jobs}
        for record in self:
            of_record = [by_state[id_] for id_ in found.get(record._origin.id, ())]
            record.queue_job_count = len(of_record)
            record.queue_job_failed_count = of_record.count(states.FAILED)
            record.queue_job_running_count = sum(
                state in states.UNFINISHED for state in of_record
            )

    def open_queue_jobs(self):
        """List the jobs of the records, those that the user may see."""
        self.check_access("read")
        ids = {id_ for ids in self._queue_job_ids().values() for id_ in ids}
        ids = self.env["queue.job"].search([("id", "in", list(ids))]).ids
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        action.update(domain=[("id", "in", sorted(ids))], context={})
        return action
