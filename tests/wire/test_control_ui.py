"""The Control UI's page on its way to a browser."""

from __future__ import annotations

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.control_ui import admits_html, in_script, page, policy, without_secrets

HTML = (
    '<!doctype html><html lang="en" data-openclaw-control-ui-base-path="/old"><head><link href="./favicon.svg">'
    '<script>boot()</script><script type="module" src="./assets/index.js"></script></head><body></body></html>'
)


class PageTests(SynchronousTestCase):
    """What is written into it."""

    def test_base_path(self) -> None:
        """Both generations are told, and links hold wherever the page's own path ends."""
        html = page(HTML, "/claw")
        self.assertIn('<html data-openclaw-control-ui-base-path="/claw" data-openclaw-terminal-enabled="false"', html)
        self.assertNotIn("/old", html)
        self.assertIn('window.__OPENCLAW_CONTROL_UI_BASE_PATH__="/claw";', html)
        self.assertIn('href="/claw/favicon.svg"', html)
        self.assertIn('src="/claw/assets/index.js"', html)

    def test_globals_come_first(self) -> None:
        """Before any script of the page's own."""
        html = page(HTML, "")
        self.assertLess(html.index("__OPENCLAW_ASSISTANT_NAME__"), html.index("boot()"))
        self.assertIn('window.__OPENCLAW_ASSISTANT_AVATAR__="A";', html)

    def test_nothing_escapes(self) -> None:
        """A mount point that is no kind one ends neither the script nor the attribute."""
        html = page(HTML, '/"></script><script>evil()')
        self.assertNotIn("<script>evil()", html)

    @given(st.text())
    def test_in_script(self, text: str) -> None:
        """No text ends an element or a line."""
        literal = in_script(text)
        self.assertFalse(set("<>&\n\r\u2028\u2029") & set(literal))

    def test_policy(self) -> None:
        """Scripts that stand in the page run, others do not; connections go nowhere else."""
        html = page(HTML, "")
        rules = dict(rule.split(" ", 1) for rule in policy(html).split("; "))
        digest = base64.b64encode(hashlib.sha256(b"boot()").digest()).decode()
        self.assertIn(f"'sha256-{digest}'", rules["script-src"])
        self.assertEqual(rules["script-src"].count("sha256-"), 2)
        self.assertNotIn("unsafe", rules["script-src"])
        self.assertEqual(rules["connect-src"], "'self' data: blob:")
        self.assertEqual(rules["frame-ancestors"], "'none'")


class QueryTests(SynchronousTestCase):
    """CVE-2026-25253."""

    def test_secrets_go(self) -> None:
        """In any case and place; the rest stays."""
        self.assertEqual(without_secrets("gatewayUrl=wss%3A%2F%2Fevil&session=main"), "session=main")
        self.assertEqual(without_secrets("TOKEN=x&password="), "")
        self.assertEqual(without_secrets("%74oken=x"), "")
        self.assertEqual(without_secrets("a&" * 8000 + "token=x"), "&".join(["a="] * 8000))
        self.assertIsNone(without_secrets("a&" * 8000))

    def test_nothing_to_take_away(self) -> None:
        """Says so, so that no redirect goes round in circles."""
        for query in ("", "session=main", "tokens=3"):
            self.assertIsNone(without_secrets(query))


class AcceptTests(SynchronousTestCase):
    """Who is a browser."""

    def test_pages(self) -> None:
        """Browsers name HTML."""
        for accept in ("text/html", "application/json;q=0.5, TEXT/HTML;q=0.1", "text/*", "application/xhtml+xml"):
            self.assertTrue(admits_html(accept), accept)

    def test_programs(self) -> None:
        """Programs do not, or say that they take anything."""
        for accept in (None, "", "*/*", "application/json", "text/html;q=0", "text/html; q=0.000", "text/event-stream"):
            self.assertFalse(admits_html(accept), accept)
