"""What the gateway may cost: limits that it must keep, aims beyond them, and whether a run kept them.

A budget takes its figure from those of a run (C{results.json}); one whose figures were not taken is shown without.
Where a budget compares with OpenClaw, figures of an installation measured in the same run are used, or else those of
L{REFERENCE}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.gateway import OURS
from bench.growth import SESSIONS, TURNS

Targets = Mapping[str, Mapping[str, float]]
"""Target -> C{"workload.key"} -> value."""

Value = Callable[[Targets], float | None]

REFERENCE = {"cpu_us_request": 385_000.0, "ttft_ms": 370.0, "idle_mib": 900.0, "start_seconds": 16.4}
"""OpenClaw 2026.9.6 on two cores, 2026-11-22: a warm run, and a start."""


@dataclass(frozen=True)
class Budget:
    """A line of the table."""

    number: str
    label: str
    unit: str
    must: float
    aim: float | None
    value: Value
    needs: tuple[str, ...]
    """Workloads that its figures come from; none = the start."""
    digits: int = 2
    at_least: bool = False
    """More is better."""
    gate: bool = False
    """The run fails when it is not kept: the figure is exact."""
    peers: tuple[str, ...] = ()
    """Who is measured besides the gateway."""

    def kept(self, figure: float, limit: float) -> bool:
        """Whether a figure is within a limit, as exactly as it is shown."""
        figure = round(figure, self.digits)
        return figure >= limit if self.at_least else figure <= limit


def own(key: str, scale: float = 1.0) -> Value:
    """A figure of the gateway."""

    def value(figures: Targets) -> float | None:
        figure = figures.get(OURS, {}).get(key)
        return None if figure is None else figure * scale

    return value


def against(peer: str, key: str) -> Value:
    """The gateway's figure divided by a peer's."""
    return _in_rounds(
        f"{key}.to.{peer}", lambda figures: (figures.get(OURS, {}).get(key), figures.get(peer, {}).get(key))
    )


def above(key: str, otherwise: str) -> Value:
    """One figure of the gateway divided by another."""
    own = f"{key}.to.{otherwise}"
    return _in_rounds(own, lambda figures: (figures.get(OURS, {}).get(key), figures.get(OURS, {}).get(otherwise)))


def _in_rounds(key: str, parts: Callable[[Targets], tuple[float | None, float | None]]) -> Value:
    """A ratio as L{ratios} has it from the single rounds, or else that of the medians."""

    def value(figures: Targets) -> float | None:
        known = figures.get(OURS, {}).get(key)
        return _quotient(*parts(figures)) if known is None else known

    return value


def ratios(rounds: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Medians of the ratios that budgets are about, each taken within a round: what slows the machine down for a while
    slows down both parts of it.

    @param rounds: target -> figures of each round.
    """
    own = rounds.get(OURS, ())
    pairs = {
        f"{key}.to.{peer}": (key, key, rounds.get(peer, ()))
        for key in (CPU, "burst.cpu_us_request", "paced.cpu_us_chunk")
        for peer in ("nginx", "aiohttp")
    }
    pairs[f"{SESSION}.to.{CPU}"] = (SESSION, CPU, own)
    found = {}
    for name, (above, below, others) in pairs.items():
        both = ((ours.get(above), theirs.get(below)) for ours, theirs in zip(own, others, strict=False))
        known = [ratio for ratio in (_quotient(*pair) for pair in both) if ratio is not None]
        if known:
            found[name] = median(known)
    return found


def added_ms(target: str) -> Value:
    """What a server adds to the time to the first token, of the stub asked directly; milliseconds, median."""
    key = "single.ttft_us.p50"

    def value(figures: Targets) -> float | None:
        through, direct = figures.get(target, {}).get(key), figures.get("direct", {}).get(key)
        return None if through is None or direct is None else (through - direct) / 1000

    return value


