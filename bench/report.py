"""Turns the figures of a run into tables, and puts them into the documentation.

    python -m bench.report docs/performance.md README.md

Each file must hold marker comments for at least one of the tables: C{bench}, all figures; C{budgets}; C{summary}, what
a newcomer asks first. What stands between them is replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import budgets
from bench.gateway import OURS
from bench.growth import SESSIONS, TURNS
from bench.servers import OUT

RESULTS = OUT / "results.json"
PEERS = ("nginx", "aiohttp")
OTHERS = ("litellm", "portkey", "openclaw")
"""Have a column when they were measured."""

Figures = dict[str, float | None]
"""Medians of one target by C{"workload.key"}."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    label: str
    value: Callable[[Figures, Figures], float | None]
    """Takes the target's figures and those of the stub asked directly."""
    digits: int = 0
    ratio: bool = True


def _plain(key: str, scale: float = 1.0) -> Callable[[Figures, Figures], float | None]:
    def value(own: Figures, _direct: Figures) -> float | None:
        figure = own.get(key)
        return None if figure is None else figure * scale

    return value


def _added(key: str) -> Callable[[Figures, Figures], float | None]:
    """Milliseconds above what the stub takes when asked directly."""

    def value(own: Figures, direct: Figures) -> float | None:
        figure, base = own.get(key), direct.get(key)
        return None if figure is None or base is None or own is direct else (figure - base) / 1000

    return value


LINES = (
    Line("requests/s, 1 chunk, 1 connection", _plain("single.rps")),
    Line("requests/s, 1 chunk, 16 connections", _plain("one.rps")),
    Line("requests/s, 20 chunks, 16 connections", _plain("burst.rps")),
    Line("requests/s, not streamed, 16 connections", _plain("json.rps")),
    Line("requests/s, 1 chunk, a stored session each, 16 connections", _plain("session.rps")),
    Line("CPU µs a request, 1 chunk", _plain("one.cpu_us_request")),
    Line("CPU µs a request, 20 chunks", _plain("burst.cpu_us_request")),
    Line("CPU µs a request, not streamed", _plain("json.cpu_us_request")),
    Line("CPU µs a request, 1 chunk, a stored session each", _plain("session.cpu_us_request")),
    *(
        Line(f"CPU µs a request, 1 chunk, a new session among {count:,}", _plain(f"sessions.{count}.cpu_us_request"))
        for count in SESSIONS
    ),
    *(
        Line(f"CPU µs a request, 1 chunk, after {count:,} turns", _plain(f"turns.{count}.cpu_us_request"))
        for count in TURNS
    ),
    Line("CPU µs a relayed chunk, 64 streams at 50 chunks/s", _plain("paced.cpu_us_chunk"), 1),
    Line("CPU µs a relayed chunk, all streams open at 1 chunk/s", _plain("hold.cpu_us_chunk"), 1),
    Line("system calls a relayed chunk", _plain("calls.chunk"), 2),
    Line("time to first token added, 1 connection, p50 ms", _added("single.ttft_us.p50"), 2),
    Line("time to first token added, 1 connection, p99 ms", _added("single.ttft_us.p99"), 2),
    Line("chunk latency, 64 streams at 50 chunks/s, p50 ms", _plain("paced.chunk_us.p50", 0.001), 2),
    Line("chunk latency, 64 streams at 50 chunks/s, p99 ms", _plain("paced.chunk_us.p99", 0.001), 2),
    Line("resident MiB, idle after start", _plain("start.idle_mib"), 1),
    Line("resident MiB, all streams open", _plain("hold.open_mib"), 1),
    Line("KiB an open stream", _plain("hold.kib_stream"), 1),
    Line("open streams", _plain("hold.held"), ratio=False),
    Line("resident MiB, as many streams open as must be", _plain("full.open_mib"), 1),
    Line("chunk latency with them, p50 ms", _plain("full.chunk_us.p50", 0.001), 2),
    Line("chunk latency with them, p99 ms", _plain("full.chunk_us.p99", 0.001), 2),
    Line("share of a core with them", _plain("full.busy"), 2, ratio=False),
    Line("streams that are open then", _plain("full.held"), ratio=False),
    Line("start to listening, s", _plain("start.seconds"), 2),
    Line("start to listening, CPU s", _plain("start.cpu_seconds"), 2),
    Line("share of a core when idle after the load", _plain("idle.share"), 4, ratio=False),
    Line("share of a core with 1,000 idle connections", _plain("idle.connected"), 4, ratio=False),
    Line("CPU µs a WebSocket event delivered", _plain("ws.event_us"), 1),
    Line("KiB an idle WebSocket connection", _plain("ws.kib"), 1),
    Line("share of a core with 1,000 idle WebSocket connections", _plain("ws.idle_share"), 4, ratio=False),
    Line("failed requests", _plain("failed"), ratio=False),
)

