# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``/queue_job/runjob``: a runner asks for a job to be executed."""

from __future__ import annotations

from werkzeug.exceptions import BadRequest, Forbidden, MethodNotAllowed

from odoo import SUPERUSER_ID, http

from .. import executor
from ..core import proof as proofs
from ..core.retry import PG_RETRY  # noqa: F401
from ..exception import ChannelNotFound
from ..jobrunner import config as runner_config
from ..log_lines import get_logger
from . import test_jobs
from .entrance import parse

_logger = get_logger(__name__)


class RunJobController(executor.JobHooks, http.Controller):
    """Executes jobs; its class methods are hooks for other add-ons.

    They are called through the class, so a subclass takes effect.
    """

    @http.route(
        "/queue_job/runjob",
        type="http",
        auth="none",
        save_session=False,
        # usual for those that need no user, but jobs write
        readonly=False,
    )
    def runjob(self, **query):
        """Execute a job that a runner has enqueued, and the next of its channel.

        The runner proves itself by a keyed digest over database, job and attempt:
        without, nothing is looked up, and the answer tells nothing (D12).
        """
        job_uuid, attempt = self._verified_attempt(query)
        env = http.request.env(user=SUPERUSER_ID, context={})
        seconds = runner_config.get().lease_seconds
        executor.serve(env, type(self), job_uuid, attempt, seconds)
        return ""

    def _verified_attempt(self, query) -> tuple[str, int]:
        if not http.request.db:
            raise Forbidden()
        uuid, attempt, proof = parse({name: [text] for name, text in query.items()})
        # The secret is read for the verification alone: nobody is logged in here.
        parameters = http.request.env["ir.config_parameter"].sudo()
        secret = parameters.get_param("database.secret")
        if not proofs.verify(secret, http.request.db, uuid, attempt, proof):
            raise Forbidden()
        return uuid, attempt

    # --------------------------------------------------------------- test jobs

    @http.route("/queue_job/create_test_job", type="http", auth="user")
    def create_test_job(
        self,
        priority=None,
        max_retries=None,
        channel=None,
        description="Test job",
        size=1,
        failure_rate=0,
        job_duration=0,
        commit_within_job=False,
        failure_retry_seconds=0,
    ):
        """Create jobs that do nothing, to see the queue at work.

        :param size: how many
        :param failure_rate: share (0 to 1) of them that fails
        :param job_duration: seconds each takes
        :param failure_retry_seconds: failing ones ask for another try after this time
        """
        self._check_may_make_test_jobs()
        options = test_jobs.options(priority, max_retries, channel, description)
        size = test_jobs.number("size", size)
        # Whoever administrates the users may make test jobs in any channel.
        jobs = http.request.env["queue.job"].sudo()
        calls = {
            "failure_rate": test_jobs.number("failure_rate", failure_rate),
            "job_duration": test_jobs.number("job_duration", job_duration),
            "commit_within_job": str(commit_within_job).lower() in ("1", "true"),
            "failure_retry_seconds": test_jobs.number(
                "failure_retry_seconds", failure_retry_seconds
            ),
        }
        try:
            made = [
                jobs.with_delay(**options)._test_job(**calls).uuid
                for _index in range(size)
            ]
        except ChannelNotFound as error:
            raise BadRequest(str(error)) from error
        return f"job uuid: {made[0]}" if size == 1 else f"{size} jobs created"

    @staticmethod
    def _check_may_make_test_jobs():
        """:raises Forbidden: the user does not administrate the users
        :raises MethodNotAllowed: a link would make jobs, on any page
        """
        env = http.request.env
        if not env.user.has_group("base.group_erp_manager"):
            raise Forbidden(env._("Access denied"))
        # A switch of the database, not of who asks.
        parameters = env["ir.config_parameter"].sudo()
        switch = parameters.get_param("queue_job.test_jobs_by_get", "")
        by_post = http.request.httprequest.method == "POST"
        if not by_post and switch.strip().lower() not in ("1", "true"):
            raise MethodNotAllowed(valid_methods=["POST"])
