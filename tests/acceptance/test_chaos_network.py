# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The network between Odoo and PostgreSQL dies without a word for a while."""

from __future__ import annotations

import time

from .chaos import SET_UP, ChaosCase, enqueue_work, size
from .network import Network
from .server import Server, Shell, wait_until
from .services import Cluster

#: jobs, seconds of each, and seconds of silence
NUMBER = size(150, 300)
SECONDS = 0.2
SILENCE = size(25, 120)
#: seconds within which jobs flow again
SOON = 60


class TestNetwork(ChaosCase):
    """Without limits of patience on its connections, the runner would wait for an
    answer, and PostgreSQL keep the jobs of who is gone, for a quarter of an hour."""

    def test_jobs_flow_again_after_a_silence(self):
        network = self.enterContext(Network())
        self.db = self.enterContext(Cluster(network))
        with Shell(self.db, *self.db.arguments_of_odoo) as shell:
            shell.run(SET_UP)
            enqueue_work(shell, NUMBER, SECONDS)
        config = {"options": {**self.db.options_from_afar, "db_name": self.db.name}}
        server = Server(workers=4, config=config, prefix=network.at("server"))
        self.addCleanup(server.__exit__, None, None, None)
        server.start(wait=False)
        wait_until(lambda: self.done() > 20, "jobs flow", server=server)
        main = server.process.pid
        with network.silent():
            noticed = self.be_silent(server)
        returned, done = time.monotonic(), self.done()
        wait_until(
            lambda: self.done() > done + 10,
            "jobs flow again",
            seconds=SOON,
            server=server,
        )
        flowing = time.monotonic() - returned
        # The locks of dead runs may outlive them here, but not those of their leases.
        self.wait_until_done(SOON, server)
        drained = time.monotonic() - returned
        self.check_each_effect_is_there_once(NUMBER)
        self.assertEqual((server.process.pid, server.process.poll()), (main, None))
        self.report(
            noticed=noticed, flowing=round(flowing, 1), drained=round(drained, 1)
        )

    def be_silent(self, server) -> float | None:
        """Wait until the silence is over; return when the runner has noticed it."""
        # what was on its way when the wire was cut has arrived by then
        began, done, noticed = time.monotonic(), None, None
        while (seconds := time.monotonic() - began) < SILENCE:
            wait_until(lambda end=seconds + 1: time.monotonic() - began > end, "a look")
            if done is None:
                done = self.done()
            if noticed is None and "connection lost" in server.log():
                noticed = round(seconds, 1)
        self.assertEqual(self.done(), done, "nothing gets through")
        self.assertTrue(self.count("state <> 'done'"), "there is work left")
        return noticed
