# -*- test-case-name: tests.web.test_resource,tests.web.test_metrics,tests.workers.test_together -*-
# mypy: allow-untyped-calls
"""One request and its answer: what a resource reads, and the only place that writes a reply."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from twisted.web.server import Request

from openclaw_tx.errors import ErrorInfo, GatewayError, NotHere
from openclaw_tx.runs.outbox import Outbox
from openclaw_tx.tally import Tally
from openclaw_tx.web.request import BoundedRequest, too_large
from openclaw_tx.web.visit import visited
from openclaw_tx.wire.headers import header_value
from openclaw_tx.wire.openai_chat_render import error_body
from openclaw_tx.wire.trace import HEADER as TRACEPARENT
from openclaw_tx.wire.trace import trace_header

JSON = b"application/json; charset=utf-8"

STANDING_HEADERS: Mapping[bytes, bytes] = {
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
    b"Permissions-Policy": b"camera=(), microphone=(self), geolocation=()",
}
"""On every reply (spec 1.0)."""

STANDING = b"".join(b"%s: %s\r\n" % field for field in STANDING_HEADERS.items())
"""The same as they stand in a head."""

LARGE = 64 * 1024
"""Bodies from this size on are sent at the reader's pace, so that no idle timeout cuts them."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SCHEME = "bearer "
CHALLENGE = 'Bearer realm="openclaw"'
"""How to authenticate (RFC 6750 3). Browsers do not ask people for it."""

CREDENTIALS = frozenset({"authorization", "cookie"})
"""Headers that secrets are in."""

