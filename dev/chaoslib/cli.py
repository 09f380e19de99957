# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command line of ``dev/chaos``."""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from .rounds import Round, play
from .scenarios import Scenario, find


def main(arguments: Sequence[str] | None = None) -> int:
    """Play rounds until the time is up, or one fails; 0: all were passed."""
    known = find()
    options = _parser(known).parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in known]
    if options.list or unknown:
        for each in known.values():
            print(f"{each.name:20} {each.title}")
        return _complain(unknown)
    chosen = [known[name] for name in options.scenarios or known]
    return _play_rounds(chosen, options)


def _parser(known: dict[str, Scenario]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev/chaos",
        description="Real servers, real kills: nothing is lost, nothing done twice.",
        epilog=f"Scenarios: {', '.join(known)}. Without any: all of them.",
    )
    parser.add_argument("scenarios", nargs="*", metavar="scenario")
    parser.add_argument(
        "--seed", type=int, help="of the first round, to repeat it; random without"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="rounds, each with the next seed, begin until then; one without",
    )
    parser.add_argument(
        "--short", action="store_true", help="the sizes that the test suite has"
    )
    parser.add_argument("--list", action="store_true", help="say what there is")
    return parser


def _complain(unknown: list[str]) -> int:
    if unknown:
        print(f"\nerror: there is no scenario {', '.join(unknown)}")
    return 2 if unknown else 0


def _play_rounds(chosen: list[Scenario], options: argparse.Namespace) -> int:
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    end = time.monotonic() + options.minutes * 60
    while True:
        names = " ".join(each.name for each in chosen)
        print(f"\n>> chaos: seed {seed}: {names}", flush=True)
        played = play(chosen, seed, options.short, Path(os.environ["CHAOS_STATE"]))
        _tell(played)
        if not played.passed:
            short = "--short " if options.short else ""
            print(f">> chaos: again with: dev/chaos --seed {seed} {short}{names}")
            return 1
        if time.monotonic() >= end:
            return 0
        seed += 1


def _tell(played: Round) -> None:
    word = "passed" if played.passed else "FAILED"
    print(f"\n>> chaos: seed {played.seed} {word} in {played.seconds:.0f} s")
    for figures in played.figures:
        name = figures.pop("test").removeprefix("test_")
        figures.pop("seed")
        text = ", ".join(f"{key} {value}" for key, value in figures.items())
        print(f"   {name}: {text}")
