"""Runs drills one after the other: C{python -m bench.drills}, C{make drill}.

Each prints PASS or FAIL with its figures; the exit code is 0 when all have passed. All randomness comes from the seed,
which is printed first: the same seed starts the same runs and waits the same times. docs/reliability.md says what each
drill does.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import react

from bench.drills.clock import clock
from bench.drills.dns import dns
from bench.drills.drain import drain
from bench.drills.kill import kill
from bench.drills.limits import descriptors, memory
from bench.drills.overload import fairness, overload
from bench.drills.place import Broken, Place
from bench.drills.storage import disk, locked, readonly


class Drill(NamedTuple):
    """One of them."""

    name: str
    what: str
    play: Callable[[Place], Awaitable[None]]
    seconds: float
    """Longest time that it may take."""


DRILLS = (
    Drill("kill", "SIGKILL at random moments of 100 mixed runs", kill, 240),
    Drill("disk", "the disk of the state directory is full", disk, 60),
    Drill("readonly", "the state directory may not be written to", readonly, 40),
    Drill("locked", "another program holds the database", locked, 40),
    Drill("descriptors", "there are no more file descriptors", descriptors, 60),
    Drill("memory", "there is no more memory", memory, 60),
    Drill("drain", "SIGTERM under load", drain, 60),
    Drill("clock", "the time of day is set back and forward in mid-run", clock, 60),
    Drill("overload", "ten times the admitted runs, again and again", overload, 90),
    Drill("fairness", "one key asks for all there is, another for a little", fairness, 60),
    Drill("dns", "the model server's name can not be resolved", dns, 20),
)


async def play(reactor: Any, drill: Drill, seed: str) -> bool:
    """Play one, and say what came of it."""
    place = Place(reactor, f"{seed}-{drill.name}")
    began = reactor.seconds()
    playing = Deferred.fromCoroutine(drill.play(place))
    playing.addTimeout(drill.seconds, reactor)
    problem = ""
    try:
        await playing
    except Broken as broken:
        problem = str(broken)
    except TimeoutError:
        problem = f"it did not end within {drill.seconds:g} s"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    finally:
        await place.close()
    if place.abandoned:
        raise SystemExit(1)
    figures = ", ".join(f"{name}: {value}" for name, value in place.figures.items())
    took = reactor.seconds() - began
    print(f"{'FAIL' if problem else 'PASS'} {drill.name} ({took:.0f} s) {figures}", flush=True)
    if problem:
        print(f"     {problem}", flush=True)
    return not problem


async def main(reactor: Any, arguments: list[str]) -> None:
    """
    @raise SystemExit: with 1 when a drill has failed.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help="play these, names with commas between them")
    parser.add_argument("--list", action="store_true", help="name the drills, and play none")
    parser.add_argument("--seed", metavar="WORD", default=secrets.token_hex(4), help="of all randomness")
    chosen = parser.parse_args(arguments)
    names = chosen.only.split(",") if chosen.only else [drill.name for drill in DRILLS]
    for name in names:
        if name not in {drill.name for drill in DRILLS}:
            parser.error(f"there is no drill {name!r}; --list names them")
    if chosen.list:
        for drill in DRILLS:
            print(f"{drill.name:10} {drill.what}")
        return
    print(f"seed: {chosen.seed}", flush=True)
    passed = [await play(reactor, drill, chosen.seed) for drill in DRILLS if drill.name in names]
    if not all(passed):
        raise SystemExit(1)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, sys.argv[1:])))
