# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How a job went, step by step, and how far it is."""

from __future__ import annotations

from odoo import api, fields, models

from .. import buffer, storage
from ..core import states

#: outcome of a try: (icon, colour)
_TRIES = {
    "retry": ("fa-repeat", "warning"),
    "failed": ("fa-times", "danger"),
    "cancelled": ("fa-ban", "secondary"),
    "died": ("fa-bolt", "danger"),
}


#: jobs of a picture
_MOST_DRAWN = 1000


class QueueJob(models.Model):
    _inherit = "queue.job"

    timeline = fields.Json(compute="_compute_timeline")
    progress = fields.Float("Progress (%)", compute="_compute_progress")
    progress_done = fields.Float(compute="_compute_progress")
    progress_total = fields.Float(compute="_compute_progress")
    progress_message = fields.Char(compute="_compute_progress")
    progress_told = fields.Boolean(compute="_compute_progress")

    def _compute_progress(self):
        told = storage.progress.read(self.env.cr, self.ids)
        for job in self:
            done, total, message = told.get(job._origin.id, (0, 0, None))
            job.progress_told = job._origin.id in told
            job.progress_done, job.progress_total = done, total
            job.progress = min(100.0, 100.0 * done / total) if total else 0.0
            job.progress_message = message

    @api.depends("state", "date_created", "date_enqueued", "date_started", "eta")
    def _compute_timeline(self):
        for job in self:
            steps = [job._created_step(), *job._tried_steps(), *job._now_steps()]
            job.timeline = [step for step in steps if step["at"] or step["always"]]

    def _created_step(self):
        by = self.env._("by %s", self.user_id.name) if self.user_id else ""
        return _step(
            self.env._("Created"), self.date_created, "fa-plus", "secondary", by
        )

    def _tried_steps(self):
        """The tries that did not finish the job, but for the last of a failed one."""
        outcomes = dict(
            self.env["queue.job.try"]
            ._fields["outcome"]
            ._description_selection(self.env)
        )
        steps = []
        for each in self.try_ids.sorted("id"):
            icon, color = _TRIES[each.outcome]
            label = self.env._(
                "Try %(number)s: %(outcome)s",
                number=each.attempt,
                outcome=outcomes[each.outcome],
            )
            text = each.exc_message or each.exc_name or ""
            steps.append(
                _step(label, each.date_ended, icon, color, text, each.exec_time)
            )
        return steps

    def _now_steps(self):
        """Where the job stands."""
        env = self.env
        steps = []
        if self.state == states.WAIT_DEPENDENCIES:
            text = env._("Waits for other jobs")
            steps.append(_step(text, None, "fa-sitemap", "secondary", always=True))
        elif self.state == states.PENDING:
            text = env._("Waits for its turn")
            if self.ready:
                at = None
            else:
                text, at = env._("Waits for its date"), self.eta
            steps.append(_step(text, at, "fa-hourglass-half", "info", always=True))
        elif self.state in (states.ENQUEUED, states.STARTED, states.DONE):
            steps.append(
                _step(env._("Enqueued"), self.date_enqueued, "fa-inbox", "secondary")
            )
        if self.state in (states.STARTED, states.DONE):
            steps.append(
                _step(
                    env._("Started"),
                    self.date_started,
                    "fa-play",
                    "info",
                    self.worker or "",
                )
            )
        if self.state == states.DONE:
            steps.append(
                _step(
                    env._("Done"),
                    self.date_done,
                    "fa-check",
                    "success",
                    seconds=self.exec_time,
                )
            )
        if self.state == states.CANCELLED:
            text = env._("Cancelled")
            steps.append(_step(text, self.date_cancelled, "fa-ban", "secondary"))
        return steps

    def graph_picture(self, limit=_MOST_DRAWN):
        """The job's graph as it is drawn, with barriers between groups of jobs.

        :return: ``jobs`` as ``[id, name, state]``, ``barriers`` as ``[id, ids of the
            jobs before it, ids of those behind it]``, ``total`` number of jobs
        """
        self.ensure_one()
        self.check_access("read")
        buffer.flush(self.env)
        if not self.graph_uuid:
            return {"jobs": [], "barriers": [], "total": 0}
        jobs = self.search(
            [("graph_uuid", "=", self.graph_uuid)], order="id", limit=_drawn(limit)
        )
        return {
            "jobs": [[job.id, job.name, job.state] for job in jobs],
            "barriers": storage.picture.barriers(self.env.cr, jobs.ids),
            # those of other companies too, which are not drawn
            "total": self.sudo().search_count([("graph_uuid", "=", self.graph_uuid)]),
        }


def _drawn(limit):
    """How many jobs a picture shows, whatever a client asks for."""
    return min(max(int(limit or _MOST_DRAWN), 1), _MOST_DRAWN)


def _step(label, at, icon, color, text="", seconds=0, always=False):
    return {
        "label": label,
        "at": fields.Datetime.to_string(at) if at else False,
        "icon": icon,
        "color": color,
        "text": text,
        "seconds": seconds or 0,
        "always": always,
    }
