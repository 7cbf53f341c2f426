# -*- test-case-name: tests.models.test_http -*-
"""The one door to HTTP servers of models: treq over a connection pool of our own.

What treq and Agent leave open is closed here: timeouts, caps, no redirects, no cookies, no gzip, and a hang-up that
takes effect at once in every phase. Before the head of the answer C{Deferred.cancel} closes the connection; after it
only the transport can, and Agent shows that without C{abortConnection}, while C{loseConnection} waits for a peer that
does not read or does not say goodbye. So each connection is wrapped: for it, to lose is to abort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperlink import DecodedURL

from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from openclaw_tx.bodies import RequestBody
from openclaw_tx.models.connections import Connections, NoGzip, endpoint_for, parse_base_url
from openclaw_tx.models.idle import IdleTimer

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_IDLE_CONNECTIONS = 64
IDLE_CONNECTION_S = 30
"""Idle connections are dropped after this; shorter than most servers keep theirs, so that few are found dead."""
LINGER_S = 0.25
"""How long the end of a body may come after the last thing of interest in it, before we hang up."""

_NO_ANSWER = (RequestTransmissionFailed, ResponseNeverReceived)

OnData = Callable[[bytes], bool]
"""Takes what one read brought; True = nothing further is of interest. May raise: the connection is closed then."""


class HttpFailure(Exception):
    """The exchange failed below HTTP.

    @ivar timed_out: the server did not connect or answer in time.
    @ivar was_stale: an idle connection turned out to be dead: no piece of an answer came over it.
    """

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.was_stale = False


class HttpDoor:
    """Requests to one server.

    @ivar base_url: root of its API, parsed once.
    @ivar last_heard: when a piece of any answer came last, in seconds of the clock.
    """

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        base_url: str,
        *,
        connect_timeout_s: float,
        idle_timeout_s: float,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param base_url: e.g. C{https://api.openai.com/v1}; must not hold a user or password.
        @param idle_timeout_s: longest silence, re-armed by each piece of the answer.
        @param agent: instead of connections of our own, for tests.
        @raise ValueError: C{base_url} can not be used; the message does not repeat it.
        """
        url = parse_base_url(base_url)
        self.base_url = url.replace(path=[part for part in url.path if part])
        self.last_heard = 0.0
        self._clock = clock
        self._treq_reactor: Any = clock
        self._idle_s = idle_timeout_s
        self._injected = agent is not None  # then we know nothing of connections
        self._connections = Connections(endpoint_for(reactor, url, connect_timeout_s))
        self._pool = HTTPConnectionPool(clock)  # type: ignore[no-untyped-call]
        self._pool.maxPersistentPerHost = MAX_IDLE_CONNECTIONS
        self._pool.cachedConnectionTimeout = IDLE_CONNECTION_S
        self._pool.retryAutomatically = False
        own = Agent.usingEndpointFactory(reactor, self._connections, self._pool)  # type: ignore[no-untyped-call]
        self._treq = HTTPClient(NoGzip(agent or own), cookiejar=_NoCookies())

    def url(self, *path: str) -> DecodedURL:
        """A URL below the base; its query, if any, is kept."""
        return self.base_url.child(*path)

    async def send(
        self, method: str, url: DecodedURL, headers: Headers, body: bytes = b"", *, repeat: bool = True
    ) -> Answer:
        """Send a request and wait for the head of the answer, which the caller must then L{Answer.deliver} or
        L{Answer.collect} without waiting for anything else before.

        A server may close an idle connection just when we use it again. That says nothing about the server, so the
        request is sent once more over a new connection.

        @param repeat: False = never twice: what it asks for may have been done although no answer came.
        @raise HttpFailure: no connection, no answer, or silence. Cancelling closes the connection.
        """
        try:
            return await self._send(method, url, headers, body)
        except HttpFailure as failure:
            if not (repeat and failure.was_stale):
                raise
        self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        return await self._send(method, url, headers, body)

    async def _send(self, method: str, url: DecodedURL, headers: Headers, body: bytes) -> Answer:
        idle = IdleTimer(self._clock, self._idle_s)
        outcome: Deferred[IResponse] = Deferred(lambda _: give_up())
        given_up = False

        def give_up() -> None:
            nonlocal given_up
            given_up = True
            asked.cancel()

        def answered(response: IResponse) -> None:
            if given_up:  # its head overtook our cancel
                response.deliverBody(_Body(lambda _: True, idle, 0, Deferred()))  # type: ignore[no-untyped-call]
            else:
                outcome.callback(response)

        def failed(failure: Failure) -> None:
            if not given_up:
                error = _failure_of(failure)
                error.was_stale = reused and bool(failure.check(*_NO_ANSWER))  # type: ignore[no-untyped-call]
                outcome.errback(error)

        def silent() -> None:
            give_up()
            outcome.errback(_silence(self._idle_s))

        idle.start(silent)
        attempts = self._connections.attempts
        try:
            asked: Deferred[Any] = self._treq.request(
                method,
                url,
                headers=headers,
                data=RequestBody(body) if body else None,
                allow_redirects=False,
                unbuffered=True,
                reactor=self._treq_reactor,  # treq would import the global one
            )
            reused = not self._injected and self._connections.attempts == attempts
            asked.addCallbacks(answered, failed)
            response = await outcome
        except BaseException:
            idle.stop()
            raise
        return Answer(self, response, idle)

    @property
    def reading(self) -> bool:
        """Whether the bytes of one read are being taken apart."""
        return self._connections.reading

    def after_read(self, call: Callable[[], None]) -> None:
        """See L{Connections.after_read}."""
        self._connections.after_read(call)

    async def close(self) -> None:
        """Hang up on everybody, and wait until that is done."""
        await self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        await self._connections.close()


