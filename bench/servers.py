"""Starts servers on loopback and stops them: what all that is measured has in common, and the stub."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.proc import cpu_seconds, resident_mib

HERE = Path(__file__).parent
OUT = HERE / "out"

SERVER_CORE, LOAD_CORE = 0, 1
"""Core of the measured server, and of stub and load generator, on a machine that has both."""

FILES = 65_536
"""File descriptors that every process here may have open, where the machine lets it; 9,500 relayed streams need twice
as many."""

PATIENCE = 20.0
"""Seconds until a server that does not listen is given up."""

ANY_CORE = -1
"""For a server of several processes: wherever the kernel puts them."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Unavailable(Exception):
    """A peer that is not there or does not start; says why."""


@dataclass
class Target:
    """A server under load."""

    name: str
    port: int
    headers: list[str] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    """Workload -> model name to ask for; the workload's own if it is not here."""
    pid: int | None = None
    """Root of the process tree; C{None} = not measured (the stub asked directly)."""
    start_seconds: list[float] = field(default_factory=list)
    start_cpu_seconds: list[float] = field(default_factory=list)
    idle_mib: float | None = None
    slow: bool = False
    """Takes a good part of a second for each answer: measurements are longer, and warming up as well."""


Launcher = Callable[[ExitStack, int, int], Target]
"""Given a stack that ends what it starts, the stub's port and how often to start, leaves one server running."""


def child_setup(core: int) -> Callable[[], None]:
    """What a child does before exec: takes its core and every file descriptor allowed, and dies with its parent."""

    def setup() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
        raise_file_limit()

    return setup


def raise_file_limit() -> int:
    """Let this process have L{FILES} files open, or as many as the machine allows it.

    @return: how many that are.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limits in ((max(hard, FILES), max(hard, FILES)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return limits[0]
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    core: int = SERVER_CORE,
    env: dict[str, str] | None = None,
    patience: float = PATIENCE,
) -> Iterator[tuple[int, float, float]]:
    """A server that listens on C{port}; yields its pid and the seconds and CPU seconds it took to get there."""
    log_path = OUT / f"{name}.log"
    with log_path.open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=OUT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=child_setup(core),
        )
    try:
        while not _listens(port):
            if process.poll() is not None or time.perf_counter() - began > patience:
                raise Unavailable(f"does not listen; last words: {_last_line(log_path)}")
            time.sleep(0.003)
        yield process.pid, time.perf_counter() - began, cpu_seconds(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_line(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "none"


def launch(
    stack: ExitStack,
    target: Target,
    command: list[str],
    starts: int,
    env: dict[str, str] | None = None,
    patience: float = PATIENCE,
    core: int = SERVER_CORE,
) -> Target:
    """Starts a server C{starts} times; the last one stays until the stack closes."""
    for attempt in range(starts):
        with ExitStack() as one:
            last = attempt == starts - 1
            server = running(target.name, command, target.port, core, env, patience)
            pid, wall, cpu = (stack if last else one).enter_context(server)
            target.start_seconds.append(wall)
            target.start_cpu_seconds.append(cpu)
    time.sleep(0.5)
    target.pid, target.idle_mib = pid, resident_mib(pid)
    return target


def compile_tools() -> None:
    """Builds stub and load generator where their source is newer.

    @raise Unavailable: there is no C compiler.
    """
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    for tool in ("stub", "load", "watch"):
        source, binary = HERE / f"{tool}.c", HERE / tool
        if binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
            continue
        if compiler is None:
            raise Unavailable("needs a C compiler (cc, gcc or clang) to build the stub and the load generator")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(binary), str(source)], check=True)


def start_stub(stack: ExitStack) -> int:
    """Runs the model server that all targets relay to; returns its port."""
    port = free_port()
    stack.enter_context(running("stub", [str(HERE / "stub"), str(port)], port, LOAD_CORE))
    return port
