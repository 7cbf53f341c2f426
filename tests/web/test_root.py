# -*- test-case-name: tests.web.test_root -*-
"""The tree of URLs: exact paths, JSON errors, upgrades, and life under a foreign site."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from openclaw_tx.config.schema_gateway import ChatCompletions
from tests.support.fakes import ScriptedRun
from tests.support.web import Client, Harness, Response

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
BODY = json.dumps({"messages": [{"role": "user", "content": "ping"}]}).encode()


class Upgraded(Resource):
    """Stands for the WebSocket surface: takes connections."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.answer: int | bytes = NOT_DONE_YET

    def render(self, request: Request) -> int | bytes:
        """Take it, or refuse."""
        self.requests.append(request)
        return self.answer


class RootTests(SynchronousTestCase):
    """Paths."""

    def setUp(self) -> None:
        """A gateway with a WebSocket surface."""
        self.websocket = Upgraded()
        self.gateway = Harness(websocket=self.websocket)
        self.addCleanup(self.gateway.close)

    def test_unknown_paths(self) -> None:
        """404 as JSON for every method, with or without a secret."""
        for path in (
            "/nope",
            "/v1",
            "/v1/",
            "/v1/nope",
            "/v1/chat/completions/",
            "/v1/chat/completions/x",
            "//v1/models",
            "/v1/chat%2Fcompletions",
            "/healthz/",
            "/favicon.ico",
            "/index.html",
            "/../etc/passwd",
        ):
            for method in ("GET", "POST"):
                response = self.gateway.ask(method, path, authorised=False).response
                self.assertEqual((response.status, response.error["code"]), (404, "not_found"), path)

    def test_query_is_ignored(self) -> None:
        """Everywhere."""
        self.assertEqual(self.gateway.ask("POST", "/v1/chat/completions?x=/y", BODY).response.status, 200)

    def test_page(self) -> None:
        """A browser that opens the port sees what this is, and nothing else."""
        response = self.gateway.ask("GET", "/", authorised=False).response
        self.assertEqual((response.status, response.header("content-type")), (200, "text/html; charset=utf-8"))
        self.assertIn(b"OpenClaw Gateway", response.body)
        self.assertIn("default-src 'none'", response.header("content-security-policy") or "")
        self.assertNotIn(b"<script", response.body)

    def test_t43_post_on_the_websocket_path(self) -> None:
        """405 as JSON, also with an upgrade in it."""
        for headers in ({}, UPGRADE):
            response = self.gateway.ask("POST", "/", BODY, headers).response
            self.assertEqual((response.status, response.error["code"]), (405, "method_not_allowed"))
            self.assertEqual(response.header("allow"), "GET, HEAD")
        self.assertEqual(self.websocket.requests, [])

    def test_t43_upgrade_elsewhere(self) -> None:
        """Any path takes WebSockets, as clients configured with one expect, but those of the API."""
        for path in ("/v1/chat/completions", "/v1/models", "/v1/nope"):
            response = self.gateway.ask("GET", path, headers=UPGRADE).response
            self.assertEqual((response.status, response.error["code"]), (400, "invalid_request"))
        self.assertEqual(self.websocket.requests, [])
        for path in ("/ws", "/foo"):
            self.gateway.ask("GET", path, headers=UPGRADE, authorised=False)
        self.assertEqual(len(self.websocket.requests), 2)

    def test_upgrade(self) -> None:
        """The connection is handed over and is no HTTP connection any more."""
        client = self.gateway.ask("GET", "/", headers={**UPGRADE, "Upgrade": "WebSocket"}, authorised=False)
        self.assertEqual(len(self.websocket.requests), 1)
        self.assertEqual(client.received, b"")
        self.assertEqual(self.gateway.site.channels, set())

    def test_refused_upgrade(self) -> None:
        """A connection whose upgrade is refused stays an HTTP connection: it ends with the others."""
        self.websocket.answer = b"no"
        client = self.gateway.ask("GET", "/", headers=UPGRADE, authorised=False)
        self.assertEqual((client.response.body, client.closed), (b"no", False))
        self.gateway.site.wind_down()
        client.wire.pump()
        self.assertTrue(client.closed)

    def test_other_upgrades_are_ignored(self) -> None:
        """As RFC 9110 has it."""
        response = self.gateway.ask("GET", "/healthz", headers={"Upgrade": "h2c", "Connection": "Upgrade"}).response
        self.assertEqual(response.status, 200)

    def test_no_websocket_surface(self) -> None:
        """An upgrade is refused when there is nobody to take it."""
        gateway = Harness()
        self.addCleanup(gateway.close)
        self.assertEqual(gateway.ask("GET", "/", headers=UPGRADE).response.status, 400)

    def test_no_cors(self) -> None:
        """No page of another site gets to read an answer."""
        response = self.gateway.ask("GET", "/v1/models", headers={"Origin": "http://evil.example"}).response
        self.assertEqual([name for name, _ in response.headers if name.lower().startswith("access-control")], [])


