# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import time

from odoo import fields, models


class BenchJob(models.Model):
    _name = "bench.job"
    _description = "Benchmark: methods to delay"

    name = fields.Char()

    def noop(self):
        """Do nothing"""

    def work(self, seconds):
        """Sleep for the given number of seconds"""
        time.sleep(seconds)

    def write_row(self, label):
        """Record under a label when the body began"""
        now = time.time()
        self.env.cr.execute(
            "INSERT INTO bench_row (label, at) VALUES (%s, %s)", (label, now)
        )


class BenchRow(models.Model):
    _name = "bench.row"
    _description = "Benchmark: when a body began"
    _log_access = False

    label = fields.Char(index=True)
    at = fields.Float(help="Seconds since the epoch, at full precision.")
