# -*- test-case-name: tests.ws.test_resource -*-
"""The upgrade: who may open a WebSocket at all, before a byte of the protocol is spoken (spec 9.3, 9.6)."""

from __future__ import annotations

import math
from typing import Any

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Authenticator
from openclaw_tx.wire.frames import encode
from openclaw_tx.wire.headers import header_value
from openclaw_tx.ws.channel import ChannelFactory


class UpgradePeer:
    """The other end of an upgrade request (L{openclaw_tx.interfaces.Peer}); outlives the request."""

    __slots__ = ("_headers", "address")

    def __init__(self, request: Request) -> None:
        self.address: str = getattr(request.getClientAddress(), "host", "")  # type: ignore[no-untyped-call]
        self._headers = {name.lower(): list(values) for name, values in request.requestHeaders.getAllRawHeaders()}

    def header(self, name: str) -> str | None:
        """See L{openclaw_tx.interfaces.Peer.header}."""
        return header_value(name, self._headers.get(name.lower().encode("ascii")))


def is_upgrade(request: Request) -> bool:
    """Whether a request asks for a WebSocket."""
    headers = request.requestHeaders
    wanted = b",".join(headers.getRawHeaders(b"upgrade", [])).lower()
    allowed = b",".join(headers.getRawHeaders(b"connection", [])).lower()
    return bool(
        request.method == b"GET"
        and request.clientproto == b"HTTP/1.1"
        and b"websocket" in (token.strip() for token in wanted.split(b","))
        and b"upgrade" in (token.strip() for token in allowed.split(b","))
    )


@implementer(IResource)
class UpgradeResource(Resource):
    """Where upgrade requests of any path end up. Refusals are JSON with a status, not a WebSocket that closes.

    @ivar draining: nobody is upgraded any more.
    """

    isLeaf = True
    draining = False

    def __init__(self, factory: ChannelFactory, authenticator: Authenticator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._factory = factory
        self._authenticator = authenticator

    def render(self, request: Request) -> Any:
        """Upgrade, or say why not."""
        try:
            if not is_upgrade(request):
                raise GatewayError("invalid_request", "This is a WebSocket endpoint.")
            peer = UpgradePeer(request)
            self._authenticator.check_origin(peer)
            if self.draining:
                raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
            return self._factory.upgrade(request, peer)
        except GatewayError as error:
            return _refuse(request, error.info)


def _refuse(request: Request, info: ErrorInfo) -> bytes:
    kind = info.kind
    request.setResponseCode(kind.status)
    request.setHeader(b"content-type", b"application/json; charset=utf-8")  # type: ignore[no-untyped-call]
    if info.retry_after is not None:
        request.setHeader(b"retry-after", str(math.ceil(info.retry_after)).encode("ascii"))  # type: ignore[no-untyped-call]
    return encode({"error": {"message": info.message, "type": kind.type, "param": info.param, "code": info.code}})
