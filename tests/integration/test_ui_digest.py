# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job.clock import utcnow
from odoo.addons.queue_job.sentinel import machine


class TestDigest(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.viewer, cls.manager = (
            new_test_user(
                cls.env,
                f"t_digest_{name}",
                groups=f"queue_job.group_queue_job_{name}",
                notification_type="inbox",
            )
            for name in ("viewer", "manager")
        )
        cls.channel = cls.env["queue.job.channel"].create({"name": "t_digest"})

    def subscribe(self, user=None, **values):
        subscriptions = self.env["queue.job.subscription"].with_user(
            user or self.viewer
        )
        subscription = subscriptions.create(values)
        subscription.sudo().last_sent_at = utcnow() - timedelta(days=2)
        return subscription

    def failed(self, number=1, channel="root"):
        for _each in range(number):
            delayed = self.env["queue.job"].with_delay(channel=channel)
            job = delayed._test_job().db_record().sudo()
            self.env["queue.job.try"].create(
                {
                    "job_id": job.id,
                    "outcome": "failed",
                    "exc_name": "t.DigestError",
                    "date_ended": utcnow() - timedelta(minutes=1),
                }
            )
        return job

    def told(self, user=None):
        """The messages that the user got of the digests that are due."""
        partner = (user or self.viewer).partner_id
        before = self.env["mail.message"].search([], order="id desc", limit=1)
        self.env["queue.job.subscription"]._send_due()
        return self.env["mail.message"].search(
            [("id", ">", before.id), ("notified_partner_ids", "in", partner.ids)]
        )

    def test_one_message_counts_all_failures_of_a_period(self):
        self.subscribe()
        self.failed(3)
        message = self.told()
        self.assertEqual(len(message), 1)
        for part in ("3×", "t.DigestError", "_test_job"):
            self.assertIn(part, str(message.body))

    def test_nothing_is_told_twice_or_before_its_time(self):
        self.subscribe()
        self.failed()
        self.assertTrue(self.told())
        self.failed()
        self.assertFalse(self.told())

    def test_nothing_is_told_when_nothing_failed(self):
        subscription = self.subscribe()
        self.assertFalse(self.told())
        self.assertGreater(subscription.last_sent_at, utcnow() - timedelta(hours=1))

    def test_failures_of_one_channel_alone_are_told(self):
        self.subscribe(channel_id=self.channel.id)
        self.failed()
        self.assertFalse(self.told())
        self.env["queue.job.subscription"].search([]).last_sent_at -= timedelta(days=2)
        self.failed(channel="root.t_digest")
        self.assertIn("1×", str(self.told().body))

    def test_failures_of_some_functions_alone_are_told(self):
        other = self.env["queue.job.function"].search(
            [("method", "!=", "_test_job")], limit=1
        )
        self.subscribe(job_function_ids=other.ids)
        self.failed()
        self.assertFalse(self.told())

    def test_who_lost_his_rights_is_told_nothing(self):
        self.subscribe()
        self.failed()
        self.viewer.group_ids = [(6, 0, self.env.ref("base.group_user").ids)]
        self.assertFalse(self.told())

    def test_a_failure_says_job_record_error_and_that_it_is_not_retried(self):
        job = self.failed()
        partners = self.env["res.partner"].create(
            [{"name": f"T{index}"} for index in range(5)]
        )
        machine(job).write({"name": "Send it", "records": partners, "retry": 2})
        job.exc_name, job.exc_message = "requests.ReadTimeout", "no answer\nafter 5 s"
        text = job._message_failed_job()
        for part in ("“Send it”", "T0, T1, T2 and 2 more", "ReadTimeout: no answer."):
            self.assertIn(part, text)
        self.assertIn("Attempts: 2. It is not retried by itself", text)
        partners.unlink()
        self.assertIn("on queue.job failed", job._message_failed_job())

    def test_who_has_a_digest_does_not_follow_each_failure(self):
        self.subscribe(self.manager)
        job = self.failed()
        job._message_post_on_failure()
        self.assertNotIn(self.manager.partner_id, job.message_partner_ids)
        own = self.env["queue.job"].with_user(self.manager).with_delay()._test_job()
        own.db_record()._message_post_on_failure()
        followers = own.db_record().sudo().message_partner_ids
        self.assertIn(self.manager.partner_id, followers)

    def test_a_viewer_changes_no_digest_of_others(self):
        subscription = self.subscribe(self.manager)
        with self.assertRaises(AccessError):
            subscription.with_user(self.viewer).period = "hour"
        third = new_test_user(self.env, "t_digest_third")
        with self.assertRaises(AccessError):
            self.subscribe(user_id=third.id)
