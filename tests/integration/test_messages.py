# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The page of messages says what is said: each mistake is made here."""

import os
import re
import unittest
from unittest.mock import patch

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job import exception, job
from odoo.addons.queue_job.console import commands
from odoo.addons.queue_job.core import channel_config
from odoo.addons.queue_job.declaration import ATTRIBUTE
from odoo.addons.queue_job.delay import chain, group

from ..documentation import IS_CHECKOUT, ROOT

PAGE = ROOT / "doc" / "messages.rst"
HEAD = """========
Messages
========

What is said to whoever makes a mistake, and the way out.  This page is made by making
each of them: ``QUEUE_JOB_WRITE_MESSAGES=1`` has ``tests/integration/test_messages.py``
write it anew.

In the examples ``records`` are some partners, whose method ``export(self, target,
lines=None)`` is declared by ``@job``; ``root.fair`` is a channel.
"""
LOGGER = "odoo.addons.queue_job.delay"

#: ``{section: [mistake]}``; a mistake is code, or what people write and code for that
MISTAKES = {
    "What is said of a job": [
        "records.with_delay(prio=1).export('csv')",
        "records.with_delay(priority='5').export('csv')",
        "records.with_delay(priority=2**31).export('csv')",
        "records.with_delay(max_retries=-1).export('csv')",
        "records.with_delay(timeout='abc').export('csv')",
        "records.with_delay(timeout=-1).export('csv')",
        "records.with_delay(timeout=float('nan')).export('csv')",
        "records.with_delay(eta='soon').export('csv')",
        "records.with_delay(eta=10**12).export('csv')",
        "records.with_delay(eta=float('inf')).export('csv')",
        r"records.with_delay(description='a\0b').export('csv')",
        r"records.with_delay(description='a\ud800').export('csv')",
        "records.with_delay(description={'a': 1}).export('csv')",
        "records.with_delay(channel='fair').export('csv')",
        "records.with_delay(channel='root.fare').export('csv')",
        "records.with_delay(channel=5).export('csv')",
        "records.with_delay(identity_key=5).export('csv')",
        "records.with_delay(identity_key=lambda: 'k').export('csv')",
        "records.delayable(queue='root.fair')",
        "records.delayable().set(retries=3)",
        "records.delayable().set(3)",
    ],
    "The call": [
        "records.with_delay().exprt('csv')",
        "records.with_delay().name",
        "records.with_delay().export()",
        "records.with_delay().export('csv', 1, 2)",
        "records.with_delay().export('csv', line=3)",
        "records.with_delay().export('csv', priority=5)",
        "records.with_delay().write({})",
        "records.with_delay().export(env)",
        "records.with_delay().export(env.cr)",
        "records.with_delay().export(range(3))",
        "records.with_delay().export('x' * 11 * 2**20)",
        "Job(len)",
        "Job(records.export, args='csv')",
        "Job(records.export, args=('csv',), prio=1)",
        "Job.load(env, 'no-such-uuid')",
    ],
    "Graphs": [
        "records.with_delay().export('csv').on_done(records.delayable().export('x'))",
        "chain(records.with_delay().export('csv'))",
        "chain(records.with_delay())",
        "group(records.delayable().export)",
        "chain(records.delayable().export('a'), [records.delayable().export('b')])",
        "chain(None)",
        "records.delayable().delay()",
        "records.delayable().export('a').export('b')",
        "records.delayable().split(2)",
        "records.delayable().export('csv').split('2')",
        "records.delayable().export('csv').split(0)",
        "call.on_done(call).delay()",
    ],
    "Decorators": [
        ("@job('root.fair')", "job('root.fair')"),
        ("@job(channel='root.fair')", "job(channel='root.fair')"),
        ("@job(default_channel='root..fair')", "job(default_channel='root..fair')"),
        ("@job(timeout='1h')", "job(timeout='1h')"),
        ("@job(priority='high')", "job(priority='high')"),
        ("@job(eta=60)", "job(eta=60)"),
        ("@job(identity_key=lambda: 'k')", "job(identity_key=lambda: 'k')"),
        ("@job(retry_pattern={'x': 1})", "job(retry_pattern={'x': 1})"),
        (
            "@job(retry_policy={'exceptions': 5})",
            "job(retry_policy={'exceptions': 5})",
        ),
        ("@job(on_fail=tell)", "job(on_fail=tell)"),
        ("@job(on_fail='export_faild')", "load(job(on_fail='export_faild'))"),
        (
            "@job(retry_policy={'exceptions': ['ConectionError']})",
            "load(job(retry_policy={'exceptions': ['ConectionError']}))",
        ),
        (
            "@job(retry_policy={'exceptions': ['requests.exceptions.Timeot']})",
            "load(job(retry_policy={'exceptions': ['requests.exceptions.Timeot']}))",
        ),
        ("@related_action('related_action_opn_record')", "load(job(), action)"),
        ("@job on a property", "job(property(tell))"),
        ("@job on a method with yield", "job(lambda self: (yield))"),
    ],
    "In a body": [
        "RetryableJobError('busy', seconds='soon')",
        "RetryableJobError('busy', seconds=-1)",
        "RetryableJobError('busy', seconds=[5])",
    ],
    "The configuration": [
        ("channels = root:many", "parse('root:many')"),
        ("channels = root:4:sequential", "parse('root:4:sequential')"),
        ("channels = root,root", "parse('root,root')"),
        ("channels = root:1:speed=3", "parse('root:1:speed=3')"),
        ("channels = root.:1", "parse('root.:1')"),
    ],
    "The command line": [
        (
            "odoo-bin queue_job requeue --channel root.fare",
            "check_channels(env, ['root.fare'])",
        ),
    ],
}
#: what the log tells of, with the place where it was written
FORGOTTEN = [
    "records.with_delay()",
    "records.with_delay().export",
    "records.delayable()",
    "records.delayable().export('csv')",
    "chain(records.delayable().export('csv'))",
]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def export(self, target, lines=None):
    """What the examples delay."""


