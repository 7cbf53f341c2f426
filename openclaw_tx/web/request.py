# -*- test-case-name: tests.web.test_request,tests.workers.test_together -*-
# mypy: allow-untyped-calls
"""Requests whose body has a size, a pace and a deadline.

A L{BoundedRequest} is rendered as soon as its headers are in, and its body is awaited by whoever wants it. So a request
can be refused before its body was read, nothing is buffered for somebody who may not send it, and a client that goes
away in mid-upload cancels the request like any other.

Source of the limits: spec 1.0, 9.6; RFC 9110, RFC 9112.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import toChunk
from twisted.web.resource import IResource
from twisted.web.server import Request

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.resent import head_of
from openclaw_tx.web.visit import Visit

if TYPE_CHECKING:
    from openclaw_tx.web.site import GatewayChannel

UNASKED = 64 * 1024
"""Bytes of a body held while nobody has asked for it (for instance before authentication)."""

BODY_SECONDS = 60.0
"""A body must be complete by then."""

BODY_WINDOW = 10.0
"""Every so many seconds..."""

BODY_WINDOW_BYTES = 1024
"""...at least so many bytes of a body must come."""

LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and thrown away, so that the client gets to see the answer."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Prober(Protocol):
    """Writes something harmless into a running answer."""

    def __call__(self) -> None: ...


class BoundedRequest(Request):
    """A request whose body has a size, a pace and a deadline.

    @ivar prober: set by an answer under way that can write something harmless (a comment in an event stream).
    @ivar visit: what the tree notes on it.
    @ivar standing: lines for the head of the answer that are the same for all.
    @ivar fields: more of them, each once. Twisted's C{responseHeaders} hold what may come several times, and what it
        looks at itself.
    """

    channel: GatewayChannel
    prober: Prober | None = None
    visit: Visit | None = None
    standing = b""

    def __init__(self, channel: GatewayChannel, queued: bool = False) -> None:
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self.fields: dict[str, str] = {}
        self._clock: IReactorTime = channel.site.reactor
        self._resource: IResource | None = None
        self._early = False
        self._complete = False
        self._finish_later = False
        self._limit = UNASKED
        self._received = 0
        self._window_start = 0
        self._started_at = 0.0
        self._timer: IDelayedCall | None = None
        self._wanted: Deferred[bytes] | None = None
        self._failed: GatewayError | None = None
        self.is_held_back = False
        self._expects_continue = False
        self._length: int | None = 0

    # -- for resources

    def body(self, limit: int) -> Deferred[bytes]:
        """The whole body, once it is here. Ask once.

        Fails with L{GatewayError} C{payload_too_large} as soon as it is known to exceed C{limit} bytes, or
        C{body_timeout} when it takes too long. Cancelling just stops waiting.
        """
        wanted: Deferred[bytes] = Deferred(self._forget)
        self._limit = limit
        if self._failed is None and (self._received > limit or (self._length or 0) > limit):
            self._failed = too_large()
        if self._failed is not None:
            wanted.errback(self._failed)
        elif self._complete:
            wanted.callback(self._content())
        else:
            self._wanted = wanted
            if self._expects_continue:
                self._expects_continue = False
                self.channel.write(CONTINUE)
            self._release()
        return wanted

    @property
    def unmixed(self) -> bool:
        """Whether what has come of the body and what is still to come can be put together again."""
        return self._complete or not self._received or self._length is not None

    def give_away(self) -> None:
        """Have another process answer. It gets the request as it came, and the connection with all that follows.

        Nothing must have been answered, and the request be L{unmixed}.
        """
        assert not self.startedWriting and self.unmixed
        self._stop_timer()
        body = self._content() if self._received else b""
        version = self.clientproto
        length = None
        if self._complete and self._length != 0:
            length = len(body)
        head = head_of(self.method, self.uri, version, self.requestHeaders, length, self._expects_continue)
        self.channel.give_away(head + body)

    # -- called by the channel

    def gotLength(self, length: int | None) -> None:
        """The headers are in. With a body to come, the request is rendered now."""
        self.content = BytesIO()
        self._length = length
        if length == 0:
            return
        # Not passed along, but fixed by now: the channel hands the same three to requestReceived.
        self.method, self.uri = self.channel._command, self.channel._path
        self.clientproto = self.channel._version
        self.path = self.uri.split(b"?", 1)[0]
        self._find_resource()
        if not getattr(self._resource, "renders_early", False):
            return
        self._early = True
        # The channel would say 100 Continue by itself; that is for body() to do.
        expect = self.requestHeaders.getRawHeaders(b"Expect") or [b""]
        self.requestHeaders.removeHeader(b"Expect")
        self._expects_continue = expect[0].lower() == b"100-continue" and self.clientproto == b"HTTP/1.1"
        self.render(self._resource)

    def read_on(self) -> None:
        """A read has been worked off. If more of the body is to come, it has a time to come in."""
        if self._early and self._timer is None and not (self._complete or self._failed or self._disconnected):
            self._started_at = self._clock.seconds()
            self._timer = self._clock.callLater(BODY_WINDOW, self._check_pace)

    def handleContentChunk(self, data: bytes) -> None:
        """More of the body: hold it, wait for somebody to want it, or throw it away."""
        self._received += len(data)
        if self._finish_later or self._failed is not None:
            return
        if self._received > self._limit and (self._wanted is not None or not self._early):
            self._fail(too_large())
            return
        assert self.content is not None
        try:
            self.content.write(data)
        except MemoryError:
            self._fail(no_memory())
            return
        if self._wanted is None and self._early:
            # Somebody is still being asked who this is. One read's worth is enough to hold until then.
            self._hold_back()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is complete; what is read from now on tells whether the client is still there."""
        self._complete = True
        self._stop_timer()
        self._release()
        if not self._early:
            if self._failed is None:
                super().requestReceived(command, path, version)
            else:
                self._refuse(command, path, version)
        elif self._finish_later:
            self._finish_now()
        elif self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            wanted.callback(self._content())

    def process(self) -> None:
        """Render the resource for this path. Unlike Twisted's, this names no server software."""
        if self._resource is None:
            self._find_resource()
        self.render(self._resource)

    def connectionLost(self, reason: Failure) -> None:
        """The client has gone: whoever asked notifyFinish hears of it, and the body is not waited for any more."""
        self._stop_timer()
        super().connectionLost(reason)

    # -- answering

    @property
    def head(self) -> bytes:
        """The lines of the head that are not in C{responseHeaders}."""
        return self.standing + "".join([f"{name}: {value}\r\n" for name, value in self.fields.items()]).encode("utf-8")

    def write(self, data: bytes) -> None:
        """Send a piece of the answer. An answer before the end of the body is the connection's last."""
        if self.chunked and not (self.finished or self._disconnected):
            # All that is left to be done by those above, who would look at the head again for each piece.
            if data:
                self.sentLength += len(data)
                self.channel.writeSequence(toChunk(data))
            return
        if not self.startedWriting and not self._complete:
            self.setHeader(b"Connection", b"close")
            self.channel.persistent = 0
        super().write(data)

    def finish(self) -> None:
        """The answer is complete. If the body is not, its rest is read and thrown away for a moment first."""
        if self._complete or not self._early or self._disconnected:
            self._stop_timer()
            super().finish()
            return
        if not self.startedWriting:
            self.write(b"")
        self._finish_later = True
        self.content = BytesIO()
        self._stop_timer()
        self._timer = self._clock.callLater(LINGER_SECONDS, self._linger_ended)
        self._release()

    def abort(self) -> None:
        """Cut the connection: the client must not take what it has for a whole answer."""
        if self.channel is not None:
            self.channel.abort()

    def half_closed(self) -> None:
        """The client will send nothing more. It may still read, or it may have gone: write something to find out."""
        if not self._complete:
            self.abort()
        elif self.prober is not None:
            self.prober()
        elif not self.startedWriting and self.clientproto == b"HTTP/1.1":
            # A client has to put up with interim answers (RFC 9110, 15.2).
            self.channel.write(CONTINUE)

    # -- inside

    def _find_resource(self) -> None:
        self.site = self.channel.site
        self.fields["Date"] = self.site.date()
        self.prepath = []
        self.postpath = [unquote_to_bytes(part) for part in self.path[1:].split(b"/")]
        self._resource = self.channel.site.getResourceFor(self)

    def _content(self) -> bytes:
        assert self.content is not None
        return cast(BytesIO, self.content).getvalue()

    def _forget(self, _: Deferred[bytes]) -> None:
        self._wanted = None

    def _fail(self, error: GatewayError) -> None:
        self._failed = error
        self._stop_timer()
        self.content = BytesIO()
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            wanted.errback(error)

    def _hold_back(self) -> None:
        if not self.is_held_back:
            self.is_held_back = True
            self.channel.hold()

    def _release(self) -> None:
        if self.is_held_back:
            self.is_held_back = False
            self.channel.release()

    def _check_pace(self) -> None:
        self._timer = None
        late = self._clock.seconds() - self._started_at >= BODY_SECONDS
        slow = self._received - self._window_start < BODY_WINDOW_BYTES and not self.is_held_back
        if late or slow:
            self._fail(GatewayError("body_timeout", "The request body did not arrive in time."))
            return
        self._window_start = self._received
        self._timer = self._clock.callLater(BODY_WINDOW, self._check_pace)

    def _refuse(self, command: bytes, path: bytes, version: bytes) -> None:
        """A foreign resource can not be asked to refuse a body: answer for it."""
        self.method, self.uri, self.clientproto = command, path, version
        self.channel.persistent = 0
        self.setResponseCode(413)
        self.setHeader(b"Connection", b"close")
        self.setHeader(b"Content-Length", b"0")
        super().finish()

    def _linger_ended(self) -> None:
        self._timer = None
        self._finish_now()

    def _finish_now(self) -> None:
        if not self._disconnected:
            super().finish()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def no_memory() -> GatewayError:
    """C{queue_full}: the system gives no more memory. What others have asked for will give some back."""
    return GatewayError("queue_full", "There is no memory for this request; try again shortly.", retry_after=5)


def too_large() -> GatewayError:
    """C{payload_too_large}, with the recorded gateway's text."""
    return GatewayError("payload_too_large", "Payload too large")


__all__ = ["UNASKED", "BoundedRequest", "Prober", "no_memory", "too_large"]
