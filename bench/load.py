"""Runs the load generator against one server and takes the server's own figures beside it."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from bench.proc import cpu_seconds, resident_mib, system_calls
from bench.servers import HERE, LOAD_CORE, OUT, Target, child_setup
from bench.workloads import CALLS, HOLD, Workload, http_request

Row = dict[str, Any]
"""Figures of one measurement. Keys of load.c's JSON, times in microseconds, and those added here."""

SLOWER = 10
"""How many times longer a slow server is measured."""

OPENED = 500.0
"""Streams that are opened in a second, unless the server is known to take longer."""

IDLE_CONNECTIONS = 1000

IDLE_SECONDS = 2.0
"""How long the system calls of an idle server are counted."""


@contextmanager
def _generator(target: Target, workload: Workload, seconds: float, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The load generator at work; it ends by itself after C{seconds}."""
    model = target.models.get(workload.name, workload.model)
    with tempfile.NamedTemporaryFile() as request:
        request.write(http_request(target.port, workload, model, target.headers))
        request.flush()
        command = [str(HERE / "load"), "-p", str(target.port), "-f", request.name]
        command += ["-c", str(workload.connections), "-t", str(seconds), "-n", str(workload.answers), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=child_setup(LOAD_CORE))
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _result(process: subprocess.Popen[str], seconds: float) -> Row:
    row: Row = json.loads(process.communicate(timeout=seconds + 20)[0])
    row["failed"] = row["bad_status"] + row["broken"]
    return row


def measure(target: Target, workload: Workload, seconds: float) -> Row:
    """One measurement: rates and latencies of load.c, CPU of the server for each answer and each chunk."""
    if target.slow:
        seconds *= SLOWER
    before = cpu_seconds(target.pid) if target.pid else 0.0
    with _generator(target, workload, seconds) as process:
        row = _result(process, seconds)
    row["cpu"] = cpu_seconds(target.pid) - before if target.pid else None
    # An answer cut off by the end of the measurement counts by the chunks it brought.
    answers = row["markers"] / workload.chunks
    if row["cpu"] is not None and answers:
        row["cpu_us_request"] = row["cpu"] / answers * 1e6
        row["cpu_us_chunk"] = row["cpu"] / row["markers"] * 1e6
    return row


def hold(target: Target, streams: int, steady: float, opened: float = OPENED) -> Row:
    """C{streams} open streams at one chunk a second: memory of each, CPU and latency of a chunk while all are open.

    @param opened: streams that are opened in a second.
    """
    assert target.pid is not None
    opening = streams / opened + 2
    before = resident_mib(target.pid)
    workload = Workload(HOLD.name, HOLD.model, HOLD.chunks, connections=streams)
    with _generator(target, workload, opening + steady + 1, "-r", str(opened), "-w", str(opening)) as process:
        time.sleep(opening)
        cpu, began = cpu_seconds(target.pid), time.perf_counter()
        time.sleep(steady)
        cpu, elapsed = cpu_seconds(target.pid) - cpu, time.perf_counter() - began
        open_mib = resident_mib(target.pid)
        row = _result(process, opening + steady)
    held = row["streaming_end"]
    row |= {"held": held, "missing": streams - held, "open_mib": open_mib, "busy": cpu / elapsed}
    if held:
        row |= {"kib_stream": (open_mib - before) * 1024 / held, "cpu_us_chunk": cpu / elapsed / held * 1e6}
    return row


def calls_per_chunk(target: Target) -> float | None:
    """System calls of the server for each relayed chunk, without the share of the request and without those that it
    makes when nobody asks anything of it; C{None} = no strace."""
    assert target.pid is not None
    answers, counts = 2, []
    report = OUT / f"strace-{target.name}.txt"
    idle = system_calls(target.pid, lambda: time.sleep(IDLE_SECONDS), report)
    if idle is None:
        return None
    for workload in CALLS:
        took = 0.0

        def work(workload: Workload = workload) -> None:
            nonlocal took
            began = time.perf_counter()
            with _generator(target, replace(workload, answers=answers), 15) as process:
                _result(process, 15)
            took = time.perf_counter() - began

        work()
        count = system_calls(target.pid, work, report)
        if count is None:
            return None
        counts.append(count - idle * took / IDLE_SECONDS)
    return (counts[1] - counts[0]) / answers / (CALLS[1].chunks - CALLS[0].chunks)


def idle_cpu(target: Target, seconds: float) -> float:
    """Share of a core that the server uses when nobody asks anything of it."""
    assert target.pid is not None
    before = cpu_seconds(target.pid)
    time.sleep(seconds)
    return (cpu_seconds(target.pid) - before) / seconds


def idle_connected_cpu(target: Target, seconds: float) -> float:
    """The same with L{IDLE_CONNECTIONS} that have asked something once and stay open."""
    with ExitStack() as stack:
        request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
        for _ in range(IDLE_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", target.port), 10))
            connection.sendall(request)
            connection.recv(65536)
        time.sleep(1)
        return idle_cpu(target, seconds)


def warm_up(targets: list[Target], workload: Workload) -> dict[str, str]:
    """A short load on each target; target -> complaint for those that do not answer it."""
    complaints = {}
    for target in targets:
        seconds, answers = (60.0, 3) if target.slow else (20.0, 200)
        with _generator(target, replace(workload, answers=answers), seconds) as process:
            row = _result(process, seconds)
        if not row["ok"]:
            complaints[target.name] = row["complaint"] or "no answer"
    return complaints
