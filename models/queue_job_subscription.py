# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One message per period about all that failed, to those who want it."""

from __future__ import annotations

from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import format_datetime

from .. import clock
from ..log_lines import get_logger

_logger = get_logger(__name__)

PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
#: lines of a digest; the rest is counted
_MOST_LINES = 20
#: the scheduled action is not punctual to the second
_SLACK = timedelta(minutes=5)


class QueueJobSubscription(models.Model):
    """A user who gets a digest of failures instead of a message for each."""

    _name = "queue.job.subscription"
    _description = "Digest of Failures"
    _order = "user_id, id"
    _rec_name = "user_id"

    user_id = fields.Many2one(
        "res.users",
        required=True,
        index=True,
        ondelete="cascade",
        default=lambda self: self.env.uid,
    )
    period = fields.Selection(
        [("hour", "Every Hour"), ("day", "Every Day"), ("week", "Every Week")],
        required=True,
        default="day",
    )
    channel_id = fields.Many2one(
        "queue.job.channel",
        ondelete="cascade",
        help="Failures of this channel and those below it alone. Empty: of all.",
    )
    job_function_ids = fields.Many2many(
        "queue.job.function",
        string="Functions",
        help="Failures of these functions alone. Empty: of all.",
    )
    active = fields.Boolean(default=True)
    last_sent_at = fields.Datetime(
        "Told up to",
        readonly=True,
        required=True,
        default=lambda self: clock.now(self.env.cr),
    )

    _user_uniq = models.Constraint(
        "UNIQUE(user_id)", "This user has a digest already: change that one."
    )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_machine_fields(vals)
        # Values by default are a client's choice, too: those of its context.
        now = {"last_sent_at": clock.now(self.env.cr)}
        return super().create([{**now, **vals} for vals in vals_list])

    def write(self, vals):
        self._check_machine_fields(vals)
        result = super().write(vals)
        # Whose it is then: nobody's digest is made, or taken, by somebody else.
        self.check_access("write")
        return result

    def _check_machine_fields(self, vals):
        """What the view shows as readonly is written by the machine alone."""
        if "last_sent_at" in vals and not self.env.su:
            raise AccessError(
                self.env._("Up to when a digest has told is not to be changed.")
            )

    @api.model
    def _send_due(self):
        """Send the digests whose period is over; one that cannot be sent stops none."""
        now = clock.now(self.env.cr)
        for subscription in self.search([("period", "!=", False)]):
            since = now - PERIODS[subscription.period] + _SLACK
            if subscription.last_sent_at <= since:
                subscription._send_safely(now)

    def _send_safely(self, until):
        try:
            with self.env.cr.savepoint():
                self._send(until)
        except Exception:
            _logger.exception("The digest of user %s was not sent", self.user_id.id)

    def _send(self, until):
        """Tell the user what failed since the last time, if anything did."""
        user = self.user_id
        subscription = self.with_user(user).with_context(
            lang=user.lang, allowed_company_ids=user.company_ids.ids
        )
        may_see = user.active and subscription.has_access("read")
        groups = may_see and subscription._failures(until)
        if groups:
            total = sum(count for *_place, count, _last in groups)
            subject = subscription.env._("Job Queue: %s failures", total)
            subscription.env["mail.thread"].sudo().message_notify(
                partner_ids=user.partner_id.ids,
                subject=subject,
                body=subscription._body(groups, total),
                author_id=self.env.ref("base.partner_root").id,
            )
        self.last_sent_at = until

    def _failures(self, until):
        """``[(model, method, error, count, last)]``, the most frequent first."""
        domain = Domain("outcome", "=", "failed")
        # the death of a worker is a failure when it was the job's last
        domain |= Domain("outcome", "=", "died") & Domain("job_id.state", "=", "failed")
        domain &= Domain("date_ended", ">=", self.last_sent_at)
        domain &= Domain("date_ended", "<", until)
        if self.channel_id:
            domain &= Domain("job_id.channel_id", "child_of", self.channel_id.id)
        if self.job_function_ids:
            functions = self.job_function_ids.ids
            domain &= Domain("job_id.job_function_id", "in", functions)
        # Of the jobs that the user may see, whatever he may do with them.
        return self.env["queue.job.try"]._read_group(
            domain,
            ["job_id.model_name", "job_id.method_name", "exc_name"],
            ["__count", "date_ended:max"],
            order="__count DESC",
        )

    def _body(self, groups, total):
        lines = Markup().join(
            Markup("<li><b>{}×</b> &lt;{}&gt;.{}: {}</li>").format(
                count, model, method, error or self.env._("no error is known")
            )
            for model, method, error, count, _last in groups[:_MOST_LINES]
        )
        rest = len(groups) - _MOST_LINES
        more = Markup("<p>{}</p>").format(self.env._("… and %s other kinds.", rest))
        return Markup("<p>{}</p><ul>{}</ul>{}<p><a href='{}'>{}</a></p>").format(
            self.env._(
                "%(total)s tries have failed since %(since)s.",
                total=total,
                since=format_datetime(self.env, self.last_sent_at),
            ),
            lines,
            more if rest > 0 else "",
            f"{self.get_base_url()}/odoo/queue-failures",
            self.env._("Open the failures"),
        )


class QueueJob(models.Model):
    _inherit = "queue.job"

    def _subscribe_users_domain(self):
        """Who gets a digest is not told of each failure besides, unless of his own."""
        domain = super()._subscribe_users_domain()
        digests = (
            self.env["queue.job.subscription"].sudo().search([("user_id", "!=", False)])
        )
        if digests:
            domain.append(("id", "not in", digests.user_id.ids))
        return domain
