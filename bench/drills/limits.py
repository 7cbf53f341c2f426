"""No more file descriptors, and no more memory."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThread

from bench.drills.clients import CHAT, Client
from bench.drills.place import DrilledGateway, Place
from bench.proc import cpu_seconds
from tests.e2e.processes import websocket

SPARE = 24
"""Descriptors more than an idle gateway has."""
FLOOD = 200
"""Connections that want one."""
SPARE_MIB = 48
"""Address space more than an idle gateway has."""
BODY_MIB = 12
BODIES = 10
"""Bodies of that size at the same time."""


def _open(gateway: DrilledGateway) -> int:
    return len(os.listdir(f"/proc/{gateway.pid}/fd"))


async def descriptors(place: Place) -> None:
    """Two hundred connections that say nothing, where there are descriptors for twenty."""
    gateway = await place.gateway()
    client = Client(place.reactor, gateway, keep=True)
    place.expect((await client.chat("before [[reply=one]]", session="agent:main:fds")).text == "one", "before")
    one = await websocket(gateway)
    before = _open(gateway)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (before + SPARE, hard))
    told: Counter[str] = Counter()
    with ExitStack() as stack:
        await deferToThread(_flood, stack, gateway.port)
        await place.sleep(0.5)
        cpu, began = cpu_seconds(gateway.pid), place.reactor.seconds()
        for number in range(10):
            answer = await client.chat(f"during {number} [[reply=two]]", session="agent:main:fds", seconds=10)
            told[str(answer.status or "refused")] += 1
            place.expect(answer.status in (0, 200, 502, 503), f"{answer.status} {answer.body!r}")
        await one.call("health", {}, 10)
        busy = (cpu_seconds(gateway.pid) - cpu) / (place.reactor.seconds() - began)
        at_most = _open(gateway)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (hard, hard))

    async def works() -> bool:
        return (await client.chat("after [[reply=three]]", session="agent:main:fds", seconds=10)).text == "three"

    waited = await place.until(works, "new connections are served again", 15)
    await place.until(lambda: _open(gateway) <= before + 4, "descriptors are given back", 15)
    await one.close()
    place.expect("Unhandled" not in gateway.log, gateway.log[-2000:])
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")
    place.figures |= {
        "descriptors": f"{before} before, {at_most} at most",
        "answers": ", ".join(f"{count} x {status}" for status, count in sorted(told.items())),
        "share of a processor": f"{busy:.2f}",
        "works again after, s": f"{waited:.1f}",
    }
    place.expect(at_most < before + SPARE, f"{at_most} descriptors")
    place.expect("EMFILE" not in gateway.log, "it ran out of descriptors")


def _flood(stack: ExitStack, port: int) -> None:
    """Connections that say nothing; the gateway may cut some."""
    for _ in range(FLOOD):
        line = stack.enter_context(socket.socket())
        line.settimeout(2)
        try:
            line.connect(("127.0.0.1", port))
        except OSError:
            pass


def _virtual(pid: int) -> int:
    """Bytes of address space."""
    found = re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def memory(place: Place) -> None:
    """Ten bodies of twelve MiB at once, where there is room for three (RLIMIT_AS)."""
    gateway = await place.gateway()
    client = Client(place.reactor, gateway)
    for _ in range(3):
        place.expect((await client.chat("before [[reply=one]]", session="agent:main:ram")).text == "one", "before")
    hard = resource.prlimit(gateway.pid, resource.RLIMIT_AS)[1]
    resource.prlimit(gateway.pid, resource.RLIMIT_AS, (_virtual(gateway.pid) + SPARE_MIB * 1024 * 1024, hard))
    text = "x" * (BODY_MIB * 1024 * 1024)
    body = b'{"model": "openclaw", "messages": [{"role": "user", "content": "%s"}]}' % text.encode()
    asking = [Deferred.fromCoroutine(client.ask("POST", CHAT, body, seconds=30)) for _ in range(BODIES)]
    probes = [await client.ask("GET", "/healthz", seconds=10) for _ in range(20)]
    found = await DeferredList(asking, consumeErrors=True)
    told = Counter(str(answer.status or "cut") for well, answer in found if well)
    assert gateway.child is not None
    place.expect(gateway.child.code is None, f"the gateway ended with {gateway.child.code}: {gateway.log[-3000:]}")
    answered = [answer.status for well, answer in found if well]
    place.expect(all(status in (0, 200, 429, 503) for status in answered), f"large bodies got {dict(told)}")
    place.expect(sum(status != 0 for status in answered) >= BODIES // 2, f"large bodies were cut: {dict(told)}")
    small = await client.chat("small [[reply=two]]", session="agent:main:ram")
    resource.prlimit(gateway.pid, resource.RLIMIT_AS, (hard, hard))

    async def works() -> bool:
        return (await client.chat("after [[reply=three]]", session="agent:main:ram", seconds=10)).text == "three"

    waited = await place.until(works, "it works again", 15)
    place.figures |= {
        "large bodies": ", ".join(f"{count} x {status}" for status, count in sorted(told.items())),
        "health meanwhile": f"{sum(probe.status == 200 for probe in probes)} of {len(probes)}",
        "a small request right after": small.status or "cut",
        "MemoryErrors in the log": gateway.log.count("MemoryError"),
        "works again after, s": f"{waited:.1f}",
    }
    place.expect(all(probe.status == 200 for probe in probes), "health was not answered")
    place.expect(small.text == "two", f"a small request right after: {small.status} {small.body!r}")
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")


__all__ = ["descriptors", "memory"]
