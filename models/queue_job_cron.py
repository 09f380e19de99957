# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs executed by a scheduled action, where no runner does it (D10).

Merely installed, without ``queue_job`` among the server-wide modules, no server starts
a runner. Then the scheduled action is triggered whenever jobs are enqueued, makes the
same passes and executes what they return on the spot.
"""

from __future__ import annotations

from odoo import api, models
from odoo.modules import module as odoo_module
from odoo.tools import config as odoo_config

from .. import storage
from ..console.draining import Busy, Drain, Resting
from ..jobrunner import config as runner_config
from ..jobrunner import configured
from ..log_lines import get_logger

_logger = get_logger(__name__)

#: seconds after which the action ends, to come back: other actions wait behind it
_TURN = 30
#: seconds in which a job without a worker is looked at twice
_SECOND_LOOK = 3


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
        self._keep_channels()
        # Who died while he executed a job is recognized by a second look.
        wait = _SECOND_LOOK if storage.recovery.orphans(self.env.cr) else 0
        drain = Drain(self.env.registry, wait=wait, seconds=_TURN)
        try:
            drain.run()
        except Busy as busy:
            _logger.info("No job is executed: %s", busy)
        except Resting as reason:
            _logger.info("No job is executed in a copy (%s)", reason)
            return
        self.env["queue.job.stat"]._roll_up()
        if drain.is_late:
            self._wake_cron()

    @api.model
    def _keep_channels(self):
        """Remember the channels of the configuration, as a runner does: a mistake in
        them later leaves these in force. In a transaction of its own, so that no job
        waits for it."""
        with self.env.registry.cursor() as cr:
            configured.keep(cr, runner_config.get())

    @api.model
    def _is_served(self):
        """Whether a runner looks after this database."""
        return storage.presence.is_served(self.env.cr)
