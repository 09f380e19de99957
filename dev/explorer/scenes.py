# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the actors do, and to which jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from odoo.addons.queue_job.delay import chain, group


@dataclass(frozen=True)
class Scene:
    """A few jobs and a few actors.

    enqueue: makes the jobs; called with the model of effects
    people: by name, what each of them does in one transaction; called with an
        environment
    faults: what may befall the actors
    turns: passes of each runner, with what it puts in order after them
    seen: whether an add-on sees every write (the other way to write, D6)
    requeues: how often somebody may ask for a job to be done once more
    sets_done: whether somebody may set a job done that was not executed
    """

    name: str
    title: str
    enqueue: Callable
    runners: int = 1
    turns: int = 2
    capacity: int = 1
    people: dict[str, Callable] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    seen: bool = False
    requeues: int = 0
    sets_done: bool = False


def _jobs(number: int):
    def enqueue(effects):
        for index in range(number):
            effects.with_delay().leave(f"job {index}")

    return enqueue


def _chain(effects):
    chain(
        effects.delayable().leave("first"), effects.delayable().leave("second")
    ).delay()


def _fork(effects):
    before = group(*(effects.delayable().leave(f"before {i}") for i in range(2)))
    chain(before, effects.delayable().leave("after")).delay()


def _first(env):
    return env["queue.job"].search([], order="id", limit=1)


def _last(env):
    return env["queue.job"].search([], order="id desc", limit=1)


def _cancel(env):
    _first(env)._cancel_or_stop()
    return _first(env).filtered(lambda job: job.state == "cancelled").ids


def _cancel_last(env):
    _last(env)._cancel_or_stop()


def _requeue(env):
    _first(env).requeue()


def _requeue_last(env):
    _last(env).requeue()


def _set_done(env):
    _first(env).button_done()


def _hurry(env):
    jobs = env["queue.job"].search([("state", "=", "pending")])
    jobs.write({"priority": 1})


def _unlink(env):
    _first(env).unlink()


def _change(name: str):
    """Change something, and have a job see it that has a key."""

    def act(env):
        query = "INSERT INTO test_queue_effect (name) VALUES (%s)"
        env.cr.execute(query, (f"change of {name}",))
        env["test.queue.effect"].with_delay(identity_key="same").leave("again")

    return act


def _keyed(effects):
    effects.with_delay(identity_key="same").leave("keyed")


SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("swap", "A lease takes three jobs, two runners look", _jobs(3), 2),
        Scene(
            "alive",
            "A runner looks again and again after a job that lives",
            _jobs(1),
            turns=4,
        ),
        Scene("passes", "Two runners make a pass for one place", _jobs(2), 2, turns=1),
        Scene("places", "Two places, four jobs, two runners", _jobs(4), 2, capacity=2),
        Scene("death", "Somebody is killed at any step", _jobs(2), 2, faults=("kill",)),
        Scene(
            "cut",
            "A lease's own connection is lost at any step",
            _jobs(2),
            faults=("cut",),
        ),
        Scene(
            "late",
            "Whose connection is lost comes to the end when others have the job",
            _jobs(1),
            turns=4,
            faults=("cut",),
        ),
        Scene(
            "chain",
            "A job behind another one, somebody is killed",
            _chain,
            faults=("kill",),
        ),
        Scene(
            "fork", "Two jobs before a barrier end at the same time", _fork, capacity=2
        ),
        Scene(
            "cancel",
            "Somebody cancels a job on its way",
            _jobs(2),
            people={"anna": _cancel},
        ),
        Scene(
            "cancel-behind",
            "A job is cancelled and requeued beside the end before it",
            _chain,
            people={"anna": _cancel_last, "bert": _requeue_last},
            requeues=1,
        ),
        Scene(
            "requeue",
            "Somebody requeues a job on its way",
            _jobs(1),
            2,
            people={"anna": _requeue},
            requeues=1,
        ),
        Scene(
            "set-done",
            "Somebody sets a job done on its way",
            _chain,
            people={"anna": _set_done},
            sets_done=True,
        ),
        Scene(
            "write",
            "Somebody changes the priority of what waits",
            _jobs(3),
            1,
            people={"anna": _hurry},
        ),
        Scene(
            "unlink",
            "Somebody deletes a job on its way",
            _jobs(2),
            people={"anna": _unlink},
        ),
        Scene(
            "key",
            "The same key twice beside its execution",
            _keyed,
            1,
            people={"anna": _change("anna"), "bert": _change("bert")},
        ),
        Scene(
            "seen",
            "All writes go through the ORM, somebody is killed",
            _jobs(2),
            2,
            1,
            faults=("kill",),
            seen=True,
        ),
        Scene(
            "seen-chain",
            "A chain through the ORM, somebody cancels",
            _chain,
            people={"anna": _cancel},
            seen=True,
        ),
    )
}
