# -*- test-case-name: tests.web.test_metrics,tests.workers.test_relayed_runs -*-
# mypy: allow-untyped-calls
"""What the gateway counted, in Prometheus' text format 0.0.4.

prometheus_client is imported by the first scrape, into a registry of this gateway's own: who never asks pays nothing.
docs/operations.md has the table of L{FAMILIES}; a test holds it there.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import twisted

from openclaw_tx._version import __version__
from openclaw_tx.interfaces import RunEngine
from openclaw_tx.tally import Counts, Histogram, Measured, Tally
from openclaw_tx.web.health import Lifecycle

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

Reading = Mapping[tuple[str, ...], float] | Histogram


class Sources(NamedTuple):
    """Where the numbers come from."""

    tally: Tally
    engine: RunEngine
    lifecycle: Lifecycle
    sockets: Callable[[], int] = lambda: 0
    """WebSocket connections of the moment."""
    lockouts: Callable[[], int] = lambda: 0
    """How often an address was locked out so far."""
    cooling: Callable[[], Mapping[tuple[str, ...], float]] = dict
    """Provider and reason -> how many of its keys rest."""
    others: Callable[[], Sequence[Mapping[str, Measured]]] = tuple
    """What other processes of the gateway have measured, by name."""
    workers: Callable[[], int] = lambda: 1
    """Processes that serve at the moment."""
    connections: Callable[[], int] = lambda: 0
    """Connections of the moment, whatever they speak."""


class Family(NamedTuple):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    read: Callable[[Sources], Reading]
    largest: bool = False
    """A gauge that other processes have, too: the largest value counts."""

    @property
    def joined(self) -> bool:
        """Whether what other processes measured belongs to it."""
        return self.largest or self.kind != "gauge"


def _one(value: float) -> Reading:
    return {(): value}


def _all(counts: Counts) -> Reading:
    return dict(counts)


def _live(status: str) -> Callable[[Sources], Reading]:
    return lambda sources: _one(sum(run.status == status for run in sources.engine.live()))


FAMILIES: tuple[Family, ...] = (
    Family(
        "openclaw_runs_total",
        "counter",
        ("surface", "agent", "status", "code"),
        "Runs that have ended; code is the error's.",
        lambda sources: _all(sources.tally.runs),
    ),
    Family("openclaw_runs_active", "gauge", (), "Runs at work.", _live("running")),
    Family("openclaw_runs_queued", "gauge", (), "Runs that wait for a place.", _live("queued")),
    Family(
        "openclaw_run_cancels_total",
        "counter",
        ("reason",),
        "Runs that were cut short, by what did it.",
        lambda sources: _all(sources.tally.cancels),
    ),
    Family(
        "openclaw_run_first_text_seconds",
        "histogram",
        (),
        "From the admission of a run to its first text.",
        lambda sources: sources.tally.first_token,
    ),
    Family(
        "openclaw_run_duration_seconds",
        "histogram",
        (),
        "From the admission of a run to its end.",
        lambda sources: sources.tally.run_seconds,
    ),
    Family(
        "openclaw_tokens_total",
        "counter",
        ("kind",),
        "Tokens as providers counted them; prompt includes cached, completion includes reasoning.",
        lambda sources: _all(sources.tally.tokens),
    ),
    Family(
        "openclaw_provider_calls_total",
        "counter",
        ("provider", "outcome"),
        "Attempts at model providers; outcome is ok, cancelled or a code.",
        lambda sources: _all(sources.tally.provider_calls),
    ),
    Family(
        "openclaw_provider_cooldowns",
        "gauge",
        ("provider", "reason"),
        "Keys that rest after a failure; reason server is the provider itself.",
        lambda sources: sources.cooling(),
        largest=True,
    ),
    Family(
        "openclaw_http_requests_total",
        "counter",
        ("method", "route", "status"),
        "HTTP requests answered; 499 = the client left first.",
        lambda sources: _all(sources.tally.http_requests),
    ),
    Family(
        "openclaw_stream_bytes_total",
        "counter",
        (),
        "Bytes written into event streams.",
        lambda sources: _one(sources.tally.stream_bytes),
    ),
    Family(
        "openclaw_stream_pings_total",
        "counter",
        (),
        "Keep-alive comments written into event streams.",
        lambda sources: _one(sources.tally.pings),
    ),
    Family(
        "openclaw_slow_consumers_total",
        "counter",
        ("surface",),
        "Clients given up because they did not read.",
        lambda sources: {("http",): sources.tally.slow_streams, ("ws",): sources.tally.slow_sockets},
    ),
    Family(
        "openclaw_connections",
        "gauge",
        (),
        "Open connections of clients, in the process that has the most of them.",
        lambda sources: _one(sources.connections()),
        largest=True,
    ),
    Family(
        "openclaw_connections_refused_total",
        "counter",
        ("bound",),
        "Connections refused; bound is total, address or descriptors.",
        lambda sources: _all(sources.tally.connections_refused),
    ),
    Family(
        "openclaw_connections_given_up_total",
        "counter",
        (),
        "Idle connections closed to make room for others.",
        lambda sources: _one(sources.tally.connections_given_up),
    ),
    Family(
        "openclaw_websocket_connections",
        "gauge",
        (),
        "WebSocket connections, let in or not.",
        lambda sources: _one(sources.sockets()),
    ),
    Family(
        "openclaw_websocket_connections_opened_total",
        "counter",
        (),
        "WebSocket connections opened.",
        lambda sources: _one(sources.tally.sockets),
    ),
    Family(
        "openclaw_websocket_bytes_total",
        "counter",
        (),
        "Bytes of messages sent to WebSocket clients.",
        lambda sources: _one(sources.tally.socket_bytes),
    ),
    Family(
        "openclaw_auth_failures_total",
        "counter",
        ("reason",),
        "Refused authentications on both surfaces.",
        lambda sources: _all(sources.tally.auth_failures),
    ),
    Family(
        "openclaw_auth_lockouts_total",
        "counter",
        (),
        "Addresses locked out for guessing.",
        lambda sources: _one(sources.lockouts()),
    ),
    Family(
        "openclaw_store_healthy",
        "gauge",
        (),
        "1 = the session store works.",
        lambda sources: _one("sessions" not in sources.lifecycle.failing()),
    ),
    Family(
        "openclaw_reactor_lag_seconds",
        "histogram",
        (),
        "How late the reactor was, measured once a second.",
        lambda sources: sources.tally.lag,
    ),
    Family(
        "openclaw_reactor_lag_max_seconds",
        "gauge",
        (),
        "The largest lag of the last minute.",
        lambda sources: _one(max(sources.tally.lag_recent, default=0.0)),
        largest=True,
    ),
    Family(
        "openclaw_workers",
        "gauge",
        (),
        "Processes that serve at the moment.",
        lambda sources: _one(sources.workers()),
    ),
    Family(
        "openclaw_uptime_seconds",
        "gauge",
        (),
        "Since the gateway was made.",
        lambda sources: _one(sources.lifecycle.uptime_ms / 1000),
    ),
    Family(
        "openclaw_build_info",
        "gauge",
        ("version", "python", "twisted"),
        "Always 1.",
        lambda sources: {(__version__, platform.python_version(), twisted.__version__): 1},
    ),
)
"""Every metric of the gateway's own. prometheus_client adds C{process_*}: memory, processor time, open files."""


