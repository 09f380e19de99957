# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a person sees in a browser while a real server executes jobs."""

from __future__ import annotations

import re
import time
import unittest

from .browser import Browser, log_in
from .server import Database, Server, Shell, wait_until

ROWS = "[...document.querySelectorAll('.o_data_row')].map((row) => row.innerText)"
# A page that was loaded anew would not have it.
MARK = "window.theSamePage = true"


class TestBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.enterClassContext(Database("browser"))
        cls.server = cls.enterClassContext(Server(cls.database))
        cls.shell = cls.enterClassContext(Shell(cls.database))
        cls.url = f"http://127.0.0.1:{cls.server.port}"

    def browser(self):
        browser = Browser()
        self.addCleanup(browser.close)
        browser.size(1280, 800, mobile=False)
        log_in(browser, self.url)
        return browser

    def open(self, browser, path, selector):
        browser.call("Page.navigate", url=f"{self.url}/odoo/{path}")
        self.assertTrue(browser.wait(selector), f"{path} does not come")
        browser.run(MARK)

    def delay(self, call, model="test.queue.effect", number=1):
        self.shell.run(
            f"records = env['{model}'].with_user(env.ref('base.user_admin'))\n"
            f"for number in range({number}):\n"
            f"    records.with_delay(description=f'Browser {{number}}').{call}\n"
        )

    def sees(self, browser, text, state):
        def found():
            rows = browser.run(ROWS)
            return any(text in row and state in row for row in rows)

        wait_until(found, f"a line with {text} and {state}", interval=0.2)

    def looks(self):
        """How often open views have asked for changes, and read their lines."""
        log = self.server.log()
        return tuple(
            len(re.findall(rf"POST /web/dataset/call_kw/queue.job/{method}", log))
            for method in ("live_look", "web_search_read")
        )

    def test_open_lists_follow_the_jobs_without_being_loaded_anew(self):
        first, second = self.browser(), self.browser()
        for browser in (first, second):
            self.open(browser, "queue-jobs", ".o_list_view, .o_view_nocontent")
        self.delay("fail('on purpose')")
        for browser in (first, second):
            self.sees(browser, "Browser 0", "Failed")
        began, before = time.monotonic(), self.looks()
        self.delay("leave('created', number=number)", number=60)
        self.delay("fail('on purpose')", number=2)
        for browser in (first, second):
            self.sees(browser, "Browser 1", "Failed")
            self.assertTrue(browser.run("window.theSamePage"))
            self.assertEqual(browser.errors, [])
        seconds = time.monotonic() - began
        asked, read = (now - then for now, then in zip(self.looks(), before))
        # One view looks for all, once a second; each is updated once a second at most.
        self.assertLessEqual(asked, 1.3 * seconds + 3)
        self.assertLessEqual(read, 2 * seconds + 4)

    def test_nothing_is_asked_when_nobody_looks(self):
        browser = self.browser()
        self.open(browser, "queue-jobs", ".o_list_view, .o_view_nocontent")
        wait_until(lambda: self.looks()[0], "the list has asked")
        browser.call("Page.navigate", url=f"{self.url}/odoo/apps")
        self.assertTrue(browser.wait(".o_kanban_view"))
        asked = self.looks()[0]
        self.delay("leave('created')")
        wait_until(lambda: not self.waiting(), "the job is done")
        self.assertEqual(self.looks()[0], asked)

    def waiting(self):
        return self.database.value(
            "SELECT count(*) FROM queue_job WHERE state IN ('pending', 'started')"
        )

    def test_who_asked_is_shown_the_progress_and_the_end(self):
        browser = self.browser()
        self.open(browser, "apps", ".o_kanban_view")
        self.delay("_demo_slow(6)", model="queue.job.demo")
        self.assertTrue(browser.wait(".o_queue_job_progress"), "no bar comes")
        self.assertTrue(browser.wait(".o_queue_job_ended"), "no end is told")
        text = browser.run("document.querySelector('.o_queue_job_ended').innerText")
        self.assertIn("Waited 6 seconds", text)
        bar = "!!document.querySelector('.o_queue_job_progress')"
        self.assertFalse(browser.run(bar))
        browser.run(
            "document.querySelector('.o_queue_job_ended button.btn').click(); 1"
        )
        self.assertTrue(browser.wait(".o_queue_job_timeline"), "the job is not opened")
        self.assertEqual(browser.errors, [])

    def on_card(self, browser, button):
        """Press a button of the card of the channel."""
        script = (
            "[...document.querySelectorAll('.o_kanban_record')]"
            ".find((card) => card.innerText.includes('root.test_three'))"
            f"?.querySelector('button[name={button}]')"
        )
        wait_until(lambda: browser.run(f"!!{script}"), f"the button {button}")
        browser.run(f"{script}.click(); 1")

    def test_a_channel_is_paused_and_resumed_within_two_seconds(self):
        browser = self.browser()
        self.open(browser, "queue-channels", ".o_kanban_record")
        self.on_card(browser, "button_pause")
        self.assertTrue(browser.wait(".badge.text-bg-warning"), "it is not paused")
        self.delay("leave_in_three('created')")
        done = (
            "SELECT count(*) FROM queue_job WHERE state = 'done'"
            " AND method_name = 'leave{}'"
        )
        before = self.database.value(done.format(""))
        self.delay("leave('created')")
        wait_until(
            lambda: self.database.value(done.format("")) > before,
            "a job of another channel is done",
        )
        self.assertEqual(self.database.value(done.format("_in_three")), 0)
        self.on_card(browser, "button_resume")
        wait_until(
            lambda: self.database.value(done.format("_in_three")), "the job is done"
        )
        # from what the button did; how fast this browser is does not matter
        seconds = self.database.value(
            "SELECT extract(epoch FROM job.date_started - channel.write_date)::float8"
            " FROM queue_job job JOIN queue_job_channel channel"
            " ON channel.complete_name = job.channel"
            " WHERE job.method_name = 'leave_in_three'"
        )
        self.assertLess(seconds, 2)
        self.assertEqual(browser.errors, [])
