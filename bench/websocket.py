"""What a thousand WebSocket clients cost: idle, and while runs stream to all of them.

    python -m bench.websocket [--watchers N] [--seconds S]

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


def measure(stub_port: int, watchers: int = WATCHERS, seconds: float = 4.0) -> dict[str, float]:
    """All figures, by the keys of the table.

    @param seconds: length of each part.
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
            "ws.idle_share": load.idle_cpu(target, seconds),
        }
        for workload in (PACED, FULL):
            figures |= _streaming(target, workload, clients, timed, seconds)
        figures["ws.longest_turn_ms"] = max(figures.pop(f"{name.name}.turn_ms") for name in (PACED, FULL))
        return figures


def _streaming(
    target: Target, workload: Workload, clients: Watchers, timed: Figures, seconds: float
) -> dict[str, float]:
    """Runs stream to all."""
    assert target.pid is not None
    clients.count()
    timed.reset()
    before = cpu_seconds(target.pid)
    row = load.measure(target, workload, seconds, "-r", str(4 * workload.connections))  # as users come: not at once
    time.sleep(1)  # until what was cut off has been told as well
    got = clients.count()
    if not got["events"] or got["holes"] or got["lost"] or row["failed"]:
        raise Unavailable(f"watchers of {workload.name} missed something: {got}, {row['failed']} runs failed")
    cpu = (cpu_seconds(target.pid) - before) / got["events"] * 1e6
    return {
        f"{workload.name}.event_us": cpu,
        f"{workload.name}.events_core": 1e6 / cpu,
        f"{workload.name}.events": got["events"] / seconds,
        f"{workload.name}.event_us.p50": got["us"]["p50"],
        f"{workload.name}.event_us.p99": got["us"]["p99"],
        f"{workload.name}.turn_ms": timed.get()[0],
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.websocket", description="WebSocket clients alone")
    parser.add_argument("--watchers", type=int, default=WATCHERS, metavar="N")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="length of each part (default 4)")
    chosen = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with ExitStack() as stack:
        compile_tools()
        figures = measure(start_stub(stack), chosen.watchers, chosen.seconds)
    for key, value in figures.items():
        print(f"{key:24} {value:14,.4f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as reason:
        raise SystemExit(f"bench: {reason}") from None
