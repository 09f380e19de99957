# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run in Odoo's shell (``env``) with the earlier add-on: one job of every kind."""

from datetime import date, datetime, timedelta

from lxml import etree

from odoo import Command

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import Job

env = env  # noqa: F821  of the shell
company = env.company
manager = env["res.users"].create(
    {
        "name": "Queue Manager",
        "login": "queue_manager",
        "group_ids": [
            Command.link(env.ref("base.group_user").id),
            Command.link(env.ref("base.group_partner_manager").id),
            Command.link(env.ref("queue_job.group_queue_job_manager").id),
        ],
    }
)
partner = env["res.partner"].create({"name": "Seed"})
records = partner.with_user(manager).with_context(lang="en_US", tz="Europe/Paris")

# ------------------------------------------------------------- channels, functions

root = env.ref("queue_job.channel_root")
channels = env["queue.job.channel"]
sub = channels.create({"name": "sub", "parent_id": root.id, "removal_interval": 7})
deep = channels.create({"name": "deep", "parent_id": sub.id})
functions = env["queue.job.function"]
functions.create(
    {
        "model_id": env["ir.model"]._get("res.partner").id,
        "method": "write",
        "channel_id": deep.id,
        "edit_retry_pattern": "{1: 10, 5: (20, 30)}",
        "edit_related_action": (
            '{"enable": True, "func_name": "related_action_open_record", "kwargs": {}}'
        ),
        "allow_commit": True,
        "on_fail_method": "exists",
    }
)


def delayed(name, **options):
    options.setdefault("description", name)
    return records.with_delay(**options)


def in_state(name, state, **values):
    job = delayed(name).write({"ref": name})
    getattr(job, f"set_{state}")(**values)
    job.store()
    return job


# ------------------------------------------------------------------ every state

delayed("pending").write({"street2": "pending ran"})
delayed("urgent", priority=1, max_retries=0).write({"function": "urgent ran"})
delayed("later", eta=timedelta(days=30)).write({"ref": "later"})
delayed("due", eta=datetime.now() - timedelta(hours=1)).write({"street": "due ran"})
in_state("enqueued", "enqueued")
started = in_state("started", "started")
started.add_lock_record()
in_state("done", "done", result="the result")
in_state("cancelled", "cancelled", result="not needed")
in_state(
    "failed", "failed", exc_info="Traceback", exc_name="ValueError", exc_message="bad"
)
tried = delayed("tried").write({"vat": False})
tried.retry = 3
tried.postpone(result="once more", seconds=3600)
tried.store()

# --------------------------------------------------------------- what jobs carry

records.with_delay(description="carrying")._message_log(
    body="carried",
    partner_ids=[(date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5))],
    attachments=[partner, etree.XML("<a><b/></a>"), "æ€", None, 1.5],
)
delayed("as somebody").copy({"name": "Seed's copy"})

# ------------------------------------------------------------------ identity keys

delayed("keyed", identity_key="the key").write({"city": "keyed ran"})
group(
    records.delayable(description="keyed twin", identity_key="the key").write(
        {"zip": "keyed twin ran"}
    ),
    records.delayable(description="keyed other", identity_key="other").write({}),
).delay()
once = delayed("keyed done", identity_key="once").write({})
once.set_done()
once.store()

# ------------------------------------------------------------------------ graphs


def call(name):
    return records.delayable(description=name).write({"ref": name})


chain(
    call("g1 first"), group(call("g1 left"), call("g1 right")), call("g1 last")
).delay()

begun = call("g2 first")
group(begun, call("g2 other")).on_done(call("g2 next")).delay()
begun._generated_job.set_done()
begun._generated_job.store()

broken = call("g3 first")
broken.on_done(call("g3 next"))
broken.delay()
broken._generated_job.set_failed(exc_name="E", exc_message="m", exc_info="i")
broken._generated_job.store()

over = call("g4 first")
over.on_done(call("g4 next").set(eta=3600 * 24))
over.delay()
over._generated_job.set_done()
over._generated_job.store()
over._generated_job.enqueue_waiting()

gone = call("g5 first")
gone.on_done(call("g5 next"))
gone.delay()
gone._generated_job.set_done()
gone._generated_job.store()
gone._generated_job.db_record().unlink()

# ------------------------------------- a channel that is known by the jobs alone

delayed("elsewhere", channel="root.only.configured").write({"color": 3})

# ------------------------------------------------- views as other add-ons make them

FORM = """
<data>
    <field name="channel" position="after"><field name="func_string"/></field>
    <xpath expr="//div[@name='button_box']" position="inside">
        <button name="requeue" type="object" string="Mine"/>
    </xpath>
</data>
"""
SEARCH = """
<data>
    <field name="channel" position="after"><field name="uuid"/></field>
    <filter name="group_by_graph" position="after">
        <filter name="mine" string="Mine" context="{'group_by': 'user_id'}"/>
    </filter>
</data>
"""
TREE = """
<data>
    <list position="inside"><field name="uuid"/></list>
    <field name="date_created" position="after"><field name="retry"/></field>
</data>
"""
FUNCTION = """
<data>
    <xpath expr="//form/group" position="after"><group string="Mine"/></xpath>
    <xpath expr="//field[@name='name']/.." position="after"><group/></xpath>
</data>
"""
for xmlid, arch in {
    "view_queue_job_form": FORM,
    "view_queue_job_search": SEARCH,
    "view_queue_job_tree": TREE,
    "view_queue_job_function_form": FUNCTION,
}.items():
    view = env.ref(f"queue_job.{xmlid}")
    env["ir.ui.view"].create(
        {
            "name": f"mine of {xmlid}",
            "model": view.model,
            "inherit_id": view.id,
            "arch": arch,
        }
    )

assert Job.load(env, tried.uuid).retry == 3
env.cr.commit()
print("the seed", "is sown")  # noqa: T201  # pylint: disable=print-used
