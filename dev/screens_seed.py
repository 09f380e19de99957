# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the pictures show; executed in Odoo's shell, with ``env``."""

import random
from datetime import timedelta

from odoo import fields

from odoo.addons.queue_job.core import histogram
from odoo.addons.queue_job.delay import chain, group

dice = random.Random(7)
now = fields.Datetime.now()
env = env(user=env.ref("base.user_admin"))  # noqa: F821
jobs = env["queue.job"]
channels = env["queue.job.channel"]
root = env.ref("queue_job.channel_root")
root.capacity = 8
made = {}
for name, values in {
    "export": {"capacity": 4},
    "import": {"capacity": 2},
    "mail": {"capacity": 2, "throttle": 0.5},
    "nightly": {"sequential": True, "capacity": 1, "paused": True},
}.items():
    made[name] = channels.create({"name": name, "parent_id": root.id, **values})

PARTNERS = env["res.partner"].search([], limit=8)
TASKS = {
    "export": "Export order %s to the shop",
    "import": "Import the price list of supplier %s",
    "mail": "Send invoice %s",
    "nightly": "Compute the stock of warehouse %s",
}


def delay(channel, number, **options):
    return jobs.with_delay(
        channel=f"root.{channel}", description=TASKS[channel] % number, **options
    )._test_job(job_duration=20 + number % 3)


for number in range(1, 31):
    for channel in TASKS:
        delay(
            channel, 1000 + number, eta=timedelta(hours=1) if number % 9 == 0 else None
        )

slow = [
    jobs.delayable(channel="root.import", description=f"Import part {part}")._test_job()
    for part in range(1, 9)
]
chain(
    jobs.delayable(channel="root.import", description="Fetch the file")._test_job(),
    group(*slow),
    group(
        jobs.delayable(channel="root.import", description="Compute prices")._test_job(),
        jobs.delayable(channel="root.import", description="Match products")._test_job(),
    ),
    jobs.delayable(channel="root.import", description="Publish")._test_job(),
).delay()
env.flush_all()

ERRORS = [
    ("requests.exceptions.ConnectionError", "shop.example.com refuses the connection"),
    ("odoo.exceptions.UserError", "The product has no price in this currency."),
    ("odoo.exceptions.ValidationError", "The country of the address is missing."),
]
TRACEBACK = """Traceback (most recent call last):
  File "odoo/addons/queue_job/executor/performing.py", line 61, in perform
    result = job.perform()
  File "odoo/addons/shop_export/models/sale_order.py", line 118, in export_to_shop
    self._check_prices()
  File "odoo/addons/shop_export/models/sale_order.py", line 87, in _check_prices
    raise UserError(self.env._("The product has no price in this currency."))
%s: %s
"""
everything = jobs.sudo().search([], order="id")
for number, job in enumerate(everything):
    created = now - timedelta(minutes=3 * (len(everything) - number))
    values = {"date_created": created}
    if job.graph_uuid and job.state == "pending":
        values["state"] = "done"
    elif number % 11 == 0 and not job.graph_uuid:
        name, message = ERRORS[min(2, dice.randrange(4) // 2)]
        values.update(
            state="failed",
            exc_name=name,
            exc_message=message,
            exc_info=TRACEBACK % (name, message),
            retry=1,
        )
    elif number % 2 and not job.graph_uuid:
        values["state"] = "done"
    if values.get("state"):
        start = created + timedelta(seconds=dice.randrange(1, 20))
        values.update(
            date_enqueued=start,
            date_started=start,
            worker="app1:2211",
            exec_time=dice.random() * 4,
        )
    if values.get("state") == "done":
        values["date_done"] = start + timedelta(seconds=values["exec_time"])
        values["result"] = "Done."
    if values.get("state") == "failed":
        env["queue.job.try"].sudo().create(
            {
                "job_id": job.id,
                "attempt": 1,
                "outcome": "failed",
                "date_started": start,
                "date_ended": start,
                "exc_name": name,
                "exc_message": message,
                "exc_info": values["exc_info"],
                "exec_time": values["exec_time"],
            }
        )
    # What the machine alone may write, an SQL statement writes.
    columns = ", ".join(f"{column} = %s" for column in values)
    env.cr.execute(
        f"UPDATE queue_job SET {columns} WHERE id = %s", [*values.values(), job.id]
    )
graph = everything.filtered("graph_uuid")
for index, state in enumerate(
    ["done"]
    + ["done"] * 5
    + ["started", "pending", "failed"]
    + ["wait_dependencies"] * 3
):
    env.cr.execute(
        "UPDATE queue_job SET state = %s WHERE id = %s", (state, graph[index].id)
    )
env.cr.execute(
    """
    UPDATE queue_job SET exc_name = %s, exc_message = %s, retry = 1
     WHERE state = 'failed' AND exc_name IS NULL
    """,
    ERRORS[1],
)
# What the graph shows is not executed.
made["import"].paused = True
names = [env.ref("queue_job.job_function_queue_job__test_job").name]
names += (
    env["queue.job.function"]
    .search([("model_id.model", "=", "queue.job.demo")])
    .mapped("name")
)
for grain, step, number in (("minute", 60, 60), ("hour", 3600, 168)):
    begin = now.replace(second=0, microsecond=0)
    if grain == "hour":
        begin = begin.replace(minute=0)
    for back in range(number):
        at = begin - timedelta(seconds=step * back)
        for channel in TASKS:
            done = dice.randrange(4, 40) * step // 60
            waits = histogram.of(dice.expovariate(2) for _each in range(done % 300 + 9))
            runs = histogram.of(
                dice.lognormvariate(-1, 1) for _each in range(done % 300 + 9)
            )
            env.cr.execute(
                """
                INSERT INTO queue_job_stat (grain, at, channel, function, done, failed,
                    retry, cancelled, died, wait_count, wait_seconds, run_count,
                    run_seconds, wait_histogram, run_histogram)
                VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0, %s, %s, %s, %s, %s, %s)
                ON CONFLICT DO NOTHING
                """,
                (
                    grain,
                    at,
                    f"root.{channel}",
                    dice.choice(names),
                    done,
                    done // 30,
                    done // 12,
                    sum(waits),
                    0.5 * sum(waits),
                    sum(runs),
                    0.6 * sum(runs),
                    waits,
                    runs,
                ),
            )
# This one runs while the pictures are taken, and tells how far it is.
env["queue.job.demo"].with_delay(
    channel="root.export", priority=0, description="Import the catalogue"
)._demo_slow(600)
env["queue.job.subscription"].create({"period": "day"})
env.cr.commit()
