# -*- test-case-name: tests.web.test_cors -*-
"""Browsers: who may read the answers, and what a pre-flight request gets. T-rows: asks.md 16."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import openclaw_tx
from openclaw_tx.auth.startup import check_startup, startup_warnings
from openclaw_tx.config.schema_gateway import Cors as Settings
from openclaw_tx.testing import MemoryGateway, MemoryResponse
from openclaw_tx.web.cors import EXPOSED, MAX_ASKED, allowed_headers, allowed_origin
from tests.auth.doubles import config_of

PAGE = "https://ui.example"
CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}
CORS_HEADERS = re.compile(r"access-control-.*")


class CorsCase(SynchronousTestCase):
    """A gateway that lists one page."""

    cors: dict[str, Any] = {"allowedOrigins": [PAGE]}
    auth: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway({"gateway": {"http": {"cors": self.cors}, "auth": self.auth}})
        self.addCleanup(self.memory.close)

    def preflight(
        self, path: str = CHAT, origin: str = PAGE, asked: str = "authorization", **more: str
    ) -> MemoryResponse:
        """What a browser sends before a request that is not simple."""
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
            **more,
        }
        return self.memory.request("OPTIONS", path, token=None, headers=headers)

    def told(self, response: MemoryResponse) -> list[str]:
        """The CORS headers of an answer."""
        return sorted(name for name in response.headers if CORS_HEADERS.fullmatch(name))


class PreflightTests(CorsCase):
    """OPTIONS."""

    def test_listed(self) -> None:
        """204 without a body and without authentication; methods of the route, headers asked for, time to live."""
        response = self.preflight(asked="Authorization, Content-Type, X-Stainless-OS, idempotency-key")
        self.assertEqual((response.code, response.body), (204, b""))
        self.assertNotIn("content-length", response.headers)
        self.assertEqual(response.headers["access-control-allow-origin"], PAGE)
        self.assertEqual(response.headers["access-control-allow-methods"], "POST, OPTIONS")
        self.assertEqual(
            response.headers["access-control-allow-headers"],
            "authorization, content-type, x-stainless-os, idempotency-key",
        )
        self.assertEqual(response.headers["access-control-max-age"], "600")
        self.assertNotIn("access-control-allow-credentials", response.headers)
        self.assertEqual(response.headers["vary"], "Origin")
        self.assertIn("x-request-id", response.headers)

    def test_runs_nothing(self) -> None:
        """No body is looked at, nobody is asked who this is, no limit is touched, no model is called."""
        for _ in range(20):
            body = b'{"messages": [{"role": "user", "content": "hi"}]}'
            headers = {"Origin": PAGE, "Authorization": "Bearer wrong", "Content-Type": "application/json"}
            response = self.memory.request("OPTIONS", CHAT, body, token=None, headers=headers)
            self.assertEqual(response.code, 204)
        self.assertEqual(self.memory.model.calls, [])
        self.assertEqual(list(self.memory.gateway.engine.live()), [])

    def test_foreign(self) -> None:
        """An unknown page, C{null}, a look-alike: answered, but told nothing."""
        for origin in (
            "https://evil.example",
            "null",
            "http://ui.example",
            "https://ui.example:8443",
            "https://ui.example.evil.example",
            "https://xui.example",
            "*",
            "https://ui.example, https://evil.example",
            "https://ui.example\u00e9",
        ):
            response = self.preflight(origin=origin)
            self.assertEqual((response.code, self.told(response)), (204, []), origin)
            self.assertEqual(response.headers["vary"], "Origin")

    def test_no_origin(self) -> None:
        """A program that asks what a route can do."""
        response = self.memory.request("OPTIONS", "/v1/models", token=None)
        self.assertEqual((response.code, response.headers["allow"]), (204, "GET, OPTIONS"))
        self.assertEqual(self.told(response), [])

    def test_routes(self) -> None:
        """Every API route and probe; not the page, not the metrics, and no path that is not there."""
        for path, methods in (
            ("/v1/models/openclaw", "GET, OPTIONS"),
            ("/healthz", "GET, HEAD, OPTIONS"),
            ("/readyz", "GET, HEAD, OPTIONS"),
            ("/tools/invoke", "POST, OPTIONS"),
        ):
            response = self.preflight(path)
            self.assertEqual((response.code, response.headers["access-control-allow-methods"]), (204, methods), path)
        for path, code in (("/", 405), ("/metrics", 405), ("/v1/nothing", 404)):
            response = self.preflight(path)
            self.assertEqual(response.code, code, path)
            self.assertNotIn("access-control-allow-methods", response.headers)

    def test_disabled_route(self) -> None:
        """A route that is switched off is not there, for a pre-flight either; the page can read why."""
        config = {**self.memory.config}
        config["gateway"] = {**config["gateway"], "http": {"cors": self.cors}}
        self.memory.gateway.reload(config)
        response = self.preflight()
        self.assertEqual((response.code, response.json()["error"]["code"]), (404, "endpoint_disabled"))
        self.assertEqual(response.headers["access-control-allow-origin"], PAGE)

    def test_odd_headers(self) -> None:
        """Names that are none are left out; nobody writes into the answer; proxies' words are not for pages."""
        self.assertEqual(allowed_headers(""), [])
        self.assertEqual(
            allowed_headers("A, b c, é, , x:y, " + "n" * 65 + ", X-Forwarded-For, forwarded, X-Real-IP, D"), ["a", "d"]
        )
        self.assertLess(sum(map(len, allowed_headers("a," * 10 * MAX_ASKED))), MAX_ASKED)
        response = self.preflight(asked="a;b, x-openclaw-agent-id")
        self.assertEqual(response.headers["access-control-allow-headers"], "x-openclaw-agent-id")
        self.assertNotIn("access-control-allow-headers", self.preflight(asked="").headers)


