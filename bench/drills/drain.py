"""SIGTERM under load."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from bench.drills.clients import RUNS, Answer, Client
from bench.drills.place import DrilledGateway, Place
from openclaw_tx.cli.errors import CommandError
from tests.e2e.processes import websocket
from tests.e2e.watching import Watcher

GRACE = 3.0
DEADLINE = GRACE + 5.0
SHORT = "short [[chunks=10 delay=0.15]]"
LONG = "long [[chunks=200 delay=0.1]]"
CONFIG = {
    "gateway": {"shutdownGraceSeconds": GRACE},
    "agents": {"defaults": {"maxConcurrent": 30}},
}


async def drain(place: Place) -> None:
    """Answers that can end within the grace end; the others are told that they were cut short, and so are watchers."""
    gateway = await place.gateway(CONFIG)
    client, kept = Client(place.reactor, gateway), Client(place.reactor, gateway, keep=True)
    heard: Counter[str] = Counter()

    def event(name: str, payload: Any) -> None:
        heard[name] += 1

    socket = await websocket(gateway, event)
    agent = Deferred.fromCoroutine(_agent(gateway))
    short = [
        Deferred.fromCoroutine(client.chat(SHORT, session=f"agent:main:short-{n}" if n % 2 else "", stream=n % 3 == 0))
        for n in range(12)
    ]
    long = [Deferred.fromCoroutine(client.chat(LONG, session=f"agent:main:long-{n}", stream=True)) for n in range(6)]
    watchers = [await _watched(client, gateway, words, n) for n, words in enumerate((SHORT, SHORT, LONG, LONG))]
    watching = [Deferred.fromCoroutine(watcher.watch()) for watcher in watchers]
    place.expect((await kept.ask("GET", "/healthz")).status == 200, "/healthz")
    await place.sleep(0.7)
    began = place.reactor.seconds()
    ended = Deferred.fromCoroutine(gateway.stop())
    await place.sleep(0.3)
    late = [await client.chat("late [[reply=no]]", seconds=5), await kept.chat("late [[reply=no]]", seconds=5)]
    probes = [(await client.ask("GET", path)).status for path in ("/readyz", "/healthz")]
    code = await ended
    took = place.reactor.seconds() - began
    place.expect(code == 0, f"exit code {code}: {gateway.log[-2000:]}")
    place.quiet(gateway)
    place.expect(took < DEADLINE, f"it took {took:.1f} s")
    for answer in late:
        refused = answer.status == 503 and answer.code == "gateway_draining"
        place.expect(refused, f"new work got {answer.status} {answer.body!r}")
    place.expect(probes == [503, 200], f"/readyz and /healthz were {probes}")
    shorts, longs = await _all(place, short), await _all(place, long)
    for answer in shorts:
        place.expect(answer.ended and answer.text.endswith("c10"), f"a short answer: {answer.body[-300:]!r}")
    for answer in longs:
        place.expect(answer.whole and b"gateway_restarting" in answer.body, f"a long answer: {answer.body[-300:]!r}")
        place.expect(b"c20" in answer.body, "a long answer said next to nothing")
    await DeferredList(watching, consumeErrors=True)
    ends = [watcher.found[-1]["type"] for watcher in watchers]
    place.expect(ends == ["run.completed"] * 2 + ["run.aborted"] * 2, f"watchers were told {ends}")
    place.expect(heard["shutdown"] == 1, f"the WebSocket heard {dict(heard)}")
    place.expect(await agent == "ok", f"the WebSocket's run: {await agent}")
    await socket.close()
    live = _live(gateway)
    place.expect(live == [], f"runs without an end in the ledger: {live}")
    await gateway.start()
    lost = await _lost(client, shorts, longs, watchers)
    place.expect(not lost, f"after the restart: {lost}")
    place.expect("was interrupted" not in gateway.log, "the next start took a run for cut off by a crash")
    place.expect(await gateway.stop() == 0, "exit code of an idle gateway")
    place.figures |= {
        "runs": len(shorts) + len(longs) + len(watchers) + 1,
        "ended in time": len(shorts) + 3,
        "cut short and told": len(longs) + 2,
        "took, s": f"{took:.1f} of {DEADLINE:g}",
        "late requests": ", ".join(str(answer.status) for answer in late),
    }


async def _agent(gateway: DrilledGateway) -> str:
    """A run of a WebSocket client: how it ended."""
    socket = await websocket(gateway)
    try:
        request = {"message": SHORT, "sessionKey": "agent:main:socket", "idempotencyKey": "drain"}
        final = await socket.call("agent", request, 30, lambda name, payload: None)
        return str(final["status"])
    except CommandError as error:
        return str(error)


async def _watched(client: Client, gateway: DrilledGateway, words: str, number: int) -> Watcher:
    body = {"message": words, "session": f"watched-{number}"}
    return Watcher(gateway, (await client.ask("POST", RUNS, body)).json["id"])


async def _all(place: Place, asking: list[Deferred[Answer]]) -> list[Answer]:
    found = await DeferredList(asking, consumeErrors=True)
    place.expect(all(well for well, _ in found), "a client failed")
    return [answer for _, answer in found]


def _live(gateway: DrilledGateway) -> list[Any]:
    with closing(sqlite3.connect(gateway.state / "gateway" / "openclaw.sqlite")) as database:
        return database.execute("SELECT run_id, status FROM runs WHERE status IN ('queued', 'running')").fetchall()


async def _lost(client: Client, shorts: list[Answer], longs: list[Answer], watchers: list[Watcher]) -> list[str]:
    """What the ledger says after a restart that is not what clients were told."""
    wrong = []
    for answer in (*shorts, *longs):
        if ":openai:" in answer.headers.get("x-openclaw-session-key", ""):
            continue
        run = (await client.run(answer.run_id)).json
        expected = ("ok", answer.text) if answer.ended else ("aborted", answer.text)
        if (run.get("status"), run.get("text")) != expected:
            wrong.append(f"{answer.run_id} {run.get('status')} {run.get('text')!r}, not {expected}")
    for watcher in watchers:
        run = (await client.run(watcher.run_id)).json
        if watcher.found[-1]["run"]["status"] != run.get("status"):
            wrong.append(f"{watcher.run_id} {run.get('status')}")
    return wrong


__all__ = ["drain"]