def less_than_openclaw(reference: str, theirs: Value, ours: Value) -> Value:
    """How many times less the gateway takes than OpenClaw."""

    def value(figures: Targets) -> float | None:
        measured = theirs(figures)
        return _quotient(REFERENCE[reference] if measured is None else measured, ours(figures))

    return value


def growth_of_sessions(figures: Targets) -> float | None:
    """The dearest request over the cheapest one, over numbers of stored sessions."""
    costs = [figures.get(OURS, {}).get(f"sessions.{count}.cpu_us_request") for count in SESSIONS]
    known = [cost for cost in costs if cost is not None]
    return max(known) / min(known) if len(known) == len(SESSIONS) else None


def growth_of_turns(figures: Targets) -> float | None:
    """What a turn of history costs from the second to the third length of a conversation, over what it costs from the
    first to the second: 1 is linear."""
    costs = [figures.get(OURS, {}).get(f"turns.{count}.cpu_us_request") for count in TURNS]
    if None in costs:
        return None
    few, more, many = (cost for cost in costs if cost is not None)
    shortest, middle, longest = TURNS
    return _quotient((many - more) / (longest - middle), max(0.0, more - few) / (middle - shortest))


def _of(target: str, key: str) -> Value:
    return lambda figures: figures.get(target, {}).get(key)


