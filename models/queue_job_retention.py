# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs removed, a bounded number at a time."""

from __future__ import annotations

from odoo import api, models

from .. import listeners, storage
from ..core.channels import nearest
from ..log_lines import get_logger
from ..storage.retention import Rule

_logger = get_logger(__name__)
#: jobs, per state, that one transaction removes
_BATCH = 5000


class QueueJob(models.Model):
    _inherit = "queue.job"

    # days for which a new channel keeps jobs that are over
    _removal_interval = 30

    @api.model
    @api.private
    def autovacuum(self):
        """Delete the jobs that are over for longer than channel or function say."""
        rules = self._retention_rules()
        self._say_what_stays(rules)
        for rule in rules:
            while ids := storage.retention.old(self.env.cr, rule, _BATCH):
                self._remove_old(ids)
                self.env["ir.cron"]._commit_progress(len(ids))
        while storage.graph.prune(self.env.cr, _BATCH):
            self.env["ir.cron"]._commit_progress()
        return True

    @api.autovacuum
    def _gc_old_jobs(self):
        """Odoo's own clean-up does the same as the scheduled action."""
        self.autovacuum()

    @api.model
    def _say_what_stays(self, rules):
        """Log that old jobs cannot go, since rows of other tables refer to them."""
        kept = sum(
            len(storage.retention.old(self.env.cr, rule, _BATCH, referred=True))
            for rule in rules
        )
        if kept:
            _logger.warning(
                "%d old jobs stay: rows of other tables refer to them by a foreign key",
                kept,
            )

    @api.model
    def _remove_old(self, ids):
        if listeners.of(self.env).unlink:
            # Nobody is asked for his rights when old jobs go.
            self.sudo().browse(ids).unlink()
        else:
            storage.retention.remove(self.env.cr, ids)

    @api.model
    def _retention_rules(self):
        """What is removed after how many days: a list of rules."""
        # The settings hold for all jobs, whoever calls.
        channels = (
            self.env["queue.job.channel"]
            .sudo()
            .search([("complete_name", "!=", False)])
        )
        special = (
            self.env["queue.job.function"].sudo().search([("removal_interval", ">", 0)])
        )
        days = {each.complete_name: each.removal_interval for each in channels}
        aliases = storage.channel.aliases(self.env.cr)
        days.update({old: days[new] for old, new in aliases.items() if new in days})
        # Those of the server's configuration alone, and those that are long gone.
        for name in sorted(storage.retention.channels(self.env.cr) - days.keys()):
            days[name] = days[nearest(name, days)]
        but = tuple(special.ids)
        rules = [Rule(name, kept, but=but) for name, kept in days.items()]
        rules += [
            Rule(name, function.removal_interval, only=(function.id,))
            for function in special
            for name in days
        ]
        return rules
