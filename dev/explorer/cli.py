# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command line of ``dev/explore``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from unittest.mock import patch

import psycopg2

from odoo import sql_db
from odoo.modules.registry import Registry
from odoo.tools import config

from odoo.addons.queue_job.tests.acceptance.server import Database

from .planted import PLANTED
from .play import play, quiet
from .scenes import SCENES, Scene
from .search import Budget, Diverged, Search
from .wire import plant
from .world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Try orders; 0: nothing is wrong in any, and each planted fault was found."""
    options = _parser().parse_args(arguments)
    names = options.scenes or list(SCENES)
    unknown = [name for name in names if name not in SCENES]
    if options.list or unknown:
        _tell_what_there_is()
        return _complain(unknown)
    quiet()
    with opened() as world:
        if options.planted or options.fault:
            faults = [name for name in PLANTED if options.fault in (None, name)]
            good = [find_planted(world, name, options) for name in faults]
        else:
            good = [explore(world, SCENES[name], options) for name in names]
    return 0 if all(good) else 1


def _tell_what_there_is() -> None:
    print("scenes")
    for scene in SCENES.values():
        print(f"  {scene.name:15} {scene.title}")
    print("planted faults, and where they show")
    for name, planted in PLANTED.items():
        print(f"  {name:30} {planted.scene}")


def _complain(unknown: list[str]) -> int:
    if unknown:
        print(f"\nerror: there is no scene {', '.join(unknown)}", file=sys.stderr)
    return 2 if unknown else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev/explore",
        description="Drive the real code through all orders of its steps.",
    )
    parser.add_argument("scenes", nargs="*", metavar="scene", help="all without any")
    parser.add_argument(
        "--list", action="store_true", help="say which scenes there are"
    )
    parser.add_argument(
        "--orders", type=int, default=300, help="of each scene, at most"
    )
    parser.add_argument("--interruptions", type=int, default=2, help="in one order")
    parser.add_argument("--seed", type=int, default=0, help="which orders come first")
    parser.add_argument("--fault", choices=PLANTED, help="find this planted fault")
    parser.add_argument(
        "--planted", action="store_true", help="find the planted faults instead"
    )
    return parser


@contextmanager
def opened():
    """A world of its own in a new database."""
    with Database("explorer") as database:
        with patch.dict(config.options, {"test_enable": False}):
            registry = Registry(database.name)
        control = psycopg2.connect(dbname=database.name)
        control.autocommit = True
        try:
            yield World(registry, control)
        finally:
            control.close()
            sql_db.close_db(database.name)
            Registry.delete(database.name)


def search_of(scene: Scene, options) -> Search:
    faults = 1 if scene.faults else 0
    return Search(Budget(options.interruptions, faults), options.seed)


def explore(world: World, scene: Scene, options) -> bool:
    """Try orders of the scene; print what came of it."""
    began = time.monotonic()
    search = search_of(scene, options)
    wrong = first_problem(world, scene, search, options.orders)
    seconds = time.monotonic() - began
    rest = "all of them" if search.exhausted else f"{len(search)} left"
    print(
        f"{scene.name:15} {search.tried} orders, {search.steps} steps, {rest},"
        f" {search.diverged} not repeatable, {seconds:.0f} s",
        flush=True,
    )
    if wrong:
        print(f"WRONG in {scene.name}, seed {search.seed}:\n{wrong}", flush=True)
    return not wrong


def first_problem(world: World, scene: Scene, search: Search, most: int) -> str | None:
    """Play orders until something is wrong; what, and in which order."""
    world.seen_writes = scene.seen
    for order in search.orders(most):
        try:
            found = play(world, scene, order)
        except Diverged:
            continue
        if found:
            return "\n".join([*(f"  * {each}" for each in found), str(order)])
    return None


def find_planted(world: World, name: str, options) -> bool:
    """Whether the search finds a fault that was planted."""
    planted = PLANTED[name]
    scene = SCENES[planted.scene]
    search = search_of(scene, options)
    with plant(planted.replacements) as never_said:
        wrong = first_problem(world, scene, search, options.orders)
    word = "found" if wrong else "NOT FOUND"
    print(f"planted {name:29} {word} after {search.tried} orders", flush=True)
    for pattern in never_said:
        print(f"  no statement says any more: {pattern}", flush=True)
    return bool(wrong) and not never_said
