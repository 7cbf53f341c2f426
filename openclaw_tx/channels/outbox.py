# -*- test-case-name: tests.channels.test_webhook -*-
"""Messages of one account on their way out: one after the other, tried again, and never too many."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.errors import GatewayError

MAX_WAITING = 100
"""Messages of an account that may wait; more are refused with C{queue_full}."""
PAUSES = (1.0, 4.0, 16.0)
"""Seconds before each further try."""


class Refused(Exception):
    """A try that came to nothing. The text is for the log and the status.

    @ivar final: it would come to nothing the next time, too.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class _Waiting:
    def __init__(self, attempt: Callable[[], Awaitable[None]]) -> None:
        self.attempt = attempt
        self.done = Gate()
        self.error: GatewayError | None = None


class Outbox:
    """The messages of one account.

    @ivar last_error: why the last message did not arrive; "" = it did.
    @ivar last_at: when one arrived last, in seconds since 1970; 0 = none did.
    """

    _log = Logger()

    def __init__(self, name: str, clock: IReactorTime) -> None:
        """
        @param name: of the account, for the log.
        """
        self._name = name
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._at_work: Deferred[Any] | None = None
        self.last_error = ""
        self.last_at = 0.0

    def __len__(self) -> int:
        """Messages that have not arrived yet."""
        return len(self._waiting)

    async def send(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Have a message sent behind those before it, and wait for that. Cancelling the wait does not touch it.

        @param attempt: sends it; fails with L{Refused}.
        @raise GatewayError: C{queue_full}; C{delivery_failed}; C{gateway_draining}.
        """
        if len(self._waiting) >= MAX_WAITING:
            self.last_error = f"more than {MAX_WAITING} messages were waiting; one was refused"
            raise GatewayError("queue_full", f"{MAX_WAITING} messages wait to be sent there already.", retry_after=30)
        waiting = _Waiting(attempt)
        self._waiting.append(waiting)
        if self._at_work is None:
            work = self._at_work = spawn(self._work(), self._log, f"sending to {self._name}")
            work.addBoth(self._rested)
            if work.called:
                self._at_work = None
        await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error

    def close(self) -> None:
        """Give up what has not arrived; who waits is told."""
        if self._at_work is not None:
            self._at_work.cancel()
        while self._waiting:
            self._end(GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5))

    # -- inside

    def _rested(self, _: object) -> None:
        self._at_work = None

    async def _work(self) -> None:
        while self._waiting:
            self._end(await self._deliver(self._waiting[0]))

    def _end(self, error: GatewayError | None) -> None:
        waiting = self._waiting.popleft()
        waiting.error = error
        waiting.done.open()

    async def _deliver(self, waiting: _Waiting) -> GatewayError | None:
        for pause in (*PAUSES, None):
            try:
                await waiting.attempt()
            except CancelledError:
                raise
            except Refused as error:
                self.last_error = str(error)
                if pause is None or error.final:
                    break
            except Exception:
                self._log.failure("sending to {name} failed", name=self._name)
                self.last_error = "internal error"
                break
            else:
                self.last_error, self.last_at = "", self._clock.seconds()
                return None
            await sleep(self._clock, pause)
        self._log.warn("a message to {name} was given up: {reason}", name=self._name, reason=self.last_error)
        return GatewayError("delivery_failed", "The message could not be delivered.")


__all__ = ["MAX_WAITING", "PAUSES", "Outbox", "Refused"]
