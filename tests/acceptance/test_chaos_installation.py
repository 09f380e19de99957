# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Add-ons that delay their own methods while they are installed and updated."""

from __future__ import annotations

import json
import time
import urllib.request

from .chaos import SET_UP, ChaosCase, enqueue_work
from .server import PATIENCE, Database, Server, Shell, wait_until

ADDON = "test_queue_hooks"


class TestInstallation(ChaosCase):
    """Executed at once, such a job would meet a registry that lacks its method, and
    fail; a server that loaded its registry before would lack it for ever."""

    def setUp(self):
        super().setUp()
        self.db = self.enterContext(Database("installation"))
        self.shell = self.enterContext(Shell(self.db))
        self.shell.run(SET_UP)
        # Odoo's template has it in no list yet, or has: either is fine.
        self.shell.run('env["ir.module.module"].update_list()')

    def effects(self) -> dict:
        return dict(
            self.db.query("SELECT name, count(*) FROM test_queue_effect GROUP BY name")
        )

    def wait_for_effect(self, name, server):
        wait_until(lambda: self.effects().get(name), f"{name} is left", server=server)
        self.assertEqual(self.effects()[name], 1)

    def check_nothing_failed(self):
        self.assertEqual(set(self.states()), {"done"})
        # Who came before its add-on was loaded did not count as a try.
        self.assertEqual(self.count("retry > 1"), 0)

    def rpc(self, server, model, method, *args):
        call = {"service": "object", "method": "execute_kw"}
        call["args"] = [self.db.name, 2, "admin", model, method, args]
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": call})
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/jsonrpc",
            body.encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            answer = json.load(response)
        self.assertNotIn("error", answer)
        return answer["result"]

    def test_jobs_of_an_installation_in_the_running_server_run_after_it(self):
        server = self.enterContext(Server(self.db, workers=4))
        enqueue_work(self.shell, 30, 0.1)
        wait_until(self.done, "jobs run before", server=server)
        domain = [("name", "=", ADDON)]
        (module,) = self.rpc(server, "ir.module.module", "search", domain)
        began = time.monotonic()
        self.rpc(server, "ir.module.module", "button_immediate_install", [module])
        installed = time.monotonic()
        self.wait_for_effect("pre_init_hook", server)
        self.wait_for_effect("post_init_hook of the hooks", server)
        self.report(
            installation=round(installed - began, 1),
            jobs_after=round(time.monotonic() - installed, 1),
        )
        self.wait_until_done(server=server)
        self.check_each_effect_is_there_once(30)
        self.check_nothing_failed()

    def test_jobs_of_an_update_by_another_process_run_in_the_running_server(self):
        server = self.enterContext(Server(self.db, workers=4))
        self.db.load("-i", ADDON, "--log-level=warn")
        self.wait_for_effect("post_init_hook of the hooks", server)
        # As if an older version had been there: now the migration is due.
        self.db.query(
            "UPDATE ir_module_module SET latest_version = '19.0.0.0.1' WHERE name = %s",
            (ADDON,),
        )
        self.db.load("-u", ADDON, "--log-level=warn")
        self.wait_for_effect("migration of the hooks", server)
        self.wait_until_done(server=server)
        self.check_nothing_failed()