_RECORD = budgets.REFERENCE
SUMMARY: tuple[tuple[Line, float | None], ...] = (
    (Line("CPU of a streamed run, ms", _plain("one.cpu_us_request", 0.001), 2), _RECORD["cpu_us_request"] / 1000),
    (Line("time to first token added, ms", _added("single.ttft_us.p50"), 2), _RECORD["ttft_ms"]),
    (Line("CPU of a chunk relayed, µs", _plain("paced.cpu_us_chunk")), None),
    (Line("start to listening, s", _plain("start.seconds"), 2), _RECORD["start_seconds"]),
    (Line("resident after start, MiB", _plain("start.idle_mib")), _RECORD["idle_mib"]),
    (Line("memory of an open stream, KiB", _plain("hold.kib_stream")), None),
)
"""Lines of the short table, each with OpenClaw's figure of record."""


def table(results: dict[str, Any]) -> str:
    """The Markdown table of one run, with its circumstances above it."""
    figures: dict[str, Figures] = results["figures"]
    direct = figures["direct"]
    columns = ("direct", *PEERS, *(name for name in OTHERS if name in figures), OURS)
    rows = [["", *columns, *(f"to {peer}" for peer in PEERS)]]
    for line in LINES:
        values = {name: line.value(figures.get(name, {}), direct) for name in columns}
        if all(value is None for value in values.values()):
            continue
        row = [line.label, *(_number(values[name], line.digits) for name in columns)]
        row += [_ratio(values[OURS], values[peer]) if line.ratio else "" for peer in PEERS]
        rows.append(row)
    text = _rendered(rows, left=1)
    notes = [f"{name}: {why}" for name, why in results["missing"].items()]
    return "\n".join(
        [results["circumstances"], "", *text, *(["", "Not measured. " + "; ".join(notes)] if notes else [])]
    )


def budget_table(results: dict[str, Any]) -> str:
    """The Markdown table of the budgets, with the circumstances of the run above it."""
    return "\n".join([results["circumstances"], "", *_rendered([budgets.HEAD, *budgets.lines(results)], left=2)])


def summary_table(results: dict[str, Any]) -> str:
    """A few lines of the table, with OpenClaw's figures: of record, unless it was measured in the same run."""
    figures: dict[str, Figures] = results["figures"]
    direct = figures["direct"]
    rows = [["", OURS, "OpenClaw", *(f"{peer}, relay only" for peer in PEERS)]]
    for line, of_record in SUMMARY:
        values = [line.value(figures.get(name, {}), direct) for name in (OURS, "openclaw", *PEERS)]
        if values[1] is None:
            values[1] = of_record
        rows.append([line.label, *(_number(value, line.digits) for value in values)])
    return "\n".join([results["circumstances"], "", *_rendered(rows, left=1)])


def _rendered(rows: list[list[str]], left: int) -> list[str]:
    """Lines of a Markdown table.

    @param left: columns of words.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [f"{'-' * (width - 1)}{'-' if number < left else ':'}" for number, width in enumerate(widths)]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = zip(row, widths, strict=True)
        padded = (cell.ljust(width) if n < left else cell.rjust(width) for n, (cell, width) in enumerate(cells))
        lines.append("| " + " | ".join(padded) + " |")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratio(ours: float | None, peer: float | None) -> str:
    return "-" if ours is None or not peer else f"{ours / peer:.2f}x"


TABLES = {"bench": table, "budgets": budget_table, "summary": summary_table}


def put_into(path: Path, results: dict[str, Any]) -> None:
    """Replaces what stands between the markers of a document.

    @raise SystemExit: the markers of no table are there.
    """
    document = old = path.read_text("utf-8")
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if found and closed:
            document = f"{before}{begin}\n{make(results)}\n{end}{after}"
    if document == old:
        names = ", ".join(TABLES)
        raise SystemExit(f"{path}: needs the lines <!-- NAME:begin --> and <!-- NAME:end --> for a NAME of {names}")
    path.write_text(document, "utf-8")


if __name__ == "__main__":
    if not RESULTS.exists():
        raise SystemExit(f"{RESULTS} is missing: run `make bench` first")
    latest = json.loads(RESULTS.read_text("utf-8"))
    if latest["partial"] and sys.argv[1:]:
        raise SystemExit(f"{RESULTS} is of a run that measured a part: run `make bench` first")
    for name in sys.argv[1:]:
        put_into(Path(name), latest)
    if not sys.argv[1:]:
        print(table(latest), budget_table(latest), sep="\n\n")
