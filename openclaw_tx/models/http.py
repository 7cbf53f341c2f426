# -*- test-case-name: tests.models.test_http -*-
"""The door to HTTP servers for what is asked for now and then: treq over a connection pool of our own. What is asked
for all the time, answers of models, comes through L{openclaw_tx.models.streaming}.

What treq and Agent leave open is closed here: timeouts, caps, no redirects, no cookies, no gzip, and a hang-up that
takes effect at once in every phase. Before the head of the answer C{Deferred.cancel} closes the connection; after it
only the transport can, and Agent shows that without C{abortConnection}, while C{loseConnection} waits for a peer that
does not read or does not say goodbye. So each connection is wrapped: for it, to lose is to abort.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hyperlink import DecodedURL

from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
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
from openclaw_tx.models.door import (
    IDLE_CONNECTION_S,
    LINGER_S,
    MAX_IDLE_CONNECTIONS,
    MAX_RESPONSE_BYTES,
    Answer,
    HttpFailure,
    OnData,
    cut_off,
    failure_of,
    silence,
    too_large,
)
from openclaw_tx.models.idle import IdleTimer

_NO_ANSWER = (RequestTransmissionFailed, ResponseNeverReceived)


class HttpDoor:
    """A L{openclaw_tx.models.door.Door} by treq."""

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
        """See L{Door.url}."""
        return self.base_url.child(*path)

    async def send(
        self,
        method: str,
        url: DecodedURL,
        headers: Headers,
        body: bytes = b"",
        *,
        more: Mapping[str, str] | None = None,
        repeat: bool = True,
    ) -> Answer:
        """See L{Door.send}."""
        if more:
            headers = headers.copy()
            for name, value in more.items():
                headers.setRawHeaders(name, [value])
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
                error = failure_of(failure)
                error.was_stale = reused and bool(failure.check(*_NO_ANSWER))  # type: ignore[no-untyped-call]
                outcome.errback(error)

        def silent() -> None:
            give_up()
            outcome.errback(silence(self._idle_s))

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
        return _Answer(self, response, idle)

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


class _Answer(Answer):
    def __init__(self, door: HttpDoor, response: IResponse, idle: IdleTimer) -> None:
        self.status = response.code
        self._door = door
        self._headers = response.headers
        self._response = response
        self._idle = idle

    def header(self, name: str) -> str:
        """See L{Answer.header}."""
        values = self._headers.getRawHeaders(name)
        return values[0].strip() if values else ""

    async def deliver(self, on_data: OnData, limit: int = MAX_RESPONSE_BYTES) -> None:
        """See L{Answer.deliver}."""
        done: Deferred[None] = Deferred(lambda _: body.hang_up())
        body = _Body(on_data, self._idle, limit, done, self._door)
        self._response.deliverBody(body)  # type: ignore[no-untyped-call]
        await done


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
            self._fail(too_large())
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
            self._done.errback(cut_off())

    def hang_up(self) -> None:
        """Close the connection now; the answer is of no further interest."""
        self._end()
        if self.transport is not None:
            self.transport.loseConnection()

    def _fail(self, failure: Failure | Exception) -> None:
        self.hang_up()
        self._done.errback(failure)

    def _silent(self) -> None:
        self._fail(silence(self._idle.seconds))

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


__all__ = ["HttpDoor"]
