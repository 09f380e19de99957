# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The log of who did what to a job, in its chatter."""

from __future__ import annotations

from odoo import api, fields, models

from .. import storage
from ..core import states
from ..sentinel import EDIT_SENTINEL

#: as many notes are written one by one
_FEW = 20


class QueueJob(models.Model):
    _inherit = "queue.job"

    channel = fields.Char(tracking=True)
    priority = fields.Integer(tracking=True)
    eta = fields.Datetime(tracking=True)
    max_retries = fields.Integer(tracking=True)

    def _change_job_state(self, state, result=None):
        moved = super()._change_job_state(state, result)
        moved._log_deed(state)
        return moved

    def _log_deed(self, state):
        """Note on the jobs what the user did, which is nothing when it was nobody."""
        if not self or self.env.user._is_superuser():
            return
        # Those behind it as well, of whatever company: it is noted who did it.
        moved = self.sudo()
        running = moved.filtered(lambda job: job.state == states.STARTED)
        running._note(self.env._("Asked to stop by %s", self.env.user.name))
        (moved - running)._note(self._deeds()[state])

    def _note(self, text):
        """Note the same on all these jobs, set-based when they are many."""
        self = self._with_chatter()
        if len(self) <= _FEW:
            self._message_log_batch(dict.fromkeys(self.ids, text))
            return
        first, others = self[:1], self[1:]
        note = first._message_log_batch({first.id: text})
        note.flush_recordset()
        columns = [
            name
            for name, field in note._fields.items()
            if field.store and field.column_type and name not in ("id", "res_id")
        ]
        storage.bulk.copy_note(self.env.cr, note.id, columns, others.ids)
        self.invalidate_recordset(["message_ids"])

    @api.model
    def _deeds(self):
        """``{state: what somebody did to have jobs there}``, for people."""
        name = self.env.user.name
        return {
            states.PENDING: self.env._("Requeued by %s", name),
            states.DONE: self.env._("Set to done by %s", name),
            states.CANCELLED: self.env._("Cancelled by %s", name),
        }

    def write(self, vals):
        result = super().write(vals)
        if self.env.context.get("_job_edit_sentinel") is not EDIT_SENTINEL:
            self._live_touch()
        return result
