# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who may write what of a job, and when its buffered rows reach the table."""

from __future__ import annotations

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from .. import buffer, clock, moves, storage
from ..core import states
from ..rows import RUN_FIELDS
from ..sentinel import EDIT_SENTINEL, QUIET

#: what a job does, on what and as whom: written once, by the machine
PROTECTED_FIELDS = frozenset(
    {
        "uuid",
        "name",
        "date_created",
        "model_name",
        "method_name",
        "func_string",
        "channel_method_name",
        "job_function_id",
        "records",
        "args",
        "kwargs",
        "user_id",
        "company_id",
        "identity_key",
        "identity_twin",
        "attempt",
        "deaths",
        "runner",
        "graph_uuid",
        "barrier_id",
        "release_due",
        "trace",
    }
)
#: what a job executes, and as whom
SEALED = frozenset(storage.sealing.SEALED_FIELDS)
#: what happened to a job: written by the machine and its verbs
MACHINE_FIELDS = frozenset(
    {"state", "ready", "retry", "worker", "timeout", *RUN_FIELDS}
)
#: numbers that are 0 or more
_COUNTS = ("priority", "max_retries", "timeout")


class QueueJob(models.Model):
    _inherit = "queue.job"

    # for other add-ons that correct a job
    EDIT_SENTINEL = EDIT_SENTINEL

    @api.model_create_multi
    @api.private
    def create(self, vals_list):
        if not self._is_machine():
            raise AccessError(
                self.env._(
                    "Jobs are made by with_delay(): they cannot be created by hand."
                )
            )
        return super(
            QueueJob,
            self.with_context(
                mail_create_nolog=True,
                mail_create_nosubscribe=True,
                tracking_disable=True,
            ),
        ).create(vals_list)

    def write(self, vals):
        self._check_edit(vals)
        self._check_idle(vals)
        self._check_counts(vals)
        if "channel" in vals:
            self._check_channel(vals["channel"])
        if "eta" in vals or "state" in vals:
            vals = self._with_ready(vals)
        resealed = self._sealed_before(vals)
        result = super().write(vals)
        if resealed:
            self.flush_recordset()
            storage.sealing.seal(self.env.cr, resealed)
        if vals.get("state") == states.FAILED and not self._is_quiet():
            self._message_post_on_failure()
        return result

    def _check_edit(self, vals):
        if self._is_machine():
            return
        protected = PROTECTED_FIELDS.intersection(vals)
        if not self.env.su:
            protected |= MACHINE_FIELDS.intersection(vals)
        if protected:
            raise AccessError(
                self.env._(
                    "Not allowed to change field(s) of a job: %s",
                    ", ".join(sorted(protected)),
                )
            )

    def _is_quiet(self):
        return self.env.context.get(QUIET) is EDIT_SENTINEL

    def _check_idle(self, vals):
        """While a job is started, nobody else writes its row (D3): not people, either.

        Code that writes as superuser knows what it does; the end of the job waits.
        """
        if self.env.su or self._is_machine() or not self.ids:
            return
        known = self._fields.keys() & vals.keys()
        if not any(self._fields[name].column_type for name in known):
            return
        self.check_access("write")  # nobody without the right locks a row
        self.flush_recordset()
        if len(storage.bulk.hold_idle(self.env.cr, self.ids)) < len(set(self.ids)):
            raise UserError(
                self.env._("A job that is being executed cannot be changed: stop it.")
            )

    def _check_counts(self, vals):
        for name in _COUNTS:
            if (vals.get(name) or 0) < 0:
                label = self._fields[name]._description_string(self.env)
                raise UserError(self.env._("%s: 0 or more is possible.", label))

    def _sealed_before(self, vals):
        """The jobs whose seal a correction by server code must not break."""
        if SEALED.isdisjoint(vals) or not self._is_machine():
            return []
        self.flush_recordset()
        return storage.sealing.sealed(self.env.cr, self.ids)

    def _is_machine(self):
        """Is it server code that holds the key? No request can hold it."""
        return self.env.context.get("_job_edit_sentinel") is EDIT_SENTINEL

    def _check_channel(self, name):
        if name not in self.env["queue.job.channel"]._known_names():
            raise UserError(self.env._("The channel %s does not exist.", name))

    def _with_ready(self, vals):
        """Keep ``ready`` true to ``eta`` when somebody changes the date."""
        if "ready" in vals or "eta" not in vals:
            return vals
        eta = fields.Datetime.to_datetime(vals["eta"])
        return dict(vals, ready=not eta or eta <= clock.now(self.env.cr))

    def unlink(self):
        buffer.flush(self.env)
        unfinished = self.filtered(lambda job: job.state != states.DONE)
        moves.cancel_dependents(self.env, unfinished.ids)
        return super().unlink()

    def copy_data(self, default=None):
        # Copying begins with it; and by itself it would tell hidden arguments.
        raise UserError(self.env._("A job cannot be duplicated: requeue it instead."))

    # The rows of this transaction's with_delay() calls are written late (D5): whoever
    # is about to read the table has them written first.
    def flush_model(self, fnames=None):
        buffer.flush(self.env)
        return super().flush_model(fnames)

    def flush_recordset(self, fnames=None):
        buffer.flush(self.env)
        return super().flush_recordset(fnames)

    def _search(self, *args, **kwargs):
        buffer.flush(self.env)
        return super()._search(*args, **kwargs)

    def _fetch_query(self, query, fields):
        buffer.flush(self.env)
        return super()._fetch_query(query, fields)

    def exists(self):
        buffer.flush(self.env)
        return super().exists()
