# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job whose call cannot be read back."""

from __future__ import annotations

from .claiming import Lease


class UnreadableJob:
    """What the recording of a failure asks of a job, taken from its row alone."""

    extra_values: dict = {}  # nobody can be asked

    def __init__(self, env, lease: Lease):
        row = lease.row
        self.env = env
        self._lease = lease
        self._id, self._run_id = row.id, row.run_id
        self.uuid = row.uuid
        self.channel = row.channel
        self.model_name, self.method_name = row.model_name, row.method_name
        self.attempt = row.attempt
        self.max_retries = row.max_retries
        self.retry = self.tries_before = row.retry or 0
        self.date_started = row.date_started
        self.job_config = env["queue.job.function"].job_default_config()
