# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels in force: records, and the configuration string that wins over them."""

from __future__ import annotations

from odoo import api, fields, models, tools

from ..core import channel_config
from ..core.channels import ROOT, lineage
from ..jobrunner import config as runner_config
from ..jobrunner import configured as runner_configured
from ..storage import channel as storage


class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    config_source = fields.Selection(
        [
            (channel_config.RECORD, "Record"),
            (channel_config.CONFIGURATION, "Configuration"),
        ],
        "Settings from",
        compute="_compute_effective",
    )
    is_configured = fields.Boolean(compute="_compute_effective")
    configuration_note = fields.Text(compute="_compute_effective")
    effective_capacity = fields.Integer(
        compute="_compute_effective",
        aggregator=False,
        help="0: no limit of its own.",
    )
    effective_sequential = fields.Boolean(compute="_compute_effective")
    effective_throttle = fields.Float(compute="_compute_effective", aggregator=False)
    effective_paused = fields.Boolean(compute="_compute_effective")

    running_count = fields.Integer(
        "Running", compute="_compute_counts", aggregator=False
    )
    pending_count = fields.Integer(
        "Pending", compute="_compute_counts", aggregator=False
    )
    failed_count = fields.Integer("Failed", compute="_compute_counts", aggregator=False)

    # ---------------------------------------------------------------- in force

    @api.depends("complete_name", "capacity", "sequential", "throttle", "paused")
    def _compute_effective(self):
        in_force = self._in_force(self)
        for channel in self:
            each = in_force.get(channel.complete_name or ROOT)
            settings = each.channel
            channel.is_configured = each.configured
            channel.config_source = (
                channel_config.CONFIGURATION
                if each.configured
                else channel_config.RECORD
            )
            channel.configuration_note = each.configured and self._note(each)
            channel.effective_capacity = settings.capacity or 0
            channel.effective_sequential = settings.sequential
            channel.effective_throttle = settings.throttle
            channel.effective_paused = settings.paused or settings.capacity == 0

    @api.model
    def _in_force(self, channels=()):
        """``{complete name: core.channel_config.Effective}`` of all channels.

        :param channels: records whose values count as they are in the cache
        """
        known = {each.complete_name: each for each in self.sudo().search([])}
        known.update({each.complete_name or ROOT: each for each in channels})
        records = [each._spec(name) for name, each in known.items()]
        wanted = runner_configured.channels(self.env.cr, runner_config.get())
        return channel_config.merge(records, wanted)

    def _spec(self, name):
        return channel_config.ChannelSpec(
            name=name,
            capacity=self.capacity or None,
            sequential=self.sequential,
            throttle=self.throttle,
            paused=self.paused,
        )

    @api.model
    def _note(self, effective):
        """What the configuration string says about a channel, for people."""
        settings = effective.channel
        texts = {
            "capacity": self.env._("capacity %s", settings.capacity)
            if settings.capacity is not None
            else self.env._("no limit"),
            "sequential": self.env._("sequential") if settings.sequential else "",
            "throttle": self.env._("throttle %s s", settings.throttle),
            "paused": self.env._("paused")
            if settings.paused
            else self.env._("not paused"),
        }
        said = [
            texts[key]
            for key, source in effective.sources.items()
            if source == channel_config.CONFIGURATION and texts[key]
        ]
        return self.env._(
            "The server's configuration names this channel and wins over the values "
            "below: %s.",
            ", ".join(said),
        )

    @api.model
    @tools.ormcache()
    def _known_names(self):
        """The complete names of all channels: records, and the configuration's."""
        return frozenset(self._in_force())

    # ----------------------------------------------------------------- counters

    @api.depends("complete_name")
    def _compute_counts(self):
        totals = self._totals()
        for channel in self:
            counts = totals.get(channel.complete_name, storage.Counts())
            channel.running_count = counts.running
            channel.pending_count = counts.pending
            channel.failed_count = counts.failed

    @api.model
    def _totals(self):
        """``{complete name: counts}`` with the jobs of the channels below."""
        self.env["queue.job"].flush_model()
        totals = {}
        for name, counts in storage.counts(self.env.cr).items():
            for each in lineage(name or ROOT):
                above = totals.get(each, storage.Counts())
                totals[each] = storage.Counts(*map(sum, zip(above, counts)))
        return totals
