"""What Linux knows about a server: CPU time, memory and system calls of its process tree."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def tree(pid: int) -> list[int]:
    """C{pid} and all its descendants that are alive."""
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        try:
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _threads(pid: int) -> Iterator[Path]:
    """The C{/proc} directory of each thread of the tree."""
    for process in tree(pid):
        try:
            yield from Path(f"/proc/{process}/task").iterdir()
        except OSError:
            continue


def cpu_seconds(pid: int) -> float:
    """Time the tree's threads have spent on a CPU (schedstat counts nanoseconds, not ticks)."""
    total = 0
    for thread in _threads(pid):
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def waited_seconds(pid: int) -> float:
    """Time that the process's main thread was ready to run while others had the processors."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def resident_mib(pid: int) -> float:
    """Resident memory of the tree; a page that two processes share counts once for each."""
    total = 0
    for process in tree(pid):
        try:
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        except OSError:
            continue
        total += int(found[1]) if found else 0
    return total / 1024


def system_calls(pid: int, work: Callable[[], object], report: Path) -> int | None:
    """System calls the tree makes while C{work} runs; C{None} where strace is missing or may not attach."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    attach = [argument for process in tree(pid) for argument in ("-p", str(process))]
    tracer = subprocess.Popen(
        [strace, "-f", "-c", "-o", str(report), *attach], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if not _wait_attached(pid, tracer):
            return None
        work()
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    lines = [line.split() for line in report.read_text().splitlines()]
    return next((int(line[3]) for line in lines if line and line[-1] == "total"), 0)


def _wait_attached(pid: int, tracer: subprocess.Popen[bytes]) -> bool:
    """Whether every thread is traced within three seconds."""
    for _ in range(60):
        if tracer.poll() is not None:
            return False
        states = [(thread / "status").read_text() for thread in _threads(pid)]
        if all("TracerPid:\t0\n" not in state for state in states):
            return True
        time.sleep(0.05)
    return False
