"""What a relay serves itself, and how it puts a request together again."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection, Http
from openclaw_tx.web.elsewhere import served_here
from openclaw_tx.web.resent import head_of

CHAT = (b"v1", b"chat", b"completions")


class Asked:
    """A request's head."""

    def __init__(self, method: bytes, **headers: str) -> None:
        self.method = method
        self.requestHeaders = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})


class ServedHereTests(SynchronousTestCase):
    """L{served_here}."""

    def here(self, method: bytes, path: tuple[bytes, ...], config: Config | None = None, **headers: str) -> bool:
        """Whether it is."""
        asked: Any = Asked(method, **headers)
        return served_here(asked, path, config or Config())

    def test_relayed(self) -> None:
        """What needs nothing that is shared is."""
        for method, path in (
            (b"POST", CHAT),
            (b"POST", (b"v1", b"responses")),
            (b"GET", (b"v1", b"models")),
            (b"GET", (b"healthz",)),
        ):
            self.assertTrue(self.here(method, path), path)

    def test_not(self) -> None:
        """All else is not."""
        for method, path in (
            (b"GET", CHAT),
            (b"OPTIONS", CHAT),
            (b"POST", (*CHAT, b"")),
            (b"POST", (b"v1", b"runs")),
            (b"GET", (b"v1", b"runs", b"x")),
            (b"GET", (b"",)),
            (b"GET", (b"metrics",)),
            (b"GET", (b"readyz",)),
            (b"POST", (b"tools", b"invoke")),
            (b"POST", (b"hooks", b"wake")),
        ):
            self.assertFalse(self.here(method, path), path)

    def test_headers(self) -> None:
        """Headers that name a session, or a run that is to be found again, are for the chief."""
        self.assertFalse(self.here(b"POST", CHAT, x_openclaw_session_key="s"))
        self.assertFalse(self.here(b"POST", CHAT, idempotency_key="k"))
        self.assertFalse(self.here(b"POST", CHAT, x_openclaw_on_disconnect="cancel"))
        self.assertFalse(self.here(b"GET", (b"healthz",), upgrade="websocket"))
        self.assertTrue(self.here(b"POST", CHAT, x_stainless_retry_count="1"))
        joins = Config(gateway=GatewaySection(http=Http(join_retries=True)))
        self.assertFalse(self.here(b"POST", CHAT, joins, x_stainless_retry_count="1"))
        self.assertTrue(self.here(b"POST", CHAT, joins))


class HeadTests(SynchronousTestCase):
    """L{head_of}."""

    def setUp(self) -> None:
        """Some headers, one of them twice."""
        self.headers = Headers({"host": ["x"], "x-forwarded-for": ["1.1.1.1", "2.2.2.2"]})

    def test_as_it_came(self) -> None:
        """A body that is still to come keeps its framing."""
        self.headers.addRawHeader("transfer-encoding", "chunked")
        head = head_of(b"POST", b"/v1/runs?a=b", b"HTTP/1.1", self.headers, None, expect=True)
        lines = head.split(b"\r\n")
        self.assertEqual((lines[0], lines[-2:]), (b"POST /v1/runs?a=b HTTP/1.1", [b"", b""]))
        self.assertIn(b"Transfer-Encoding: chunked", lines)
        self.assertIn(b"Expect: 100-continue", lines)
        self.assertEqual(
            [line for line in lines if line.startswith(b"X-Forwarded-For")],
            [b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2"],
        )

    def test_whole(self) -> None:
        """A body that is here has a length, whatever it had before."""
        self.headers.addRawHeader("transfer-encoding", "chunked")
        head = head_of(b"POST", b"/", b"HTTP/1.1", self.headers, 12, expect=False)
        self.assertIn(b"\r\nContent-Length: 12\r\n", head)
        self.assertNotIn(b"chunked", head)
