# -*- test-case-name: tests.ws.test_resource -*-
"""The upgrade: what is refused before a WebSocket opens."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from twisted.web.test.requesthelper import DummyRequest

from openclaw_tx.ws.resource import UpgradePeer, is_upgrade
from tests.ws.harness import House


def reply(house: House, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], Any]:
    """Status, headers and body that a plain HTTP request gets."""
    channel = house.site.buildProtocol(None)
    transport = FakeTransport(channel, isServer=True, peerAddress=IPv4Address("TCP", "127.0.0.1", 5000))
    channel.makeConnection(transport)
    lines = [f"{method} /ws HTTP/1.1", "Host: localhost", "Connection: close, upgrade", *headers, "", ""]
    channel.dataReceived("\r\n".join(lines).encode())
    head, _, body = b"".join(transport.stream).partition(b"\r\n\r\n")
    transport.protocol.connectionLost(Failure(ConnectionDone()))
    status, *fields = head.decode().split("\r\n")
    pairs = dict(field.split(": ", 1) for field in fields)
    return (
        int(status.split()[1]),
        {name.lower(): value for name, value in pairs.items()},
        json.loads(body) if body.startswith(b"{") else None,
    )


UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


class UpgradeTests(SynchronousTestCase):
    """L{UpgradeResource}."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def test_any_path(self) -> None:
        """Upgrades work on whatever path they arrive."""
        for path in ("/", "/ws", "/foo/bar?x=1"):
            self.assertTrue(self.house.open(path=path).client.opened)

    def test_origin(self) -> None:
        """A foreign page is refused with 403 and JSON."""
        status, headers, body = reply(self.house, *UPGRADE, "Origin: https://evil.example")
        self.assertEqual((status, body["error"]["code"]), (403, "origin_not_allowed"))
        self.assertEqual(headers["content-type"], "application/json; charset=utf-8")
        self.assertEqual(sorted(body["error"]), ["code", "message", "param", "type"])

    def test_proxy(self) -> None:
        """A proxy nobody vouches for is refused with 403."""
        status, _, body = reply(self.house, *UPGRADE, "X-Forwarded-For: 203.0.113.4")
        self.assertEqual((status, body["error"]["type"]), (403, "proxy_attribution_required"))

    def test_not_an_upgrade(self) -> None:
        """A request that asks for no WebSocket gets 400."""
        for method, headers in [("GET", ()), ("POST", UPGRADE), ("GET", ("Upgrade: h2c",))]:
            status, _, body = reply(self.house, *headers, method=method)
            self.assertEqual((status, body["error"]["code"]), (400, "invalid_request"))

    def test_broken_upgrade(self) -> None:
        """An upgrade without a key is refused by the WebSocket library, and counts nowhere."""
        self.assertEqual(reply(self.house, "Upgrade: websocket", "Sec-WebSocket-Version: 13")[0], 400)
        self.assertEqual((len(self.house.surface), self.house.surface.factory._waiting), (0, {}))

    def test_flood(self) -> None:
        """Too many that wait: 429 with Retry-After."""
        for _ in range(64):
            self.house.open()
        status, headers, body = reply(self.house, *UPGRADE)
        self.assertEqual((status, headers["retry-after"]), (429, "5"))
        self.assertEqual(body["error"]["code"], "rate_limit_exceeded")

    def test_draining(self) -> None:
        """A gateway that stops upgrades nobody, from when it waits for its runs on."""
        for end in (self.house.surface.drain, self.house.surface.stop):
            end()
            status, headers, body = reply(self.house, *UPGRADE)
            self.assertEqual((status, headers["retry-after"]), (503, "5"))
            self.assertEqual(body["error"]["code"], "gateway_draining")


class RequestTests(SynchronousTestCase):
    """What is read off a request."""

    def request(self, headers: dict[str, list[str]], method: bytes = b"GET") -> Any:
        request = DummyRequest([b""])
        request.method, request.clientproto = method, b"HTTP/1.1"
        request.requestHeaders = Headers(headers)
        return request

    def test_is_upgrade(self) -> None:
        """Names and tokens count in any case and any company."""
        good = self.request({"Upgrade": ["h2c, WebSocket"], "Connection": ["keep-alive", "Upgrade"]})
        self.assertTrue(is_upgrade(good))
        for headers in [{}, {"Upgrade": ["websocket"]}, {"Connection": ["upgrade"]}]:
            self.assertFalse(is_upgrade(self.request(headers)))

    def test_peer(self) -> None:
        """Headers are found in any case, the first value trimmed; a UNIX socket has no address."""
        request = self.request({"Origin": [" http://a ", "http://b"], "X-Odd": ["\xff"]})
        request.client = UNIXAddress("/run/gateway.socket")
        peer = UpgradePeer(request)
        self.assertEqual((peer.address, peer.header("ORIGIN"), peer.header("host")), ("", "http://a", None))
