# -*- test-case-name: tests.test_tally -*-
"""What the gateway counts, in plain numbers that cost nothing to keep.

One L{Tally} belongs to one gateway; C{/metrics} reads it. On the way of a stream there is no look-up by label, only an
attribute that grows. What is told apart by labels is bounded: past L{MAX_SERIES} the rest counts as C{other}.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authenticator, Peer, Run
from openclaw_tx.values import Credentials, Entry, Principal, RunEnded
from openclaw_tx.values.value import Value

MAX_SERIES = 500
"""Sets of labels that one count tells apart."""

OTHER = "other"
"""Stands for what is not told apart any more."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Bounds for what a run takes."""

LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds for how late the reactor is."""

LOG_SECONDS = 10.0
"""Pause between two log lines that say the same."""
LAG_INTERVAL = 1.0
LAG_WINDOW = 60
"""Measurements among which the largest is looked for."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""HTTP methods that are told apart."""


class Counts:
    """How often something happened, by labels."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count C{amount} more."""
        values = self._values
        if labels not in values and len(values) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    def __getitem__(self, labels: tuple[str, ...]) -> int:
        return self._values.get(labels, 0)

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], int]]:
        return iter(list(self._values.items()))


class Histogram:
    """How often a value was at most each of some bounds.

    @ivar total: the sum of all values.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """
        @param bounds: ascending; above the last one is infinity.
        """
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, int]]:
        """Upper bound and number of values up to it, the last one C{+Inf} with all of them."""
        found: list[tuple[str, int]] = []
        so_far = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found

    def plus(self, measured: Measured) -> Histogram:
        """Both together, as a new one; C{measured} is of one with the same bounds."""
        both = Histogram(self._bounds)
        both._counts = [mine + more for mine, more in zip(self._counts, measured.counts, strict=True)]
        both.total = self.total + measured.total
        return both

    def measured(self) -> Measured:
        """As another process may be told."""
        return Measured(counts=tuple(self._counts), total=self.total)

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self._counts)


class Measured(Value, frozen=True, omit_defaults=True):
    """What one process has measured of one thing."""

    values: tuple[tuple[tuple[str, ...], float], ...] = ()
    """By labels."""
    counts: tuple[int, ...] = ()
    """Of a histogram: values between its bounds."""
    total: float = 0.0
    """Of a histogram: their sum."""
    passing: bool = False
    """It is how things stand, not what has become of them: once the process is gone, it says nothing."""


class Seldom:
    """A line of the log that strangers can cause as often as they like: one now, the next one a while later, with how
    often it was meanwhile."""

    __slots__ = ("_count", "_last")

    def __init__(self) -> None:
        self._count = 0
        self._last: float | None = None

    def due(self, now: float) -> int:
        """It happened again.

        @param now: seconds of a clock.
        @return: how often since the last line, if it is time for one; 0 = say nothing.
        """
        self._count += 1
        if self._last is not None and abs(now - self._last) < LOG_SECONDS:
            return 0
        count, self._count, self._last = self._count, 0, now
        return count


class Tally:
    """All counts of one gateway. Attributes that are numbers are raised directly by whoever sees it happen."""

    _log = Logger()
    __slots__ = (
        "_ignored",
        "_slow",
        "auth_failures",
        "cancels",
        "connections_given_up",
        "connections_refused",
        "first_token",
        "http_requests",
        "lag",
        "lag_recent",
        "pings",
        "provider_calls",
        "run_seconds",
        "runs",
        "slow_sockets",
        "slow_streams",
        "socket_bytes",
        "sockets",
        "stream_bytes",
        "tokens",
    )

    def __init__(self) -> None:
        self.runs = Counts()
        """By surface, agent, status, code."""
        self.cancels = Counts()
        """By reason."""
        self.tokens = Counts()
        """By kind: C{prompt}, C{completion}, C{cached}, C{reasoning}."""
        self.connections_refused = Counts()
        """By bound: C{total}, C{address}, C{descriptors}."""
        self.connections_given_up = 0
        """Idle ones that made room for others."""
        self.http_requests = Counts()
        """By method, route, status."""
        self.auth_failures = Counts()
        """By detail code in lower case, without its C{AUTH_}."""
        self.provider_calls = Counts()
        """By provider and outcome: C{ok}, C{cancelled} or a code."""
        self.first_token = Histogram(SECONDS)
        self.run_seconds = Histogram(SECONDS)
        self.lag = Histogram(LAG_SECONDS)
        self.lag_recent: deque[float] = deque(maxlen=LAG_WINDOW)
        self.stream_bytes = 0
        self.pings = 0
        self.slow_streams = 0
        self.socket_bytes = 0
        self.slow_sockets = 0
        self._slow = Seldom()
        self._ignored = Seldom()
        self.sockets = 0
        """WebSocket connections opened so far."""

    def too_slow(self, what: str, address: str, now: float) -> None:
        """A client did not read and was cut off: say so in the log, now and then.

        @param address: where it is; "" = behind a local socket.
        @param now: seconds of the clock.
        """
        if count := self._slow.due(now):
            self._log.warn(
                "a client was cut off because it did not read: {what} from {address}; {count} since the last such line",
                what=what,
                address=address or "a local socket",
                count=count,
            )

    def not_json(self, now: float) -> None:
        """A WebSocket message that is no JSON was ignored (spec 2.2): say so in the log, now and then.

        @param now: seconds of the clock.
        """
        if count := self._ignored.due(now):
            self._log.warn(
                "a WebSocket message that is no JSON was ignored; {count} since the last such line", count=count
            )

    def watch(self, run: Run, entries: Sequence[Entry]) -> None:
        """A listener of the engine: counts a run when it has ended."""
        event = entries[-1].event
        if type(event) is not RunEnded:
            return
        result = event.result
        code = result.error.code if result.error is not None else ""
        self.runs.add(run.request.surface, result.agent_id, result.status, code)
        if result.status == "aborted":
            self.cancels.add(result.abort_reason or "cancelled")
        elif code == "run_timeout":
            self.cancels.add("timeout")
        usage = result.usage
        for kind, amount in (
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
            ("cached", usage.cached_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if amount:
                self.tokens.add(kind, amount=amount)
        times = run.times
        if times.first_text:
            self.first_token.observe(times.first_text - times.queued)
        self.run_seconds.observe(max(0.0, times.ended - times.queued))

    def request(self, method: str, route: str, status: int) -> None:
        """An HTTP request was answered, or its client left (499)."""
        self.http_requests.add(method if method in METHODS else OTHER, route, str(status))


class CountedAuthenticator:
    """An L{Authenticator} whose refusals are counted."""

    def __init__(self, inner: Authenticator, tally: Tally) -> None:
        self._inner = inner
        self._tally = tally
        self.is_valid = inner.is_valid
        self.check_origin = inner.check_origin
        self.is_local_direct = inner.is_local_direct

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """See L{Authenticator.authenticate}."""
        try:
            return await self._inner.authenticate(credentials, peer)
        except GatewayError as error:
            details: Mapping[str, object] = error.info.details or {}
            reason = str(details.get("code") or error.info.code)
            self._tally.auth_failures.add(reason.lower().removeprefix("auth_"))
            raise


class LagMeter(Service):
    """Asks the reactor to be called each second and measures how late it is: what any event has to wait."""

    def __init__(self, clock: IReactorTime, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin."""
        super().startService()  # type: ignore[no-untyped-call]
        self._again()

    def stopService(self) -> None:
        """End."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _again(self) -> None:
        self._due = self._clock.seconds() + LAG_INTERVAL
        self._call = self._clock.callLater(LAG_INTERVAL, self._measure)

    def _measure(self) -> None:
        late = max(0.0, self._clock.seconds() - self._due)
        self._tally.lag.observe(late)
        self._tally.lag_recent.append(late)
        self._again()


__all__ = ["OTHER", "CountedAuthenticator", "Counts", "Histogram", "LagMeter", "Measured", "Seldom", "Tally"]
