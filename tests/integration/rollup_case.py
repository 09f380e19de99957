# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that ended at a given time, to be added up."""

import uuid
from datetime import datetime, timedelta, timezone

from odoo.tests.common import TransactionCase

from odoo.addons.queue_job.storage import rollup

_INSERT = """
INSERT INTO queue_job ({names}) VALUES ({places}) RETURNING id
"""


class RollupCase(TransactionCase):
    """Everything happens at one moment: ``now`` is that of the transaction."""

    def setUp(self):
        super().setUp()
        self.cr = self.env.cr
        self.cr.execute("SELECT now() AT TIME ZONE 'UTC'")
        self.now = self.cr.fetchone()[0]
        self.cr.execute("DELETE FROM queue_job")
        self.cr.execute("DELETE FROM queue_job_stat")
        self.cr.execute(
            "UPDATE queue_job_rollup SET counted_up_to = %(at)s,"
            " cancelled_up_to = %(at)s, running_ids = NULL, running_since = NULL",
            {"at": self.ago(300)},
        )

    def ago(self, seconds):
        return self.now - timedelta(seconds=seconds)

    def job(self, state="done", waited=1, ran=2, ended=60, **values):
        """Insert a job that ended so many seconds ago; return its id."""
        started = ended + ran
        found = {
            "uuid": str(uuid.uuid4()),
            "state": state,
            "channel": "root",
            "model_name": "res.partner",
            "method_name": "write",
            "date_created": self.ago(started + waited),
            "date_started": self.ago(started),
        }
        if state == "done":
            found.update(date_done=self.ago(ended), exec_time=ran)
        elif state == "cancelled":
            found.update(date_cancelled=self.ago(ended))
        found.update(values)
        places = ", ".join(["%s"] * len(found))
        query = _INSERT.format(names=", ".join(found), places=places)
        self.cr.execute(query, list(found.values()))
        return self.cr.fetchone()[0]

    def tried(self, job_id, outcome, ran=2, ended=60, **values):
        """Insert an unsuccessful try of the job."""
        found = {
            "job_id": job_id,
            "outcome": outcome,
            "date_started": self.ago(ended + ran),
            "date_ended": self.ago(ended),
            "exec_time": ran,
            **values,
        }
        places = ", ".join(["%s"] * len(found))
        self.cr.execute(
            f"INSERT INTO queue_job_try ({', '.join(found)}) VALUES ({places})",
            list(found.values()),
        )

    def set_values(self, job_id, **values):
        names = ", ".join(f"{name} = %s" for name in values)
        self.cr.execute(
            f"UPDATE queue_job SET {names} WHERE id = %s", [*values.values(), job_id]
        )

    def add_up(self):
        """Add up all that there is."""
        while rollup.add_up(self.cr):
            pass

    def stats(self, grain="total", **domain):
        """The one row of the grain, as a dictionary; None without."""
        self.cr.execute(
            "SELECT * FROM queue_job_stat WHERE grain = %s ORDER BY at", (grain,)
        )
        rows = [
            row
            for row in self.cr.dictfetchall()
            if all(row[name] == value for name, value in domain.items())
        ]
        self.assertLessEqual(len(rows), 1)
        return rows[0] if rows else None

    def outcomes(self):
        """What was counted, by outcome, what was not left out."""
        row = self.stats() or {}
        return {name: row[name] for name in rollup.OUTCOMES if row.get(name)}


def utc(*parts):
    return datetime(*parts, tzinfo=timezone.utc).replace(tzinfo=None)
