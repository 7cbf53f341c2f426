"""Measures the gateway beside nginx and a minimal aiohttp proxy: C{python -m bench [--quick]}.

Starts everything itself on loopback and stops what it started. Servers are measured one after another within each
round, so that a change in the machine's mood meets all of them; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from bench import load, report, websocket
from bench.servers import LAUNCHERS, OUT, Target, Unavailable, compile_tools, start_stub
from bench.workloads import WORKLOADS, Workload

Figures = dict[str, dict[str, float]]
"""Target -> C{"workload.key"} -> value."""

TIME_LIMIT = 600
"""Seconds after which a run gives up, whatever hangs."""


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, fewer open streams: about 30 seconds")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="interleaved rounds (default 3)")
    parser.add_argument("--streams", type=int, default=1000, metavar="N", help="streams held open (default 1000)")
    parser.add_argument("--only", metavar="A,B", help=f"servers to measure, of {','.join(LAUNCHERS)}")
    parser.add_argument("--workloads", metavar="A,B", help=f"rounds to run, of {','.join(WORKLOADS)}")
    chosen = parser.parse_args()
    for given, known in ((chosen.only, LAUNCHERS), (chosen.workloads, WORKLOADS)):
        unknown = set((given or "").split(",")) - set(known) - {""}
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return chosen


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def launch(stack: ExitStack, names: Iterable[str], stub_port: int, starts: int) -> tuple[list[Target], dict[str, str]]:
    """Starts the servers; those that cannot be measured are returned with the reason.

    @raise Unavailable: the gateway itself was asked for and is one of those.
    """
    targets, missing = [Target("direct", stub_port)], {}
    for name in names:
        try:
            targets.append(LAUNCHERS[name](stack, stub_port, starts))
            say(f"{name} is process {targets[-1].pid}")
        except Unavailable as reason:
            missing[name] = str(reason)
    missing |= load.warm_up(targets, WORKLOADS["burst"])
    for name, why in missing.items():
        say(f"{name} is left out: {why}")
    if report.OURS in missing:
        raise Unavailable("without the gateway there is nothing to compare")
    return [target for target in targets if target.name not in missing], missing


def flat(row: dict[str, Any], prefix: str) -> dict[str, float]:
    """Nested figures by dotted key."""
    out: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}.{key}")
        elif isinstance(value, int | float):
            out[f"{prefix}.{key}"] = value
    return out


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's median over the rows that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return {key: statistics.median(of_key) for key, of_key in values.items()}


def run_rounds(targets: list[Target], workloads: list[Workload], rounds: int, pace: float) -> Figures:
    """Every workload on every target, C{rounds} times; medians by target."""
    rows: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    failed = dict.fromkeys(rows, 0)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}: {', '.join(workload.name for workload in workloads)}")
        for workload, target in itertools.product(workloads, targets):
            if workload.sessions and target.name != report.OURS:
                continue
            row = load.measure(target, workload, workload.seconds * pace)
            if row["failed"]:
                say(f"{target.name} failed {row['failed']} of {workload.name}: {row['complaint'][:300]}")
            failed[target.name] += row["failed"]
            rows[target.name].append(flat(row, workload.name))
    return {name: medians(rows[name]) | {"failed": failed[name]} for name in rows}


def main() -> int:
    """Runs the whole measurement and prints the table; the exit code tells whether the gateway answered everything."""
    chosen = options()
    rounds, pace = (1, 0.4) if chosen.quick else (chosen.rounds, 1.0)
    streams = min(chosen.streams, 300) if chosen.quick else chosen.streams
    names = chosen.only.split(",") if chosen.only else list(LAUNCHERS)
    workloads = [WORKLOADS[name] for name in (chosen.workloads.split(",") if chosen.workloads else WORKLOADS)]
    OUT.mkdir(exist_ok=True)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _stop)
    signal.alarm(TIME_LIMIT)
    began, load_average = time.time(), os.getloadavg()[0]
    with ExitStack() as stack:
        compile_tools()
        stub_port = start_stub(stack)
        targets, missing = launch(stack, names, stub_port, starts=1 if chosen.quick else 3)
        figures = run_rounds(targets, workloads, rounds, pace)
        for target in targets[1:]:
            say(f"{target.name}: idle, system calls, {streams} open streams")
            figures[target.name] |= at_rest_and_full(target, streams, pace)
        if report.OURS in figures:
            say("openclaw_tx: a thousand watchers")
            idle = websocket.IDLE_SECONDS * pace
            figures[report.OURS] |= websocket.measure(stub_port, seconds=4 * pace, idle=idle, rounds=rounds)
    circumstances = (
        f"{time.strftime('%Y-%m-%d', time.gmtime(began))}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {load_average:.1f} before the run; "
        f"rounds: {rounds}, interleaved, medians; streams held open: {streams:,}."
    )
    results = {"circumstances": circumstances, "missing": missing, "figures": figures}
    report.RESULTS.write_text(json.dumps(results, indent=1), "utf-8")
    print(report.table(results))
    say(f"took {time.time() - began:.0f} s; all figures are in {report.RESULTS}")
    return 0 if report.OURS not in names or not figures[report.OURS]["failed"] else 1


def at_rest_and_full(target: Target, streams: int, pace: float) -> dict[str, float]:
    """What is measured once for each server: start, memory, open streams, system calls, idle."""
    figures = {
        "start.seconds": statistics.median(target.start_seconds),
        "start.cpu_seconds": statistics.median(target.start_cpu_seconds),
        "start.idle_mib": target.idle_mib or 0.0,
    }
    time.sleep(1)  # what the rounds cut off is being cleared away
    figures["idle.share"] = load.idle_cpu(target, 4 * pace)
    calls = load.calls_per_chunk(target)
    if calls is not None:
        figures["calls.chunk"] = calls
    figures |= flat(load.hold(target, streams, 4 * pace), "hold")
    time.sleep(1)
    return figures


def _stop(_signal: int, _frame: object) -> None:
    """Ends the run by an exception, so that every server is stopped on the way out."""
    raise SystemExit("bench: stopped before the end")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as reason:
        raise SystemExit(f"bench: {reason}") from None
