# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models


class TestQueueEvent(models.Model):
    """What was seen of a job, in order."""

    _name = "test.queue.event"
    _description = "Event of a Job"
    _order = "id"

    uuid = fields.Char()
    kind = fields.Char()
    detail = fields.Char()

    @api.model
    def _note(self, kind, uuid, detail=""):
        self.sudo().create({"kind": kind, "uuid": uuid, "detail": detail})

    @api.model
    def _seen(self, uuid, *kinds):
        """``"kind detail"`` of the events of a job; only of some kinds if given."""
        events = self.sudo().search([("uuid", "=", uuid)])
        return [
            f"{event.kind} {event.detail or ''}".strip()
            for event in events
            if not kinds or event.kind in kinds
        ]
