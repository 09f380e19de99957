# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os
import socket
import time

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError
from odoo.addons.queue_job.job import job, related_action


class TestQueueEffect(models.Model):
    """What the bodies of test jobs leave behind: one row an effect."""

    _name = "test.queue.effect"
    _description = "Effect of a Test Job"

    name = fields.Char(required=True)
    job_uuid = fields.Char()
    number = fields.Integer()
    pid = fields.Integer()
    began = fields.Float(digits=(16, 6))
    user_id = fields.Many2one("res.users")
    company_id = fields.Many2one("res.company")
    lang = fields.Char()

    @api.model
    def _leave(self, name, **values):
        env = self.env
        return self.create(
            {
                "name": name,
                "job_uuid": env.context.get("job_uuid"),
                "pid": os.getpid(),
                "began": time.time(),
                "user_id": env.uid,
                "company_id": env.company.id,
                "lang": env.context.get("lang"),
                **values,
            }
        )

    # ------------------------------------------------------------ declared jobs

    @job
    def leave(self, name, number=0):
        """Leave an effect"""
        self._leave(name, number=number)
        return f"left {name}"

    @job
    def leave_slowly(self, name, number=0, seconds=0):
        """Leave an effect, and take some time"""
        self._leave(name, number=number)
        time.sleep(seconds)

    @job(default_channel="root.test_one")
    def leave_in_one(self, name, seconds=0):
        """Leave an effect, in a channel of capacity 1"""
        self._leave(name)
        time.sleep(seconds)

    def leave_in_three(self, name, seconds=0):
        """Leave an effect, in a channel of capacity 3"""
        self._leave(name)
        time.sleep(seconds)

    @job
    def rename(self, name):
        self.write({"name": name})

    @job
    def fail(self, message="no"):
        """Fail"""
        self._leave("undone")
        raise UserError(message)

    @job
    def fail_for_good(self):
        raise FailedJobError("not to be tried again")

    @job(retry_pattern={1: 1, 2: 2})
    def retry_until(self, number):
        """Succeed in a certain try"""
        tries = (
            self.env["queue.job"]
            .sudo()
            .search_count(
                [
                    ("uuid", "=", self.env.context.get("job_uuid")),
                    ("retry", ">=", number - 1),
                ]
            )
        )
        self._leave(f"try undone {number}")
        if not tries:
            raise RetryableJobError("not yet")
        self._leave(f"retried {number}")

    @job
    def retry_in(self, seconds):
        """Ask for another attempt, always"""
        raise RetryableJobError("not now", seconds=seconds)

    @job(retry_policy={"exceptions": ["ConnectionError"], "base_seconds": 1})
    def fail_to_connect(self):
        raise ConnectionError("nobody there")

    @job
    @related_action(action="related_action_effects", extra_arg=2)
    def show(self):
        """Have a related action"""

    @job
    @related_action(action=None)
    def show_nothing(self):
        """Have none"""

    @job
    def read_parameter(self, key, seconds=0):
        """Leave the value of a system parameter, which Odoo caches"""
        parameters = self.env["ir.config_parameter"].sudo()
        self._leave(parameters.get_param(key, "none"))
        time.sleep(seconds)

    @job
    def write_parameter(self, key, value):
        """Change a system parameter"""
        self.env["ir.config_parameter"].sudo().set_param(key, value)

    @job
    def sleep(self, seconds):
        """Sleep"""
        time.sleep(seconds)

    @job(timeout=2)
    def sleep_too_long(self, seconds):
        """Sleep longer than allowed"""
        time.sleep(seconds)

    @job
    def query_long(self, seconds):
        """Run a long query"""
        self.env.cr.execute("SELECT pg_sleep(%s)", [seconds])

    @job
    def wait_for_lock(self, number):
        """Wait until nobody holds a lock any more"""
        self.env.cr.execute("SELECT pg_advisory_xact_lock(%s)", [number])

    @job
    def wait_for_a_socket(self, seconds):
        """Wait for somebody who says nothing"""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(seconds)
            ours.recv(1)

    @job
    def die(self):
        """Take the worker along"""
        os._exit(1)

    def die_and_be_mourned(self):
        """Take the worker along, and have somebody told of it"""
        os._exit(1)

    def mourn(self, exc_name, exc_message, exc_info):
        """What the function of the method above names for failed jobs"""
        self._leave("mourned " + exc_name)

    @job
    def commit(self):
        """Commit, which is not allowed"""
        self.env.cr.commit()  # pylint: disable=invalid-commit

    @job(allow_commit=True)
    def commit_often(self, times, seconds=0):
        """Commit, which is allowed here"""
        for index in range(times):
            self._leave("committed", number=index)
            self.env.cr.commit()  # pylint: disable=invalid-commit
            time.sleep(seconds)

    @job
    def conflict(self, when):
        """Be in the way of another transaction: in the body, at flush or at commit"""
        effect = self.search([("name", "=", "contested")], limit=1)
        with self.env.registry.cursor() as cr:
            cr.execute(
                "UPDATE test_queue_effect SET number = number + 1 WHERE id = %s",
                (effect.id,),
            )
        self._leave(f"conflict at {when}")
        if when != "commit":  # there a trigger of the test is in the way
            effect.number = -1
        if when == "body":
            effect.flush_recordset()
            self._leave("not reached")

    @job
    def allocate(self, size):
        """Ask for more memory than there is"""
        return len(bytearray(size))

    @job
    def compute(self, seconds):
        """Keep a processor busy"""
        end = time.process_time() + seconds
        while time.process_time() < end:
            hash("busy")

    @job
    def progress(self, steps, seconds=0):
        """Say how far it is"""
        for index in range(steps):
            self.env.job.progress(index + 1, steps, f"step {index + 1}")
            time.sleep(seconds)

    @job
    def stop_neatly(self, seconds):
        """Look whether it has to stop"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.env.job.check_cancelled()
            time.sleep(0.05)

    @job
    def enqueue_more(self, number):
        """Delay further jobs"""
        for index in range(number):
            self.with_delay().leave("more", number=index)

    # ----------------------------------------------------------- not a job at all

    def undeclared(self):
        """Nothing says that it may be delayed"""
