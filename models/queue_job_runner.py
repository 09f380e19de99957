# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import fields, models


class QueueJobRunner(models.Model):
    """A runner that looks after this database; it writes the row itself, by SQL."""

    _name = "queue.job.runner"
    _description = "Queue Job Runner"
    _log_access = False
    _order = "node, pid"
    _rec_name = "node"

    number = fields.Integer(required=True, readonly=True, aggregator=False)
    node = fields.Char(readonly=True, help="Name of the machine it runs on.")
    pid = fields.Integer("PID", readonly=True, aggregator=False)
    version = fields.Char(readonly=True, help="Version of the add-on it runs with.")
    kind = fields.Char(
        "Server", readonly=True, help="Kind of the server around it: threaded, prefork."
    )
    started_at = fields.Datetime("Started on", readonly=True)
    seen_at = fields.Datetime("Last Seen on", readonly=True)
    passes = fields.Integer(readonly=True)
    dispatched = fields.Integer("Requests", readonly=True)
    rescued = fields.Integer("Rescued Jobs", readonly=True)

    configuration = fields.Text(readonly=True, help="What the server goes by, as JSON.")

    _number_uniq = models.UniqueIndex("(number)")
