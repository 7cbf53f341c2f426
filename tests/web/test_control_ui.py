"""The page for people, as the tree of URLs serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ControlUi, GatewaySection
from tests.support.web import Harness, Response

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
INDEX = b'<html><head><script src="./assets/a.js"></script></head></html>'


class Served(SynchronousTestCase):
    """A directory with a page in it."""

    def setUp(self) -> None:
        """A page, and a gateway that serves it."""
        self.directory = Path(self.mktemp())
        (self.directory / "assets").mkdir(parents=True)
        (self.directory / "index.html").write_bytes(INDEX)
        (self.directory / "assets" / "a.js").write_bytes(b"x" * 100_000)
        (self.directory / "favicon.svg").write_bytes(b"<svg/>")
        self.control_ui = ControlUi(root=str(self.directory))
        self.gateway = Harness(settings=lambda: Config(gateway=GatewaySection(control_ui=self.control_ui)))
        self.addCleanup(self.gateway.close)

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Response:
        """One request without a secret."""
        return self.gateway.ask(
            method, path, headers=BROWSER if headers is None else headers, authorised=False
        ).response

    def configure(self, **rules: Any) -> None:
        """Reload."""
        self.control_ui = msgspec.structs.replace(self.control_ui, **rules)


class ControlUiTests(Served):
    """What browsers get, and who else gets nothing."""

    def test_index(self) -> None:
        """With what it has to know, and what it may do."""
        response = self.get("/")
        self.assertEqual((response.status, response.header("content-type")), (200, "text/html; charset=utf-8"))
        self.assertIn(b"__OPENCLAW_CONTROL_UI_BASE_PATH__", response.body)
        self.assertIn("connect-src 'self'", response.header("content-security-policy") or "")
        self.assertEqual(response.header("x-frame-options"), "DENY")
        self.assertEqual(response.header("x-content-type-options"), "nosniff")
        self.assertEqual(response.header("cache-control"), "no-cache")

    def test_asset(self) -> None:
        """As it is, to be asked for again."""
        response = self.get("/assets/a.js")
        self.assertEqual((response.status, response.header("content-type")), (200, "text/javascript; charset=utf-8"))
        self.assertEqual(len(response.body), 100_000)
        self.assertEqual(response.header("cache-control"), "no-cache")
        again = self.get("/assets/a.js", {"If-Modified-Since": response.header("last-modified") or ""})
        self.assertEqual((again.status, again.body), (304, b""))
        # RFC 9110, 8.6: another length than that of the file would be a lie, and a cache may believe it.
        self.assertEqual((again.header("content-length"), again.header("content-type")), (None, None))
        self.assertEqual(again.header("last-modified"), response.header("last-modified"))

    def test_picture(self) -> None:
        """A picture opened by itself runs nothing."""
        self.assertIn("sandbox", self.get("/favicon.svg").header("content-security-policy") or "")

    def test_compressed(self) -> None:
        """A twin beside the file."""
        (self.directory / "assets" / "a.js.br").write_bytes(b"small")
        response = self.get("/assets/a.js", {"Accept-Encoding": "gzip, br"})
        self.assertEqual((response.body, response.header("content-encoding")), (b"small", "br"))
        self.assertEqual(response.header("vary"), "Accept-Encoding")

    def test_head(self) -> None:
        """As GET, without a body."""
        for path in ("/", "/assets/a.js"):
            response = self.get(path, method="HEAD")
            self.assertEqual((response.status, response.body), (200, b""))

    def test_page_in_place_of_a_path(self) -> None:
        """A browser that comes back to a place within the page gets the page."""
        self.assertIn(b"__OPENCLAW", self.get("/chat/main").body)

    def test_channels(self) -> None:
        """A page is called as webhooks' paths begin; nothing below it is the page's."""
        self.assertIn(b"__OPENCLAW", self.get("/channels").body)
        for path in ("/channels/webhook", "/channels/webhook/desk", "/channels/x"):
            self.assertNotIn(b"__OPENCLAW", self.get(path).body, path)

    def test_plugins(self) -> None:
        """Another page that is called as paths of programs begin; its sidebar links to it, and it may be reloaded."""
        self.assertIn(b"__OPENCLAW", self.get("/plugins").body)
        for path in ("/plugins/x", "/plugins/x/y"):
            self.assertNotIn(b"__OPENCLAW", self.get(path).body, path)
        self.assertEqual(self.get("/plugins", {"Accept": "*/*"}).status, 404)

    def test_programs_get_404(self) -> None:
        """Unknown paths stay unknown to whoever does not ask for HTML, and files to everybody."""
        for path, headers in (("/chat/main", {"Accept": "*/*"}), ("/chat/main", {}), ("/assets/nope.js", BROWSER)):
            response = self.get(path, headers)
            self.assertEqual((response.status, response.error["code"]), (404, "not_found"), path)

    def test_never_in_the_way(self) -> None:
        """The API, probes and everything that changes something are not the page's."""
        for path in ("/v1", "/v1/nope", "/v1/models/", "/api/x", "/plugins/x", "/tools/x", "/healthz/", "/ui", "/ui/x"):
            self.assertEqual(self.get(path).status, 404, path)
        for path in ("/v1/chat/completions", "/tools/invoke", "/healthz", "/v1/models"):
            self.assertNotIn(b"__OPENCLAW", self.get(path).body, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.get("/chat/main", method=method).status, 404, method)

    def test_ways_out(self) -> None:
        """404, however they are written."""
        (self.directory.parent / "secret.txt").write_bytes(b"secret")
        (self.directory / "link.txt").symlink_to((self.directory.parent / "secret.txt").absolute())
        for path in (
            "/../secret.txt",
            "/assets/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/assets/%2e%2e/%2e%2e/secret.txt",
            "/secret.txt%00.js",
            "/link.txt",
        ):
            response = self.get(path)
            self.assertEqual(response.status, 404, path)
            self.assertNotIn(b"secret", response.body.replace(path.encode(), b""))

    def test_secrets_in_the_query(self) -> None:
        """Are taken out before the page can see them (CVE-2026-25253)."""
        response = self.get("/chat?gatewayUrl=wss://evil.example&token=t&session=main")
        self.assertEqual((response.status, response.header("location")), (302, "/chat?session=main"))
        self.assertEqual(response.header("cache-control"), "no-store")
        self.assertEqual(self.get("//evil.example/?token=x").status, 404)

    def test_base_path(self) -> None:
        """The page moves as a whole, and leaves nothing behind."""
        self.configure(base_path="claw/ui/")
        moved = self.get("/claw/ui?session=main")
        self.assertEqual((moved.status, moved.header("location")), (302, "/claw/ui/?session=main"))
        self.assertIn(b'src="/claw/ui/assets/a.js"', self.get("/claw/ui/").body)
        self.assertIn(b'__BASE_PATH__="/claw/ui"', self.get("/claw/ui/chat").body.replace(b"CONTROL_UI_", b"_"))
        self.assertEqual(self.get("/claw/ui/assets/a.js").status, 200)
        for path in ("/", "/claw", "/clawx/", "/assets/a.js", "/control-ui-config.json"):
            self.assertEqual(self.get(path).status, 404, path)

    def test_off(self) -> None:
        """Nothing at all is served."""
        self.configure(enabled=False)
        for path in ("/", "/assets/a.js", "/control-ui-config.json"):
            self.assertEqual(self.get(path).status, 404, path)
            self.assertEqual(self.get(path, method="POST").status, 404, path)

    def test_no_page_there(self) -> None:
        """503 that says where to look, and not where it looked."""
        (self.directory / "index.html").unlink()
        response = self.get("/")
        self.assertEqual(response.status, 503)
        self.assertIn(b"gateway.controlUi.root", response.body)
        self.assertNotIn(str(self.directory).encode(), response.body)

    def test_our_own(self) -> None:
        """Without a directory there is one page, and it runs nothing."""
        self.configure(root="")
        response = self.get("/")
        self.assertIn(b"OpenClaw Gateway", response.body)
        self.assertIn("default-src 'none'", response.header("content-security-policy") or "")
        self.assertEqual(self.get("/chat/main").status, 404)
        self.configure(base_path="/claw")
        self.assertIn(b"OpenClaw Gateway", self.get("/claw/").body)
        self.assertEqual(self.get("/").status, 404)


