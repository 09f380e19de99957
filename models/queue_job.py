# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from __future__ import annotations

from odoo import api, fields, models
from odoo.fields import Domain

from .. import buffer, storage
from ..core import states
from ..fields import BigInteger, IdentityKey, JobSerialized
from .queue_job_function import parse_name


class QueueJob(models.Model):
    """A delayed method call: what to run, where it stands, how it ended."""

    _name = "queue.job"
    _description = "Queue Job"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _log_access = False
    _order = "id desc"

    uuid = fields.Char("UUID", required=True, readonly=True, copy=False)
    name = fields.Char("Description", readonly=True)
    state = fields.Selection(
        states.STATES, readonly=True, required=True, default=states.PENDING
    )
    model_name = fields.Char("Model", readonly=True)
    method_name = fields.Char("Method", readonly=True)
    func_string = fields.Char("Task", readonly=True)
    records = JobSerialized(
        "Record(s)", readonly=True, prefetch=False, base_type=models.BaseModel
    )
    args = JobSerialized("Arguments", readonly=True, prefetch=False, base_type=tuple)
    kwargs = JobSerialized(
        "Keyword Arguments", readonly=True, prefetch=False, base_type=dict
    )
    identity_key = IdentityKey(readonly=True)
    identity_twin = fields.Boolean(
        readonly=True,
        help="Technical: the job went back to the queue, its identity key no longer "
        "keeps a newer job with the same key out of it.",
    )
    user_id = fields.Many2one("res.users", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    job_function_id = fields.Many2one("queue.job.function", "Function", readonly=True)
    channel = fields.Char(default="root")
    channel_method_name = fields.Char(
        "Complete Method Name",
        compute="_compute_channel_method_name",
        search="_search_channel_method_name",
    )
    priority = fields.Integer(default=10, aggregator=False)
    eta = fields.Datetime("Execute only after")
    ready = fields.Boolean(
        default=True,
        readonly=True,
        help="Technical: false as long as a date in the future holds the job back.",
    )
    retry = fields.Integer("Current try", readonly=True, aggregator=False)
    max_retries = fields.Integer(
        default=5,
        aggregator=False,
        help="The job fails when it was tried this many times. 0: try for ever.",
    )
    timeout = fields.Float(
        "Time Limit (s)",
        readonly=True,
        aggregator=False,
        help="A try that takes longer is stopped. 0: no limit.",
    )

    date_created = fields.Datetime("Created on", readonly=True)
    date_enqueued = fields.Datetime("Enqueued on", readonly=True)
    date_started = fields.Datetime("Started on", readonly=True)
    date_done = fields.Datetime("Done on", readonly=True)
    date_cancelled = fields.Datetime("Cancelled on", readonly=True)
    exec_time = fields.Float("Execution Time (s)", readonly=True, aggregator="avg")
    result = fields.Text(readonly=True, prefetch=False)
    exc_name = fields.Char("Exception", readonly=True)
    exc_message = fields.Char("Exception Message", readonly=True)
    exc_info = fields.Text("Exception Information", readonly=True, prefetch=False)

    attempt = fields.Integer(readonly=True, aggregator=False)
    deaths = fields.Integer(
        readonly=True,
        aggregator=False,
        help="How often a worker died while it was executing the job.",
    )
    runner = fields.Integer(readonly=True, aggregator=False)
    worker = fields.Char(readonly=True)
    worker_pid = fields.Integer("Worker PID", readonly=True, aggregator=False)

    trace = fields.Char(
        "Trace Context",
        readonly=True,
        help="What a tool for tracing knows the job's origin by.",
    )
    graph_uuid = fields.Char("Graph", readonly=True)
    barrier_id = BigInteger(readonly=True, aggregator=False)
    release_due = fields.Boolean(readonly=True)
    graph_jobs_count = fields.Integer(compute="_compute_graph_jobs_count")
    dependencies = JobSerialized(
        compute="_compute_dependencies", base_type=dict, readonly=True
    )
    dependency_ids = fields.Many2many(
        "queue.job", compute="_compute_neighbours", string="Depends on"
    )
    dependent_ids = fields.Many2many(
        "queue.job", compute="_compute_neighbours", string="Waiting for it"
    )
    neighbours_elsewhere = fields.Char(
        compute="_compute_neighbours",
        help="The jobs before and behind it that are of other companies.",
    )
    dependency_graph = JobSerialized(
        compute="_compute_dependency_graph", base_type=dict, readonly=True
    )
    try_ids = fields.One2many("queue.job.try", "job_id", "Tries")

    _uuid_uniq = models.UniqueIndex("(uuid)")
    # One statement of the runner reads at most a few rows of it per channel: its
    # order is the order of execution, and jobs that wait for a date are not in it.
    _ready_idx = models.Index(
        "(channel, priority, date_created, id) WHERE state = 'pending' AND ready"
    )
    _held_order_idx = models.Index(
        "(channel, priority, date_created, id) WHERE state = 'pending' AND NOT ready"
    )
    _held_eta_idx = models.Index("(eta) WHERE state = 'pending' AND NOT ready")
    _running_idx = models.Index("(channel) WHERE state IN ('enqueued', 'started')")
    # D7: one not yet started job per key. A job that goes back to the queue (a retry,
    # a requeue) becomes its own twin and can so never collide with a newer one.
    _identity_uniq = models.UniqueIndex(
        "(identity_key, (CASE WHEN identity_twin THEN id ELSE 0 END))"
        " WHERE identity_key IS NOT NULL"
        " AND state IN ('wait_dependencies', 'pending', 'enqueued')"
    )
    _graph_idx = models.Index("(graph_uuid) WHERE graph_uuid IS NOT NULL")
    _barrier_idx = models.Index("(barrier_id) WHERE barrier_id IS NOT NULL")
    _release_due_idx = models.Index("(id) WHERE release_due")
    _done_idx = models.Index("(channel, date_done) WHERE state = 'done'")
    _cancelled_idx = models.Index("(channel, date_cancelled) WHERE state = 'cancelled'")
    _failed_idx = models.Index("(channel, date_created) WHERE state = 'failed'")

    # ------------------------------------------------------------------ schema

    def init(self):
        storage.schema.prepare(self.env.cr)

    # ----------------------------------------------------------------- computes

    @api.depends("model_name", "method_name")
    def _compute_channel_method_name(self):
        for job in self:
            job.channel_method_name = self.env["queue.job.function"].job_function_name(
                job.model_name, job.method_name
            )

    @api.model
    def _search_channel_method_name(self, operator, names):
        if operator != "in":
            return NotImplemented
        places = (parse_name(name) for name in names)
        return Domain.OR(
            [("model_name", "=", place[0]), ("method_name", "=", place[1])]
            for place in places
            if place
        )

    @api.depends("graph_uuid")
    def _compute_graph_jobs_count(self):
        uuids = [uuid for uuid in self.mapped("graph_uuid") if uuid]
        counts = dict(
            self.env["queue.job"]._read_group(
                [("graph_uuid", "in", uuids)], ["graph_uuid"], ["__count"]
            )
            if uuids
            else ()
        )
        for job in self:
            job.graph_jobs_count = counts.get(job.graph_uuid, 0)

    def _edges(self):
        """``{job id: (parent ids, child ids)}`` of the jobs of ``self``."""
        buffer.flush(self.env)
        return storage.graph.edges(self.env.cr, self.ids)

    @api.depends("barrier_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_neighbours(self):
        """Those that whoever looks may see; the others are counted."""
        edges = self._edges()
        near = {id_ for pair in edges.values() for ids in pair for id_ in ids}
        seen = set(self.browse(near)._filtered_access("read").ids) if near else near
        for job in self:
            before, behind = edges[job.id] if job.id else ((), ())
            job.dependency_ids = self.browse([id_ for id_ in before if id_ in seen])
            job.dependent_ids = self.browse([id_ for id_ in behind if id_ in seen])
            job.neighbours_elsewhere = job._elsewhere(
                len(before) - len(job.dependency_ids),
                len(behind) - len(job.dependent_ids),
            )

    def _elsewhere(self, before, behind):
        texts = []
        if before:
            texts.append(self.env._("Waits for %s jobs of another company.", before))
        if behind:
            texts.append(self.env._("%s jobs of another company wait for it.", behind))
        return " ".join(texts)

    @api.depends("barrier_id")
    def _compute_dependencies(self):
        for job in self:
            job.dependencies = {
                "depends_on": job.dependency_ids.mapped("uuid"),
                "reverse_depends_on": job.dependent_ids.mapped("uuid"),
            }

    @api.depends("graph_uuid")
    def _compute_dependency_graph(self):
        for job in self:
            job.dependency_graph = job._graph_picture()

    def _graph_picture(self, limit=1000):
        """Vertices and edges of the job's graph, for the form's graph field."""
        self.ensure_one()
        if not self.graph_uuid:
            return {}
        jobs = self.search([("graph_uuid", "=", self.graph_uuid)], limit=limit)
        drawn = set(jobs.ids)
        edges = [
            [parent, job.id]
            for job, (parents, _children) in zip(jobs, jobs._edges().values())
            for parent in parents
            if parent in drawn
        ]
        return {
            "nodes": [
                {
                    "id": job.id,
                    "label": job.name,
                    "title": job.func_string,
                    "state": job.state,
                }
                for job in jobs
            ],
            "edges": edges,
        }