class Answer:
    """The head of an answer, and the way to its body."""

    def __init__(self, door: HttpDoor, response: IResponse, idle: IdleTimer) -> None:
        self.status: int = response.code
        self._door = door
        self._headers = response.headers
        self._response = response
        self._idle = idle

    def header(self, name: str) -> str:
        """First value of a header; "" when it is absent."""
        values = self._headers.getRawHeaders(name)
        return values[0].strip() if values else ""

    async def deliver(self, on_data: OnData, limit: int = MAX_RESPONSE_BYTES) -> None:
        """Hand the body to C{on_data} as it comes; return at its end or when C{on_data} has enough.

        @param limit: cap on the body in bytes.
        @raise HttpFailure: cut off, silent for too long, or over the limit.
        @raise Exception: what C{on_data} raised. In all these cases, and when cancelled, the connection is closed.
        """
        done: Deferred[None] = Deferred(lambda _: body.hang_up())
        body = _Body(on_data, self._idle, limit, done, self._door)
        self._response.deliverBody(body)  # type: ignore[no-untyped-call]
        await done

    async def collect(self, limit: int = MAX_ERROR_BYTES) -> bytes:
        """The body, cut off at C{limit} bytes.

        @raise HttpFailure: as L{deliver}, except that a longer body is no failure.
        """
        parts: list[bytes] = []
        size = 0

        def keep(data: bytes) -> bool:
            nonlocal size
            parts.append(data)
            size += len(data)
            return size >= limit

        await self.deliver(keep)
        return b"".join(parts)[:limit]


class _Body(Protocol):
    """Takes the body of one answer until C{done} has fired."""

    def __init__(
        self, on_data: OnData, idle: IdleTimer, limit: int, done: Deferred[None], door: HttpDoor | None = None
    ) -> None:
        self._on_data = on_data
        self._idle = idle
        self._left = limit
        self._done = done
        self._door = door
        self._enough = False
        self._ended = False
        self._held: list[bytes] = []
        """What the read under way has brought so far."""

    def connectionMade(self) -> None:
        if self._door is None:
            self.hang_up()
        else:
            self._idle.start(self._silent)

    def dataReceived(self, data: bytes) -> None:
        if self._door is None or not self._door.reading:
            self._take(data)
            return
        if not self._held:
            self._door.after_read(self._take_held)
        self._held.append(data)

    def _take_held(self) -> None:
        if self._held:
            held, self._held = self._held, []
            self._take(b"".join(held))

    def _take(self, data: bytes) -> None:
        """All that one read brought."""
        if self._ended or self._enough:
            return
        now = self._idle.touch()
        if self._door is not None:
            self._door.last_heard = now
        self._left -= len(data)
        if self._left < 0:
            self._fail(HttpFailure("The answer is larger than allowed."))
            return
        try:
            self._enough = self._on_data(data)
        except Exception:
            self._fail(Failure())  # type: ignore[no-untyped-call]
            return
        if self._enough and not self._ended:
            self._idle.start(self._linger_over, LINGER_S)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._take_held()
        if self._ended:
            return
        self._end()
        if self._enough or reason.check(ResponseDone, PotentialDataLoss):  # type: ignore[no-untyped-call]
            self._done.callback(None)
        else:
            self._done.errback(HttpFailure("The connection broke off in the middle of the answer."))

    def hang_up(self) -> None:
        """Close the connection now; the answer is of no further interest."""
        self._end()
        if self.transport is not None:
            self.transport.loseConnection()

    def _fail(self, failure: Failure | Exception) -> None:
        self.hang_up()
        self._done.errback(failure)

    def _silent(self) -> None:
        self._fail(_silence(self._idle.seconds))

    def _linger_over(self) -> None:
        self.hang_up()
        self._done.callback(None)

    def _end(self) -> None:
        self._ended = True
        self._idle.stop()


class _NoCookies(IndexableCookieJar):
    """Remembers nothing: what one run was given must not follow another."""

    def add_cookie_header(self, request: Any) -> None:
        """Add none."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep none."""


def _silence(seconds: float) -> HttpFailure:
    return HttpFailure(f"No answer within {seconds:g} seconds.", timed_out=True)


def _failure_of(failure: Failure) -> HttpFailure:
    """What went wrong before the head of an answer was here, in words that name no address."""
    if failure.check(ConnectTimeoutError):  # type: ignore[no-untyped-call]
        return HttpFailure("The connection could not be made in time.", timed_out=True)
    if failure.check(DNSLookupError):  # type: ignore[no-untyped-call]
        return HttpFailure("The host name could not be resolved.")
    if failure.check(ConnectError):  # type: ignore[no-untyped-call]
        return HttpFailure("The connection was refused or could not be made.")
    causes = " ".join(repr(cause.value) for cause in getattr(failure.value, "reasons", ()))
    if "SSL" in causes or "VerificationError" in causes or "certificate" in causes:
        return HttpFailure("The TLS handshake failed.")
    return HttpFailure("The connection broke off before an answer came.")


__all__ = ["MAX_ERROR_BYTES", "MAX_RESPONSE_BYTES", "Answer", "HttpDoor", "HttpFailure", "OnData"]
