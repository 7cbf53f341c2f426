# -*- test-case-name: tests.cli.test_client -*-
"""A WebSocket client of the gateway: handshake, requests, events. The command line's only use of autobahn.

autobahn's own timers run on a global clock, so they are all off; the client's timeouts use the clock it is given.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from openclaw_tx._version import __version__
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.target import Target
from openclaw_tx.deferreds import Gate

MAX_MESSAGE = 64 * 1024 * 1024
"""Longest message taken from a gateway, in bytes."""

CONNECT_SECONDS = 10.0
"""Longest connect and handshake."""

CLOSE_SECONDS = 1.0
"""Longest closing handshake; then the connection is cut."""

SCOPES = ["operator.read", "operator.write"]
"""Scopes that a verb asks for unless it says others."""

OnEvent = Callable[[str, Any], None]
"""Takes an event's name and payload."""


class FrameError(msgspec.Struct):
    """The error object of a response."""

    code: str = ""
    message: str = ""


class Frame(msgspec.Struct):
    """Any frame that a gateway sends; only what is used here."""

    type: str
    id: Any = None
    ok: bool = False
    payload: Any = None
    error: FrameError | None = None
    event: str = ""


class Call:
    """A request that waits for its answer."""

    def __init__(self, on_accepted: OnEvent | None) -> None:
        self.answer: Deferred[Any] = Deferred()
        self._on_accepted = on_accepted

    def answered(self, frame: Frame) -> bool:
        """Take a response.

        @return: False when it was only the word that the work began, and the answer is still to come.
        """
        if not frame.ok:
            error = frame.error or FrameError()
            self.answer.errback(CommandError(error.message or error.code or "the gateway refused the request"))
            return True
        if self._on_accepted and isinstance(frame.payload, dict) and frame.payload.get("status") == "accepted":
            self._on_accepted("accepted", frame.payload)
            return False
        self.answer.callback(frame.payload)
        return True


class _Channel(WebSocketClientProtocol):
    """autobahn's side of a L{GatewayClient}."""

    def __init__(self, client: GatewayClient) -> None:
        super().__init__()
        self.client = client

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message. autobahn does not expect exceptions here."""
        try:
            self.client.received(payload)
        except Exception as error:
            self.client.failed(error)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone."""
        self.client.closed(code, reason or "")