class MountedTests(SynchronousTestCase):
    """The same tree at a prefix of somebody else's site, with plain Twisted requests."""

    def setUp(self) -> None:
        """A foreign site with the gateway at /a/gw."""
        self.websocket = Upgraded()
        self.gateway = Harness(websocket=self.websocket, chat=ChatCompletions(enabled=True, max_body_bytes=1000))
        self.addCleanup(self.gateway.close)
        root, a = Resource(), Resource()
        root.putChild(b"a", a)
        a.putChild(b"gw", self.gateway.root)
        self.site = Site(root, reactor=self.gateway.clock)

    def connect(self) -> Client:
        """A connection to the foreign site."""
        client = Client(self.site, self.gateway.clock)
        self.gateway.clients.append(client)
        return client

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Response:
        """One request."""
        client = self.connect()
        client.request(method, path, body, {**self.gateway.credentials(), **(headers or {})})
        return client.response

    def test_routes(self) -> None:
        """Everything is there, below the prefix."""
        self.assertEqual(self.ask("POST", "/a/gw/v1/chat/completions", BODY).status, 200)
        self.assertEqual(self.ask("GET", "/a/gw/v1/models").status, 200)
        self.assertEqual(self.ask("GET", "/a/gw/v1/models/openclaw%2Fmain").json["id"], "openclaw/main")
        self.assertEqual(self.ask("GET", "/a/gw/v1/models/").error["message"], "Missing model id.")
        self.assertEqual(self.ask("GET", "/a/gw/healthz").status, 200)
        self.assertEqual(self.ask("GET", "/a/gw").status, 200)
        self.assertEqual(self.ask("GET", "/a/gw/").status, 200)
        self.assertEqual(self.ask("GET", "/a/gw/nope").error["code"], "not_found")
        self.assertEqual(self.ask("POST", "/a/gw").status, 405)

    def test_upgrade(self) -> None:
        """At the mount point, with and without the slash."""
        for path in ("/a/gw", "/a/gw/"):
            self.connect().request("GET", path, headers=UPGRADE)
        self.assertEqual(len(self.websocket.requests), 2)
        self.assertEqual(self.ask("GET", "/a/gw/v1/models", headers=UPGRADE).status, 400)

    def test_cap(self) -> None:
        """Checked on the body that the foreign site has buffered."""
        response = self.ask("POST", "/a/gw/v1/chat/completions", BODY + b" " * 1000)
        self.assertEqual((response.status, response.error["code"]), (413, "payload_too_large"))

    def test_stream_and_disconnect(self) -> None:
        """Streams and their end work on plain requests too."""

        def begin(run: ScriptedRun) -> None:
            run.say("one")

        self.gateway.scripted.script = begin
        client = self.connect()
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
        client.request("POST", "/a/gw/v1/chat/completions", body, self.gateway.credentials())
        self.assertEqual(client.response.text, "one")
        client.reset()
        self.assertEqual(self.gateway.scripted.runs[0].abort_reasons, ["disconnect"])
