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

from bench import budgets, growth, load, report, websocket
from bench.gateway import OURS, gateway
from bench.peers import NAMED, PEERS, present
from bench.servers import OUT, Target, Unavailable, compile_tools, raise_file_limit, start_stub
from bench.workloads import ONCE, WORKLOADS, Workload

Figures = dict[str, dict[str, float]]
"""Target -> C{"workload.key"} -> value."""

LAUNCHERS = {**PEERS, OURS: gateway}

TIME_LIMIT = 1500
"""Seconds after which a run gives up, whatever hangs."""

FULL_OPENED = 250.0
"""Streams that are opened in a second when the gateway gets as many as it must hold."""

LEFT_OUT_WHEN_QUICK = ("full", "sessions", "turns")


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    everything = [*WORKLOADS, *ONCE]
    parser.add_argument("--quick", action="store_true", help="one short round, fewer open streams: about a minute")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="interleaved rounds (default 5)")
    parser.add_argument("--streams", type=int, default=1000, metavar="N", help="streams held open (default 1000)")
    parser.add_argument("--full", type=int, default=9500, metavar="N", help="streams of budget 7 (default 9500)")
    parser.add_argument("--only", metavar="A,B", help=f"servers to measure, of {','.join(LAUNCHERS)}")
    parser.add_argument("--workloads", metavar="A,B", help=f"what to measure, of {','.join(everything)}")
    parser.add_argument("--rows", metavar="1,2", help="rows of the table of budgets to measure, in place of these two")
    for name, variable in NAMED.items():
        parser.add_argument(f"--{name}", metavar="COMMAND", help=f"an installation to measure too; or ${variable}")
    chosen = parser.parse_args()
    numbers = [number for number in (chosen.rows or "").split(",") if number]
    for given, known in (
        (chosen.only, list(LAUNCHERS)),
        (chosen.workloads, everything),
        (chosen.rows, list(budgets.NUMBERS)),
    ):
        unknown = set((given or "").split(",")) - set(known) - {""}
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name, variable in NAMED.items():
        if getattr(chosen, name):
            os.environ[variable] = getattr(chosen, name)
    rows = [budget for budget in budgets.BUDGETS if budget.number in numbers]
    names = chosen.only.split(",") if chosen.only else [*present(), OURS]
    wanted = chosen.workloads.split(",") if chosen.workloads else everything
    if rows:
        peers = {peer for row in rows for peer in row.peers}
        names = [name for name in names if name in peers or name == OURS]
        wanted = [name for name in everything if any(name in row.needs for row in rows)]
    if chosen.quick:
        chosen.rounds = 1
        wanted = [name for name in wanted if name not in LEFT_OUT_WHEN_QUICK]
    chosen.names, chosen.wanted = names, wanted
    chosen.partial = bool(chosen.quick or chosen.only or wanted != everything)
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
    if OURS in missing:
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
    rows: dict[str, list[dict[str, float]]] = {target.name: [{} for _ in range(rounds)] for target in targets}
    failed = dict.fromkeys(rows, 0)
    for number in range(rounds if workloads else 0):
        say(f"round {number + 1} of {rounds}: {', '.join(workload.name for workload in workloads)}")
        for workload, target in itertools.product(workloads, targets):
            if workload.ours_alone and target.name != OURS:
                continue
            row = load.measure(target, workload, workload.seconds * pace)
            if row["failed"]:
                say(f"{target.name} failed {row['failed']} of {workload.name}: {row['complaint'][:300]}")
            failed[target.name] += row["failed"]
            rows[target.name][number] |= flat(row, workload.name)
    figures = {name: medians(rows[name]) | {"failed": failed[name]} for name in rows}
    if OURS in figures:
        figures[OURS] |= budgets.ratios(rows)
    return figures


