"""Starts and stops what is measured: the stub, the gateway, the aiohttp proxy and nginx, all on loopback."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.proc import cpu_seconds, resident_mib
from bench.workloads import ALL

HERE = Path(__file__).parent
OUT = HERE / "out"

SERVER_CORE, LOAD_CORE = 0, 1
"""Core of the measured server, and of stub and load generator, on a machine that has both."""

ANY_CORE = -1
"""For a server of several processes: wherever the kernel puts them."""

AIOHTTP = "aiohttp==3.14.5"

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


Launcher = Callable[[ExitStack, int, int], Target]
"""Given a stack that ends what it starts, the stub's port and how often to start, leaves one server running."""


def child_setup(core: int) -> Callable[[], None]:
    """What a child does before exec: takes its core and every file descriptor allowed, and dies with its parent."""

    def setup() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return setup


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str, command: list[str], port: int, core: int = SERVER_CORE, env: dict[str, str] | None = None
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
            if process.poll() is not None or time.perf_counter() - began > 20:
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


def _launch(
    stack: ExitStack,
    target: Target,
    command: list[str],
    starts: int,
    env: dict[str, str] | None = None,
    core: int = SERVER_CORE,
) -> Target:
    """Starts a server C{starts} times; the last one stays until the stack closes."""
    for attempt in range(starts):
        with ExitStack() as one:
            last = attempt == starts - 1
            started = running(target.name, command, target.port, core, env)
            pid, wall, cpu = (stack if last else one).enter_context(started)
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
    for tool in ("stub", "load"):
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


def gateway(stack: ExitStack, stub_port: int, starts: int, workers: int = 0) -> Target:
    """The gateway: token authentication, a state directory of its own, one agent for each workload.

    @param workers: how many, on all cores; 0 = one process on its core.
    """
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openclaw-bench-")))
    token = secrets.token_hex(24)
    config = state / "openclaw.json"
    config.write_text(json.dumps(_gateway_config(state, token, stub_port), indent=2))
    config.chmod(0o600)
    twistd = Path(sys.executable).with_name("twistd")
    if not twistd.exists():
        raise Unavailable(f"{twistd} is missing: run this with the Python of an environment that has openclaw-tx")
    target = Target("openclaw_tx", free_port(), [f"Authorization: Bearer {token}"])
    target.models = {workload.name: f"openclaw/{workload.name}" for workload in ALL}
    command = [str(twistd), "-n", "--pidfile=", "openclaw"]
    command += ["--config", str(config), "--state-dir", str(state), "--port", str(target.port)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW_", "STUB_"))}
    env |= {"HOME": str(state), "PYTHONPATH": str(HERE.parent)}
    if workers:
        return _launch(stack, target, [*command, "--workers", str(workers)], starts, env, ANY_CORE)
    return _launch(stack, target, command, starts, env)


def _gateway_config(state: Path, token: str, stub_port: int) -> dict[str, object]:
    """A configuration that refuses none of the load."""
    models = sorted({workload.model for workload in ALL})
    return {
        "gateway": {
            "auth": {"mode": "token", "token": token},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "agents": {
            "defaults": {"workspace": str(state / "workspace"), "maxConcurrent": 4000, "maxQueued": 4000},
            "list": [{"id": workload.name, "model": f"stub/{workload.model}"} for workload in ALL],
        },
        "models": {
            "mode": "replace",
            "providers": {
                "stub": {
                    "baseUrl": f"http://127.0.0.1:{stub_port}/v1",
                    "apiKey": "bench",
                    "models": [{"id": model} for model in models],
                }
            },
        },
    }


def aiohttp_proxy(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """aiohttp_proxy.py in a virtual environment of its own under out/."""
    venv = OUT / "venv"
    python, ready = venv / "bin" / "python", venv / AIOHTTP
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", AIOHTTP]
        if subprocess.run(pip).returncode:
            raise Unavailable(f"pip cannot install {AIOHTTP}")
        ready.touch()
    target = Target("aiohttp", free_port())
    command = [str(python), str(HERE / "aiohttp_proxy.py"), str(target.port), f"http://127.0.0.1:{stub_port}"]
    return _launch(stack, target, command, starts)


_NGINX = """\
# One worker, no buffering, kept upstream connections: close to the least that a relay can cost.
worker_processes 1;
daemon off;
error_log nginx-error.log error;
pid nginx.pid;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path nginx-body;
    proxy_temp_path nginx-proxy;
    fastcgi_temp_path nginx-fastcgi;
    uwsgi_temp_path nginx-uwsgi;
    scgi_temp_path nginx-scgi;
    upstream stub {{
        server 127.0.0.1:{stub_port};
        keepalive 4096;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=16384;
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""


def nginx(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """The system's nginx, if it has one."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise Unavailable("is not installed")
    home = OUT / "nginx"
    home.mkdir(exist_ok=True)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    target = Target("nginx", free_port())
    text = _NGINX.format(files=files, connections=min(files, 20000), port=target.port, stub_port=stub_port)
    (home / "nginx.conf").write_text(text)
    command = [binary, "-p", str(home), "-c", str(home / "nginx.conf")]
    return _launch(stack, target, command, starts)


LAUNCHERS: dict[str, Launcher] = {"nginx": nginx, "aiohttp": aiohttp_proxy, "openclaw_tx": gateway}
