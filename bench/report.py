"""Turns the figures of a run into one table, and puts that table into the documentation.

    python -m bench.report docs/performance.md README.md

Each file must hold the two marker comments; what stands between them is replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.servers import OUT

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
RESULTS = OUT / "results.json"
OURS = "openclaw_tx"
PEERS = ("nginx", "aiohttp")
COLUMNS = ("direct", *PEERS, OURS)

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
    Line("start to listening, s", _plain("start.seconds"), 2),
    Line("start to listening, CPU s", _plain("start.cpu_seconds"), 2),
    Line("share of a core when idle after the load", _plain("idle.share"), 4, ratio=False),
    Line("failed requests", _plain("failed"), ratio=False),
)


def table(results: dict[str, Any]) -> str:
    """The Markdown table of one run, with its circumstances above it."""
    figures: dict[str, Figures] = results["figures"]
    direct = figures["direct"]
    rows = [["", *COLUMNS, *(f"to {peer}" for peer in PEERS)]]
    for line in LINES:
        values = {name: line.value(figures.get(name, {}), direct) for name in COLUMNS}
        if all(value is None for value in values.values()):
            continue
        row = [line.label, *(_number(values[name], line.digits) for name in COLUMNS)]
        row += [_ratio(values[OURS], values[peer]) if line.ratio else "" for peer in PEERS]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    text = [_render(row, widths) for row in (rows[0], rule, *rows[1:])]
    notes = [f"{name}: {why}" for name, why in results["missing"].items()]
    return "\n".join(
        [results["circumstances"], "", *text, *(["", "Not measured. " + "; ".join(notes)] if notes else [])]
    )


def _render(row: list[str], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratio(ours: float | None, peer: float | None) -> str:
    return "-" if ours is None or not peer else f"{ours / peer:.2f}x"


def put_into(path: Path, text: str) -> None:
    """Replaces what stands between the markers of a document.

    @raise SystemExit: the markers are not there.
    """
    document = path.read_text("utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: needs the lines {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    if not RESULTS.exists():
        raise SystemExit(f"{RESULTS} is missing: run `make bench` first")
    latest = table(json.loads(RESULTS.read_text("utf-8")))
    for name in sys.argv[1:]:
        put_into(Path(name), latest)
    if not sys.argv[1:]:
        print(latest)
