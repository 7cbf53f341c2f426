# -*- test-case-name: tests.wire.test_control_ui -*-
"""What is done to the C{index.html} of OpenClaw's Control UI before a browser gets it (spec 1.7). Pure.

Two generations of the page are served: that of January reads three globals, that of today reads attributes of
C{<html>}. Neither is told anything of this gateway but where the page lies: names of agents are data, and data is
behind authentication (GHSA-93rg-2xm5-2p9v).
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from urllib.parse import parse_qsl, urlencode

from openclaw_tx.wire.frames import encode

ASSISTANT_NAME = "Assistant"
ASSISTANT_AVATAR = "A"
"""What both generations show until the gateway has told them better."""

SECRETS = frozenset({"token", "password", "gatewayurl", "gatewaytoken"})
"""Query parameters, in lower case, that a link may not hand to the page (CVE-2026-25253)."""

_HTML_TAG = re.compile(r"<html\b([^>]*)>", re.IGNORECASE)
_HEAD_TAG = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_OURS = re.compile(r"\sdata-openclaw-(?:control-ui-base-path|terminal-enabled)(?:=(?:\"[^\"]*\"|'[^']*'|[^\s>]*))?")
_RELATIVE = re.compile(r"\b(src|href)=\"\./([^\"]*)\"")
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.IGNORECASE | re.DOTALL)
_HAS_SRC = re.compile(r"\ssrc\s*=", re.IGNORECASE)


def page(html: str, base_path: str) -> str:
    """The page as it is served at C{base_path}.

    @param base_path: where the page lies: C{/a/b}, or "" for the root.
    """
    attributes = f' data-openclaw-control-ui-base-path="{escape(base_path)}" data-openclaw-terminal-enabled="false"'
    html = _HTML_TAG.sub(lambda tag: f"<html{attributes}{_OURS.sub('', tag[1])}>", html, count=1)
    html = _RELATIVE.sub(lambda link: f'{link[1]}="{escape(base_path)}/{link[2]}"', html)
    names = {
        "__OPENCLAW_CONTROL_UI_BASE_PATH__": base_path,
        "__OPENCLAW_ASSISTANT_NAME__": ASSISTANT_NAME,
        "__OPENCLAW_ASSISTANT_AVATAR__": ASSISTANT_AVATAR,
    }
    script = "".join(f"window.{name}={in_script(value)};" for name, value in names.items())
    return _HEAD_TAG.sub(lambda tag: f"{tag[0]}<script>{script}</script>", html, count=1)


def in_script(value: str) -> str:
    """C{value} as a JavaScript literal that can stand in a C{<script>}: nothing in it ends the element."""
    text = encode(value).decode("utf-8")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(html: str) -> str:
    """The Content-Security-Policy of a page: its own scripts and those written into it, and connections to nowhere but
    here. So a page that was talked into another gateway's URL can not send its token there."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script[2].encode('utf-8')).digest()).decode('ascii')}'"
        for script in _SCRIPT.finditer(html)
        if script[2] and not _HAS_SRC.search(script[1])
    ]
    return "; ".join(
        (
            "default-src 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            " ".join(("script-src 'self'", *dict.fromkeys(hashes))),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self'",
            "connect-src 'self' data: blob:",
        )
    )


def without_secrets(query: str) -> str | None:
    """The query string without what a link may not bring; None when there is nothing of the kind in it.

    @param query: the part after C{?}, undecoded; as long as a head may be.
    """
    fields = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in fields if name.strip().lower() not in SECRETS]
    return urlencode(kept) if len(kept) != len(fields) else None


def admits_html(accept: str | None) -> bool:
    """Whether a client that sent this C{Accept} header wants a page (RFC 9110, 12.5.1). C{*/*} alone does not say so:
    it is what programs send."""
    for part in (accept or "").lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [text[2:].strip() for text in parameters if text.startswith("q=")]
        if kind in ("text/html", "application/xhtml+xml", "text/*") and not any(_is_zero(text) for text in weights):
            return True
    return False


def _is_zero(weight: str) -> bool:
    return bool(weight) and not weight.strip("0.")


__all__ = ["SECRETS", "admits_html", "in_script", "page", "policy", "without_secrets"]