class AnswerTests(CorsCase):
    """Headers on the answers themselves."""

    def test_good_and_bad(self) -> None:
        """On success, on every refusal and on streams: the page can read status, body and the useful headers."""
        self.memory.model.say("x")
        self.memory.model.say("x")
        answers = [
            (200, self.memory.post(CHAT, HELLO, headers={"Origin": PAGE})),
            (200, self.memory.post(CHAT, {**HELLO, "stream": True}, headers={"Origin": PAGE})),
            (401, self.memory.post(CHAT, HELLO, token=None, headers={"Origin": PAGE})),
            (400, self.memory.post(CHAT, b"{", headers={"Origin": PAGE})),
            (405, self.memory.get(CHAT, headers={"Origin": PAGE})),
            (404, self.memory.get("/v1/nothing", headers={"Origin": PAGE})),
            (200, self.memory.get("/healthz", headers={"Origin": PAGE})),
        ]
        for code, answer in answers:
            self.assertEqual(answer.code, code)
            self.assertEqual(answer.headers["access-control-allow-origin"], PAGE, code)
            self.assertEqual(answer.headers["access-control-expose-headers"], ", ".join(EXPOSED))
            self.assertEqual(answer.headers["vary"], "Origin")

    def test_foreign(self) -> None:
        """A foreign page's request with a secret is served, as any program's, but its browser is told nothing. It says
        that the answer depends on the page, so that no cache mixes them up."""
        self.memory.model.say("x")
        answer = self.memory.post(CHAT, HELLO, headers={"Origin": "https://evil.example"})
        self.assertEqual((answer.code, self.told(answer), answer.headers["vary"]), (200, [], "Origin"))
        plain = self.memory.get("/v1/models")
        self.assertEqual((self.told(plain), plain.headers["vary"]), ([], "Origin"))

    def test_exposed(self) -> None:
        """Every header that answers carry for clients is exposed."""
        exposed = {name.lower() for name in EXPOSED}
        sources = [path.read_text("utf-8") for path in (Path(openclaw_tx.__file__).parent / "web").glob("*.py")]
        found = {name.lower() for text in sources for name in re.findall(r'set_header\(\s*"(X-Openclaw-[\w-]+)"', text)}
        self.assertIn("x-openclaw-run-id", found)
        self.assertLessEqual(found, exposed)
        for name in ("x-request-id", "retry-after", "x-should-retry", "idempotency-replayed"):
            self.assertIn(name, exposed)
        for kind in ("limit", "remaining", "reset"):
            for unit in ("requests", "tokens"):
                self.assertIn(f"x-ratelimit-{kind}-{unit}", exposed)

    def test_off_at_once(self) -> None:
        """An origin that is taken off the list is told nothing from the next request on."""
        config = {**self.memory.config}
        config["gateway"] = {**config["gateway"], "http": {**config["gateway"]["http"], "cors": {}}}
        self.memory.gateway.reload(config)
        self.assertEqual(self.told(self.memory.get("/v1/models", headers={"Origin": PAGE})), [])
        self.assertEqual(self.preflight().code, 405)


