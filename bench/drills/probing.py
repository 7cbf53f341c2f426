"""Asks a gateway for its health every 20 ms until SIGINT: C{python -m bench.drills.probing PORT PID}.

A process of its own, so that what it measures is not the driver's own work. From each time is taken what this process
and the gateway have waited for a processor that others had, as far as Linux tells.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

from bench.proc import waited_seconds

PAUSE = 0.02


def main(port: int, pid: int) -> None:
    """Print what it took, in milliseconds."""
    going = [True]
    signal.signal(signal.SIGINT, lambda number, frame: going.clear())
    took: list[float] = []
    worst = 0.0
    failed = 0
    print("probing", flush=True)
    while going:
        waited = waited_seconds(pid) + waited_seconds(os.getpid())
        began = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as line:
                line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                failed += not line.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            failed += 1
        seconds = time.perf_counter() - began
        worst = max(worst, seconds)
        took.append(max(0.0, seconds - (waited_seconds(pid) + waited_seconds(os.getpid()) - waited)))
        time.sleep(PAUSE)
    took.sort()
    figures = {"median": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "worst": took[-1], "wall": worst}
    told = {name: 1000 * seconds for name, seconds in figures.items()}
    print(json.dumps({**told, "count": len(took), "failed": failed}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