def export_failed(self, exc_info, exc_name, exc_message):
    """What is called when it has failed."""


@unittest.skipUnless(IS_CHECKOUT, "an installed package has no guides")
class TestMessages(TransactionCase):
    def setUp(self):
        super().setUp()
        self.records = self.env["res.partner"].create([{"name": name} for name in "ab"])
        model = type(self.records)
        for method in (job.job(export), export_failed):
            patcher = patch.object(model, method.__name__, method, create=True)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.addCleanup(delattr, export, ATTRIBUTE)
        self.channels = self.env["queue.job.channel"]
        root = self.env.ref("queue_job.channel_root")
        self.channels.create({"name": "fair", "parent_id": root.id})
        self.env.registry.clear_cache()
        self.addCleanup(self.env.registry.clear_cache)

    def load(self, decorate, decorate_as_well=None):
        """The method, decorated like this, in an add-on that is being updated."""

        def export(self, target, lines=None):
            """Another one"""

        method = decorate(export)
        if decorate_as_well:
            method = decorate_as_well(method)
        declared = {("res.partner", "export"): getattr(method, ATTRIBUTE)}
        with patch.object(self.env.registry, "updated_modules", ["some"]):
            self.env["queue.job.function"]._check_code(declared)

    def evaluate(self, code):
        call = self.records.delayable().export("csv")
        call._settled = True  # most of the examples do without it
        # of our own file, in a place that people may have
        return eval(  # pylint: disable=eval-used
            compile(code, "models/res_partner.py", "eval"),
            {
                "records": self.records,
                "env": self.env,
                "call": call,
                "chain": chain,
                "group": group,
                "job": job.job,
                "action": job.related_action("related_action_opn_record"),
                "Job": job.Job,
                "RetryableJobError": exception.RetryableJobError,
                "parse": channel_config.parse,
                "check_channels": commands.check_channels,
                "load": self.load,
                "tell": export_failed,
            },
        )

    def said(self, code):
        with self.assertRaises(Exception) as caught:
            self.evaluate(code)
        return f"{type(caught.exception).__name__}: {caught.exception}"

    def logged(self, code):
        with self.assertLogs(LOGGER, "WARNING") as caught:
            self.evaluate(code)
        (record,) = caught.records
        return record.getMessage()

    def row(self, title, said):
        """A mistake and what is said, the same in each database and at each time."""
        said = " ".join(_UUID.sub("<uuid>", said).split())
        known = ", ".join(sorted(self.channels._known_names()))
        said = said.replace(known, "root, root.fair")
        ids = ", ".join(map(str, self.records.ids))
        said = said.replace(f"res.partner({ids})", "res.partner(1, 2)")
        self.assertNotIn(" at 0x", said)
        return f"``{title}``\n  ``{said}``\n"

    def rows(self):
        for section, mistakes in MISTAKES.items():
            yield f"{section}\n{'=' * len(section)}\n"
            for each in mistakes:
                title, code = (each, each) if isinstance(each, str) else each
                with self.subTest(title):
                    yield self.row(title, self.said(code))
        yield "What only the log tells\n=======================\n"
        for code in FORGOTTEN:
            with self.subTest(code):
                yield self.row(code, self.logged(code))

    def test_the_page_has_what_was_said(self):
        page = "\n".join([HEAD, *self.rows()])
        if os.environ.get("QUEUE_JOB_WRITE_MESSAGES"):
            PAGE.write_text(page, encoding="utf-8")
        said, written = (
            re.sub(r"takes [0-9]{8} bytes", "takes 11534433 bytes", text)
            for text in (page, PAGE.read_text(encoding="utf-8"))
        )  # the ids of a database may have a digit more
        self.assertEqual(written, said)
