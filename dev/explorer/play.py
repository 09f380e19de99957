# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One order of a scene, from its first step to the checks."""

from __future__ import annotations

import logging
from functools import partial

import psycopg2

from odoo.addons.queue_job.executor.performing import CONCURRENCY_ERRORS

from .checks import problems
from .scenes import Scene
from .search import Choice, Diverged, Order
from .stage import DEAD, ENDED, READY, Stage
from .world import World

_FORGIVEN = (*CONCURRENCY_ERRORS, psycopg2.OperationalError, psycopg2.InterfaceError)


def play(world: World, scene: Scene, order: Order) -> list[str]:
    """Play the order; return what is wrong at its end.

    :raises Diverged: it could not be repeated
    """
    world.reset(scene.capacity)
    with world.patched():
        world.enqueue(scene.enqueue)
        stage = Stage(world.control)
        world.witness.actors = stage.actors
        served: list[str] = []
        try:
            for index in range(scene.runners):
                act = partial(world.runner, number=index + 1, turns=scene.turns)
                stage.enter(f"runner{index + 1}", act)
            for name, act in scene.people.items():
                stage.enter(name, partial(world.user, act=act))
            _play(world, stage, scene, order, served)
            errors = _errors(stage)
        finally:
            stage.close()
        world.recover()
    return errors + problems(world, scene, order.faults)


def _play(
    world: World, stage: Stage, scene: Scene, order: Order, served: list[str]
) -> None:
    while True:
        while world.sent:
            number, request = world.sent.pop(0)
            served.append(f"lease{len(served) + 1}")
            act = partial(world.lease, number=number, request=request)
            stage.enter(served[-1], act)
        able = [Choice("step", actor.name) for actor in stage.able()]
        if not able:
            if not _wait(stage):
                return
            continue
        faults = _faults(scene, stage)
        key = (world.witness.look(), tuple(actor.key() for actor in stage.actors))
        choice = order.next(able + faults, key)
        order.told.append(f"{choice}: {_next_step(stage, choice)}")
        _do(stage, choice)


def _next_step(stage: Stage, choice: Choice) -> str:
    """What the actor is about to execute, for people."""
    step = next(each.next_step for each in stage.actors if each.name == choice.actor)
    return step if len(step) < 160 else f"{step[:110]} ... {step[-45:]}"


def _wait(stage: Stage) -> bool:
    """All wait for each other's locks: until one of them gives up. False: all ended."""
    if not stage.waiting():
        return False
    stage.settle()
    return True


def _faults(scene: Scene, stage: Stage) -> list[Choice]:
    alive = [actor for actor in stage.actors if actor.state not in (ENDED, DEAD)]
    found = []
    for kind in scene.faults:
        victims = alive
        if kind == "cut":
            victims = [actor for actor in alive if _lease_connections(actor)]
        found += [Choice(kind, actor.name) for actor in victims]
    return found


def _lease_connections(actor) -> list:
    return [
        each
        for each in actor.connections
        if type(each).__name__ == "_Connection" and not each.closed
    ]


def _do(stage: Stage, choice: Choice) -> None:
    actor = next(each for each in stage.actors if each.name == choice.actor)
    if choice.kind == "kill":
        stage.kill(actor)
    elif choice.kind == "cut":
        actor.lost = True
        stage.cut(_lease_connections(actor))
        stage.settle()
    elif actor.state == READY:
        stage.step(actor)
    else:
        raise Diverged(f"{choice} is not possible")


def _errors(stage: Stage) -> list[str]:
    return [
        f"{actor.name}: {type(actor.error).__name__}: {actor.error}"
        for actor in stage.actors
        if actor.error is not None and not isinstance(actor.error, _FORGIVEN)
    ]


def quiet() -> None:
    """What the actors log about faults is expected."""
    for name in ("odoo.addons.queue_job", "odoo.sql_db", "odoo.addons.base"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
