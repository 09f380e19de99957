# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the queue is doing: channels, runners, and what is wrong."""

from __future__ import annotations

from odoo import api, models

from .. import buffer
from ..overview import reading


class QueueJobStat(models.Model):
    _inherit = "queue.job.stat"

    @api.model
    def _overview(self):
        """How the queue is doing at this moment, see ``overview.reading.overview``."""
        buffer.flush(self.env)
        self.env.flush_all()
        return reading.overview(self.env.cr, self.env)

    @api.model
    def _health(self):
        """``(whether jobs run as they should, [texts why not])``"""
        errors = [each for each in self._overview()["problems"] if each["error"]]
        return not errors, [each["text"] for each in errors]
