# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

import time

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..delay import chain, group
from ..exception import RetryableJobError
from ..job import job

CHANNEL = "root.demo"
MOST_JOBS = 1000


class QueueJobDemo(models.TransientModel):
    """Sample jobs: watch jobs succeed, retry and fail without writing code."""

    _name = "queue.job.demo"
    _description = "Sample Jobs"

    succeed_count = fields.Integer("Jobs That Succeed", default=5)
    retry_count = fields.Integer("Jobs That Are Tried Again", default=2)
    fail_count = fields.Integer("Jobs That Fail", default=1)
    with_graph = fields.Boolean("A Graph of Slow Jobs", default=True)
    seconds = fields.Integer("Seconds per Slow Job", default=3)

    @api.constrains("succeed_count", "retry_count", "fail_count", "seconds")
    def _check_numbers(self):
        for wizard in self:
            numbers = (wizard.succeed_count, wizard.retry_count, wizard.fail_count)
            if min(*numbers, wizard.seconds) < 0 or sum(numbers) > MOST_JOBS:
                raise ValidationError(
                    self.env._(
                        "Sample jobs: 0 or more, and not more than %s.", MOST_JOBS
                    )
                )
            if wizard.seconds > 60:
                raise ValidationError(
                    self.env._("A slow sample job takes at most a minute.")
                )

    def create_jobs(self):
        """Create the sample jobs and show them."""
        self.ensure_one()
        # On no record: the wizard is gone before some of its jobs run.
        samples = self.browse()
        for number in range(1, self.succeed_count + 1):
            samples.with_delay(
                description=self.env._("Sample %s: succeeds", number)
            )._demo_succeed(number)
        for number in range(1, self.retry_count + 1):
            samples.with_delay(
                description=self.env._("Sample %s: is tried three times", number)
            )._demo_retry()
        for number in range(1, self.fail_count + 1):
            samples.with_delay(
                description=self.env._(
                    "Sample %s: fails, succeeds when requeued", number
                ),
                priority=20,
            )._demo_fail()
        if self.with_graph:
            samples._delay_graph(self.seconds)
        return self._show_jobs()

    def _delay_graph(self, seconds):
        def slow(description):
            return self.delayable(description=description)._demo_slow(seconds)

        chain(
            slow(self.env._("Sample graph: prepare")),
            group(
                slow(self.env._("Sample graph: left")),
                slow(self.env._("Sample graph: right")),
            ),
            slow(self.env._("Sample graph: finish")),
        ).delay()

    def _show_jobs(self):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        action.update(
            display_name=self.env._("Sample Jobs"),
            domain=[("channel", "=", CHANNEL)],
            context={},
            target="main",
        )
        return action

    # ----------------------------------------------------------------- the jobs

    @job(default_channel=CHANNEL)
    def _demo_succeed(self, number):
        """Succeed"""
        return self.env._("Sample %s is done.", number)

    @job(default_channel=CHANNEL, retry_pattern={1: 5, 2: 10})
    def _demo_retry(self):
        """Ask for another try, twice"""
        tries = self._record().retry
        if tries < 2:
            raise RetryableJobError(
                self.env._("Not yet: this was try %s of 3.", tries + 1)
            )
        return self.env._("Succeeded at the third try.")

    @job(default_channel=CHANNEL)
    def _demo_fail(self):
        """Fail at first, succeed when somebody requeues it"""
        if not self._record().try_ids:
            raise UserError(
                self.env._(
                    "This sample job fails on purpose. Requeue it: it will succeed."
                )
            )
        return self.env._("Somebody has requeued the job, and now it succeeded.")

    @job(default_channel=CHANNEL)
    def _demo_slow(self, seconds):
        """Take a while"""
        for second in range(seconds):
            self.env.job.progress(
                second, seconds, self.env._("Waiting, second %s", second + 1)
            )
            time.sleep(1)
        return self.env._("Waited %s seconds.", seconds)

    def _record(self):
        """The record of the job that is being executed."""
        uuid = self.env.context.get("job_uuid")
        return self.env["queue.job"].sudo().search([("uuid", "=", uuid)])
