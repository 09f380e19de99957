# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run inside Odoo by client.py: enqueue as business code does, and time it.

Only documented calls are used, so it is the same for each add-on measured.
"""

import json
import os
import random
import resource
import sys
import time
import traceback
from datetime import timedelta
from inspect import getmembers

import odoo
from odoo import api
from odoo.modules.registry import Registry
from odoo.service.server import load_server_wide_modules
from odoo.tools import config

from odoo.addons.base.models.ir_autovacuum import is_autovacuum


class Commands:
    """Each public method is a command; it returns a dictionary."""

    def __init__(self, name):
        self.registry = Registry(name)
        with self.registry.cursor() as cr:
            self.backend = cr._cnx.get_backend_pid()

    def _env(self, cr):
        return api.Environment(cr, api.SUPERUSER_ID, {})

    def _job(self, cr):
        return self._env(cr).ref("bench_queue_job.job")

    def hello(self):
        return {"backend": self.backend}

    # ---------------------------------------------------------- enqueue
    def one_transaction(self, count):
        with self.registry.cursor() as cr:
            job = self._job(cr)
            start = time.perf_counter()
            for _i in range(count):
                job.with_delay().noop()
            cr.commit()
            return {"seconds": time.perf_counter() - start}

    def commit_each(self, count):
        with self.registry.cursor() as cr:
            job = self._job(cr)
            start = time.perf_counter()
            for _i in range(count):
                job.with_delay().noop()
                cr.commit()
            return {"seconds": time.perf_counter() - start}

    def identity(self, count, prefix):
        with self.registry.cursor() as cr:
            job = self._job(cr)
            start = time.perf_counter()
            for i in range(count):
                job.with_delay(identity_key=f"{prefix}-{i // 2}").noop()
            cr.commit()
            return {"seconds": time.perf_counter() - start}

    def jobs(self, count, method="noop", args=(), channels=(), mixed=False, eta=None):
        """Enqueue a number of jobs in one transaction; when it was committed.

        :param channels: taken in turn; none: that of the method
        :param mixed: give them different priorities, the same in each run
        :param eta: seconds from now
        """
        dice = random.Random(count)
        options = {}
        with self.registry.cursor() as cr:
            job = self._job(cr)
            stamps = self._stamp_commit(cr)
            for i in range(count):
                if channels:
                    options["channel"] = channels[i % len(channels)]
                if mixed:
                    options["priority"] = dice.choice((5, 10, 15, 20))
                if eta:
                    options["eta"] = timedelta(seconds=eta)
                getattr(job.with_delay(**options), method)(*args)
            cr.commit()
        return {"committed": stamps[0]}

    def _stamp_commit(self, cr):
        # registered before anything else, so it is the first to run after COMMIT
        stamps = []
        cr.postcommit.add(lambda: stamps.append(time.time()))
        return stamps

    def latency(self, count):
        """Commit a job, wait for its body, pause at random; milliseconds of each."""
        samples = []
        dice = random.Random(count)
        for i in range(count):
            label = f"latency-{i}"
            sent = self.jobs(1, "write_row", (label,))["committed"]
            samples.append((self._row(label) - sent) * 1000)
            time.sleep(dice.uniform(0.02, 0.12))
        return {"samples": samples}

    def _row(self, label, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self.registry.cursor() as cr:
                cr.execute("SELECT at FROM bench_row WHERE label = %s", (label,))
                if row := cr.fetchone():
                    return row[0]
            time.sleep(0.005)
        raise TimeoutError(f"the job {label} did not run within {timeout} s")

    def produce(self, rate, seconds):
        """Enqueue at a steady rate, ten transactions a second."""
        start = time.monotonic()
        sent = 0
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(rate * elapsed) - sent
            if due > 0:
                self.jobs(due)
                sent += due
            time.sleep(max(0.0, start + elapsed + 0.1 - time.monotonic()))
        return {"sent": sent, "seconds": time.monotonic() - start}

    # ------------------------------------------------------------ graph
    def graph(self, size):
        """group(size) -> group(size): seconds to delay and commit, peak memory."""
        from odoo.addons.queue_job.delay import chain, group

        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = self._peak()
        with self.registry.cursor() as cr:
            job = self._job(cr)
            start = time.perf_counter()
            first = group(*(job.delayable().write_row("first") for _i in range(size)))
            then = group(*(job.delayable().write_row("then") for _i in range(size)))
            chain(first, then).delay()
            cr.commit()
            seconds = time.perf_counter() - start
        return {"seconds": seconds, "memory": self._peak() - before}

    def _peak(self):
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    # -------------------------------------------------------- retention
    def keep_nothing(self):
        """Have finished jobs removed by the next removal whatever their age."""
        with self.registry.cursor() as cr:
            channels = self._env(cr)["queue.job.channel"].search([])
            channels.write({"removal_interval": 0})
        return {}

    def remove_old(self):
        with self.registry.cursor() as cr:
            start = time.perf_counter()
            for model, method in self._removers(self._env(cr)):
                # as Odoo's daily cleaning does: again, while something is left
                while isinstance(left := method(model), tuple) and left[1]:
                    cr.commit()
                cr.commit()
            return {"seconds": time.perf_counter() - start}

    def _removers(self, env):
        if hasattr(env["queue.job"], "autovacuum"):
            yield env["queue.job"], type(env["queue.job"]).autovacuum
        for name in env.registry:
            if name.startswith("queue.job"):
                for _name, method in getmembers(type(env[name]), is_autovacuum):
                    yield env[name], method


def answer(commands, line):
    request = json.loads(line)
    try:
        return getattr(commands, request["command"])(**request["arguments"])
    except Exception:
        return {"error": traceback.format_exc()}


def main(conf, name):
    # what Odoo prints must not get in between the answers
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    config.parse_config(["-c", conf, "-d", name], setup_logging=True)
    load_server_wide_modules()
    commands = Commands(name)
    print(json.dumps(commands.hello()), file=answers)
    for line in sys.stdin:
        print(json.dumps(answer(commands, line)), file=answers)
    odoo.sql_db.close_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
