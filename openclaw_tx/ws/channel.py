# -*- test-case-name: tests.ws.test_channel -*-
"""A connection machine on a WebSocket that came out of an HTTP upgrade.

autobahn (L{openclaw_tx.ws.lean}) does the upgrade, unframes what comes, and closes; what goes out is framed by us, and
everything with a clock is ours, since its own timers run on the global reactor. Its methods and attributes are named by
it, hence the camelCase.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from zope.interface import implementer

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Peer
from openclaw_tx.runs.outbox import Outbox
from openclaw_tx.sending import send_now
from openclaw_tx.tally import Tally
from openclaw_tx.wire.events import Batch, Numbered, text_frame_head
from openclaw_tx.ws.connection import HANDSHAKE_SECONDS, Connection, Desk
from openclaw_tx.ws.hello import MAX_BUFFERED, MAX_EARLY_PAYLOAD, MAX_PAYLOAD
from openclaw_tx.ws.lean import MAX_REASON, LeanFactory, LeanProtocol, cut, take_over
from openclaw_tx.ws.liveness import Liveness
from openclaw_tx.ws.reading import BoundedReading
from openclaw_tx.ws.slices import Slices
from openclaw_tx.ws.timers import Alarm, Timers

CLOSE_SECONDS = 1.0
"""How long a close frame, and what is before it, may take to reach the client before the connection is cut."""
MAX_CONNECTIONS = 10_000
MAX_WAITING = 64
"""Connections from one address that have not been let in yet."""


@implementer(IPushProducer)
class Channel(Liveness, BoundedReading, LeanProtocol):  # type: ignore[misc]  # autobahn's own bases differ
    """One WebSocket.

    The attributes below are those of autobahn's options that are not as it has them.
    """

    maxFramePayloadSize = MAX_EARLY_PAYLOAD
    maxMessagePayloadSize = MAX_EARLY_PAYLOAD
    failByDrop = False  # answer an oversized or broken frame with its close code
    utf8validateIncoming = False  # done at once for the whole message, in C
    openHandshakeTimeout = 0
    closeHandshakeTimeout = 0

    _log = Logger()
    factory: ChannelFactory
    transport: Any
    _web_peer: Peer | None = None
    _connection: Connection | None = None
    _outbox: Outbox | None = None
    _closing: Alarm | None = None
    _waiting = False
    _closed = False

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self._web_peer = peer
        self._address = peer.address

    # -- autobahn's and Twisted's hooks

    def onOpen(self) -> None:
        """The upgrade is done."""
        with self._guarded():
            self.transport.unregisterProducer()  # the HTTP channel still holds that place
            self._outbox = Outbox(self._write, self._overflow, limit=self.factory.max_buffered)
            self.transport.registerProducer(self, True)
            peer, self._web_peer = self._web_peer, None
            assert peer is not None
            self._connection = self.factory.open(self, peer)
            self._alarm = self.factory.timers.after(HANDSHAKE_SECONDS, self._connection.overdue)
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
        self._connection = self._outbox = self.is_closed = None  # all of them refer to it

    # -- the transport's producer

    def pauseProducing(self) -> None:
        """The client does not take as much as it gets."""
        if self._outbox is not None:
            self._outbox.pauseProducing()

    def resumeProducing(self) -> None:
        """It took all. What is held for it goes out in a slice: very many may resume in one turn."""
        self.factory.slices.add(self._resume())

    def stopProducing(self) -> None:
        """The transport is gone, as L{connectionLost} will say."""

    def _resume(self) -> Iterator[None]:
        if self._outbox is not None:
            self._outbox.resumeProducing()
        yield

    # -- the machine's Link

    def keeps_up(self, size: int) -> bool:
        """Nothing is held, or with this still less than half of what may be."""
        outbox = self._outbox
        return outbox is not None and (outbox.willing or outbox.held + size <= self.factory.max_buffered // 2)

    def send(self, message: bytes) -> None:
        """See L{openclaw_tx.ws.link.Link}."""
        if self._outbox is not None and not self._closed:
            self._outbox.push(text_frame_head(len(message)) + message)

    def tell(self, batch: Batch, first: int) -> None:
        """See L{openclaw_tx.ws.link.Link}."""
        if self._outbox is not None and not self._closed:
            self._outbox.push(Numbered(batch, first))

    def close(self, code: int, reason: str) -> None:
        """Close with code and reason, without waiting for what is held for a client that does not read."""
        if self._closed or self.state != self.STATE_OPEN:
            self._end()
            return
        self.sendCloseFrame(code, cut(reason, MAX_REASON), False)

    def leave(self, code: int, reason: str) -> None:
        """Close, once it has been told all that it is to know."""
        if self._connection is not None:
            self._connection.leave(code, reason)
        self.close(code, reason)

    def accepted(self) -> None:
        """Let in: lift the limit, and look after it from now on."""
        self.maxFramePayloadSize = self.maxMessagePayloadSize = MAX_PAYLOAD
        self._no_longer_waiting()
        self.expect_pings()
        self.slim()

    # -- inside

    def counted(self) -> None:
        """It counts among those that wait to be let in."""
        self._waiting = True

    def _write(self, frames: bytes) -> None:
        if self.state == self.STATE_OPEN:
            self.factory.tally.socket_bytes += len(frames)
            self._told += len(frames)
            # Not by sendMessage, which words log lines that nobody reads: that is three quarters of its time.
            send_now(self.transport, frames)

    def _overflow(self) -> None:
        """The client does not read: what it missed is lost to it, so it must know (spec 2.7)."""
        self.factory.tally.slow_sockets += 1
        self.factory.tally.too_slow("WebSocket connection", self._address, self.factory.timers.seconds())
        if self._connection is not None:
            self._connection.close(1008, "slow consumer")

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

    @contextmanager
    def _guarded(self) -> Any:
        """Nothing gets out into autobahn or the transport: a programming error is logged and closes with 1011."""
        try:
            yield
        except Exception:
            self._log.failure("a WebSocket connection failed")
            self.close(1011, "internal error")


class ChannelFactory(LeanFactory):
    """Makes channels for upgrades, and bounds how many there are.

    @ivar timers: for all of them.
    @ivar slices: likewise.
    @ivar tally: counts for C{/metrics}.
    """

    def __init__(
        self,
        desk: Desk,
        timers: Timers,
        slices: Slices,
        clock: IReactorTime,
        max_buffered: int = MAX_BUFFERED,
        tally: Tally | None = None,
    ) -> None:
        """
        @param clock: for autobahn; its timers are off.
        @param tally: where connections and bytes are counted; None = nobody asks.
        """
        super().__init__(clock)
        self.timers = timers
        self.slices = slices
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
        channel = Channel(peer)
        channel.factory = self
        return take_over(request, channel)

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

        @return: fires when all transports are gone, C{CLOSE_SECONDS} after they were told at the latest.
        """
        if self._all_gone is None:
            self._all_gone = Gate()
            self.slices.add(self._close_all(code, reason))
        if not self._channels:
            self._all_gone.open()
        return self._all_gone.wait()

    def _close_all(self, code: int, reason: str) -> Iterator[None]:
        for channel in list(self._channels):
            channel.leave(code, reason)
            yield


__all__ = ["Channel", "ChannelFactory"]