class BootstrapTests(Served):
    """What the page is told before it connects."""

    PATHS = ("/control-ui-config.json", "/__openclaw/control-ui-config.json", "/__openclaw__/control-ui-config.json")

    def test_takes_the_secret(self) -> None:
        """Nobody else is told a name (GHSA-93rg-2xm5-2p9v)."""
        for path in self.PATHS:
            response = self.get(path)
            self.assertEqual((response.status, response.error["code"]), (401, "invalid_api_key"))
            self.assertEqual(self.get(path, method="HEAD").status, 401)
            self.assertEqual(self.get(path + "?token=secret").status, 401)

    def test_told(self) -> None:
        """Where it is, who answers, and what this gateway does not do."""
        for path in self.PATHS:
            response = self.gateway.ask("GET", path).response
            self.assertEqual(response.status, 200)
            told = response.json
            self.assertEqual((told["basePath"], told["assistantAgentId"]), ("", "main"))
            self.assertFalse(told["terminalEnabled"])
            self.assertEqual(response.header("cache-control"), "no-store")

    def test_moves_with_the_page(self) -> None:
        """To the page's own path."""
        self.configure(base_path="/claw")
        self.assertEqual(self.gateway.ask("GET", "/claw/control-ui-config.json").response.json["basePath"], "/claw")
