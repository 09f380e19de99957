# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Installed, but not among the server-wide modules: no server starts a runner."""

from __future__ import annotations

from .chaos import EFFECTS, SET_UP, ChaosCase, Watch, enqueue_work, size
from .server import Database, Server, Shell

NUMBER = size(30, 300)


class TestMerelyInstalled(ChaosCase):
    """Without the scheduled action nothing would run there; without its passes being
    those of a runner, several cron workers would not keep to the channels."""

    def test_a_scheduled_action_executes_jobs_and_channels_hold(self):
        self.db = self.enterContext(Database("merely_installed"))
        shell = self.enterContext(Shell(self.db, "--load=base,rpc,web"))
        options = {"server_wide_modules": "base,rpc,web", "max_cron_threads": "2"}
        shell.run(SET_UP)
        server = self.enterContext(
            Server(self.db, workers=2, config={"options": options})
        )
        with Watch(self.db.connect) as watch:
            enqueue_work(shell, NUMBER, 0.05)
            shell.run(
                f"for i in range(8): {EFFECTS}.with_delay().leave_in_one('one', 0.1)\n"
                f"{EFFECTS}.with_delay(eta=3).leave('later')"
            )
            self.wait_until_done(size(120, 400), server)
        self.check_each_effect_is_there_once(NUMBER)
        self.check_no_job_ran_beside_itself()
        self.assertEqual(self.value("SELECT count(*) FROM queue_job_runner"), 0)
        self.assertLessEqual(watch.most_of_all, 4)
        self.assertLessEqual(self.most_at_once("root.test_one"), 1)
        early = self.count("eta IS NOT NULL AND date_started < eta")
        self.assertEqual(early, 0)
        self.report(jobs=NUMBER + 9)
