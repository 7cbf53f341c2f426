"""The time of day is set, back and forward, while runs are at work."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from bench.drills.clients import RUNS, Client
from bench.drills.place import DrilledGateway, Place
from bench.proc import cpu_seconds
from tests.e2e.processes import websocket
from tests.e2e.watching import Watcher

SLOW = "slow [[chunks=30 delay=0.1]]"
SILENT = "silent [[chunks=2 delay=1.5]]"
SET = (-3600.0, 86_400.0, -7 * 86_400.0)
"""Seconds that the clock is set by, one after the other, in the middle of the runs."""
LATE = 3.0
"""Seconds that the answers may take longer than undisturbed."""
CONFIG = {
    "gateway": {
        "tickIntervalMs": 1000,
        "http": {"endpoints": {"chatCompletions": {"enabled": True, "keepAliveSeconds": 0.5}}},
    },
    "agents": {"defaults": {"timeoutSeconds": 60}},
}


async def clock(place: Place) -> None:
    """An hour back, a day forward, a week back: streams go on, nothing is cut short, nothing stands still."""
    gateway = await place.gateway(CONFIG)
    client = Client(place.reactor, gateway)
    ticks: Counter[str] = Counter()

    def heard(name: str, payload: Any) -> None:
        ticks[name] += 1

    socket = await websocket(gateway, heard)
    offset, took = 0.0, []
    cpu, began = cpu_seconds(gateway.pid), place.reactor.seconds()
    for number, seconds in enumerate(SET):
        offset += seconds
        took.append(await _around(place, gateway, client, number, offset))
        place.expect(ticks["tick"] >= 2, f"{ticks['tick']} ticks in {took[-1]:.1f} s")
        ticks.clear()
    share = (cpu_seconds(gateway.pid) - cpu) / (place.reactor.seconds() - began)
    place.expect(share < 0.5, f"{100 * share:.0f} % of a processor")
    hello = await client.chat("and now [[reply=well]]", session="clock-0")
    place.expect(hello.text == "well", f"after all: {hello.body!r}")
    await socket.close()
    place.quiet(gateway)
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")
    place.figures |= {
        "set by, s": ", ".join(f"{seconds:+.0f}" for seconds in SET),
        "3 s of answers took, s": ", ".join(f"{seconds:.1f}" for seconds in took),
    }


async def _around(place: Place, gateway: DrilledGateway, client: Client, number: int, offset: float) -> float:
    """Set the clock in the middle of three kinds of answers.

    @return: seconds until all have ended.
    """
    began = place.reactor.seconds()
    started = await client.ask("POST", RUNS, {"message": SLOW, "session": f"clock-{number}"})
    watcher = Watcher(gateway, started.json["id"])
    asking = [
        Deferred.fromCoroutine(client.chat(text, stream=True, seconds=20, session=f"clock-{text[:4]}-{number}"))
        for text in (SLOW, SILENT)
    ]
    watching = Deferred.fromCoroutine(watcher.watch())
    watching.addTimeout(20, place.reactor)
    await place.sleep(1.0)
    gateway.seams.set_clock(offset)
    slow, silent = await gatherResults(asking, consumeErrors=True)
    well = await watching
    took: float = place.reactor.seconds() - began
    place.expect(slow.ended and slow.text.endswith("c30"), f"the stream: {slow.body[-300:]!r} {slow.problem}")
    place.expect(silent.ended and silent.text.strip() == "c1 c2", f"the silent stream: {silent.text!r}")
    pings = silent.body.count(b": ping")
    place.expect(pings >= 2, f"{pings} keep-alive comments in three seconds of silence")
    place.expect(well and watcher.found[-1]["type"] == "run.completed", f"the events: {watcher.found[-1:]}")
    place.expect(took < 3.0 + LATE, f"answers of 3 s took {took:.1f} s")
    return took
