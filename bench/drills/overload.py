"""Ten times the runs that are admitted, all at once, again and again; one key beside another that asks for all."""

from __future__ import annotations

import json
from collections import Counter

from twisted.internet.defer import Deferred, DeferredList

from bench.drills.clients import Answer, Client
from bench.drills.place import Place
from bench.proc import resident_mib
from openclaw_tx.auth.keys import hash_of, new_key

AT_WORK, WAITING = 8, 12
ADMITTED = AT_WORK + WAITING
ASKED = 10 * ADMITTED
RUN = "work [[chunks=10 delay=0.1]]"
"""A second of work."""
HEALTH_MS = 50.0
REFUSED_SECONDS = 2.5
"""Until the last of so many that came at the same moment has been refused."""
FLAT_MIB = 12.0
WAVES = 5
LIMITS = {"agents": {"defaults": {"maxConcurrent": AT_WORK, "maxQueued": WAITING}}}


async def overload(place: Place) -> None:
    """Waves of two hundred requests where twenty are admitted; health is asked for all along."""
    gateway = await place.gateway(LIMITS)
    client = Client(place.reactor, gateway)
    place.expect((await client.chat("warm up")).ended, "warming up")
    prober = place.spawn(["-m", "bench.drills.probing", str(gateway.port), str(gateway.pid)])
    await prober.printed("probing")
    await _wave(place, client)
    rss = resident_mib(gateway.pid)
    told: Counter[str] = Counter()
    slowest = 0.0
    for _ in range(WAVES):
        for answer in await _wave(place, client):
            place.expect(answer.whole, f"no answer: {answer.problem}")
            told[f"{answer.status}{'' if answer.status == 200 else ' ' + answer.code}"] += 1
            if answer.status == 200:
                place.expect(answer.ended and answer.text.endswith("c10"), f"admitted, and then {answer.body[-300:]!r}")
            else:
                retry = answer.headers.get("retry-after", "")
                place.expect(answer.status in (429, 503), f"{answer.status} {answer.body!r}")
                place.expect(retry.isdigit() and int(retry) >= 1, f"Retry-After: {retry!r}")
                slowest = max(slowest, answer.seconds)
    grown = resident_mib(gateway.pid) - rss
    await prober.stop("INT")
    health = json.loads(prober.output.splitlines()[-1])
    place.quiet(gateway)
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")
    place.figures |= {
        "asked": WAVES * ASKED,
        **dict(sorted(told.items())),
        "slowest refusal, s": f"{slowest:.2f}",
        "memory, MiB": f"{grown:+.1f}",
        "health, ms": f"median {health['median']:.1f}, p99 {health['p99']:.1f},"
        f" worst {health['worst']:.1f} (by the wall {health['wall']:.1f}) of {health['count']}",
    }
    place.expect(told["200"] >= WAVES * ADMITTED, f"only {told['200']} were answered")
    place.expect(slowest < REFUSED_SECONDS, f"a refusal took {slowest:.2f} s")
    place.expect(grown < FLAT_MIB, f"memory has grown by {grown:.1f} MiB")
    place.expect(health["failed"] == 0, f"{health['failed']} health probes failed")
    place.expect(health["worst"] < HEALTH_MS, f"health took {health['worst']:.0f} ms")


async def _wave(place: Place, client: Client) -> list[Answer]:
    """All at the same moment."""
    asking = [Deferred.fromCoroutine(client.chat(RUN, stream=number % 2 == 0)) for number in range(ASKED)]
    found = await DeferredList(asking, consumeErrors=True)
    place.expect(all(well for well, _ in found), "a client failed")
    return [answer for _, answer in found]


async def fairness(place: Place) -> None:
    """A key that keeps the queue full, and one that asks for one answer after the other."""
    greedy, modest = (new_key(lambda size: place.random.randbytes(size).hex()) for _ in range(2))
    keys = [{"label": "greedy", "hash": hash_of(greedy)}, {"label": "modest", "hash": hash_of(modest)}]
    gateway = await place.gateway({**LIMITS, "gateway": {"auth": {"keys": keys}}})
    many, one = Client(place.reactor, gateway, greedy), Client(place.reactor, gateway, modest)
    flooding = [True]
    told: Counter[int] = Counter()

    async def flood() -> None:
        while flooding[0]:
            answer = await many.chat(RUN)
            told[answer.status] += 1
            if answer.status == 429:
                await place.sleep(0.2)

    floods = [Deferred.fromCoroutine(flood()) for _ in range(2 * ADMITTED)]
    await place.sleep(2.0)
    answers = [await one.chat(RUN) for _ in range(6)]
    flooding[0] = False
    await DeferredList(floods, consumeErrors=True)
    place.quiet(gateway)
    seconds = sorted(answer.seconds for answer in answers)
    place.figures |= {
        "greedy": ", ".join(f"{count} x {status}" for status, count in sorted(told.items())),
        "modest": ", ".join(str(answer.status) for answer in answers),
        "modest waited, s": f"median {seconds[3]:.1f}, at most {seconds[-1]:.1f}",
    }
    place.expect(told[429], "the queue was never full")
    place.expect(
        all(answer.ended for answer in answers), f"the modest key: {[answer.body[:200] for answer in answers]}"
    )
    # A place is free after a second at the latest, and the next one in turn is the modest key.
    place.expect(seconds[-1] < 4.0, f"an answer of a second took {seconds[-1]:.1f} s")


__all__ = ["fairness", "overload"]
