# -*- test-case-name: tests.tools.test_services -*-
"""Servers of the operator's choice."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.services import MAX_BYTES, ServiceCall, ServiceReply
from tests.tools.network import Upstream


class ServiceClientTests(SynchronousTestCase):
    """Requests over a network in memory."""

    def setUp(self) -> None:
        """A server on a private address."""
        self.upstream = Upstream()
        self.addCleanup(lambda: self.assertEqual(self.upstream.clock.getDelayedCalls(), []))

    def ask(self, base_url: str = "http://search.internal:8080/sx/?x#y", **fields: Any) -> list[Any]:
        """What came."""
        return self.upstream.work(self.upstream.services.ask(ServiceCall(base_url, "search", **fields), timeout_s=5))

    def refused(self, words: str, base_url: str = "http://search.internal:8080/sx") -> None:
        """The request fails, and says why without the URL."""
        (failure,) = self.ask(base_url)
        self.assertIsInstance(failure.value, FetchFailed)
        self.assertIn(words, str(failure.value))
        self.assertNotIn("secret", str(failure.value))

    def test_get(self) -> None:
        """Below the base, to a private address, with query and headers."""
        self.upstream.say(b"yes", status=201)
        (reply,) = self.ask(query={"q": "a b&c", "n": "ü"}, headers={"X-Key": "k", "User-Agent": "mine"})
        self.assertEqual(reply, ServiceReply(201, b"yes"))
        self.assertEqual(self.upstream.connected, [("10.0.0.9", 8080)])
        (asked,) = self.upstream.script.asked
        self.assertEqual((asked.method, asked.uri), ("GET", "/sx/search?q=a+b%26c&n=%C3%BC"))
        self.assertEqual((asked.headers["x-key"], asked.headers["host"]), ("k", "search.internal:8080"))

    def test_post(self) -> None:
        """A body makes it one; it arrives as it is."""
        self.upstream.say(b"yes")
        self.ask(body=b'{"q":1}', headers={"Content-Type": "application/json"})
        (asked,) = self.upstream.script.asked
        self.assertEqual((asked.method, asked.body, asked.uri), ("POST", b'{"q":1}', "/sx/search"))

    def test_addresses(self) -> None:
        """Numbers need no name server, in any spelling; loopback is as good as any; IPv4 first."""
        for base, address in (
            ("http://127.0.0.1:1", "127.0.0.1"),
            ("http://[::1]:1", "::1"),
            ("http://0x7f.1:1", "127.0.0.1"),
        ):
            self.upstream.say(b"")
            self.assertEqual(self.ask(base), [ServiceReply(200, b"")])
            self.assertEqual(self.upstream.connected[-1], (address, 1))
        self.upstream.names["a.example"] = ["fd00::1", "10.0.0.1"]
        self.upstream.say(b"")
        self.ask("http://a.example")
        self.assertEqual(self.upstream.connected[-1], ("10.0.0.1", 80))

    def test_no_redirects(self) -> None:
        """One is an answer: the key goes nowhere else."""
        self.upstream.say(b"", status=302, location="http://evil.example/")
        self.assertEqual(self.ask(headers={"X-Key": "k"}), [ServiceReply(302, b"")])
        self.assertEqual(len(self.upstream.connected), 1)

    def test_base_url(self) -> None:
        """What is none is refused, without being repeated."""
        bases = ["", "secret", "ftp://secret", "http://", "http://u:secret@a.example", "http://a.example:99999"]
        bases += ["http://a.example:0", "http://[secret", "http://a.example/\u00fc", "http://" + "x" * 70]
        for base in bases:
            self.refused("base URL", base)
        self.assertEqual(self.upstream.connected, [])

    def test_failures(self) -> None:
        """Nobody there, no such name, too large, too slow."""
        self.upstream.say(b"x" * (MAX_BYTES + 1))
        self.refused("larger than")
        self.upstream.names["search.internal"] = []
        self.refused("no address")
        del self.upstream.names["search.internal"]
        self.upstream.down = True
        self.refused("no answer")

    def test_slow(self) -> None:
        """After its time the connection is cut."""
        self.upstream.hang()
        found = self.ask()
        self.upstream.clock.advance(4.9)
        self.assertEqual(found, [])
        self.upstream.clock.advance(0.2)
        self.upstream.endpoint.flush()
        self.assertIn("longer than 5 s", str(found[0].value))
        self.assertEqual(self.upstream.script.hung_up, 1)

    def test_cancel(self) -> None:
        """Whoever asked has gone: the connection is closed at once."""
        self.upstream.hang()
        found = self.ask()
        self.upstream.working.cancel()
        self.upstream.endpoint.flush()
        self.assertIsInstance(found[0].value, CancelledError)
        self.assertEqual(self.upstream.script.hung_up, 1)
