# -*- test-case-name: tests.web.test_sse -*-
# mypy: allow-untyped-calls
"""A server-sent event stream on a request: bounded, kept alive, and ended in a way the client can tell from a fault.

Source: WHATWG HTML, server-sent events. The keep-alive is a comment line with a single newline: with a second one it
would be an empty event, which some SDKs choke on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.runs.outbox import Item, Outbox
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.request import BoundedRequest
from openclaw_tx.wire.openai_chat_render import error_frame

PING = b": ping\n"

CHECK_SECONDS = 15.0
"""How often a stream is looked after when keep-alives are switched off."""

STALL_SECONDS = 600.0
"""A client that takes nothing at all for so long is given up."""

GRACE_SECONDS = 1.0
"""Between the error that tells a slow client it is given up, and cutting its connection."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class _Text(NamedTuple):
    """Pieces of text that are one frame."""

    frame: Callable[[bytes], bytes]
    pieces: list[bytes]


class Frames:
    """The frames of one batch. While it is held, text that follows text joins its frame.

    @ivar text_frame: makes a frame of escaped text, for the text that is added from now on.
    """

    __slots__ = ("_parts", "size", "text_frame")

    def __init__(self, text_frame: Callable[[bytes], bytes]) -> None:
        """
        @param text_frame: makes a frame of escaped text.
        """
        self.text_frame = text_frame
        self._parts: list[bytes | _Text] = []
        self.size = 0

    def add(self, frame: bytes) -> bool:
        """A whole frame; an empty one is none.

        @return: whether there was one.
        """
        if frame:
            self._parts.append(frame)
            self.size += len(frame)
        return bool(frame)

    def add_text(self, escaped: bytes) -> None:
        """A piece of text."""
        self._parts.append(_Text(self.text_frame, [escaped]))
        self.size += len(escaped)

    def absorb(self, later: Item) -> bool:
        """See L{openclaw_tx.runs.outbox.Mergeable.absorb}."""
        if not isinstance(later, Frames):
            return False
        for part in later._parts:
            last = self._parts[-1] if self._parts else b""
            if isinstance(part, _Text) and isinstance(last, _Text) and part.frame == last.frame:
                last.pieces.extend(part.pieces)
            else:
                self._parts.append(part)
        self.size += later.size
        return True

    def render(self) -> bytes:
        """All frames."""
        whole = [part.frame(b"".join(part.pieces)) if isinstance(part, _Text) else part for part in self._parts]
        return whole[0] if len(whole) == 1 else b"".join(whole)


class EventStream:
    """The stream of one exchange. Life: L{open}, any number of L{push}, L{end}; L{close} in any case.

    @ivar ended: opens when the last byte was handed to the transport and the answer is finished.
    """

    __slots__ = (
        "_check",
        "_clock",
        "_ending",
        "_error",
        "_exchange",
        "_interval",
        "_keep_alive",
        "_outbox",
        "_stamp",
        "_timer",
        "_written_at",
        "ended",
    )

    def __init__(
        self,
        exchange: Exchange,
        clock: IReactorTime,
        *,
        keep_alive: float,
        check: Callable[[], None],
        error: Callable[[ErrorInfo], bytes] = error_frame,
        stamp: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """
        @param keep_alive: seconds of silence after which a comment is sent; 0 = never.
        @param check: called at least every C{keep_alive} (or 15) seconds while the stream runs; may L{end} it.
        @param error: makes the frame that tells a slow client why it is given up.
        @param stamp: sees all frames in the order in which they are written, and gives what is written instead.
        """
        self.ended = Gate()
        self._exchange = exchange
        self._clock = clock
        self._keep_alive = keep_alive
        self._interval = keep_alive or CHECK_SECONDS
        self._check = check
        self._error = error
        self._stamp = stamp
        self._outbox = Outbox(self._send, self._overflowed)
        self._timer: IDelayedCall | None = None
        self._written_at = 0.0
        self._ending = False

    def open(self) -> None:
        """Send the status and the headers, and keep the stream alive from now on."""
        if self._exchange.gone:
            return
        request = self._exchange.request
        request.setResponseCode(200)
        for name, value in HEADERS.items():
            self._exchange.set_header(name, value)
        request.registerProducer(self._outbox, True)
        self._write(b"")
        if isinstance(request, BoundedRequest):
            request.prober = self._ping
        self._timer = self._clock.callLater(self._interval, self._tick)

    def push(self, item: Item) -> None:
        """Send frames, or hold them as long as the client does not read."""
        if not self._ending:
            self._outbox.push(item)

    def push_now(self, frame: bytes) -> bool:
        """Send one whole frame if the client reads: the short way for most of what is ever sent.

        @return: whether it was; else L{push} it.
        """
        return not self._ending and self._outbox.write(frame)

    def end(self) -> None:
        """Finish the answer once all that was pushed has been taken."""
        if not self._ending:
            self._ending = True
            self._outbox.finish(self._finish)

    def close(self) -> None:
        """Let go of timers and of what is held; the connection is left as it is."""
        self._ending = True
        self._outbox.close()
        self._check = _nothing
        if isinstance(self._exchange.request, BoundedRequest):
            self._exchange.request.prober = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- inside

    def _send(self, frames: bytes) -> None:
        self._write(self._stamp(frames))

    def _write(self, data: bytes) -> None:
        self._written_at = self._clock.seconds()
        if not self._exchange.gone:
            self._exchange.tally.stream_bytes += len(data)
            self._exchange.request.write(data)

    def _ping(self) -> None:
        if self._outbox.willing and not self._ending:
            self._exchange.tally.pings += 1
            self._write(PING)

    def _tick(self) -> None:
        self._timer = None
        if not self._ending:
            self._check()
        silent = self._clock.seconds() - self._written_at
        if silent < 0:
            silent = self._interval  # The clock was set back; a comment too many does no harm.
        if silent >= STALL_SECONDS and not self._outbox.willing:
            self._exchange.abort()
            return
        if silent >= self._interval:
            if self._keep_alive:
                self._ping()
            silent = 0.0
        if not self.ended.opened:
            self._timer = self._clock.callLater(self._interval - silent, self._tick)

    def _overflowed(self) -> None:
        """The client reads too slowly: say so, in case it reads at all, and cut the connection."""
        self.close()
        self._exchange.tally.slow_streams += 1
        self._exchange.tally.too_slow("HTTP stream", self._exchange.address, self._clock.seconds())
        slow = GatewayError("slow_consumer", "The client did not read fast enough; the stream was cut off.")
        self._send(self._error(slow.info))
        self._timer = self._clock.callLater(GRACE_SECONDS, self._cut)

    def _cut(self) -> None:
        self._timer = None
        self._exchange.abort()

    def _finish(self) -> None:
        self.close()
        self._exchange.finish()
        self.ended.open()


def _nothing() -> None:
    """A stream that is over has nothing to look after, and holds nobody who would."""


__all__ = ["PING", "EventStream", "Frames"]
