# -*- test-case-name: tests.ws.test_connection -*-
"""One connection as a machine without I/O: awaiting connect -> authenticating -> ready -> closed (spec 2.2).

The transport feeds it messages and is told what to send and when to close; docs/ws-connection.dot draws it. Nothing
but the challenge and refusals leaves before C{connect} was accepted, and no input makes it raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.interfaces import Authenticator, Peer
from openclaw_tx.values import Principal
from openclaw_tx.wire.events import Batch, Event
from openclaw_tx.wire.frames import (
    BadFrame,
    Failure,
    NotJSON,
    Request,
    TooDeep,
    decode_request,
    encode,
    event_body,
    refusal,
    response,
    unnumbered,
)
from openclaw_tx.ws.connect import ConnectParams, Refused, refused
from openclaw_tx.ws.handshake import Admitted, Handshake
from openclaw_tx.ws.link import Link
from openclaw_tx.ws.methods import Methods

NOBODY = Principal(id="", method="none", scopes=frozenset())
"""Who a connection is before it has said so."""
NOTHING: frozenset[str] = frozenset()
"""No capabilities, for all connections alike."""
MAX_IN_FLIGHT = 256
"""Requests at work on one connection; more are refused as UNAVAILABLE."""
MAX_EARLY_BYTES = 64 * 1024
"""Messages held while C{connect} is being decided."""
CREDENTIALS_CHANGED = (4001, "gateway credentials changed")
"""Close code and reason for a connection whose secret was rotated."""
HANDSHAKE_SECONDS = 15.0
"""From the upgrade to an accepted C{connect}."""


class Watch(Protocol):
    """Where ready connections are listed, to get events."""

    def joined(self, connection: Connection) -> None: ...

    def left(self, connection: Connection) -> None: ...


class Desk(NamedTuple):
    """What all connections share."""

    authenticator: Authenticator
    handshake: Handshake
    methods: Methods
    hello: Callable[[Connection, Admitted], Any]
    """Payload of hello-ok."""
    watch: Watch
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    """A new UUID."""
    ignored: Callable[[], None] = lambda: None
    """A message came that can not even be refused."""
    catch_up: Callable[[Connection], None] = lambda _: None
    """Tells a connection what it is behind with, before something else is sent."""


class State(Enum):
    """Where a connection stands."""

    AWAITING_CONNECT = 1
    AUTHENTICATING = 2
    READY = 3
    CLOSED = 4


class Connection:
    """One client.

    @ivar number: tells connections apart within the process.
    @ivar id: C{server.connId}.
    @ivar principal: who it is, with the scopes granted to this connection; set once ready.
    @ivar params: what it said of itself, without secrets.
    @ivar local: it is a program on this machine.
    """

    _log = Logger()
    __slots__ = (
        "_connecting",
        "_desk",
        "_early",
        "_early_bytes",
        "_in_flight",
        "_link",
        "_nonce",
        "_peer",
        "_seq",
        "caps",
        "id",
        "local",
        "number",
        "params",
        "principal",
        "protocol",
        "role",
        "scopes",
        "state",
    )

    def __init__(self, desk: Desk, link: Link, peer: Peer, number: int) -> None:
        self._desk = desk
        self._link = link
        self._peer: Peer | None = peer
        self._nonce = desk.new_id()
        self._seq = 0
        self._in_flight: set[Deferred[Any]] | None = None
        self._connecting: Deferred[Any] | None = None
        self._early: deque[bytes] | None = None
        self._early_bytes = 0
        self.number = number
        self.id = ""
        self.state = State.AWAITING_CONNECT
        self.caps: frozenset[str] = NOTHING
        self.protocol = 0
        self.role = ""
        self.scopes: Sequence[str] = ()
        self.principal = NOBODY
        self.params: ConnectParams | None = None
        self.local = False

    # -- what the transport tells

    def opened(self) -> None:
        """The upgrade is done: challenge the client."""
        challenge = {"nonce": self._nonce, "ts": self._desk.now_ms()}
        self._link.send(unnumbered(event_body("connect.challenge", encode(challenge))))

    def received(self, data: bytes) -> None:
        """A whole message came, text or binary."""
        if self.state is State.READY:
            self._ready_received(data)
        elif self.state is State.AWAITING_CONNECT:
            self._first_received(data)
        elif self.state is State.AUTHENTICATING:
            self._early_received(data)

    def lost(self) -> None:
        """The transport is gone, or going. Runs go on; only waiting for them ends."""
        if self.state is State.CLOSED:
            return
        was_ready = self.state is State.READY
        self.state = State.CLOSED
        self._early = None
        self._peer = None
        if was_ready:
            self._desk.watch.left(self)
        if self._connecting is not None:
            self._connecting.cancel()
        for deferred in list(self._in_flight or ()):
            deferred.cancel()

    def overdue(self) -> None:
        """The time for the handshake is over."""
        if self.state in (State.AWAITING_CONNECT, State.AUTHENTICATING):
            self.close(1000, "")

    # -- what others ask of it

    def send(self, frame: bytes) -> None:
        """Send a response, after all events that came before it."""
        if self.state is State.READY:
            self._desk.catch_up(self)
            self._link.send(frame)

    def event(self, body: bytes, droppable: bool = False) -> None:
        """Send an event to this connection alone, in its place among the others."""
        if self.state is State.READY:
            self._desk.catch_up(self)
            self.tell(Batch([Event(body, droppable)]))

    def tell(self, batch: Batch) -> None:
        """Send events under this connection's next numbers. One that is dropped takes no number, so there are no holes
        (spec 2.7)."""
        if self.state is not State.READY:
            return
        if not self._link.keeps_up(batch.size):
            batch = batch.without_droppable(self._link.keeps_up)
        if batch.events:
            first = self._seq + 1
            self._seq += len(batch.events)
            self._link.tell(batch, first)

    def is_valid(self) -> bool:
        """Whether the credential it came in with is still good."""
        return self._desk.authenticator.is_valid(self.principal)

    def close(self, code: int, reason: str) -> None:
        """Close, and forget what is at work."""
        if self.state is not State.CLOSED:
            self.lost()
            self._link.close(code, reason)

    def leave(self, code: int, reason: str) -> None:
        """Close, after all events that came before."""
        self._desk.catch_up(self)
        self.close(code, reason)

    # -- before the handshake is over

    def _first_received(self, data: bytes) -> None:
        try:
            request = decode_request(data)
        except (NotJSON, TooDeep):
            self.close(1000, "")
            return
        except BadFrame:
            self.close(1008, "invalid request frame")
            return
        if request.method != "connect":
            self._refuse(request, refused("INVALID_REQUEST", "invalid handshake: first request must be connect"))
            return
        self.state = State.AUTHENTICATING
        self._connecting = spawn(self._connect(request), self._log, "connect")
        if self._connecting is not None and self._connecting.called:
            self._connecting = None

    def _early_received(self, data: bytes) -> None:
        self._early_bytes += len(data)
        if self._early_bytes > MAX_EARLY_BYTES:
            self.close(1008, "invalid handshake: first request must be connect")
            return
        if self._early is None:
            self._early = deque()
        self._early.append(data)

    async def _connect(self, request: Request) -> None:
        no: Refused | None = None
        try:
            await self._admit(request)
        except CancelledError:
            raise
        except Refused as found:
            no = found
        except Exception:
            self._log.failure("handshake failed")
            no = refused("UNAVAILABLE", "internal error", close=1011)
        self._connecting = None
        if no is not None:
            self._refuse(request, no)
            return
        early, self._early = self._early, None
        for data in early or ():
            self.received(data)

    async def _admit(self, request: Request) -> None:
        """The connection is ready when this returns.

        @raise Refused: it is not let in.
        """
        peer = self._peer
        assert peer is not None
        admitted = await self._desk.handshake.admit(request, peer, self._nonce)
        if self.state is not State.AUTHENTICATING:
            return
        if not self._desk.authenticator.is_valid(admitted.principal):  # it was withdrawn meanwhile
            self.close(*CREDENTIALS_CHANGED)
            return
        self.scopes = admitted.scopes
        self.principal = admitted.principal
        self.protocol = admitted.protocol
        self.params = params = admitted.params
        self.local = admitted.local
        self.role = params.role
        self.caps = frozenset(params.caps) or NOTHING
        self.id = self._desk.new_id()
        self._peer = None
        hello = response(request.id, self._desk.hello(self, admitted))
        self.state = State.READY
        self._link.accepted()
        self._link.send(hello)
        self._desk.watch.joined(self)

    def _refuse(self, request: Request, no: Refused) -> None:
        """Answer, then close with the same words."""
        if self.state is not State.CLOSED:
            self._link.send(refusal(request.id, no.failure))
            self.close(no.code, no.reason)

    # -- after it

    def _ready_received(self, data: bytes) -> None:
        try:
            request = decode_request(data)
        except NotJSON:
            self._desk.ignored()
            return
        except BadFrame as error:
            message = f"invalid request frame: {error.reason}"
            self._link.send(refusal(error.reply_to, Failure(code="INVALID_REQUEST", message=message)))
            return
        if not self.is_valid():
            self.close(*CREDENTIALS_CHANGED)
            return
        in_flight = self._in_flight
        if in_flight is not None and len(in_flight) >= MAX_IN_FLIGHT:
            busy = Failure(code="UNAVAILABLE", message="too many requests in flight", retryable=True)
            self._link.send(refusal(request.id, busy))
            return
        work = spawn(self._desk.methods.serve(self, request), self._log, "request")
        if not work.called:
            if self._in_flight is None:
                self._in_flight = set()
            self._in_flight.add(work)
            work.addBoth(lambda _: self._served(work))

    def _served(self, work: Deferred[Any]) -> None:
        assert self._in_flight is not None
        self._in_flight.discard(work)
        if not self._in_flight:
            self._in_flight = None  # most connections have nothing at work most of the time
