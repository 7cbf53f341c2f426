"""What more workers give: C{python -m bench.workers [--rounds N]}.

The same load on the gateway with one worker and with two, one after the other in each round; medians over the rounds.
All of it, the model server and the load generator as well, shares the machine's cores: on a machine with two of them
the second worker gets what those leave. CPU for each request tells what the division of work costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from bench import load
from bench.gateway import gateway
from bench.proc import cpu_seconds, resident_mib, tree
from bench.servers import OUT, Target, compile_tools, start_stub
from bench.workloads import WORKLOADS, Workload

NAMES = ("one", "json", "burst", "session")
CONNECTIONS = 32
SECONDS = 3.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    rounds = parser.parse_args().rounds
    OUT.mkdir(exist_ok=True)
    compile_tools()
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    served: dict[str, list[tuple[float, float]]] = {"chief": [], "relay": []}
    with ExitStack() as stack:
        stub = start_stub(stack)
        for number in range(rounds):
            for workers in (1, 2):
                with ExitStack() as one:
                    target = gateway(one, stub, 1, workers=workers)
                    time.sleep(3)
                    load.warm_up([target], WORKLOADS["burst"])
                    for name in NAMES:
                        found.setdefault((name, workers), []).append(measured(target, WORKLOADS[name]))
                    if workers == 2:
                        roles(target, served)
                    print(f"round {number + 1}, {workers}: {resident_mib(target.pid or 0):.0f} MiB", file=sys.stderr)
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, {rounds} rounds\n")
    print("| | requests/s, 1 | 2 workers | | CPU \u00b5s a request, 1 | 2 workers | busiest process of 2 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in NAMES:
        alone, both = (medians(found[name, workers]) for workers in (1, 2))
        print(
            f"| {name} | {alone['rate']:.0f} | {both['rate']:.0f} | {both['rate'] / alone['rate']:.2f}x "
            f"| {alone['cpu_us_request']:.0f} | {both['cpu_us_request']:.0f} | {both['busiest']:.0%} |"
        )
    for name, rows in served.items():
        if rows:
            chief, relay = (statistics.median(row[place] for row in rows) for place in (0, 1))
            print(f"\none connection, served by the {name}: CPU \u00b5s a request {chief:.0f} chief, {relay:.0f} relay")
    failed = sum(row["failed"] for rows in found.values() for row in rows)
    print(f"\nfailed requests: {failed}")


def measured(target: Target, workload: Workload) -> dict[str, Any]:
    """One measurement, with the share of the CPU that the busiest process had."""
    assert target.pid is not None
    wide = replace(workload, connections=CONNECTIONS, seconds=SECONDS)
    before = {pid: own_seconds(pid) for pid in tree(target.pid)}
    row = load.measure(target, wide, SECONDS)
    used = [own_seconds(pid) - seconds for pid, seconds in before.items()]
    row["rate"] = row["markers"] / workload.chunks / SECONDS
    row["busiest"] = max(used) / max(sum(used), 1e-9)
    return row


def roles(target: Target, served: dict[str, list[tuple[float, float]]]) -> None:
    """What a request costs in which process, by who has the connection: C{(chief, relay)} CPU microseconds."""
    assert target.pid is not None
    chief, relay = sorted(tree(target.pid)[1:])
    one = Workload("one", WORKLOADS["one"].model, 1, 1)
    for _ in range(12):
        before = own_seconds(chief), own_seconds(relay)
        answers = load.measure(target, one, 1.0)["markers"]
        used = own_seconds(chief) - before[0], own_seconds(relay) - before[1]
        if answers > 50:
            served["relay" if used[1] > 0.2 * used[0] else "chief"].append(
                (used[0] / answers * 1e6, used[1] / answers * 1e6)
            )


def own_seconds(pid: int) -> float:
    """CPU seconds of one process without its children."""
    children = sum(cpu_seconds(child) for child in tree(pid)[1:])
    return cpu_seconds(pid) - children


def medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of the figures that are shown."""
    return {key: statistics.median(row[key] for row in rows) for key in ("rate", "cpu_us_request", "busiest")}


if __name__ == "__main__":
    main()