def _quotient(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


CPU = "one.cpu_us_request"
SESSION = "session.cpu_us_request"

BUDGETS = (
    Budget(
        "1",
        "CPU of a streamed request to aiohttp's",
        "x",
        1.2,
        0.7,
        against("aiohttp", CPU),
        ("one",),
        peers=("aiohttp",),
    ),
    Budget("1", "CPU of a streamed request to nginx's", "x", 12, 7, against("nginx", CPU), ("one",), peers=("nginx",)),
    Budget(
        "2",
        "CPU of a request of 20 chunks to aiohttp's",
        "x",
        1.2,
        0.7,
        against("aiohttp", "burst.cpu_us_request"),
        ("burst",),
        peers=("aiohttp",),
    ),
    Budget(
        "3",
        "CPU of a paced chunk to aiohttp's",
        "x",
        1.2,
        0.9,
        against("aiohttp", "paced.cpu_us_chunk"),
        ("paced",),
        peers=("aiohttp",),
    ),
    Budget(
        "3",
        "CPU of a paced chunk to nginx's",
        "x",
        3,
        2.2,
        against("nginx", "paced.cpu_us_chunk"),
        ("paced",),
        peers=("nginx",),
    ),
    Budget("4", "system calls a relayed chunk (a gate)", "", 6, 3, own("calls.chunk"), ("calls",), 1, gate=True),
    Budget("5", "time to first token added, 1 connection, p50", "ms", 1.2, 0.4, added_ms(OURS), ("single",)),
    Budget(
        "6",
        "CPU of a run, less than OpenClaw's",
        "x",
        350,
        1000,
        less_than_openclaw("cpu_us_request", _of("openclaw", CPU), own(CPU)),
        ("one",),
        0,
        at_least=True,
        peers=("openclaw",),
    ),
    Budget(
        "6",
        "time to first token added, less than OpenClaw's",
        "x",
        300,
        1000,
        less_than_openclaw("ttft_ms", added_ms("openclaw"), added_ms(OURS)),
        ("single",),
        0,
        at_least=True,
        peers=("openclaw",),
    ),
    Budget(
        "6",
        "memory after start, less than OpenClaw's",
        "x",
        11,
        15,
        less_than_openclaw("idle_mib", _of("openclaw", "start.idle_mib"), own("start.idle_mib")),
        (),
        1,
        at_least=True,
        peers=("openclaw",),
    ),
    Budget(
        "6",
        "time to start, less than OpenClaw's",
        "x",
        16,
        25,
        less_than_openclaw("start_seconds", _of("openclaw", "start.seconds"), own("start.seconds")),
        (),
        1,
        at_least=True,
        peers=("openclaw",),
    ),
    Budget("7", "9,500 streams at 1 chunk/s: resident", "MiB", 256, 128, own("full.open_mib"), ("full",), 0),
    Budget("7", "chunk latency with them, p99", "ms", 250, 50, own("full.chunk_us.p99", 0.001), ("full",), 0),
    Budget("7", "broken or never open of them", "", 0, 0, own("full.lost"), ("full",), 0),
    Budget(
        "8",
        "CPU of a run with a stored session to one without",
        "x",
        1.6,
        1.3,
        above(SESSION, CPU),
        ("one", "session"),
    ),
    Budget("9", "WebSocket: CPU of a delivered event", "µs", 35, 20, own("ws.event_us"), ("ws",), 1),
    Budget("9", "WebSocket: memory of an idle connection", "KiB", 16, 6, own("ws.kib"), ("ws",), 1),
    Budget("9", "WebSocket: share of a core, 1,000 idle", "", 0.01, 0.001, own("ws.idle_share"), ("ws",), 4),
    Budget("9", "WebSocket: longest turn of the reactor", "ms", 50, None, own("ws.longest_turn_ms"), ("ws",), 1),
    Budget("10", "share of a core, 1,000 idle connections", "", 0.01, 0.001, own("idle.connected"), ("idle",), 4),
    Budget("10", "start to listening", "s", 1, 0.6, own("start.seconds"), ()),
    Budget("10", "start to listening, CPU", "s", 1, 0.6, own("start.cpu_seconds"), ()),
    Budget("10", "resident after start", "MiB", 80, 60, own("start.idle_mib"), (), 1),
    Budget("11", "CPU of a request, 10 to 100,000 stored sessions", "x", 1.2, None, growth_of_sessions, ("sessions",)),
    Budget("11", "CPU of a turn of history, 1,000 of them to 100", "x", 1.2, None, growth_of_turns, ("turns",)),
)
"""In the order of the table; several lines may have one number."""

NUMBERS = tuple(dict.fromkeys(budget.number for budget in BUDGETS))

HEAD = ["#", "budget", "must", "aim", "measured", "met", "aim met"]


def lines(results: dict[str, Any]) -> list[list[str]]:
    """Rows of the table, its head not among them; of a run that measured a part only those that it has a figure for."""
    figures = [(budget, budget.value(results["figures"])) for budget in BUDGETS]
    return [_line(budget, figure) for budget, figure in figures if figure is not None or not results.get("partial")]


def missed(results: dict[str, Any], *, gates: bool = False) -> list[str]:
    """One sentence for each budget that a run did not keep.

    @param gates: only of those that make a run fail.
    """
    found = []
    for budget in BUDGETS:
        figure = budget.value(results["figures"])
        if figure is not None and not budget.kept(figure, budget.must) and (budget.gate or not gates):
            limit = _number(budget.must, budget)
            found.append(
                f"budget {budget.number} is missed: {budget.label}: {_number(figure, budget)}, must be {limit}"
            )
    return found


def _line(budget: Budget, figure: float | None) -> list[str]:
    sign = "≥" if budget.at_least else "≤"
    limits = ["-" if limit is None else f"{sign} {_number(limit, budget)}" for limit in (budget.must, budget.aim)]
    if figure is None:
        return [budget.number, budget.label, *limits, "not measured", "-", "-"]
    must = "yes" if budget.kept(figure, budget.must) else "**no**"
    aim = "-" if budget.aim is None else "yes" if budget.kept(figure, budget.aim) else "no"
    return [budget.number, budget.label, *limits, _number(figure, budget), must, aim]


def _number(value: float, budget: Budget) -> str:
    text = f"{value:,.{budget.digits}f}"
    if "." in text and value == int(value):
        text = text.split(".")[0]
    return f"{text}{budget.unit}" if budget.unit in ("x", "") else f"{text} {budget.unit}"
