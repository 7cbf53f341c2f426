"""What a thousand WebSocket clients cost: idle, and while runs stream to all of them.

    python -m bench.websocket [--watchers N] [--seconds S] [--idle S] [--rounds N]

The gateway is one of its own with a clock inside its reactor (timed.py); the watchers are one process (watch.c) on the
other core; the runs are asked for over HTTP, as each of their events goes to every watcher. Two loads: one that the
gateway bears with ease, where an event costs the most, and one that it can not bear, which shows how many events there
are to a core, and that no turn of the reactor gets long for that.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import load
from bench.proc import cpu_seconds, resident_mib
from bench.servers import (
    HERE,
    LOAD_CORE,
    OUT,
    Target,
    Unavailable,
    child_setup,
    compile_tools,
    free_port,
    running,
    start_stub,
)
from bench.timed import Figures
from bench.workloads import Workload

WATCHERS = 1000
IDLE_SECONDS = 31.0
"""In so many seconds each idle client is sent a tick, and asked for a sign of life."""
PACED = Workload("ws", "bench-n20-b32-d200", 20, connections=4)
"""Four runs that say something five times a second: two events each time."""
FULL = Workload("wsfull", "bench-n100-b32-d20", 100, connections=16)
"""Sixteen runs at fifty a second."""


class Watchers:
    """The clients."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ready(self) -> int:
        """Wait until all are let in; how many they are.

        @raise Unavailable: they are not.
        """
        line = self._line()
        if not line.startswith("ready "):
            raise Unavailable("the watchers were not let in")
        return int(line.split()[1])

    def count(self) -> dict[str, Any]:
        """What came to all of them since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counted: dict[str, Any] = json.loads(self._line())
        return counted

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def watching(port: int, count: int, token: str) -> Iterator[Watchers]:
    """So many watchers; they end with the block."""
    command = [str(HERE / "watch"), str(port), str(count), token]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=child_setup(LOAD_CORE)
    )
    try:
        yield Watchers(process)
    finally:
        process.kill()
        process.wait()


def gateway(stack: ExitStack, stub_port: int) -> tuple[Target, Figures, str]:
    """A gateway that times its turns, with an agent for each load; its clock, and its token."""
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openclaw-bench-ws-")))
    token = secrets.token_hex(24)
    workloads = (PACED, FULL)
    config = {
        "gateway": {
            "auth": {"mode": "token", "token": token},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "agents": {
            "defaults": {"workspace": str(state / "workspace"), "maxConcurrent": 64},
            "list": [{"id": workload.name, "model": f"stub/{workload.model}"} for workload in workloads],
        },
        "models": {
            "mode": "replace",
            "providers": {
                "stub": {
                    "baseUrl": f"http://127.0.0.1:{stub_port}/v1",
                    "apiKey": "bench",
                    "models": [{"id": workload.model} for workload in workloads],
                }
            },
        },
    }
    (state / "openclaw.json").write_text(json.dumps(config))
    (state / "openclaw.json").chmod(0o600)
    target = Target("openclaw_tx", free_port(), [f"Authorization: Bearer {token}"])
    target.models = {workload.name: f"openclaw/{workload.name}" for workload in workloads}
    command = [
        sys.executable,
        "-m",
        "bench.timed",
        str(state / "figures"),
        "0",
        "--config",
        str(state / "openclaw.json"),
    ]
    command += ["--state-dir", str(state / "state"), "--port", str(target.port)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW_", "STUB_"))}
    env |= {"HOME": str(state), "PYTHONPATH": str(HERE.parent)}
    target.pid = stack.enter_context(running("websocket", command, target.port, env=env))[0]
    return target, Figures(state / "figures"), token


def measure(
    stub_port: int, watchers: int = WATCHERS, seconds: float = 4.0, idle: float = IDLE_SECONDS, rounds: int = 3
) -> dict[str, float]:
    """All figures, by the keys of the table.

    @param seconds: how long runs stream, each time.
    @param idle: how long the idle gateway is watched; less than L{IDLE_SECONDS} leaves out what it has to do.
    @param rounds: times that each load is borne. Medians count, and of the longest turns the shortest: the rest is what
        else the machine had to do.
    """
    with ExitStack() as stack:
        target, timed, token = gateway(stack, stub_port)
        assert target.pid is not None
        load.measure(target, PACED, 1.0)  # what is loaded with the first run is no watcher's
        time.sleep(1)
        memory, cpu = resident_mib(target.pid), cpu_seconds(target.pid)
        clients = stack.enter_context(watching(target.port, watchers, token))
        held = clients.ready()
        opened = cpu_seconds(target.pid) - cpu
        time.sleep(2)
        figures = {
            "ws.held": float(held),
            "ws.open_us": opened / held * 1e6,
            "ws.kib": (resident_mib(target.pid) - memory) * 1024 / held,
            "ws.idle_share": load.idle_cpu(target, idle),
        }
        turns: list[tuple[float, float]] = []
        for workload in (PACED, FULL):
            rows = [_streaming(target, workload, clients, timed, seconds) for _ in range(rounds)]
            turns.append((min(row.pop("turn_ms") for row in rows), min(row.pop("turn_cpu_ms") for row in rows)))
            figures |= {f"{workload.name}.{key}": statistics.median(row[key] for row in rows) for key in rows[0]}
        longest, busiest = map(max, *turns)
        return figures | {"ws.longest_turn_ms": longest, "ws.longest_turn_cpu_ms": busiest}


def _streaming(
    target: Target, workload: Workload, clients: Watchers, timed: Figures, seconds: float
) -> dict[str, float]:
    """Runs stream to all."""
    assert target.pid is not None
    clients.count()
    timed.reset()
    before = cpu_seconds(target.pid)
    rate = str(4 * workload.connections)  # as users come: not all at once
    with load._generator(target, workload, seconds, "-r", rate) as generator:
        runs = load._result(generator, seconds)
    time.sleep(1)  # until what was cut off has been told as well
    got, cpu = clients.count(), cpu_seconds(target.pid) - before
    if not got["events"] or got["holes"] or got["lost"] or runs["failed"]:
        raise Unavailable(f"watchers of {workload.name} missed something: {got}, {runs['failed']} runs failed")
    return {
        "event_us": cpu / got["events"] * 1e6,
        "events_core": got["events"] / cpu,
        "events": got["events"] / seconds,
        "latency_ms": got["us"]["p50"] / 1000,
        "turn_ms": timed.get()[0],
        "turn_cpu_ms": timed.busy(),
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.websocket", description="WebSocket clients alone")
    parser.add_argument("--watchers", type=int, default=WATCHERS, metavar="N")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="how long runs stream (default 4)")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, metavar="S", help="how long they do not")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="times that runs stream (default 3)")
    chosen = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with ExitStack() as stack:
        compile_tools()
        figures = measure(start_stub(stack), chosen.watchers, chosen.seconds, chosen.idle, chosen.rounds)
    for key, value in figures.items():
        print(f"{key:24} {value:14,.4f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as reason:
        raise SystemExit(f"bench: {reason}") from None
