# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..core.channel_config import normalize_name
from ..core.channels import ROOT
from ..core.wording import worded
from ..storage import channel as storage

#: a change of one of these changes which jobs may run
SCHEDULING_FIELDS = frozenset(
    {"name", "parent_id", "capacity", "sequential", "throttle", "paused"}
)


class QueueJobChannel(models.Model):
    """A channel of the tree that says how many jobs run at the same time."""

    _name = "queue.job.channel"
    _description = "Job Channel"
    _inherit = ["mail.thread"]
    _rec_name = "complete_name"
    _rec_names_search = ["complete_name"]
    _order = "complete_name"

    name = fields.Char(required=True, tracking=True)
    parent_id = fields.Many2one(
        "queue.job.channel",
        "Parent Channel",
        index=True,
        ondelete="restrict",
        tracking=True,
        default=lambda self: self._root(),
    )
    child_ids = fields.One2many("queue.job.channel", "parent_id", "Sub-channels")
    complete_name = fields.Char(
        compute="_compute_complete_name", store=True, recursive=True
    )
    is_root = fields.Boolean(compute="_compute_is_root")
    job_function_ids = fields.One2many(
        "queue.job.function", "channel_id", "Job Functions"
    )
    removal_interval = fields.Integer(
        "Retention (days)",
        default=lambda self: self.env["queue.job"]._removal_interval,
        aggregator=False,
        tracking=True,
        help="Jobs of this channel that are done or cancelled are deleted after this "
        "number of days.",
    )
    capacity = fields.Integer(
        default=0,
        aggregator=False,
        tracking=True,
        help="Jobs of this channel and its sub-channels that run at the same time. "
        "0: no limit of its own, only those of the channels above it.",
    )
    sequential = fields.Boolean(
        tracking=True,
        help="Strictly one job after the other, in their order: a job that has to wait "
        "for its date holds up those behind it.",
    )
    throttle = fields.Float(
        "Throttle (s)",
        aggregator=False,
        tracking=True,
        help="Seconds between the starts of two jobs, at least. 0: no throttle.",
    )
    paused = fields.Boolean(
        tracking=True,
        help="No job of this channel and its sub-channels starts; running ones go on.",
    )

    _complete_name_uniq = models.Constraint(
        "UNIQUE(complete_name)", "There is a channel with this name already."
    )

    # ----------------------------------------------------------------- computes

    @api.depends("name", "parent_id.complete_name")
    def _compute_complete_name(self):
        for channel in self:
            above = channel.parent_id.complete_name
            channel.complete_name = f"{above}.{channel.name}" if above else channel.name

    @api.depends("complete_name")
    def _compute_is_root(self):
        for channel in self:
            channel.is_root = channel.complete_name == ROOT

    @api.onchange("sequential")
    def _onchange_sequential(self):
        if self.sequential:
            self.capacity = 1

    # -------------------------------------------------------------- constraints

    @api.constrains("name", "parent_id")
    def _check_place(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A channel cannot be below itself."))
        for channel in self:
            if not channel.parent_id and channel.name != ROOT:
                raise ValidationError(
                    self.env._("The channel %s needs a parent channel.", channel.name)
                )
            channel._check_name()
            # By id: to search or sort by the complete name would write it, and the
            # database's own refusal says less.
            others = self.sudo().search([("id", "!=", channel.id)], order="id")
            if channel.complete_name in others.mapped("complete_name"):
                raise ValidationError(
                    self.env._("There is a channel %s already.", channel.complete_name)
                )

    def _check_name(self):
        """A name may have dots: it is a path below the parent then, of which the levels
        between need no record. Wherever a channel is looked up, its complete name
        counts."""
        try:
            normalize_name(f"{ROOT}.{self.name}")
        except ValueError as error:
            raise ValidationError(worded(error, self.env._)) from error

    @api.constrains("capacity", "sequential", "throttle", "removal_interval")
    def _check_limits(self):
        for channel in self:
            name = channel.complete_name
            if channel.capacity < 0 or channel.throttle < 0:
                raise ValidationError(
                    self.env._("Channel %s: capacity and throttle are 0 or more.", name)
                )
            if channel.is_root and not channel.capacity:
                raise ValidationError(
                    self.env._(
                        "The channel %s needs a capacity of at least 1. To stop all "
                        "jobs, pause it.",
                        name,
                    )
                )
            if channel.sequential and channel.capacity != 1:
                raise ValidationError(
                    self.env._(
                        "Channel %(name)s: a sequential channel has capacity 1, "
                        "not %(capacity)s.",
                        name=name,
                        capacity=channel.capacity,
                    )
                )
            if channel.removal_interval < 0:
                raise ValidationError(
                    self.env._("Channel %s: the retention is 0 days or more.", name)
                )

    # --------------------------------------------------------------------- CRUD

    def _root(self):
        return self.env.ref("queue_job.channel_root", raise_if_not_found=False)

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._with_capacity(vals) for vals in vals_list]
        if self.env.context.get("install_mode"):
            # Several add-ons may bring the same channel: all of them mean one record.
            # What somebody set on it since then stays.
            create = super().create
            channels = self.concat(
                *(self._existing(vals) or create([vals]) for vals in vals_list)
            )
        else:
            channels = super().create(vals_list)
        storage.forget_aliases(self.env.cr, channels.mapped("complete_name"))
        self._changed()
        return channels

    @api.model
    def _with_capacity(self, vals):
        if vals.get("sequential") and "capacity" not in vals:
            return dict(vals, capacity=1)
        return vals

    @api.model
    def _existing(self, vals):
        """The channel that is where ``vals`` would make one."""
        parent = vals["parent_id"] if "parent_id" in vals else self._root()
        above = parent and self.browse(int(parent)).complete_name
        name = f"{above}.{vals.get('name')}" if above else vals.get("name")
        return self.search([("complete_name", "=", name)])

    @api.model
    def _ensure(self, complete_name):
        """The channel of that name, made with the missing ones above it."""
        complete_name = normalize_name(complete_name)
        channel = self.search([("complete_name", "=", complete_name)])
        if channel:
            return channel
        parts = complete_name.split(".")
        for end, part in enumerate(parts, start=1):
            above = channel
            channel = self.search([("complete_name", "=", ".".join(parts[:end]))])
            if not channel:
                channel = self.create({"name": part, "parent_id": above.id})
        return channel

    def write(self, vals):
        self._check_root_stays(vals)
        moved = self._below() if {"name", "parent_id"} & vals.keys() else self.browse()
        before = {channel.id: channel.complete_name for channel in moved}
        result = super().write(vals)
        moved._rename_jobs(
            {before[channel.id]: channel.complete_name for channel in moved}
        )
        if SCHEDULING_FIELDS & vals.keys():
            self._changed()
        return result

    def _check_root_stays(self, vals):
        root = self.filtered("is_root")
        if not root:
            return
        if vals.get("name", ROOT) != ROOT or vals.get("parent_id"):
            raise UserError(
                self.env._("The root channel can neither be renamed nor moved.")
            )

    def _below(self):
        """The channels of ``self`` and all below them."""
        return self.search([("id", "child_of", self.ids)])

    def _rename_jobs(self, new_names):
        if not new_names:
            return
        jobs = self.env["queue.job"]
        # Those of this transaction too, which may not be in the table yet.
        jobs.flush_model()
        storage.rename(self.env.cr, new_names)
        jobs.invalidate_model(["channel"])

    @api.ondelete(at_uninstall=False)
    def _unlink_except_root(self):
        if self.filtered("is_root"):
            raise UserError(self.env._("The root channel cannot be deleted."))

    @api.ondelete(at_uninstall=True)
    def _unlink_except_with_channels_below(self):
        staying = self.child_ids - self
        if staying:
            raise UserError(
                self.env._(
                    "Move or delete first what is below the channel: %s",
                    ", ".join(staying.mapped("complete_name")),
                )
            )

    def unlink(self):
        for channel in self:
            heir = channel._nearest_outside(self)
            if heir:
                channel.job_function_ids.sudo().channel_id = heir
                self._rename_jobs({channel.complete_name: heir.complete_name})
        result = super().unlink()
        self._changed()
        return result

    @api.model
    def _changed(self):
        """Another tree of channels holds from the commit on, on all nodes."""
        self.env.registry.clear_cache()
        storage.wake(self.env.cr)

    def _nearest_outside(self, channels):
        """The nearest channel above that is not one of ``channels``."""
        above = self.parent_id
        while above and above in channels:
            above = above.parent_id
        return above

    # ------------------------------------------------------------------ buttons

    def button_pause(self):
        self.write({"paused": True})

    def button_resume(self):
        self.write({"paused": False})

    def open_jobs(self):
        """The jobs of the channel and those below it; ``job_state`` in the context
        narrows them down to a state."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        state = self.env.context.get("job_state")
        below = self.complete_name.replace("\\", r"\\").replace("_", r"\_")
        below = below.replace("%", r"\%") + ".%"
        action.update(
            display_name=self.complete_name,
            domain=[
                "|",
                ("channel", "=", self.complete_name),
                ("channel", "=like", below),
            ],
            context={f"search_default_{state}": 1} if state else {},
        )
        return action