MAX_CHUNKED = 32 * 1024 * 1024
"""Most bytes of a body of unknown length that are held to be handed over."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Exchange:
    """A request with its reply. It is the L{openclaw_tx.interfaces.Peer} that authentication sees.

    @ivar request: Twisted's request.
    @ivar id: C{x-request-id}: the client's own where it is sane, else a new one.
    @ivar gone: True once the connection is lost.
    @ivar tally: where what happens to it is counted.
    """

    __slots__ = ("_fields", "_visit", "gone", "id", "request", "tally")

    def __init__(self, request: Request, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes request ids.
        """
        self.request = request
        self.gone = False
        self._visit = visited(request)
        self._fields = {
            name.decode("latin-1").lower(): lines for name, lines in request.requestHeaders.getAllRawHeaders()
        }
        self.tally = self._visit.tally if self._visit is not None else Tally()
        offered = self.header("x-request-id") or ""
        self.id = offered if _SANE_ID.fullmatch(offered) else new_id()
        if isinstance(request, BoundedRequest):
            request.standing = STANDING
        else:
            for name, value in STANDING_HEADERS.items():
                request.responseHeaders.setRawHeaders(name, [value])
        self.set_header("X-Request-Id", self.id)

    # -- reading

    @property
    def address(self) -> str:
        """IP address of the transport's peer; "" when it has none."""
        return getattr(self.request.getClientAddress(), "host", "") or ""

    def header(self, name: str) -> str | None:
        """See L{openclaw_tx.interfaces.Peer.header}."""
        if name not in self._fields:  # as most of those that are asked for
            name = name.lower()
            if name not in self._fields:
                return None
        return header_value(name, self._fields[name])

    @property
    def bearer(self) -> str:
        """The secret that C{Authorization: Bearer} offers; "" = none."""
        value = self.header("authorization") or ""
        return value[len(_SCHEME) :].strip() if value[: len(_SCHEME)].lower() == _SCHEME else ""

    def put_header(self, name: str, value: str) -> None:
        """Have the request say something as if it stood in its head."""
        self._fields[name.lower()] = [value.encode("utf-8")]

    def headers(self) -> tuple[tuple[str, str], ...]:
        """See L{openclaw_tx.interfaces.WholePeer}."""
        found = []
        for name, values in self._fields.items():
            value = header_value(name, values)
            if value is not None and name not in CREDENTIALS:
                found.append((name, value))
        return tuple(found)

    @property
    def milliseconds(self) -> float:
        """Since the request came; 0.0 outside of the gateway's tree."""
        return self._visit.milliseconds if self._visit is not None else 0.0

    @property
    def traceparent(self) -> str:
        """The client's trace context as it came, for L{openclaw_tx.values.RunRequest}; "" without one."""
        return trace_header(self._fields.get(TRACEPARENT))

    async def body(self, limit: int) -> bytes:
        """The whole body.

        @raise GatewayError: C{payload_too_large} past C{limit} bytes, C{body_timeout}, C{unsupported_content_encoding}.
        """
        self._check_encoding()
        if isinstance(self.request, BoundedRequest):
            return await self.request.body(limit)
        # Under a foreign site the body has been buffered already; the bound still holds for what is done with it.
        content = self.request.content
        if content is None:
            return b""
        data: bytes = content.read(limit + 1)
        if len(data) > limit:
            raise too_large()
        return data

    def _check_encoding(self) -> None:
        """Nothing is unpacked here: a body is what it seems to be (RFC 9110, 8.4 and 15.5.16)."""
        lines = self._fields.get("content-encoding")
        if lines is None:
            return
        for coding in b",".join(lines).decode("latin-1").lower().split(","):
            if coding.strip() not in ("", "identity"):
                self.set_header("Accept-Encoding", "identity")
                raise GatewayError(
                    "unsupported_content_encoding", "Send the body as it is, not compressed.", param="Content-Encoding"
                )

    def received(self) -> bytes:
        """The whole body again, after it was awaited."""
        content = self.request.content
        if content is None:
            return b""
        content.seek(0)
        data: bytes = content.read()
        return data

    def needs_sessions(self) -> None:
        """What is asked for has to do with sessions.

        @raise NotHere: they are another process's.
        """
        if isinstance(self.request, BoundedRequest) and self.request.channel.site.elsewhere is not None:
            raise NotHere

    async def hand_over(self) -> None:
        """Have another process answer; nothing was answered yet.

        @raise GatewayError: C{payload_too_large}, C{body_timeout}: the body has to be read before.
        """
        request = self.request
        assert isinstance(request, BoundedRequest)
        if not request.unmixed:
            await request.body(MAX_CHUNKED)
        request.give_away()
        # Whoever answers it counts it.
        self.gone, self._visit = True, None

    # -- answering

    @property
    def started(self) -> bool:
        """True once the status has gone out."""
        return bool(self.request.startedWriting)

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the reply; characters that no header can carry become C{?}."""
        if not value.isprintable():
            value = _UNPRINTABLE.sub("?", value)
        if isinstance(self.request, BoundedRequest) and name != "Content-Type":  # which Twisted itself would add
            self.request.fields[name] = value
        else:
            self.request.responseHeaders.setRawHeaders(name.encode("ascii"), [value.encode("utf-8")])

    def drop_header(self, name: str) -> None:
        """Take a header back that was set by this name."""
        if isinstance(self.request, BoundedRequest):
            self.request.fields.pop(name, None)
        else:
            self.request.responseHeaders.removeHeader(name.encode("ascii"))

    def send_json(self, body: bytes, status: int = 200) -> None:
        """Send a whole JSON reply; nothing when the client has gone."""
        self.send(body, JSON, status)

    def send(self, body: bytes, content_type: bytes, status: int = 200) -> None:
        """Send a whole reply; nothing when the client has gone."""
        if self.gone:
            return
        request = self.request
        request.setResponseCode(status)
        request.responseHeaders.setRawHeaders(b"Content-Type", [content_type])
        request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
        if len(body) < LARGE or request.method == b"HEAD":
            request.write(body)
            request.finish()
            return
        outbox = Outbox(request.write, self.abort)
        request.registerProducer(outbox, True)
        outbox.push(body)
        outbox.finish(self.finish)

    def send_nothing(self, status: int = 204) -> None:
        """Send a reply without a body, and without a word on one.

        @param status: 204 or 304.
        """
        if not self.gone:
            self.request.setResponseCode(status)
            self.request.write(b"")
            self.request.finish()

    def send_error(self, info: ErrorInfo) -> None:
        """Send an error with its status and the headers that tell a client whether to retry.

        When an answer is under way already, the connection is cut: the client must not take it for a whole one.
        """
        if self.gone:
            return
        if self.started:
            self.abort()
            return
        if info.retry_after is not None or info.should_retry:
            self.set_header("Retry-After", str(max(1, math.ceil(info.retry_after or 1))))
        if info.should_retry is not None:
            self.set_header("X-Should-Retry", "true" if info.should_retry else "false")
        if info.kind.status == 401:
            self.challenge(offered=bool(self.bearer) and info.code == "invalid_api_key")
        self.send_json(error_body(info), info.kind.status)

    def challenge(self, *, offered: bool) -> None:
        """Say how to authenticate, as every 401 does (RFC 9110 11.6.1).

        @param offered: a token came, and was refused; who sent none is not told of an error (RFC 6750 3.1).
        """
        self.set_header("WWW-Authenticate", f'{CHALLENGE}, error="invalid_token"' if offered else CHALLENGE)

    def finish(self) -> None:
        """The reply is complete; releases the producer that wrote it."""
        if not self.gone:
            self.request.unregisterProducer()
            self.request.finish()

    def ended(self, _: object = None) -> None:
        """Nothing more will be done about it: count it."""
        if self._visit is not None:
            self._visit.ended(self.request, gone=self.gone)

    def abort(self) -> None:
        """Cut the connection."""
        if self.gone:
            return
        if isinstance(self.request, BoundedRequest):
            self.request.abort()
        elif self.request.transport is not None:
            cast(Any, self.request.transport).abortConnection()


def internal_error() -> GatewayError:
    """What a client is told of a bug: nothing."""
    return GatewayError("internal_error", "internal error")


__all__ = ["JSON", "STANDING_HEADERS", "Exchange", "internal_error"]
