# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts of stored jobs, when more of their arguments are to be hidden than before."""

from __future__ import annotations

from odoo import api, models

from .. import storage
from ..job import Job, job
from ..log_lines import get_logger

_logger = get_logger(__name__)

#: jobs that one job looks through
_BATCH = 1000
_SETTING = "queue_job.masked_arguments"


class QueueJob(models.Model):
    _inherit = "queue.job"

    @api.model
    def _remask_later(self):
        # Whoever changes the setting: the texts of all jobs, of all companies.
        delayed = self.sudo().with_delay(identity_key="queue_job.remask")
        delayed._remask()

    @job(default_channel="root")
    def _remask(self, below=None):
        """Hide in the texts of jobs what is to be hidden now"""
        domain = [("id", "<", below)] if below else []
        jobs = self.search(domain, order="id desc", limit=_BATCH)
        texts = {each.id: each._masked_text() for each in jobs}
        texts = {id_: text for id_, text in texts.items() if text}
        storage.bulk.rewrite_texts(self.env.cr, texts)
        jobs.invalidate_recordset(["func_string"], flush=False)
        if len(jobs) == _BATCH:
            self.with_delay()._remask(below=jobs.ids[-1])
        return self.env._("Done to %s jobs.", len(texts))

    def _masked_text(self):
        """The text of the call with all hidden that is to be; None when it is so."""
        stored = self.func_string or ""
        functions = self.env["queue.job.function"]
        terms = functions._terms(self.model_name, self.method_name)
        pattern = terms.masked_pattern
        if not (terms.hidden or (pattern and pattern.search(stored.lower()))):
            return None
        try:
            text = Job._load_from_db_record(self).func_string
        except Exception as error:
            # Who knows no more which argument is which hides all of them.
            _logger.info("Job %s cannot be read: %s", self.uuid, error)
            text = f"{self.model_name}.{self.method_name}(***)"
        return text if text != stored else None


class IrConfigParameter(models.Model):
    _inherit = "ir.config_parameter"

    @api.model_create_multi
    def create(self, vals_list):
        parameters = super().create(vals_list)
        parameters._queue_job_remask()
        return parameters

    def write(self, vals):
        result = super().write(vals)
        if {"key", "value"} & vals.keys():
            self._queue_job_remask()
        return result

    def _queue_job_remask(self):
        if _SETTING in self.mapped("key"):
            self.env["queue.job"]._remask_later()
