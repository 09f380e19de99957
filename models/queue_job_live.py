# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Open views that follow the jobs: who looks, and who is told."""

from __future__ import annotations

from odoo import api, models

from .. import storage

#: the bus channel of open views, and the type of its messages
LIVE = "queue_job.live"


class QueueJob(models.Model):
    _inherit = "queue.job"

    def init(self):
        result = super().init()
        storage.live.prepare(self.env.cr)
        return result

    @api.model
    def live_look(self, viewer):
        """Tell an open view whether jobs have changed, and the others with it.

        One of the open views looks every second and the bus tells the rest; when
        nobody looks, nothing is read and nothing is sent.

        :param viewer: a name of the browser's tab
        :return: ``mark``, another text when something changed, and whether this view
            ``leads``, that is, looks for all
        """
        self.check_access("read")
        mark = storage.live.mark(self.env.cr)
        leads, changed = storage.live.lead(self.env.cr, str(viewer)[:64], mark)
        if changed:
            self.env["bus.bus"]._sendone(LIVE, LIVE, {"mark": mark})
        return {"mark": mark, "leads": leads}

    @api.model
    def live_leave(self, viewer):
        """Let another view look: this one was closed or hidden."""
        self.check_access("read")
        if storage.live.leave(self.env.cr, str(viewer)[:64]):
            self.env["bus.bus"]._sendone(LIVE, LIVE, {"mark": False})

    def _live_touch(self):
        """Have open views see what was done by hand, from the commit on."""
        storage.live.touch(self.env.cr)

    def _change_job_state(self, state, result=None):
        moved = super()._change_job_state(state, result)
        self._live_touch()
        return moved


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Whoever may not see jobs is not told when they change either."""
        if LIVE in channels and not self.env.user.has_group(
            "queue_job.group_queue_job_viewer"
        ):
            channels = [each for each in channels if each != LIVE]
        return super()._build_bus_channel_list(channels)
