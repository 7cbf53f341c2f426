# -*- test-case-name: tests.ws.test_channel -*-
"""Whether the client of a WebSocket is still there: pings, and how long their answers may take.

Mixed into a protocol of autobahn's, whose hook is named by it, hence the camelCase.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from openclaw_tx.sending import send_now, unsent
from openclaw_tx.ws.lean import PING
from openclaw_tx.ws.timers import Alarm

PING_SECONDS = 30.0
"""Pause between a pong and the next ping."""
PONG_SECONDS = 25.0
"""A client that takes longer to answer a ping is gone, unless its answer has to wait for other bytes."""
GRAIN_SECONDS = 5.0
"""Pings, and the end of waiting for their answers, come so much later at most: with those of others."""


class Liveness:
    """Goes before autobahn's protocol among the bases."""

    transport: Any
    factory: Any
    _connection: Any
    _began: float
    _closed: bool
    _waiting: bool
    _alarm: Alarm | None = None
    _told = 0
    """Bytes of events and answers that were written to it."""

    def onPong(self, payload: bytes) -> None:
        """The client is alive."""
        if self._connection is not None and not self._closed and not self._waiting:
            self.expect_pings()

    def expect_pings(self) -> None:
        """Ping it after a while."""
        self._set_alarm(PING_SECONDS, self._ping)

    def _ping(self) -> None:
        self._await_pong(unsent(self.transport))
        send_now(self.transport, PING)

    def _await_pong(self, under_way: int) -> None:
        self._set_alarm(PONG_SECONDS, partial(self._no_pong, under_way, self._told))

    def _no_pong(self, before: int, told: int) -> None:
        """It has not answered. Who is in the middle of sending a large message can not, nor who has not come to the
        ping, because of all that was sent before it: such a client is there as long as bytes move either way.

        @param before: bytes that were on their way to it the last time; others may have followed them.
        @param told: bytes that had been written by then.
        """
        under_way = unsent(self.transport)
        if under_way:
            before += self._told - told
        if self.factory.timers.seconds() - self._began < PONG_SECONDS or under_way < before:
            self._await_pong(under_way)
        else:
            self._cut()

    def _set_alarm(self, seconds: float, action: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.factory.timers.after(seconds, action, GRAIN_SECONDS)

    def _cut(self) -> None:
        """Give up on a client that takes nothing any more."""
        if self.transport is not None:
            self.transport.abortConnection()


__all__ = ["GRAIN_SECONDS", "PING_SECONDS", "PONG_SECONDS", "Liveness"]
