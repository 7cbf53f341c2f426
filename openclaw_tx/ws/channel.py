# -*- test-case-name: tests.ws.test_channel -*-
"""The one place that knows autobahn: a connection machine on a WebSocket that came out of an HTTP upgrade.

autobahn frames and unframes; everything with a clock is ours, since its own timers run on the global reactor. Its
methods and attributes are named by it, hence the camelCase.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Peer
from openclaw_tx.runs.outbox import Outbox
from openclaw_tx.tally import Tally
from openclaw_tx.ws.connection import HANDSHAKE_SECONDS, Connection, Desk
from openclaw_tx.ws.hello import MAX_BUFFERED, MAX_EARLY_PAYLOAD, MAX_PAYLOAD
from openclaw_tx.ws.reading import BoundedReading
from openclaw_tx.ws.timers import Alarm, Timers

PING_SECONDS = 30.0
"""Pause between a pong and the next ping."""
PONG_SECONDS = 25.0
"""A client that takes longer to answer a ping is gone."""
CLOSE_SECONDS = 1.0
"""How long a close frame, and what is before it, may take to reach the client before the connection is cut."""
MAX_REASON = 123
"""Bytes of a close reason."""
MAX_CONNECTIONS = 10_000
MAX_WAITING = 64
"""Connections from one address that have not been let in yet."""


class Channel(BoundedReading, WebSocketServerProtocol):  # type: ignore[misc]  # autobahn's own bases differ
    """One WebSocket.

    The attributes below are autobahn's options. It copies those a protocol lacks from its factory.
    """

    maxFramePayloadSize = MAX_EARLY_PAYLOAD
    maxMessagePayloadSize = MAX_EARLY_PAYLOAD
    failByDrop = False  # answer an oversized or broken frame with its close code
    utf8validateIncoming = False  # done at once for the whole message, in C
    openHandshakeTimeout = 0
    closeHandshakeTimeout = 0
    autoPingInterval = 0
    autoPingTimeout = 0
    logFrames = False
    logOctets = False

    _log = Logger()
    factory: ChannelFactory
    transport: Any
    http_headers: Any
    http_request_data: Any
    http_response_data: Any

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self._web_peer: Peer | None = peer
        self._address = peer.address
        self._connection: Connection | None = None
        self._outbox: Outbox | None = None
        self._alarm: Alarm | None = None
        self._closing: Alarm | None = None
        self._waiting = False
        self._closed = False

    # -- autobahn's and Twisted's hooks

    def onOpen(self) -> None:
        """The upgrade is done."""
        with self._guarded():
            self.transport.unregisterProducer()  # the HTTP channel still holds that place
            self._outbox = Outbox(self._write, self._overflow, limit=self.factory.max_buffered)
            self.transport.registerProducer(self._outbox, True)
            peer, self._web_peer = self._web_peer, None
            assert peer is not None
            self._connection = self.factory.open(self, peer)
            self._alarm = self.factory.timers.after(HANDSHAKE_SECONDS, self._connection.overdue)
            self.http_headers = self.http_request_data = self.http_response_data = None  # not needed any more
            self._connection.opened()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message; binary ones are UTF-8 JSON too."""
        with self._guarded():
            if self._connection is None or self._closed:
                return
            try:
                payload.decode("utf-8")
            except UnicodeDecodeError:
                if not isBinary:
                    self.close(1007, "invalid UTF-8")
                    return
            self._connection.received(payload)

    def onPong(self, payload: bytes) -> None:
        """The client is alive."""
        if self._connection is not None and not self._closed and not self._waiting:
            self._set_alarm(PING_SECONDS, self._ping)

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool | None:
        """The client closes, or answers our close: it must not take for ever to leave."""
        self._end()
        self._cut_later()
        done: bool | None = super().onCloseFrame(code, reasonRaw)
        return done

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """Every close goes through here, autobahn's own too (1002, 1007, 1009)."""
        if code == 1009:
            reasonUtf8 = b""  # as on the wire
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._end()
        self._cut_later()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone."""
        self._end()
        if self._closing is not None:
            self._closing.cancel()
        if self._connection is not None:
            self.factory.closed(self)
        super().connectionLost(reason)

    # -- the machine's Link

    def keeps_up(self, size: int) -> bool:
        """Nothing is held, or with this still less than half of what may be."""
        outbox = self._outbox
        return outbox is not None and (outbox.willing or outbox.held + size <= self.factory.max_buffered // 2)

    def send(self, message: bytes) -> None:
        """See L{openclaw_tx.ws.connection.Link}."""
        if self._outbox is not None and not self._closed:
            self._outbox.push(message)

    def close(self, code: int, reason: str) -> None:
        """Close with code and reason, without waiting for what is held for a client that does not read."""
        if self._closed or self.state != self.STATE_OPEN:
            self._end()
            return
        self.sendCloseFrame(code, cut(reason, MAX_REASON), False)

    def accepted(self) -> None:
        """Let in: lift the limit, and look after it from now on."""
        self.maxFramePayloadSize = self.maxMessagePayloadSize = MAX_PAYLOAD
        self._no_longer_waiting()
        self._set_alarm(PING_SECONDS, self._ping)

    # -- inside

    def counted(self) -> None:
        """It counts among those that wait to be let in."""
        self._waiting = True

    def _write(self, message: bytes) -> None:
        if self.state == self.STATE_OPEN:
            self.factory.tally.socket_bytes += len(message)
            # Not by sendMessage, which words log lines that nobody reads: that is three quarters of its time.
            self.transport.writeSequence((text_frame_head(len(message)), message))

    def _overflow(self) -> None:
        """The client does not read: what it missed is lost to it, so it must know (spec 2.7)."""
        self.factory.tally.slow_sockets += 1
        if self._connection is not None:
            self._connection.close(1008, "slow consumer")

    def _ping(self) -> None:
        self._set_alarm(PONG_SECONDS, self._cut)
        self.sendPing()

    def _set_alarm(self, seconds: float, action: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.factory.timers.after(seconds, action)

    def _end(self) -> None:
        """No more of it: stop the machine, drop what is held. Called once or many times."""
        if self._closed:
            return
        self._closed = True
        self._no_longer_waiting()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._outbox is not None:
            self._outbox.close()
        if self._connection is not None:
            self._connection.lost()

    def _no_longer_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self.factory.no_longer_waiting(self._address)

    def _cut_later(self) -> None:
        if self._closing is None:
            self._closing = self.factory.timers.after(CLOSE_SECONDS, self._cut)

    def _cut(self) -> None:
        """Give up on a client that takes nothing any more."""
        if self.transport is not None:
            self.transport.abortConnection()

    @contextmanager
    def _guarded(self) -> Any:
        """Nothing gets out into autobahn or the transport: a programming error is logged and closes with 1011."""
        try:
            yield
        except Exception:
            self._log.failure("a WebSocket connection failed")
            self.close(1011, "internal error")


class ChannelFactory(WebSocketServerFactory):
    """Makes channels for upgrades, and bounds how many there are.

    @ivar timers: for all of them.
    @ivar tally: counts for C{/metrics}.
    """

    noisy = False

    def __init__(
        self,
        desk: Desk,
        timers: Timers,
        clock: IReactorTime,
        max_buffered: int = MAX_BUFFERED,
        tally: Tally | None = None,
    ) -> None:
        """
        @param clock: only to keep autobahn from importing the reactor; its timers are off.
        @param tally: where connections and bytes are counted; None = nobody asks.
        """
        super().__init__(reactor=clock, server=None)  # type: ignore[no-untyped-call]
        self.timers = timers
        self.max_buffered = max_buffered
        self.tally = tally or Tally()
        self._desk = desk
        self._count = 0
        self._channels: set[Channel] = set()
        self._waiting: Counter[str] = Counter()
        self._all_gone: Gate | None = None

    def __len__(self) -> int:
        """Channels whose transport is still there."""
        return len(self._channels)

    def upgrade(self, request: Request, peer: Peer) -> Any:
        """Take over the transport of an upgrade request that may be served.

        @return: for C{render} to return.
        @raise GatewayError: C{rate_limit_exceeded} or C{queue_full}: too many connections; C{gateway_draining}.
        """
        if self._all_gone is not None:
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        if len(self._channels) >= MAX_CONNECTIONS:
            raise GatewayError("queue_full", "Too many WebSocket connections.", retry_after=5)
        if self._waiting[peer.address] >= MAX_WAITING:
            raise GatewayError("rate_limit_exceeded", "Too many connections that have not logged in.", retry_after=5)
        resource: Any = WebSocketResource(_Once(self, peer))  # type: ignore[no-untyped-call]
        return resource.render(request)

    def channel(self, peer: Peer) -> Channel:
        """A channel for the transport that comes next."""
        channel = Channel(peer)
        channel.factory = self
        return channel

    def open(self, channel: Channel, peer: Peer) -> Connection:
        """The upgrade of C{channel} is done."""
        self._count += 1
        self.tally.sockets += 1
        self._channels.add(channel)
        self._waiting[peer.address] += 1
        channel.counted()
        return Connection(self._desk, channel, peer, self._count)

    def no_longer_waiting(self, address: str) -> None:
        """One of that address was let in, or left."""
        self._waiting[address] -= 1
        if self._waiting[address] <= 0:
            del self._waiting[address]

    def closed(self, channel: Channel) -> None:
        """The transport of C{channel} is gone."""
        self._channels.discard(channel)
        if self._all_gone is not None and not self._channels:
            self._all_gone.open()

    def stop(self, code: int, reason: str) -> Deferred[None]:
        """Take no more upgrades and close every channel, also those that were never let in.

        @return: fires when all transports are gone, C{CLOSE_SECONDS} at the latest.
        """
        if self._all_gone is None:
            self._all_gone = Gate()
        for channel in list(self._channels):
            channel.close(code, reason)
        if not self._channels:
            self._all_gone.open()
        return self._all_gone.wait()


class _Once:
    """What autobahn's resource takes for a factory: it hands the peer to the channel."""

    def __init__(self, factory: ChannelFactory, peer: Peer) -> None:
        self._factory = factory
        self._peer = peer

    def buildProtocol(self, address: IAddress | None) -> Channel:
        """The channel of this upgrade."""
        return self._factory.channel(self._peer)


def text_frame_head(size: int) -> bytes:
    """What comes before a whole text message of C{size} bytes from a server (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x81, size))
    return b"\x81" + (struct.pack("!BH", 126, size) if size < 65_536 else struct.pack("!BQ", 127, size))


def cut(text: str, limit: int) -> bytes:
    """As much of C{text} as fits in C{limit} bytes of UTF-8, without half a character."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode("utf-8")


__all__ = ["Channel", "ChannelFactory", "cut"]
