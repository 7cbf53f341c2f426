# -*- test-case-name: tests.web.test_pace -*-
"""Spreads requests that come at the same moment over turns of the reactor.

The reactor serves all connections that have something to say before it looks for new ones and before any timer. When
hundreds of requests come at once, that is a turn of many hundred milliseconds, in which no stream goes on and no probe
is answered. Here those that find the turn used up wait for the next ones, in order. Probes never wait.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

BUDGET = 0.004
"""Seconds of a turn in which requests begin; one always does. However many come, a stream that goes on waits no longer
than that at a time."""

GAP = 0.001
"""After so many idle seconds this is another turn."""

MAX_HELD = 128 * 1024
"""Bytes that wait on one connection; with more it is served at once, or has to wait before it says more."""

PIECE = 4096
"""Bytes that are taken at a time from a connection whose bytes may cost much."""

PROBES = (b"GET /health", b"GET /ready", b"GET /startup", b"HEAD /health", b"HEAD /ready", b"HEAD /startup")


class Channel(Protocol):
    """A connection."""

    requests: list[object]
    """What is being served on it."""

    @property
    def is_costly(self) -> bool:
        """Whether what comes may be chunks, or a request."""

    def serve(self, data: bytes) -> None:
        """Take what has come."""

    def slow_down(self) -> None:
        """Let nothing more come for now."""

    def all_taken(self) -> None:
        """What has come so far was served, all of it."""

    def abort(self) -> None:
        """Cut the connection."""


class Pace:
    """The requests that wait on one listener."""

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: measures turns, and begins the next one.
        """
        self._clock = clock
        self._began = 0.0
        self._ended = 0.0
        self._waiting: OrderedDict[Channel, bytearray] = OrderedDict()
        self._call: IDelayedCall | None = None
        self._serving: Channel | None = None
        self._log = Logger()

    def __len__(self) -> int:
        """Connections that wait."""
        return len(self._waiting)

    def __contains__(self, channel: object) -> bool:
        """Whether a connection waits."""
        return channel in self._waiting

    def received(self, channel: Channel, data: bytes) -> None:
        """Something came: serve it now, or hold it if it begins a request, or may cost as much, and there have been
        enough."""
        held, in_time = self._waiting.get(channel), self._in_time()
        if held is not None:
            held += data
            if len(held) > MAX_HELD and not channel.is_costly:
                self.settle(channel)
            elif channel.requests or len(held) > MAX_HELD:
                channel.slow_down()
        elif in_time or (channel.requests and not channel.is_costly) or data.startswith(PROBES):
            self._serve(channel, data)
        else:
            self._wait(channel, data)

    def settle(self, channel: Channel) -> None:
        """Serve what waits on a connection now: too much has come on it."""
        held = self.forget(channel)
        if held:
            channel.serve(held)

    def forget(self, channel: Channel) -> bytes:
        """A connection waits no more.

        @return: what was held for it.
        """
        held = self._waiting.pop(channel, b"")
        if not self._waiting and self._call is not None:
            self._call.cancel()
            self._call = None
        return bytes(held)

    def _wait(self, channel: Channel, data: bytes) -> None:
        self._waiting[channel] = bytearray(data)
        if channel.requests or len(data) > MAX_HELD:
            channel.slow_down()
        if self._call is None:
            self._call = self._clock.callLater(0, self._next)

    def _serve(self, channel: Channel, data: bytes) -> None:
        """Serve as much as there is time for, one piece at least; the rest waits."""
        outer, self._serving = self._serving, channel
        try:
            done = self._served(channel, data)
        finally:
            self._serving = outer
        if done and outer is not channel:  # else there may be more of what came
            channel.all_taken()

    def _served(self, channel: Channel, data: bytes) -> bool:
        """
        @return: whether nothing of it waits.
        """
        start = 0
        while start < len(data):
            end = start + PIECE if channel.is_costly else len(data)
            channel.serve(data[start:end])
            start = end
            self._ended = self._clock.seconds()
            later = self._waiting.get(channel)
            if later is not None:  # while it was served, what came before the rest was put off
                later += data[start:]
                return False
            if start < len(data) and channel.is_costly and self._ended - self._began > BUDGET:
                self._wait(channel, data[start:])
                return False
        return True

    def _in_time(self) -> bool:
        """Whether there is time left in this turn; notices when it is another one."""
        now = self._clock.seconds()
        if abs(now - self._ended) > GAP:
            self._began = now
        return not self._waiting and now - self._began <= BUDGET

    def _next(self) -> None:
        """Another turn."""
        self._call = None
        self._began = self._ended = self._clock.seconds()
        while self._waiting and self._ended - self._began <= BUDGET:
            channel, held = self._waiting.popitem(last=False)
            try:
                self._serve(channel, bytes(held))
            except Exception:
                self._log.failure("a request failed; its connection is cut")
                channel.abort()
            self._ended = self._clock.seconds()
        if self._waiting and self._call is None:
            self._call = self._clock.callLater(0, self._next)


__all__ = ["BUDGET", "MAX_HELD", "PIECE", "Pace"]
