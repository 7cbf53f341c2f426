# -*- test-case-name: tests.web.test_run_events,tests.web.test_run_crashes -*-
"""The events of one run on their way to one client."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push
from openclaw_tx.values import Entry, RunEnded
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.sse import EventStream
from openclaw_tx.wire.run_events import EventFrames, error_event


class RunWatch:
    """An event stream that resumes, and ends after the terminal event.

    The client that is too slow, or whose credential was changed, is told so and can come back: it knows the number of
    the last event it got.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: IReactorTime,
        after: int,
        *,
        keep_alive: float,
        still_valid: Callable[[], bool],
    ) -> None:
        """
        @param after: number of the last event that the client has.
        @param keep_alive: seconds between comments in silence; 0 = none.
        @param still_valid: whether the credential is still good; asked now and then.
        """
        self._exchange = exchange
        self._frames = EventFrames(after)
        self._still_valid = still_valid
        self._stream = EventStream(exchange, clock, keep_alive=keep_alive, check=self._check, error=error_event)
        self._over = False
        self._log = Logger()

    async def follow(self, watch: Callable[[Push], Callable[[], None]]) -> None:
        """Stream to the end.

        @param watch: begins to hand over entries, and gives what ends that.
        """
        self._stream.open()
        stop = watch(self._push)
        try:
            await self._stream.ended.wait()
        finally:
            stop()
            self._stream.close()

    def _push(self, entries: Sequence[Entry]) -> None:
        """Takes a batch. Must not raise: nobody else is to suffer from this watcher."""
        if self._over:
            return
        try:
            self._stream.push(self._frames.render(entries))
            if not entries or type(entries[-1].event) is RunEnded:
                self._end()
        except Exception:
            self._over = True
            self._log.failure("a stream of run events failed")
            self._exchange.abort()

    def _end(self) -> None:
        self._over = True
        self._stream.end()

    def _check(self) -> None:
        """A secret that was changed ends what it had opened."""
        if not self._over and not self._still_valid():
            revoked = GatewayError("invalid_api_key", "The credential of this stream is no longer valid.")
            self._stream.push(error_event(revoked.info))
            self._end()


__all__ = ["RunWatch"]
