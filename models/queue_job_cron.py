# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs executed by a scheduled action, where no runner does it (D10).

Merely installed, without ``queue_job`` among the server-wide modules, no server starts
a runner. Then the scheduled action is triggered whenever jobs are enqueued, makes the
same passes and executes what they return on the spot.
"""

from __future__ import annotations

import logging
import random
import time

from odoo import api, models
from odoo.modules import module as odoo_module
from odoo.tools import config as odoo_config

from .. import executor, storage
from ..jobrunner import config as runner_config
from ..jobrunner import scheduling

_logger = logging.getLogger(__name__)

#: seconds after which the action ends, to come back: other actions wait behind it
_TURN = 30


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def _wake_cron(self, at=None):
        """Have the scheduled action called when no runner of this server is there.

        :param at: not before this moment
        """
        if "queue_job" in odoo_config["server_wide_modules"]:
            return
        cron = self.env.ref("queue_job.ir_cron_queue_job_run", raise_if_not_found=False)
        if cron:
            # Whoever enqueues has no rights on scheduled actions.
            cron.sudo()._trigger(at)

    @api.model
    def _cron_run(self):
        """Execute jobs until none is ready or the turn is over; not beside a runner."""
        if odoo_module.current_test or self._is_served():
            return
        number = random.getrandbits(31)
        end = time.monotonic() + _TURN
        with self.env.registry.cursor() as cr:
            # For as long as this lives, nobody takes our enqueued jobs from us.
            storage.presence.hold_runner_here(cr, number)
            more = True
            while more and time.monotonic() < end:
                more = self._cron_turn(number)
            self._cron_put_back(number)
        self.env["queue.job.stat"]._roll_up()
        if more:
            self._wake_cron()

    def _cron_turn(self, number):
        """Make a pass and execute what it returns; return whether there was any."""
        with self.env.registry.cursor() as cr:
            requests = scheduling.schedule_once(
                cr, runner_config.get(), number, limit=1
            )
        for request in requests:
            with self.env.registry.cursor() as cr:
                executor.serve(
                    self.env(cr=cr, context={}),
                    executor.hooks_of(self.env.registry),
                    request.uuid,
                    request.attempt,
                    runner_config.get().lease_seconds,
                )
        return bool(requests)

    def _cron_put_back(self, number):
        with self.env.registry.cursor() as cr:
            storage.recovery.release_all(cr, number)

    @api.model
    def _is_served(self):
        """Whether a runner looks after this database."""
        return storage.presence.is_served(self.env.cr)
