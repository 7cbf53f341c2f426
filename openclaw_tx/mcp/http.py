# -*- test-case-name: tests.mcp.test_http -*-
"""A server behind an address: each message is a POST, whose answer may be one message or a stream of them.

Requests are never sent twice: a tool may have done its work although no answer came. Besides, the server is asked for a
stream on which it can speak by itself; many have none. How HTTP is spoken is the business of whoever opens the door
(L{Doors}): timeouts, caps, no redirects, no cookies.

Source: Model Context Protocol 2025-06-18, basic/transports (Streamable HTTP). The transport of 2024-11-05, which had
two addresses, is not spoken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from hyperlink import DecodedURL

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from openclaw_tx._version import __version__
from openclaw_tx.deferreds import sleep, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.mcp.session import MAX_MESSAGE_BYTES, McpError
from openclaw_tx.mcp.transport import SessionEnded
from openclaw_tx.wire.sse import SseDecoder

CLOSE_SECONDS = 2.0
"""How long the farewell may take."""

MAX_PAUSE_S = 60.0
"""Longest pause between two tries to listen."""

LASTED_S = 10.0
"""A stream that was open for so long is asked for again without a long pause."""

ENDED = "it has ended the session."

_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")
_JSON, _STREAM = "application/json", "text/event-stream"


class Answer(Protocol):
    """The head of an answer, and the way to its body; L{openclaw_tx.models.http.Answer}."""

    status: int

    def header(self, name: str) -> str:
        """First value; "" = absent."""

    async def deliver(self, on_data: Callable[[bytes], bool], limit: int = ...) -> None:
        """Hand the body on as it comes, until C{on_data} has enough."""

    async def collect(self, limit: int = ...) -> bytes:
        """The body, cut off at C{limit} bytes."""


class Door(Protocol):
    """Requests to one server; L{openclaw_tx.models.http.HttpDoor}."""

    async def send(
        self, method: str, url: DecodedURL, headers: Headers, body: bytes = b"", *, repeat: bool = True
    ) -> Answer:
        """Send one, and wait for the head of the answer."""

    async def close(self) -> None:
        """Hang up."""


class Doors(NamedTuple):
    """How servers are reached."""

    open: Callable[[str], Door]
    """
    @raise ValueError: the address can not be used; a clause for people.
    """
    failure: type[Exception]
    """What a L{Door} raises when an exchange fails, with a sentence for people."""


class HttpTransport:
    """Implements L{openclaw_tx.mcp.transport.Transport} with an address."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, doors: Doors, url: str, headers: Mapping[str, str], name: str) -> None:
        """
        @param headers: sent with each request, e.g. C{Authorization}.
        @param name: the server, for the log.
        """
        self._clock = clock
        self._doors = doors
        self._address = url
        self._own_headers = headers
        self._name = name
        self._door: Door | None = None
        self._url: Any = None
        self._session = ""
        self._version = ""
        self._receive: Callable[[bytes], None] = lambda data: None
        self._lost: Callable[[str], None] | None = None
        self._listening: Deferred[None] | None = None

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See L{Transport.open}; nothing is sent yet."""
        try:
            self._door = self._doors.open(self._address)
        except ValueError as error:
            raise McpError(f"its url {error}.") from None
        self._url = DecodedURL.from_text(self._address)
        self._receive, self._lost = receive, lost

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}."""
        if self._door is None:
            raise McpError("the connection was closed.")
        headers = self._headers(f"{_JSON}, {_STREAM}")
        headers.setRawHeaders("content-type", [_JSON])
        try:
            answer = await self._door.send("POST", self._url, headers, message, repeat=False)
            await self._read(answer, answered)
        except (self._doors.failure, GatewayError) as error:
            raise McpError(str(error)) from None

    def agreed(self, version: str) -> None:
        """See L{Transport.agreed}; asks for the stream on which it can speak by itself."""
        self._version = version
        self._listening = spawn(self._listen(), self._log, f"listening to the MCP server {self._name}")

    async def close(self) -> None:
        """See L{Transport.close}."""
        door, self._door, self._lost = self._door, None, None
        if self._listening is not None:
            self._listening.cancel()
        if door is None:
            return
        try:
            if self._session:
                await Deferred.fromCoroutine(self._say_goodbye(door)).addTimeout(CLOSE_SECONDS, self._clock)
        except (self._doors.failure, DeferredTimeout) as error:
            self._log.debug("MCP server {server}: no farewell: {error}", server=self._name, error=str(error))
        finally:
            await door.close()

    async def _say_goodbye(self, door: Door) -> None:
        answer = await door.send("DELETE", self._url, self._headers(_JSON))
        await answer.collect()

    async def _read(self, answer: Answer, answered: Callable[[], bool] | None) -> None:
        if not self._session and _SESSION_ID.fullmatch(named := answer.header("Mcp-Session-Id")):
            self._session = named
        kind = answer.header("Content-Type").partition(";")[0].strip().lower()
        if not 200 <= answer.status < 300:
            await self._refused(answer, kind, answered)
        elif answered is None or answer.status in (202, 204):
            await answer.collect()
        elif kind == _STREAM:
            await self._events(answer, answered)
        elif kind == _JSON:
            self._receive(await _whole(answer))
        else:
            await answer.collect()
            raise McpError("it is no MCP server: its answer is neither JSON nor a stream of events.")
        if answered is not None and not answered():
            raise McpError("its answer ended before the result came.")

    async def _events(self, answer: Answer, enough: Callable[[], bool]) -> None:
        decoder = SseDecoder(MAX_MESSAGE_BYTES)

        def take(data: bytes) -> bool:
            for payload in decoder.feed(data):
                if payload:
                    self._receive(payload)
            return enough()

        await answer.deliver(take)
        for payload in decoder.finish():
            self._receive(payload)

    async def _refused(self, answer: Answer, kind: str, answered: Callable[[], bool] | None) -> None:
        """
        @raise McpError: unless the body is the answer to the request, an error in the protocol's own form.
        """
        status = answer.status
        body = await answer.collect()
        if status == 404 and self._session:
            raise SessionEnded(ENDED)
        if kind == _JSON:
            self._receive(body)
            if answered is not None and answered():
                return
        hint = ""
        if status in (401, 403):
            hint = f"; check mcp.servers.{self._name}.headers"
        elif 300 <= status < 400:
            hint = "; it is to be found at another address"
        raise McpError(f"it answered with HTTP status {status}{hint}.")

    async def _listen(self) -> None:
        """Take what the server says by itself, as long as it has a stream for that."""
        pause = 1.0
        while self._door is not None:
            began = self._clock.seconds()
            try:
                answer = await self._door.send("GET", self._url, self._headers(_STREAM))
                if answer.status == 404 and self._session:
                    lost, self._lost = self._lost, None
                    if lost is not None:
                        lost(ENDED)
                    return
                if answer.status != 200 or not answer.header("Content-Type").lower().startswith(_STREAM):
                    await answer.collect()
                    return
                await self._events(answer, lambda: False)
            except (self._doors.failure, GatewayError) as error:
                self._log.debug("MCP server {server}: {error}", server=self._name, error=str(error))
            pause = 1.0 if self._clock.seconds() - began >= LASTED_S else min(2 * pause, MAX_PAUSE_S)
            await sleep(self._clock, pause)

    def _headers(self, accept: str) -> Headers:
        headers = Headers({"user-agent": [f"openclaw_tx/{__version__}"]})
        for name, value in self._own_headers.items():
            headers.setRawHeaders(name, [value])
        headers.setRawHeaders("accept", [accept])
        if self._version:
            headers.setRawHeaders("mcp-protocol-version", [self._version])
        if self._session:
            headers.setRawHeaders("mcp-session-id", [self._session])
        return headers


async def _whole(answer: Answer) -> bytes:
    parts: list[bytes] = []

    def keep(data: bytes) -> bool:
        parts.append(data)
        return False

    await answer.deliver(keep, MAX_MESSAGE_BYTES)
    return b"".join(parts)


__all__ = ["Answer", "Door", "Doors", "HttpTransport"]
