# -*- test-case-name: tests.models.test_http -*-
"""One request and its answer over a connection of L{openclaw_tx.models.streaming}.

HTTP is taken apart by httptools, which is the parser of Node.js and strict by default: nothing here knows its syntax.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import httptools

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from openclaw_tx.models.door import (
    LINGER_S,
    MAX_RESPONSE_BYTES,
    Answer,
    Door,
    HttpFailure,
    OnData,
    cut_off,
    failure_of,
    silence,
    too_large,
)
from openclaw_tx.models.idle import IdleTimer
from openclaw_tx.models.inflating import CODINGS, Inflater

MAX_IDLE_BYTES = 64 * 1024
"""Longest head of an answer, interim ones included, and most that may come later in a row without bringing anything of
the body; about."""


class Line(Protocol):
    """The connection."""

    def ask(self, exchange: Exchange, request: bytes) -> None:
        """Send a request."""

    def free(self) -> None:
        """The exchange is over; there may be another."""

    def cut(self) -> None:
        """Close it now."""

    def pause(self) -> None:
        """Nobody takes what comes."""

    def resume(self) -> None:
        """Somebody does."""


class Exchange(Answer):
    """Life: L{connecting} or L{begins}, any number of L{received}; then the caller's L{deliver}, and its end.

    @ivar head: fires when the head of the answer is in; cancelling it closes the connection.
    """

    __slots__ = (
        "_attempt",
        "_done",
        "_door",
        "_ended",
        "_enough",
        "_fields",
        "_gone",
        "_headed",
        "_idle",
        "_idle_left",
        "_inflater",
        "_interim",
        "_keeps_alive",
        "_left",
        "_line",
        "_lost_to",
        "_on_data",
        "_parser",
        "_paused",
        "_pieces",
        "_reading",
        "_reused",
        "_told",
        "_whole",
        "head",
        "status",
    )

    def __init__(self, door: Door, idle: IdleTimer) -> None:
        """
        @param idle: started, with L{silent}.
        """
        self.status = 0
        self.head: Deferred[None] = Deferred(self._hung_up)
        self._door = door
        self._idle = idle
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # RFC 9112, 2.2 allows that for what some servers send. It can not shift anything: one answer at a time is read.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._fields: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        """What the read under way has brought of the body."""
        self._attempt: Deferred[Any] | None = None
        self._line: Line | None = None
        self._reused = self._reading = self._interim = self._headed = self._told = False
        self._whole = self._keeps_alive = self._enough = self._ended = self._paused = self._gone = False
        self._idle_left = MAX_IDLE_BYTES
        self._inflater: Inflater | None = None
        """Unpacks a body that is compressed although nobody asked for that; None = it is not."""
        self._on_data: OnData | None = None
        self._done: Deferred[None] | None = None
        self._left = 0
        self._lost_to: HttpFailure | Failure | None = None
        """What went wrong between head and body."""

    # -- for the caller

    def header(self, name: str) -> str:
        """See L{Answer.header}."""
        return self._fields.get(name.lower().encode("ascii"), b"").decode("latin-1").strip()

    async def deliver(self, on_data: OnData, limit: int = MAX_RESPONSE_BYTES) -> None:
        """See L{Answer.deliver}."""
        done: Deferred[None] = Deferred(self._hung_up)
        if self._lost_to is not None:
            done.errback(self._lost_to)
            await done
        self._done, self._on_data, self._left = done, on_data, limit
        if self._paused and self._line is not None:
            self._paused = False
            self._line.resume()
        if not self._reading:
            self._go_on()
        await done

    # -- for the connection

    def connecting(self, attempt: Deferred[Any], request: bytes) -> None:
        """A connection is being made for it."""
        self._attempt = attempt
        attempt.addCallbacks(self._connected, self._not_connected, (request,))

    def begins(self, line: Line, reused: bool) -> None:
        """
        @param reused: the connection has carried another exchange before.
        """
        self._line, self._reused = line, reused

    def received(self, data: bytes) -> None:
        """What one read brought."""
        parser = self._parser
        if parser is None:
            return
        self._reading = True
        self._idle_left -= len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken = True
        else:
            broken = False
        if self._headed:
            self._door.last_heard = self._idle.touch()
            if not self._told:
                self._told = True
                self.head.callback(None)
            if not self._ended:
                self._go_on()
        self._reading = False
        if self._ended:
            return
        if broken:
            self._fail(HttpFailure("The answer is not valid HTTP."))
        elif self._idle_left <= 0:
            self._fail(HttpFailure("The answer has more beside its body than is allowed."))

    def lost(self, reason: Failure) -> None:
        """The connection has ended."""
        self._line = None
        if self._told:
            self._gone = True
            if self._on_data is not None:
                self._go_on()
            return
        failure = failure_of(reason)
        failure.was_stale = self._reused and self._idle_left == MAX_IDLE_BYTES
        self._fail(failure)

    def silent(self) -> None:
        """Nothing was heard for too long."""
        self._fail(silence(self._idle.seconds))

    # -- for the parser

    def on_message_begin(self) -> None:
        """A head follows. If that is a second one, it is not ours to read."""
        self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; what comes after the body is of no interest."""
        if not self._headed:
            self._fields.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """Of an answer, or of an interim one (RFC 9110, 15.2)."""
        if self._headed or self._parser is None:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self._fields.clear()
            return
        self.status = status
        self._headed = True
        coding = self.header("content-encoding").lower()
        if coding in CODINGS:
            self._inflater = Inflater(coding)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._whole:
            self._pieces.append(data)
            self._idle_left = MAX_IDLE_BYTES

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._headed and not self._whole and self._parser is not None:
            self._whole = True
            self._keeps_alive = self._parser.should_keep_alive()

    # -- inside

    def _connected(self, line: Line, request: bytes) -> None:
        self._attempt = None
        if self._ended:
            line.cut()
        else:
            line.ask(self, request)

    def _not_connected(self, failure: Failure) -> None:
        self._attempt = None
        if not self._ended:
            self._fail(failure_of(failure))

    def _go_on(self) -> None:
        """Hand on what is here, and end if that is all there will be."""
        if self._on_data is None:
            if not self._paused and self._line is not None:
                self._paused = True
                self._line.pause()
            return
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            if self._inflater is None:
                self._hand(self._on_data, data)
            else:
                self._inflate(self._inflater, self._on_data, data)
            if self._enough and not (self._whole or self._ended):
                self._idle.start(self._linger_over, LINGER_S)
        if self._ended:
            return
        if self._whole or self._gone:
            self._finish()

    def _inflate(self, inflater: Inflater, on_data: OnData, data: bytes) -> None:
        try:
            for plain in inflater.feed(data):
                self._hand(on_data, plain)
                if self._enough or self._ended:
                    return
        except zlib.error:
            self._fail(HttpFailure("The answer can not be unpacked."))

    def _hand(self, on_data: OnData, data: bytes) -> None:
        if self._enough:
            return
        self._left -= len(data)
        if self._left < 0:
            self._fail(too_large())
            return
        try:
            self._enough = on_data(data)
        except Exception:
            self._fail(Failure())  # type: ignore[no-untyped-call]

    def _finish(self) -> None:
        """The body has ended, one way or the other."""
        if not (self._whole or self._enough or self._ends_with_connection()):
            self._fail(cut_off())
            return
        self._end()
        line, done, self._line = self._line, self._done, None
        if line is not None:
            if self._keeps_alive:
                line.free()
            else:
                line.cut()
        assert done is not None
        done.callback(None)

    def _ends_with_connection(self) -> bool:
        """RFC 9112, 6.3: neither chunks nor a length."""
        coding = self._fields.get(b"transfer-encoding")
        if coding is not None:
            return not coding.strip().lower().endswith(b"chunked")
        return b"content-length" not in self._fields

    def _linger_over(self) -> None:
        self._hang_up()
        assert self._done is not None
        self._done.callback(None)

    def _fail(self, failure: HttpFailure | Failure) -> None:
        self._hang_up()
        waiting = self._done if self._told else self.head
        if waiting is not None:
            waiting.errback(failure)
        else:
            self._lost_to = failure

    def _hung_up(self, _: Deferred[None]) -> None:
        """The caller was cancelled."""
        self._hang_up()

    def _hang_up(self) -> None:
        self._end()
        line, self._line = self._line, None
        if line is not None:
            line.cut()
        if self._attempt is not None:
            self._attempt.cancel()

    def _end(self) -> None:
        self._ended = True
        self._idle.stop()
        self._parser = self._on_data = None  # they know us: without them we are gone when nobody else does


__all__ = ["Exchange"]