def exposition(found: CollectorRegistry) -> bytes:
    """All numbers of the moment, as Prometheus reads them."""
    from prometheus_client import generate_latest

    return generate_latest(found)


def registry(sources: Sources, agents: Container[str] = ()) -> CollectorRegistry:
    """A registry of one gateway: its own families, and the process. If C{agents} are given, others are not named."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    found = CollectorRegistry()
    found.register(_Collector(sources, agents))
    ProcessCollector(registry=found)
    return found


class _Collector:
    """What prometheus_client asks at each scrape."""

    def __init__(self, sources: Sources, agents: Container[str]) -> None:
        self._sources = sources
        self._agents = agents

    def describe(self) -> Iterable[Metric]:
        """The names, without reading anything."""
        return [_empty(family) for family in FAMILIES]

    def collect(self) -> Iterator[Metric]:
        """The families with their values."""
        for family in FAMILIES:
            metric = _empty(family)
            reading = self._read(family)
            if isinstance(reading, Histogram):
                metric.add_metric([], buckets=reading.buckets(), sum_value=reading.total)
            else:
                at = family.labels.index("agent") if self._agents and "agent" in family.labels else None
                for labels, value in reading.items():
                    if at is None or labels[at] in self._agents:
                        metric.add_metric(list(labels), value)
            yield metric

    def _read(self, family: Family) -> Reading:
        """What all processes measured."""
        reading = family.read(self._sources)
        for other in self._sources.others() if family.joined else ():
            measured = other.get(family.name)
            if measured is not None:
                reading = _joined(reading, measured, family)
        return reading


def _joined(reading: Reading, measured: Measured, family: Family) -> Reading:
    if isinstance(reading, Histogram):
        return reading.plus(measured)
    both = dict(reading)
    for labels, value in measured.values:
        known = both.get(labels, 0.0)
        both[labels] = max(known, value) if family.largest else known + value
    return both


def measured(sources: Sources) -> dict[str, Measured]:
    """What this process has measured, for the one that is asked for all."""
    found: dict[str, Measured] = {}
    for family in FAMILIES:
        if family.joined:
            reading = family.read(sources)
            if isinstance(reading, Histogram):
                found[family.name] = reading.measured()
            else:
                found[family.name] = Measured(values=tuple(reading.items()), passing=family.largest)
    return found


def _empty(family: Family) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    return kinds[family.kind](family.name, family.help, labels=family.labels)


__all__ = ["FAMILIES", "Family", "Sources", "exposition", "measured", "registry"]
