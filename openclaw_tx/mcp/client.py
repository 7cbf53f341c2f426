# -*- test-case-name: tests.mcp.test_client -*-
"""One conversation with a server: the handshake, its tools, calls. Its state is in L{openclaw_tx.mcp.session}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.mcp.content import MAX_TOOLS, RemoteTool, remote_tools
from openclaw_tx.mcp.session import (
    VERSIONS,
    Answered,
    BadMessage,
    Event,
    Logged,
    McpError,
    Progressed,
    Refused,
    Reply,
    Session,
    ToolsChanged,
)
from openclaw_tx.mcp.transport import SessionEnded, Transport

MAX_AT_WORK = 32
"""Requests that may wait for their answers."""

MAX_TELLING = 200
"""Answers to what the server asks, and notices, that are on their way to it; with more the conversation is ended."""

MAX_PAGES = 50
"""Pages of a list of tools."""

OnProgress = Callable[[str], None]


class TimedOut(McpError):
    """The server did not answer in time."""


class Client:
    """A conversation.

    @ivar gone: opens when it has ended, by whosever doing.
    @ivar why: the reason, for people; "" = it was closed.
    @ivar heard: messages that came, to tell whether the server is alive.
    """

    _log = Logger()

    def __init__(
        self, name: str, transport: Transport, clock: IReactorTime, on_tools_changed: Callable[[], None]
    ) -> None:
        """
        @param name: the server, for the log.
        @param on_tools_changed: the server has other tools now.
        """
        self.gone = Gate()
        self.why = ""
        self.heard = 0
        self._name = name
        self._transport = transport
        self._clock = clock
        self._on_tools_changed = on_tools_changed
        self._session = Session()
        self._waiting: dict[int, _Waiting] = {}
        self._lists_tools = False
        self._telling = 0

    async def start(self, timeout_s: float) -> None:
        """Connect and shake hands.

        @param timeout_s: longest wait for the server's first answer.
        @raise McpError: it can not be reached, or is none that can be used.
        """
        await self._transport.open(self._receive, self._lost)
        number, data = self._session.initialize()
        result = await self._ask(number, data, timeout_s, cancels=False)
        version, abilities = result.get("protocolVersion"), result.get("capabilities")
        if version not in VERSIONS:
            raise McpError(f"it speaks the protocol of {str(version)[:20]}, which is not understood here.")
        self._lists_tools = isinstance(abilities, dict) and "tools" in abilities
        self._transport.agreed(version)
        await self._transport.send(self._session.notification("notifications/initialized"))

    async def tools(self, timeout_s: float) -> list[RemoteTool]:
        """Its tools, all pages of them.

        @param timeout_s: longest wait for each page.
        @raise McpError: it does not tell.
        """
        found: list[RemoteTool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES if self._lists_tools else 0):
            number, data = self._session.request("tools/list", {"cursor": cursor} if cursor else {})
            result = await self._ask(number, data, timeout_s)
            tools, useless = remote_tools(result)
            if useless:
                self._log.warn("MCP server {server}: can not use its {tools}", server=self._name, tools=useless)
            found += tools
            next_cursor = result.get("nextCursor")
            if len(found) > MAX_TOOLS or not isinstance(next_cursor, str) or not next_cursor:
                break
            cursor = next_cursor
        if len(found) > MAX_TOOLS:
            self._log.warn("MCP server {server}: only its first {n} tools are used", server=self._name, n=MAX_TOOLS)
        return found[:MAX_TOOLS]

    async def call(
        self, tool: str, arguments: Mapping[str, Any], timeout_s: float, on_progress: OnProgress
    ) -> Mapping[str, Any]:
        """Call a tool. Cancelling it tells the server so.

        @param timeout_s: longest silence; each word of progress counts as a sign of life.
        @return: its result, as the protocol has it.
        @raise McpError: there is none.
        """
        if len(self._waiting) >= MAX_AT_WORK:
            raise McpError(f"it has {MAX_AT_WORK} requests to answer already.")
        params = {"name": tool, "arguments": arguments}
        number, data = self._session.request("tools/call", params, progress=True)
        return await self._ask(number, data, timeout_s, on_progress)

    async def close(self) -> None:
        """End the conversation; what waits fails."""
        self._end("")
        await self._transport.close()

    async def _ask(
        self, number: int, data: bytes, timeout_s: float, on_progress: OnProgress | None = None, *, cancels: bool = True
    ) -> Mapping[str, Any]:
        """Send a request and wait for its answer.

        @param cancels: tell the server when nobody waits any more; it must not be told so of the first request.
        """
        if self.gone.opened:
            raise McpError(self.why or "the connection was closed.")
        waiting = self._waiting[number] = _Waiting(self._clock, timeout_s, on_progress)
        sending = Deferred.fromCoroutine(self._transport.send(data, lambda: waiting.done.called))
        sending.addErrback(self._not_sent, number)
        try:
            return await waiting.done
        except (CancelledError, TimedOut) as error:
            sending.cancel()
            if cancels and not self.gone.opened:
                reason = "timeout" if isinstance(error, TimedOut) else "nobody waits for it any more"
                self._tell(self._session.cancel(number, reason))
            raise
        finally:
            waiting.stop()
            self._waiting.pop(number, None)

    def _not_sent(self, failure: Failure, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if failure.check(SessionEnded):  # type: ignore[no-untyped-call]
            self._end(str(failure.value))  # before anybody tries again
        if waiting is not None:
            waiting.fail(failure)

    def _tell(self, data: bytes) -> None:
        """Send a message that is not worth a failure, without waiting for it here."""
        if self.gone.opened:
            return
        if self._telling >= MAX_TELLING:
            self._end(f"it does not take what it is told: {MAX_TELLING} answers and notices are on their way to it.")
            return
        self._telling += 1
        spawn(self._send(data), self._log, f"telling the MCP server {self._name}")

    async def _send(self, data: bytes) -> None:
        try:
            await self._transport.send(data)
        except SessionEnded as error:
            self._end(str(error))
        except McpError as error:
            self._log.debug("MCP server {server}: {error}", server=self._name, error=str(error))
        finally:
            self._telling -= 1

    def _receive(self, data: bytes) -> None:
        self.heard += 1
        try:
            events = self._session.receive(data)
        except BadMessage as error:
            self._log.debug("MCP server {server} sent {error}", server=self._name, error=str(error))
            return
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Answered | Refused | Progressed):
            waiting = self._waiting.get(event.id)
            if waiting is None:
                return
            if isinstance(event, Answered):
                waiting.succeed(event.result)
            elif isinstance(event, Refused):
                waiting.fail(Failure(McpError(event.message)))  # type: ignore[no-untyped-call]
            else:
                waiting.progress(event.text)
        elif isinstance(event, ToolsChanged):
            self._on_tools_changed()
        elif isinstance(event, Logged):
            text = f"{event.level}: {event.text}"
            self._log.debug("MCP server {server} says: {text}", server=self._name, text=text)
        else:
            assert isinstance(event, Reply)
            self._tell(event.data)

    def _lost(self, reason: str) -> None:
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.gone.opened:
            return
        self.why = reason
        self.gone.open()
        for waiting in list(self._waiting.values()):
            waiting.fail(Failure(McpError(reason or "the connection was closed.")))  # type: ignore[no-untyped-call]


class _Waiting:
    """A request on its way.

    @ivar done: fires with its result.
    """

    def __init__(self, clock: IReactorTime, timeout_s: float, on_progress: OnProgress | None) -> None:
        self.done: Deferred[Mapping[str, Any]] = Deferred()
        self._seconds = timeout_s
        self._on_progress = on_progress
        self._timer: IDelayedCall | None = clock.callLater(timeout_s, self._too_late)

    def succeed(self, result: Mapping[str, Any]) -> None:
        """It has a result."""
        if not self.done.called:
            self.done.callback(result)

    def fail(self, failure: Failure) -> None:
        """It has none. A cancelled sending is no failure of its own."""
        if not self.done.called and not failure.check(CancelledError):  # type: ignore[no-untyped-call]
            self.done.errback(failure)

    def progress(self, text: str) -> None:
        """It is being worked on."""
        if self._timer is not None:
            self._timer.reset(self._seconds)
        if self._on_progress is not None and not self.done.called:
            self._on_progress(text)

    def stop(self) -> None:
        """Leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        self.done.errback(TimedOut(f"it gave no answer within {self._seconds:g} seconds."))


__all__ = ["MAX_AT_WORK", "MAX_PAGES", "MAX_TELLING", "Client", "OnProgress", "TimedOut"]
