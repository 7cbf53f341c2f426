"""A long night: clients that come, run, abort, leave and come back at random, and what the gateway holds afterwards.

C{python -m bench.drills.soak --minutes 30}, C{make soak}. A sixth of the time is for warming up, with three times as
many clients, until what is bounded (runs that are remembered, caches) has reached its bounds, and memory its highest:
else each moment that is busier than all before would look like growth. Then comes a rest, then the remaining time,
then another rest. At the end of each the gateway's clock is set on by fifteen minutes, so that runs that have ended are
forgotten, and what it holds is counted. Descriptors, delayed calls, connections and objects must be what they were;
resident memory, measured every few seconds, must not rise in the second half.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import Counter
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall, react

from bench.drills.clients import RUNS, Answer, Client
from bench.drills.place import Broken, DrilledGateway, Place
from bench.drills.seams import IN_USE, TAKEN
from bench.proc import cpu_seconds, resident_mib
from openclaw_tx.cli.errors import CommandError
from tests.e2e.processes import websocket

CLIENTS = 12
CLIENTS_AT_FIRST = 36
SESSIONS = 12
RESET_EVERY = 40
"""Turns after which a session begins anew, so that prompts do not grow for ever."""
REST_SECONDS = 75.0
"""Until everything that is to end after a client has gone has ended; idle connections may stay for a minute."""
LATER_SECONDS = 900.0
"""Until runs that have ended are forgotten."""
SLOPE_MIB_PER_HOUR = 6.0
"""Rise of resident memory that counts as none: a hundredth of a MiB in six seconds."""
STEADY_MINUTES = 25
"""Shorter than that, and memory still finds its place."""
SAMPLES = 120
"""Measurements of memory in the whole time."""
TOLERATED = 0.02
"""Objects more than before, of a hundred, that count as none: a dictionary that has been resized, a line of a log."""
MUST_RETURN = ("delayed calls", "descriptors", "selectables")


class Soak:
    """Clients, and what they have done."""

    def __init__(self, place: Place, gateway: DrilledGateway) -> None:
        self.place = place
        self.gateway = gateway
        self.done: Counter[str] = Counter()
        self.turns: Counter[str] = Counter()
        self.stopping = False
        self.samples: list[tuple[float, float]] = []
        self._later = 0.0
        self._acts = (self.answer, self.stream, self.hang_up, self.background, self.socket, self.vanish, self.nonsense)

    async def client(self) -> None:
        """One after the other, with pauses."""
        client = Client(self.place.reactor, self.gateway, keep=True)
        while not self.stopping:
            act = self.place.random.choice(self._acts)
            await act(client)
            self.done[act.__name__.replace("_", " ")] += 1
            await self.place.sleep(self.place.random.uniform(0.02, 0.3))
        await client.close()

    def words(self, slow: bool = False) -> str:
        """What is said."""
        random = self.place.random
        if slow:
            return f"wait [[chunks={random.randint(20, 60)} delay=0.05]]"
        arguments = json.dumps({"path": f"{random.randint(0, 20)}.txt", "content": "x" * 200}, separators=(",", ":"))
        return random.choice(
            (
                f"say [[chunks={random.randint(1, 40)}]]",
                f"say [[chunks={random.randint(1, 8)} delay=0.02]]",
                f"use [[tool=write args={arguments}]]",
                "fail [[status=400]]",
                "break [[chunks=5 drop=2]]",
            )
        )

    async def session(self, client: Client) -> str:
        """A session's key, or "" for none."""
        key = self.place.random.choice(["", *(f"agent:main:soak-{n}" for n in range(SESSIONS))])
        self.turns[key] += 1
        if key and self.turns[key] % RESET_EVERY == 0:
            socket = await websocket(self.gateway, scopes=["operator.admin"])
            await socket.call("sessions.delete", {"key": key}, 30)
            await socket.close()
            self.done["reset"] += 1
        return key

    # -- what clients do

    async def answer(self, client: Client) -> None:
        """A chat completion."""
        self._known(await client.chat(self.words(), session=await self.session(client)))

    async def stream(self, client: Client) -> None:
        """The same as a stream."""
        self._known(await client.chat(self.words(), session=await self.session(client), stream=True))

    async def hang_up(self, client: Client) -> None:
        """A stream that is left in the middle."""
        answer = Answer()
        asking = Deferred.fromCoroutine(
            client.chat(self.words(slow=True), session=await self.session(client), stream=True, answer=answer)
        )
        await self.place.sleep(self.place.random.uniform(0.0, 1.0))
        if not asking.called:
            asking.cancel()
        try:
            await asking
        except CancelledError:
            pass

    async def background(self, client: Client) -> None:
        """A run of its own that is watched, left, watched again and cancelled."""
        body = {"message": self.words(slow=True), "session": "soak-background"}
        started = await client.ask("POST", RUNS, body)
        if started.status == 429:
            return
        self.place.expect(started.status == 202, f"POST {RUNS}: {started.status} {started.body!r}")
        run_id = started.json["id"]
        for _ in range(2):
            watching = Deferred.fromCoroutine(client.ask("GET", f"{RUNS}/{run_id}/events"))
            await self.place.sleep(self.place.random.uniform(0.0, 0.5))
            watching.addErrback(lambda failure: failure.trap(CancelledError) and None)
            watching.cancel()
            await watching
        ended = await client.ask("DELETE", f"{RUNS}/{run_id}")
        self.place.expect(ended.status in (200, 202), f"DELETE: {ended.status} {ended.body!r}")

    async def socket(self, client: Client) -> None:
        """A WebSocket client: a run, and one that is aborted."""
        socket = await websocket(self.gateway)
        try:
            for words in (self.words(), self.words(slow=True)):
                key = f"agent:main:soak-{self.place.random.randint(0, SESSIONS)}"
                message = {"sessionKey": key, "message": words, "idempotencyKey": self._new()}
                await socket.call("chat.send", message, 30)
                await self.place.sleep(self.place.random.uniform(0.0, 0.4))
                await socket.call("chat.abort", {"sessionKey": key}, 30)
            await socket.call("sessions.list", {}, 30)
        finally:
            await socket.close()

    async def vanish(self, client: Client) -> None:
        """A WebSocket client that breaks off in the middle of a run."""
        socket = await websocket(self.gateway)
        key = f"agent:main:soak-{self.place.random.randint(0, SESSIONS)}"
        request = {"message": self.words(slow=True), "sessionKey": key, "idempotencyKey": self._new()}
        running = Deferred.fromCoroutine(socket.call("agent", request, 60))
        running.addErrback(lambda failure: failure.trap(CommandError) and None)
        await self.place.sleep(self.place.random.uniform(0.0, 0.6))
        socket.cut()
        await running

    async def nonsense(self, client: Client) -> None:
        """What is refused."""
        path = self.place.random.choice(("/v1/nothing", RUNS, "/v1/chat/completions"))
        answer = await client.ask("POST", path, b'{"messages": [')
        self.place.expect(answer.status in (400, 404), f"{path}: {answer.status} {answer.body!r}")

    # -- what is measured

    def sample(self) -> None:
        """Resident memory, now."""
        self.samples.append((self.place.reactor.seconds(), resident_mib(self.gateway.pid)))

    async def work(self, seconds: float, count: int = CLIENTS) -> None:
        """Have so many clients work for so long."""
        self.stopping = False
        clients = [Deferred.fromCoroutine(self.client()) for _ in range(count)]
        await self.place.sleep(seconds)
        self.stopping = True
        for well, result in await DeferredList(clients, consumeErrors=True):
            if not well:
                result.raiseException()

    async def counts(self) -> dict[str, int]:
        """What the gateway holds after a rest."""
        await self.place.until(self.idle, "every run has ended", 60)
        await self.place.sleep(REST_SECONDS)
        self._later += LATER_SECONDS
        self.gateway.seams.set_clock(self._later)
        await self.place.sleep(3.0)
        self.gateway.seams.ask_counts(self.gateway.pid)
        await self.place.until(lambda: self.gateway.seams.counts() is not None, "it tells what it holds")
        found = self.gateway.seams.counts()
        assert found is not None
        return found

    async def idle(self) -> bool:
        """Whether no run is at work, and none waits."""
        told = (await Client(self.place.reactor, self.gateway).ask("GET", "/metrics")).body.decode()
        return all(f"openclaw_runs_{state} 0.0\n" in told for state in ("active", "queued"))

    def _known(self, answer: Answer) -> None:
        """Whatever became of it, the client was told."""
        told = answer.whole and (answer.ended or b'"error"' in answer.body)
        self.place.expect(told, f"an answer without an end: {answer.status} {answer.body[-300:]!r} {answer.problem}")

    def _new(self) -> str:
        return f"soak-{self.place.random.getrandbits(64):x}"


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB in an hour, of the straight line that is nearest to the samples."""
    count = len(samples)
    mean_x, mean_y = (sum(sample[axis] for sample in samples) / count for axis in (0, 1))
    over = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return 3600 * over / sum((x - mean_x) ** 2 for x, _ in samples)


async def soak(place: Place, minutes: float) -> None:
    """All of it."""
    gateway = await place.gateway()
    soak = Soak(place, gateway)
    await soak.work(60 * minutes / 6, CLIENTS_AT_FIRST)
    before, cpu = await soak.counts(), cpu_seconds(gateway.pid)
    sampling = LoopingCall(soak.sample)
    sampling.start(60 * minutes / SAMPLES)
    try:
        await soak.work(max(10.0, 60 * minutes * 5 / 6 - 2 * REST_SECONDS))
    finally:
        sampling.stop()
    after = await soak.counts()
    rise = slope(soak.samples[len(soak.samples) // 2 :])
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    place.figures |= {
        "minutes": f"{minutes:g}",
        **dict(sorted(soak.done.items())),
        "CPU seconds": f"{cpu_seconds(gateway.pid) - cpu:.0f}",
        "resident MiB": f"{soak.samples[0][1]:.1f} at first, {max(y for _, y in soak.samples):.1f} at most, "
        f"{soak.samples[-1][1]:.1f} at last",
        "in between": ", ".join(f"{y:.1f}" for _, y in soak.samples[:: max(1, len(soak.samples) // 10)]),
        "slope of the second half, MiB in an hour": f"{rise:.1f}",
        **{name: f"{before[name]} -> {after[name]}" for name in (*MUST_RETURN, "objects", IN_USE, TAKEN)},
    }
    most = sorted(grown.items(), key=lambda item: -abs(item[1]))[:12]
    print("     grown: " + ", ".join(f"{name} {count:+}" for name, count in most), flush=True)
    place.quiet(gateway)
    for name in MUST_RETURN:
        place.expect(after[name] <= before[name], f"{name}: {before[name]} before, {after[name]} after")
    for name in ("objects", IN_USE):
        more = after[name] / before[name] - 1
        place.expect(more < TOLERATED, f"{100 * more:.1f} % more {name}")
    place.expect(rise < SLOPE_MIB_PER_HOUR or minutes < STEADY_MINUTES, f"memory rises by {rise:.1f} MiB in an hour")
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")


async def main(reactor: Any, arguments: list[str]) -> None:
    """
    @raise SystemExit: with 1 when something has grown.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long, all in all, at least 3 (default 30)")
    parser.add_argument("--seed", metavar="WORD", default=secrets.token_hex(4), help="of all randomness")
    chosen = parser.parse_args(arguments)
    print(f"seed: {chosen.seed}", flush=True)
    place = Place(reactor, chosen.seed)
    problem = ""
    try:
        await soak(place, chosen.minutes)
    except Broken as broken:
        problem = str(broken)
    finally:
        await place.close()
    for name, value in place.figures.items():
        print(f"     {name}: {value}")
    print(f"FAIL soak: {problem}" if problem else "PASS soak", flush=True)
    if problem:
        raise SystemExit(1)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, sys.argv[1:])))
