# -*- test-case-name: tests.models.test_http -*-
"""What every way to an HTTP server of models has in common: its seam, its bounds, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hyperlink import DecodedURL

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_IDLE_CONNECTIONS = 64
IDLE_CONNECTION_S = 30
"""Idle connections are dropped after this; shorter than most servers keep theirs, so that few are found dead."""
LINGER_S = 0.25
"""How long the end of a body may come after the last thing of interest in it, before we hang up."""

OnData = Callable[[bytes], bool]
"""Takes what one read brought; True = nothing further is of interest. May raise: the connection is closed then."""


class HttpFailure(Exception):
    """The exchange failed below HTTP.

    @ivar timed_out: the server did not connect or answer in time.
    @ivar was_stale: an idle connection turned out to be dead: no piece of an answer came over it.
    """

    def __init__(self, message: str, *, timed_out: bool = False, was_stale: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.was_stale = was_stale


class Answer:
    """The head of an answer, and the way to its body, which must be taken without waiting for anything else before."""

    __slots__ = ()

    status: int

    def header(self, name: str) -> str:
        """First value of a header; "" when it is absent."""
        raise NotImplementedError

    async def deliver(self, on_data: OnData, limit: int = MAX_RESPONSE_BYTES) -> None:
        """Hand the body to C{on_data} as it comes; return at its end or when C{on_data} has enough.

        @param limit: cap on the body in bytes.
        @raise HttpFailure: cut off, silent for too long, or over the limit.
        @raise Exception: what C{on_data} raised. In all these cases, and when cancelled, the connection is closed.
        """
        raise NotImplementedError

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


class Door(Protocol):
    """Requests to one server.

    @ivar base_url: root of its API, parsed once.
    @ivar last_heard: when a piece of any answer came last, in seconds of the clock.
    """

    base_url: DecodedURL
    last_heard: float

    def url(self, *path: str) -> DecodedURL:
        """A URL below the base; its query, if any, is kept."""

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
        """Send a request and wait for the head of the answer.

        A server may close an idle connection just when we use it again. That says nothing about the server, so the
        request is sent once more over a new connection.

        @param more: headers besides C{headers}, which may be remembered and must not change.
        @param repeat: False = never twice: what it asks for may have been done although no answer came.
        @raise HttpFailure: no connection, no answer, or silence. Cancelling closes the connection.
        """

    async def close(self) -> None:
        """Hang up on everybody, and wait until that is done."""


def silence(seconds: float) -> HttpFailure:
    """Nothing was heard for so long."""
    return HttpFailure(f"No answer within {seconds:g} seconds.", timed_out=True)


def cut_off() -> HttpFailure:
    """The body has no end."""
    return HttpFailure("The connection broke off in the middle of the answer.")


def too_large() -> HttpFailure:
    """The body is over its limit."""
    return HttpFailure("The answer is larger than allowed.")


def failure_of(failure: Failure) -> HttpFailure:
    """What went wrong before the head of an answer was here, in words that name no address."""
    if failure.check(ConnectTimeoutError):  # type: ignore[no-untyped-call]
        return HttpFailure("The connection could not be made in time.", timed_out=True)
    if failure.check(DNSLookupError):  # type: ignore[no-untyped-call]
        return HttpFailure("The host name could not be resolved.")
    if failure.check(ConnectError):  # type: ignore[no-untyped-call]
        return HttpFailure("The connection was refused or could not be made.")
    causes = " ".join(repr(cause.value) for cause in getattr(failure.value, "reasons", (failure,)))
    if "certificate verify failed" in causes or "VerificationError" in causes:
        return HttpFailure("The TLS handshake failed: the server's certificate is not trusted, or is for another name.")
    if "SSL" in causes or "certificate" in causes:
        return HttpFailure("The TLS handshake failed.")
    return HttpFailure("The connection broke off before an answer came.")


__all__ = [
    "IDLE_CONNECTION_S",
    "LINGER_S",
    "MAX_ERROR_BYTES",
    "MAX_IDLE_CONNECTIONS",
    "MAX_RESPONSE_BYTES",
    "Answer",
    "Door",
    "HttpFailure",
    "OnData",
    "cut_off",
    "failure_of",
    "silence",
    "too_large",
]