class GatewayClient:
    """One connection to a gateway. Made by L{connect}."""

    def __init__(self, target: Target, clock: IReactorTime, on_event: OnEvent, scopes: Sequence[str] = SCOPES) -> None:
        self._target = target
        self._scopes = list(scopes)
        self.clock = clock
        """What its timeouts, and the pauses of verbs, go by."""
        self._on_event = on_event
        self._channel: Any = _Channel(self)  # autobahn is typed in part only
        self._calls: dict[str, Call] = {}
        self._ids = itertools.count(1)
        self._gone = Gate()
        self._problem: Exception | None = None
        self._greeted = False
        self._challenge = Call(None)
        self.connect_ms = 0
        """How long connect and handshake took."""
        self.hello: Mapping[str, Any] = {}
        """The gateway's answer to C{connect}."""

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self._target.url

    async def call(
        self,
        method: str,
        params: Mapping[str, Any],
        timeout: float | None,
        on_accepted: OnEvent | None = None,
    ) -> Any:
        """Call a method and wait for its answer.

        @param timeout: seconds; None = as long as the connection lives.
        @param on_accepted: takes the payload of a first answer of status C{accepted}, as the method C{agent} gives;
            None = the first answer is the one.
        @return: the payload.
        @raise CommandError: the gateway says no, or is gone, or takes too long.
        """
        if self._problem is not None:
            raise self._problem
        number = str(next(self._ids))
        call = self._calls[number] = Call(on_accepted)
        frame = {"type": "req", "id": number, "method": method, "params": params}
        self._channel.sendMessage(msgspec.json.encode(frame))
        if timeout is not None:
            call.answer.addTimeout(timeout, self.clock)
        try:
            return await call.answer
        except TimeoutError:
            raise CommandError(f"no answer to {method} within {timeout:g} s from {self.url}") from None
        finally:
            self._calls.pop(number, None)

    async def close(self) -> None:
        """Say goodbye; cut the connection when the gateway does not answer in time."""
        if self._gone.opened:
            return
        self._channel.sendClose(1000)
        gone = self._gone.wait()
        gone.addTimeout(CLOSE_SECONDS, self.clock)
        try:
            await gone
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        if not self._gone.opened and self._channel.transport is not None:
            self._channel.transport.abortConnection()

    # what the channel and connect() use

    async def open(self, endpoint: IStreamClientEndpoint) -> None:
        """Connect and shake hands; see L{connect}."""
        new_factory: Any = WebSocketClientFactory
        factory = new_factory(self.url, useragent=f"openclaw-tx/{__version__}", reactor=self.clock)
        factory.protocol = lambda: self._channel
        factory.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
            maxFramePayloadSize=MAX_MESSAGE,
            maxMessagePayloadSize=MAX_MESSAGE,
            failByDrop=False,
        )
        await endpoint.connect(factory)
        await self._challenge.answer
        auth = {"token": self._target.token, "password": self._target.password}
        self.hello = await self.call(
            "connect",
            {
                "minProtocol": 3,
                "maxProtocol": 4,
                "client": {
                    "id": "cli",
                    "version": __version__,
                    "platform": platform.system().lower() or "unknown",
                    "mode": "cli",
                },
                "caps": ["tool-events"],
                "role": "operator",
                "scopes": self._scopes,
                "auth": {name: secret for name, secret in auth.items() if secret},
            },
            None,
        )
        self._greeted = True

    def received(self, data: bytes) -> None:
        """Take a message.

        @raise CommandError: it is no frame of the protocol.
        """
        try:
            frame = msgspec.json.decode(data, type=Frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise CommandError(f"{self.url} does not speak the protocol of an OpenClaw gateway") from None
        if frame.type == "event":
            if frame.event == "connect.challenge" and not self._challenge.answer.called:
                self._challenge.answer.callback(frame.payload)
            elif self._greeted:
                self._tell(frame)
        elif frame.type == "res":
            call = self._calls.get(str(frame.id))
            if call is not None and not call.answer.called:
                call.answered(frame)

    def _tell(self, frame: Frame) -> None:
        """Hand an event on. A listener that fails (its pipe was closed) hears no more, and whoever waits for an answer
        gets its error; the connection can still be used."""
        try:
            self._on_event(frame.event, frame.payload)
        except Exception as error:
            self._on_event = nobody
            self._end_calls(error)

    def closed(self, code: int | None, reason: str) -> None:
        """The connection is gone."""
        if self._greeted:
            why = f": {reason} ({code})" if code not in (None, 1006) else ""  # 1006 = it just broke off
            problem = f"the connection to the gateway was lost{why}"
        elif code in (None, 1000, 1006):
            problem = f"{self.url} does not answer like an OpenClaw gateway ({reason or 'it closed the connection'})"
        else:
            problem = f"the gateway refused the connection: {reason or code}"
        self._gone.open()
        self.failed(CommandError(problem))

    def failed(self, error: Exception) -> None:
        """Nothing that waits for an answer will get one. The first reason is the one that is told."""
        if self._problem is None:
            self._problem = error
        if not self._challenge.answer.called:
            self._challenge.answer.errback(self._problem)
        self._end_calls(self._problem)

    def _end_calls(self, error: Exception) -> None:
        for call in list(self._calls.values()):
            if not call.answer.called:
                call.answer.errback(error)


def nobody(event: str, payload: Any) -> None:
    """Listens to no event."""


async def connect(
    target: Target,
    endpoint: IStreamClientEndpoint,
    clock: IReactorTime,
    on_event: OnEvent = nobody,
    timeout: float = CONNECT_SECONDS,
    scopes: Sequence[str] = SCOPES,
) -> GatewayClient:
    """Connect to a gateway and shake hands.

    @param endpoint: leads to C{target}; see L{endpoint_of}.
    @param timeout: seconds for all of it.
    @param scopes: what the verb needs.
    @raise CommandError: nothing listens there, it is no gateway, or it refuses; in words for the user.
    """
    client = GatewayClient(target, clock, on_event, scopes)
    started = clock.seconds()
    opening = Deferred.fromCoroutine(client.open(endpoint))
    opening.addTimeout(timeout, clock)
    try:
        await opening
    except TimeoutError:
        client.cut()
        raise CommandError(f"no answer from {target.url} within {timeout:g} s") from None
    except ConnectionRefusedError:
        raise CommandError(f"nothing listens at {target.url}" + (f"; {target.hint}" if target.hint else "")) from None
    except DNSLookupError:
        raise CommandError(f"there is no host called {target.host}") from None
    except ConnectError as error:
        raise CommandError(f"cannot connect to {target.url}: {error}") from None
    except BaseException:
        client.cut()
        raise
    client.connect_ms = int((clock.seconds() - started) * 1000)
    return client


def endpoint_of(target: Target, reactor: Any) -> IStreamClientEndpoint:
    """The way to a gateway.

    @param reactor: a whole reactor (TCP, name resolution, time).
    """
    from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
    from twisted.internet.ssl import optionsForClientTLS

    from openclaw_tx.cli.pinning import PinnedTLS

    endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, target.host, target.port, timeout=CONNECT_SECONDS)
    if target.fingerprint:
        return wrapClientTLS(PinnedTLS(target.fingerprint), endpoint)
    if target.secure:
        endpoint = wrapClientTLS(optionsForClientTLS(target.host), endpoint)
    return endpoint


__all__ = ["GatewayClient", "connect", "endpoint_of"]
