# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The same done to all jobs that match, in batches that stay."""

from __future__ import annotations

import time

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from .. import storage
from ..core import states
from ..job import job

#: jobs of one transaction
BATCH = 1000
#: from so many on they are not done while the user waits
MANY = 5000
#: seconds after which the rest is left to another job
TURN = 30
#: what may be changed of a job that does not run
CHANGES = ("channel", "priority", "eta")
#: jobs in these states may be changed
CHANGEABLE = (states.WAIT_DEPENDENCIES, states.PENDING, states.FAILED)


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def _bulk_states(self, operation):
        """The states of the jobs that an operation does something with."""
        if operation == "change":
            return list(CHANGEABLE)
        if operation == states.CANCELLED:
            return [*states.sources("cancel"), states.STARTED]
        verbs = {states.PENDING: "requeue", states.DONE: "set_done"}
        return states.sources(verbs[operation])

    @api.model
    def _bulk_domain(self, operation, domain):
        """Those that match and that the operation does something with."""
        running = self.env.context.get("job_uuid")
        return (
            Domain(domain)
            & Domain("state", "in", self._bulk_states(operation))
            & (Domain("uuid", "!=", running) if running else Domain.TRUE)
        )

    @api.model
    def _bulk(self, operation, domain, values=None):
        """Do the same to all jobs that match, as far as their states allow it.

        A batch after the other is committed, each in a transaction of its own.

        :param operation: a state (``pending``, ``done``, ``cancelled``) or ``change``
        :param values: what is changed
        :return: how many jobs it was done to
        """
        self._check_may_steer()
        wanted = self._bulk_domain(operation, domain)
        if self.search_count(wanted, limit=BATCH + 1) <= BATCH:
            return len(self.search(wanted)._bulk_one(operation, values))
        number, _below = self._bulk_batches(operation, wanted, values)
        return number

    @api.model
    def _bulk_batches(self, operation, wanted, values, below=None, seconds=None):
        """Go through the jobs from the newest to the oldest, for some seconds.

        :param below: the id where an earlier call ended
        :return: how many jobs it was done to, and where it ended; None: it is over
        """
        end = time.monotonic() + seconds if seconds else None
        number = 0
        while True:
            rest = wanted & Domain("id", "<", below) if below else wanted
            with self.env.registry.cursor() as cr:
                storage.bulk.begin(cr)
                jobs = self.with_env(self.env(cr=cr)).search(
                    rest, order="id desc", limit=BATCH
                )
                number += len(jobs._bulk_one(operation, values))
                ids = jobs.ids
            if len(ids) < BATCH:
                return number, None
            below = ids[-1]
            self.env.job.progress(*self._bulk_progress(number))
            if end and time.monotonic() >= end:
                return number, below

    def _bulk_progress(self, number):
        """How far all of it is: what earlier jobs did, this one, and in all."""
        before, total = self.env.context.get("queue_job_bulk", (0, 0))
        return before + number, total

    def _bulk_one(self, operation, values):
        if operation == "change":
            return self._change_all(values)
        return self._change_job_state(operation, self._bulk_result(operation))

    def _bulk_result(self, operation):
        if operation == states.DONE:
            return self.env._("Manually set to done by %s", self.env.user.name)
        return None

    def _change_all(self, values):
        """Write channel, priority or date of the jobs that are not under way."""
        refused = set(values) - set(CHANGES)
        if refused:
            raise AccessError(
                self.env._("Not to be changed: %s", ", ".join(sorted(refused)))
            )
        self._check_may_steer()
        jobs = self.browse(storage.bulk.hold(self.env.cr, self.ids, CHANGEABLE))
        jobs.invalidate_recordset()
        jobs.with_context(tracking_disable=True).write(values)
        jobs.flush_recordset()
        storage.insertion.notify(self.env.cr)
        jobs._note(
            self.env._(
                "%(user)s: %(changes)s",
                user=self.env.user.name,
                changes=", ".join(
                    f"{self._fields[name]._description_string(self.env)} → {value}"
                    for name, value in values.items()
                ),
            )
        )
        return jobs

    @job(default_channel="root")
    def _bulk_later(self, operation, domain, values, below=None, before=0, total=0):
        """Do the same to many jobs"""
        self._check_may_steer()
        wanted = self._bulk_domain(operation, domain)
        total = total or self.search_count(wanted)
        if total <= BATCH:
            return self.env._("Done to %s jobs.", self._bulk(operation, domain, values))
        told = self.with_context(queue_job_bulk=(before, total))
        number, below = told._bulk_batches(
            operation, wanted, values, below, seconds=TURN
        )
        if below:
            # A request may not last for ever: another job goes on.
            delayed = self.with_delay(
                priority=0, description=self.env._("Go on with %s jobs", total)
            )
            delayed._bulk_later(
                operation, domain, values, below, before + number, total
            )
        return self.env._("Done to %s jobs.", before + number)