class OffTests(CorsCase):
    """Nobody is listed: as on OpenClaw's wire."""

    cors: dict[str, Any] = {}

    def test_nothing(self) -> None:
        """OPTIONS is a method like any other, and no answer mentions CORS."""
        response = self.preflight()
        self.assertEqual((response.code, response.headers["allow"]), (405, "POST"))
        self.assertEqual(self.told(response), [])
        self.assertNotIn("vary", response.headers)
        self.assertEqual(self.told(self.memory.get("/v1/models", headers={"Origin": PAGE})), [])


class EveryPageTests(CorsCase):
    """The star."""

    cors: dict[str, Any] = {"allowedOrigins": ["*"]}

    def test_star(self) -> None:
        """Every page, without cookies."""
        for origin in (PAGE, "null"):
            response = self.preflight(origin=origin)
            self.assertEqual(response.headers["access-control-allow-origin"], "*")
            self.assertNotIn("access-control-allow-credentials", response.headers)


class CookieTests(CorsCase):
    """Pages that send cookies."""

    cors: dict[str, Any] = {"allowedOrigins": [PAGE + "/"], "allowCredentials": True, "maxAgeSeconds": 0}

    def test_credentials(self) -> None:
        """The exact origin and the permission, on pre-flight and answer; a foreign page gets neither."""
        for response in (self.preflight(), self.memory.get("/v1/models", headers={"Origin": PAGE})):
            self.assertEqual(response.headers["access-control-allow-origin"], PAGE)
            self.assertEqual(response.headers["access-control-allow-credentials"], "true")
        self.assertEqual(self.preflight().headers["access-control-max-age"], "0")
        self.assertEqual(self.told(self.preflight(origin="https://evil.example")), [])


class NoSecretTests(CorsCase):
    """Mode none: no secret keeps pages out, so CORS must not let them in."""

    auth: dict[str, Any] = {"mode": "none"}

    def test_cross_site_stays_refused(self) -> None:
        """The listed page may read that it is refused; nothing runs."""
        for headers in ({"Origin": PAGE}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = self.memory.post(CHAT, HELLO, token=None, headers=headers)
            self.assertEqual((answer.code, answer.json()["error"]["code"]), (403, "origin_not_allowed"), headers)
        self.assertEqual(self.memory.model.calls, [])


class StartTests(SynchronousTestCase):
    """What stops the start-up."""

    def issues(self, **cors: Any) -> list[str]:
        """Paths at fault."""
        config = config_of(auth={"mode": "token", "token": "t0k3n"}, http={"cors": cors})
        return [path for path, _ in check_startup(config, {})]

    def test_star_with_credentials(self) -> None:
        """Everybody's page with the user's cookies is refused."""
        both = {"allowedOrigins": [PAGE, "*"], "allowCredentials": True}
        self.assertEqual(self.issues(**both), ["gateway.http.cors.allowedOrigins[1]"])
        self.assertEqual(self.issues(allowedOrigins=["*"]), [])

    def test_no_origins(self) -> None:
        """Entries that would match nothing."""
        for entry in ("ui.example", "https://ui.example/path", "https://*.example", "null", "", "https://a b"):
            self.assertEqual(self.issues(allowedOrigins=[entry]), ["gateway.http.cors.allowedOrigins[0]"], entry)
        self.assertEqual(self.issues(allowedOrigins=[PAGE, "http://localhost:3000", "https://[::1]:1"]), [])

    def test_warning(self) -> None:
        """The star is warned of."""
        config = config_of(auth={"mode": "token", "token": "t0k3n"}, http={"cors": {"allowedOrigins": ["*"]}})
        self.assertIn("gateway.http.cors.allowedOrigins", [path for path, _ in startup_warnings(config, {})])

    def test_same_origin_in_other_words(self) -> None:
        """Case, default port and a slash at the end do not make another origin; the answer repeats the page's words."""
        settings = Settings(allowed_origins=["HTTPS://UI.example:443/"])
        self.assertEqual(allowed_origin(PAGE, settings), PAGE)
        self.assertEqual(allowed_origin("", settings), "")
