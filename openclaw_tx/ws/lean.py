# -*- test-case-name: tests.ws.test_lean -*-
"""The one place that knows autobahn: its side of a WebSocket, without what each of many would keep a copy of.

autobahn copies its factory's options to each protocol, remembers the whole upgrade, and has room for ways to use it
that are not ours: that is most of what an idle connection takes. Its methods and attributes are named by it, hence the
camelCase.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request

from openclaw_tx.sending import send_now

OPTIONS = frozenset(WebSocketServerProtocol.CONFIG_ATTRS)
SPENT = frozenset(
    {
        "_transport_details",
        "_wskey",
        "http_headers",
        "http_request_data",
        "http_request_host",
        "http_request_params",
        "http_request_path",
        "http_request_uri",
        "http_response_data",
        "http_status_line",
        "is_open",
        "send_queue",
        "trafficStats",
        "utf8validator",
        "websocket_extensions",
        "websocket_origin",
        "websocket_protocols",
    }
)
"""What is of no use after the upgrade, or to us at any time."""
MAX_REASON = 123
"""Bytes of a close reason."""
PING = b"\x89\x00"
"""A ping without a payload, from a server (RFC 6455, 5.5.2)."""
PONG, PONG_BYTES = b"\x8a\x80", 6
"""How its answer begins, and how long it is: the rest is a mask for nothing."""
_MISSING = object()


class LeanProtocol(WebSocketServerProtocol):
    """A server's protocol whose options are its factory's, and that L{slim} makes small.

    The attributes are what autobahn sets on each instance, and what nearly all instances say for as long as they live.
    """

    CONFIG_ATTRS: Any = ()
    factory: Any
    place: Any = None
    """Its place among all connections, if the listener that it came to counts them."""
    current_frame: Any = None
    current_frame_masker: Any = None
    send_queue: Any = ()
    trackTimings = False
    utf8validator: Any = None
    _transport_details: Any = None
    _isMessageCompressed = False
    _perMessageCompress: Any = None
    autoPingPending: Any = None
    autoPingPendingCall: Any = None
    autoPingPendingSent: Any = None
    autoPingPendingSeq = 0
    autoPingTimeoutCall: Any = None
    closeHandshakeTimeoutCall: Any = None
    closedByMe = False
    droppedByMe = False
    failedByMe = False
    frame_data: Any = None
    inside_message = False
    is_open: Any = None
    localCloseCode: Any = None
    localCloseReason: Any = None
    message_data: Any = None
    message_is_binary = False
    openHandshakeTimeoutCall: Any = None
    remoteCloseCode: Any = None
    remoteCloseReason: Any = None
    send_state = 0
    trackedTimings: Any = None
    triggered = False
    utf8validateIncomingCurrentMessage = False
    wasClean = False
    wasCloseHandshakeTimeout = False
    wasMaxFramePayloadSizeExceeded = False
    wasMaxMessagePayloadSizeExceeded = False
    wasNotCleanReason: Any = None
    wasOpenHandshakeTimeout = False
    wasServerConnectionDropTimeout = False
    wasServingFlashSocketPolicyFile = False
    websocket_extensions_in_use: Any = ()
    websocket_protocol_in_use: Any = None

    def __getattr__(self, name: str) -> Any:
        """Options that the class does not set are those of the factory, not copies of them."""
        if name in OPTIONS:
            return getattr(self.factory, name)
        raise AttributeError(name)

    @property
    def trafficStats(self) -> Any:
        """Counts of octets, which nobody reads: one object for all."""
        return self.factory.traffic

    @trafficStats.setter
    def trafficStats(self, _: Any) -> None:
        """autobahn makes one for each connection."""

    def set_valid_events(self, valid_events: Any = None) -> None:
        """Nobody listens to autobahn's own events."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes came. Nearly all that idle clients ever send is the answer to a ping: it takes no parser."""
        if (
            len(data) == PONG_BYTES
            and data.startswith(PONG)
            and not self.data
            and self.current_frame is None
            and self.state == self.STATE_OPEN
        ):
            self.onPong(b"")
        else:
            self._dataReceived(data)  # without autobahn's words for its log, which take longer

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Frames that autobahn makes are never sent in pieces."""
        send_now(self.transport, data)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """A close is answered with its own code (RFC 6455, 5.5.1), if it had one: autobahn has looked whether that may
        be sent, and answers the others with 1002."""
        if isReply and self.remoteCloseCode is not None:
            code = self.remoteCloseCode
        super().sendCloseFrame(code, reasonUtf8, isReply)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone. autobahn would cancel timers, of which it has none here, and tell whoever listens to
        it, which is nobody: that counts when a thousand are gone at once."""
        self.state = self.STATE_CLOSED
        if self.place is not None:
            self.place.leave()
            self.place = None

    def onFrameEnd(self) -> bool | None:
        """A frame is complete: let go of what unmasked it."""
        done: bool | None = super().onFrameEnd()
        if self.current_frame is None:
            self.current_frame_masker = None
        return done

    def slim(self) -> None:
        """The upgrade is done: keep what differs from the class, and nothing that served for the upgrade."""
        kind = type(self)
        self.__dict__ = {
            name: value
            for name, value in vars(self).items()
            if name not in SPENT and getattr(kind, name, _MISSING) is not value
        }


class LeanFactory(WebSocketServerFactory):
    """The factory: options, and what is kept once for all.

    @ivar traffic: counts that nobody reads.
    """

    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: only to keep autobahn from importing the reactor.
        """
        super().__init__(reactor=clock, server=None)  # type: ignore[no-untyped-call]
        self.traffic = TrafficStats()  # type: ignore[no-untyped-call]


class _Once:
    """What autobahn's resource takes for a factory."""

    def __init__(self, protocol: LeanProtocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, address: IAddress | None) -> LeanProtocol:
        """The protocol of this upgrade."""
        return self._protocol


def take_over(request: Request, protocol: LeanProtocol) -> Any:
    """Give the transport of an upgrade request to C{protocol}.

    @return: for C{render} to return.
    """
    place = protocol.place = getattr(request.channel, "place", None)
    if place is not None:
        place.pass_on()
    resource: Any = WebSocketResource(_Once(protocol))  # type: ignore[no-untyped-call]
    return resource.render(request)


def cut(text: str, limit: int) -> bytes:
    """As much of C{text} as fits in C{limit} bytes of UTF-8, without half a character."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode("utf-8")


__all__ = ["MAX_REASON", "PING", "LeanFactory", "LeanProtocol", "cut", "take_over"]
