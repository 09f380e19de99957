# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs whose numbers do not fit into Odoo's tables of messages, which have 32 bits."""

from __future__ import annotations

from odoo import models

from ..log_lines import get_logger

_logger = get_logger(__name__)
#: the first id that Odoo's messages and followers cannot refer to
_FAR = 2**31


class QueueJob(models.Model):
    _inherit = "queue.job"

    def _with_chatter(self):
        """Those of the jobs that messages can be kept for."""
        return self.filtered(lambda job: not job.id or job.id < _FAR)

    def message_post(self, **kwargs):
        if self._with_chatter() == self:
            return super().message_post(**kwargs)
        # What happened to the job counts more than who is told of it.
        _logger.info("job %s is beyond the numbers of Odoo's messages", self.uuid)
        return self.env["mail.message"]

    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        near = self._with_chatter()
        return not near or super(QueueJob, near).message_subscribe(
            partner_ids, subtype_ids
        )

    def _message_log_batch(self, bodies, *args, **kwargs):
        near = self._with_chatter()
        if not near:
            return self.env["mail.message"]
        bodies = {id_: body for id_, body in bodies.items() if id_ in near._ids}
        return super(QueueJob, near)._message_log_batch(bodies, *args, **kwargs)