def main() -> int:
    """Runs the whole measurement and prints the tables; the exit code tells whether the gateway answered everything and
    kept the budgets that are gates."""
    chosen = options()
    OUT.mkdir(exist_ok=True)
    raise_file_limit()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _stop)
    signal.alarm(TIME_LIMIT)
    began, load_average = time.time(), os.getloadavg()[0]
    compile_tools()
    figures, missing = measured(chosen)
    circumstances = (
        f"{time.strftime('%Y-%m-%d', time.gmtime(began))}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {load_average:.1f} before the run; "
        f"rounds: {chosen.rounds}, interleaved, medians; streams held open: {chosen.streams:,}."
    )
    results = {"circumstances": circumstances, "missing": missing, "partial": chosen.partial, "figures": figures}
    report.RESULTS.write_text(json.dumps(results, indent=1), "utf-8")
    print(report.table(results), report.budget_table(results), sep="\n\n")
    for line in budgets.missed(results):
        say(line)
    say(f"took {time.time() - began:.0f} s; all figures are in {report.RESULTS}")
    failed = figures.get(OURS, {}).get("failed", 0)
    return 1 if failed or budgets.missed(results, gates=True) else 0


def measured(chosen: argparse.Namespace) -> tuple[Figures, dict[str, str]]:
    """All figures, and why some are missing."""
    pace = 0.4 if chosen.quick else 1.0
    with ExitStack() as stack:
        stub_port = start_stub(stack)
        targets, missing = launch(stack, chosen.names, stub_port, starts=1 if chosen.quick else 5)
        workloads = [workload for name, workload in WORKLOADS.items() if name in chosen.wanted]
        figures = run_rounds(targets, workloads, chosen.rounds, pace)
        for target in targets[1:]:
            figures[target.name] |= {
                "start.seconds": statistics.median(target.start_seconds),
                "start.cpu_seconds": statistics.median(target.start_cpu_seconds),
                "start.idle_mib": target.idle_mib or 0.0,
            }
            figures[target.name] |= measured_once(target, chosen, pace)
        # Each of these has gateways of its own.
        if OURS in figures:
            figures[OURS] |= growing(stub_port, chosen, pace)
            if "ws" in chosen.wanted:
                say(ONCE["ws"])
                figures[OURS] |= websocket.measure(
                    stub_port, seconds=4 * pace, idle=websocket.IDLE_SECONDS * pace, rounds=min(3, chosen.rounds)
                )
    return figures, missing


def measured_once(target: Target, chosen: argparse.Namespace, pace: float) -> dict[str, float]:
    """What is measured once for each server: idle, system calls, open streams."""
    figures: dict[str, float] = {}
    known = ("idle", "calls", "hold", "full") if target.name == OURS else ("idle", "calls", "hold")
    wanted = [name for name in chosen.wanted if name in known]
    if target.slow or not wanted:
        return figures
    say(f"{target.name}: {'; '.join(ONCE[name] for name in wanted)}")
    time.sleep(1)  # what the rounds cut off is being cleared away
    if "idle" in wanted:
        figures["idle.share"] = load.idle_cpu(target, 4 * pace)
        figures["idle.connected"] = load.idle_connected_cpu(target, 6 * pace)
        time.sleep(1)
    if "calls" in wanted and (calls := load.calls_per_chunk(target)) is not None:
        figures["calls.chunk"] = calls
    if "hold" in wanted:
        streams = min(chosen.streams, 300) if chosen.quick else chosen.streams
        figures |= flat(load.hold(target, streams, 4 * pace), "hold")
        time.sleep(1)
    if "full" in wanted:
        row = load.hold(target, chosen.full, 8 * pace, FULL_OPENED)
        row["lost"] = row["failed"] + row["missing"]
        figures |= flat(row, "full")
    return figures


def growing(stub_port: int, chosen: argparse.Namespace, pace: float) -> dict[str, float]:
    """How costs grow with what is stored."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        if "sessions" in chosen.wanted:
            say(ONCE["sessions"])
            figures |= medians(growth.sessions(stack, stub_port, chosen.rounds, pace))
    with ExitStack() as stack:
        if "turns" in chosen.wanted:
            say(ONCE["turns"])
            figures |= medians(growth.turns(stack, stub_port, chosen.rounds))
    return figures


def _stop(_signal: int, _frame: object) -> None:
    """Ends the run by an exception, so that every server is stopped on the way out."""
    raise SystemExit("bench: stopped before the end")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as reason:
        raise SystemExit(f"bench: {reason}") from None
