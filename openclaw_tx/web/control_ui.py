# -*- test-case-name: tests.web.test_control_ui -*-
# mypy: allow-untyped-calls
"""The page for people: OpenClaw's Control UI from a directory, or a small one of our own (spec 1.7).

What is served here is public, so it is only files; what the page asks the gateway takes the gateway's secret
(L{Bootstrap}, and the WebSocket). It never gets in the way of programs: only C{GET} and C{HEAD}, nothing below the API,
and its C{index.html} in place of an unknown path only for who asks for HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from twisted.web.http import CACHED
from twisted.web.server import Request

from openclaw_tx._version import __version__
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.rules import PAGES, RESERVED
from openclaw_tx.config.schema_gateway import ControlUi as Rules
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Principal
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.web.static import ENCODINGS, StaticFile, name_of, read, type_of
from openclaw_tx.wire.control_ui import ASSISTANT_AVATAR, ASSISTANT_NAME, admits_html, page, policy, without_secrets
from openclaw_tx.wire.openai_chat_render import encode

Path = tuple[bytes, ...]

INDEX = "index.html"
BOOTSTRAP = b"control-ui-config.json"
NAMESPACES = (b"__openclaw", b"__openclaw__")
"""Where older pages look for L{BOOTSTRAP}."""
CONSOLE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
ROUTE = "control-ui"
"""What counts call all of its paths."""


class Shared(NamedTuple):
    """What its resources work with."""

    new_id: NewId
    rules: Callable[[], Rules]
    in_thread: InThread


class ControlUi:
    """Finds the resource for a path, in the configuration of the moment."""

    def __init__(
        self, guard: Guard, new_id: NewId, rules: Callable[[], Rules], agents: Agents, in_thread: InThread
    ) -> None:
        self._shared = Shared(new_id, rules, in_thread)
        self._console = Console(self._shared)
        self.front: GatewayResource = Front(self._shared)
        """What the tree has at its root: nothing while the page lies elsewhere, or nowhere."""
        self._guard = guard
        self._agents = agents

    def bootstrap(self, base_path: str = "") -> Bootstrap:
        """The resource of L{BOOTSTRAP}."""
        return Bootstrap(self._guard, self._shared, self._agents, base_path)

    def find(self, request: Request, path: Path, mount: Path) -> GatewayResource | None:
        """What a request for a page gets; None when it is none of the page's business.

        @param path: decoded segments below the mount point of the tree.
        @param mount: those above it.
        """
        rules = self._shared.rules()
        base = base_of(rules)
        if not rules.enabled or request.method not in (b"GET", b"HEAD"):
            return None
        lies = "".join(f"/{segment.decode('utf-8', 'replace')}" for segment in (*mount, *base))
        if base and path == base:
            return Moved(self._shared.new_id, f"{lies}/")
        if path[: len(base)] != base or len(path) == len(base):
            return None
        below = path[len(base) :]
        first = below[0].decode("latin-1")
        if not base and (first == "ui" or (first in RESERVED and not (first in PAGES and len(below) == 1))):
            return None
        if below == (BOOTSTRAP,) or (below[1:] == (BOOTSTRAP,) and below[0] in NAMESPACES):
            return self.bootstrap(lies)
        if not rules.root:
            return self._console if below == (b"",) else None
        name = name_of(below)
        return Asset(self._shared, rules.root, name, lies) if name is not None else None


def base_of(rules: Rules) -> Path:
    """C{basePath} as segments; empty for the root."""
    text = rules.base_path.strip("/")
    return tuple(segment.encode("utf-8") for segment in text.split("/")) if text else ()


class Moved(GatewayResource):
    """302 to another path, with the query."""

    def __init__(self, new_id: NewId, location: str) -> None:
        super().__init__(new_id)
        self._location = location

    async def respond(self, exchange: Exchange) -> None:
        """Tell where."""
        query = query_of(exchange.request)
        redirect(exchange, self._location + (f"?{query}" if query else ""))


class Console(GatewayResource):
    """A page for people who open the port in a browser; it holds no data."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared.new_id)
        self._rules = shared.rules
        self._html = files("openclaw_tx").joinpath("console/index.html").read_bytes()

    async def respond(self, exchange: Exchange) -> None:
        """Send the page."""
        exchange.set_header("Content-Security-Policy", CONSOLE_POLICY)
        exchange.set_header("X-Frame-Options", "DENY")
        exchange.set_header("Cache-Control", "no-cache")
        exchange.send(self._html, b"text/html; charset=utf-8")


class Front(Console):
    """The console at the root, as long as the configuration leaves it there."""

    def refusal(self) -> GatewayError | None:
        """404 for every method while it does not."""
        rules = self._rules()
        return None if rules.enabled and not base_of(rules) else GatewayError("not_found", "Not Found")


class Asset(GatewayResource):
    """A file of the directory, or C{index.html} in its place."""

    def __init__(self, shared: Shared, root: str, name: str, base_path: str) -> None:
        """
        @param name: of L{name_of}.
        @param base_path: where the page lies: C{/a/b}, or "".
        """
        super().__init__(shared.new_id)
        self._in_thread = shared.in_thread
        self._root = root
        self._name = name
        self._base_path = base_path

    async def respond(self, exchange: Exchange) -> None:
        """Send it."""
        exchange.set_header("X-Frame-Options", "DENY")
        exchange.set_header("Cache-Control", "no-cache")
        if self._name not in ("", INDEX):
            exchange.set_header("Vary", "Accept-Encoding")
            found = await self._in_thread(read, self._root, self._name, accepted(exchange))
            if found is not None:
                self._send_file(exchange, found)
                return
            if not admits_html(exchange.header("accept")) or "." in self._name.rpartition("/")[2]:
                raise GatewayError("not_found", "Not Found")
        await self._send_index(exchange)

    def _send_file(self, exchange: Exchange, found: StaticFile) -> None:
        kind = type_of(self._name)
        # A picture with scripts in it, opened by itself, is a page.
        exchange.set_header("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; sandbox")
        if kind.startswith(("text/javascript", "text/css")):
            exchange.drop_header("Content-Security-Policy")
        if found.encoding:
            exchange.set_header("Content-Encoding", found.encoding)
        if exchange.request.setLastModified(found.modified) is CACHED:
            exchange.drop_header("Content-Encoding")
            exchange.send_nothing(304)
            return
        exchange.send(found.content, kind.encode("ascii"))

    async def _send_index(self, exchange: Exchange) -> None:
        query = without_secrets(query_of(exchange.request))
        if query is not None:
            path = exchange.request.path.decode("latin-1")
            exchange.set_header("Cache-Control", "no-store")
            redirect(exchange, "/" + path.lstrip("/") + (f"?{query}" if query else ""))
            return
        made = await self._in_thread(_index, self._root, self._base_path)
        if made is None:
            exchange.set_header("Cache-Control", "no-store")
            text = b"The Control UI is not where gateway.controlUi.root says: no index.html there."
            exchange.send(text, b"text/plain; charset=utf-8", 503)
            return
        html, rules = made
        exchange.set_header("Content-Security-Policy", rules)
        exchange.send(html, b"text/html; charset=utf-8")


def _index(root: str, base_path: str) -> tuple[bytes, str] | None:
    """The page and its policy; None without an index. For a thread."""
    found = read(root, INDEX)
    if found is None:
        return None
    html = page(found.content.decode("utf-8", "replace"), base_path)
    return html.encode("utf-8"), policy(html)


class Bootstrap(Endpoint):
    """C{control-ui-config.json}: what the page is told before it opens its WebSocket."""

    action = "control-ui.config"
    config_key = "gateway.controlUi.enabled"
    by_device = True

    def __init__(self, guard: Guard, shared: Shared, agents: Agents, base_path: str) -> None:
        super().__init__(guard, shared.new_id)
        self._rules = shared.rules
        self._agents = agents
        self._base_path = base_path

    def enabled(self) -> bool:
        """As the page is, where the page is."""
        rules = self._rules()
        return rules.enabled and (bool(self._base_path) or not base_of(rules))

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Send it. What this gateway does not have is said to be off."""
        agents = agents_for(self._agents, principal)
        agent = agents.get(agents.default_id)
        exchange.set_header("Cache-Control", "no-store")
        exchange.send_json(
            encode(
                {
                    "basePath": self._base_path,
                    "assistantName": agent.name if agent is not None else ASSISTANT_NAME,
                    "assistantAvatar": ASSISTANT_AVATAR,
                    "assistantAvatarSource": None,
                    "assistantAvatarStatus": None,
                    "assistantAvatarReason": None,
                    "assistantAgentId": agents.default_id,
                    "serverVersion": __version__,
                    "embedSandbox": "strict",
                    "allowExternalEmbedUrls": False,
                    "automaticallyFetchFavicons": False,
                    "communityInvite": False,
                    "terminalEnabled": False,
                    "cliAgentsEnabled": False,
                    "pluginAssetsRequireAuth": True,
                    "pluginFrameGrants": [],
                }
            )
        )


def query_of(request: Request) -> str:
    """The part of the URL after C{?}, undecoded."""
    return str(request.uri.partition(b"?")[2].decode("latin-1"))


def redirect(exchange: Exchange, location: str) -> None:
    """302. C{location} starts with one slash, so that it stays on this server."""
    exchange.set_header("Location", location.replace("\r", "").replace("\n", ""))
    exchange.send(b"", b"text/plain; charset=utf-8", 302)


def accepted(exchange: Exchange) -> list[str]:
    """The content codings that the client takes and that files may have (RFC 9110, 12.5.3)."""
    offered = {part.strip() for part in (exchange.header("accept-encoding") or "").lower().split(",")}
    return [name for name in ENCODINGS if name in offered]


__all__ = ["BOOTSTRAP", "ROUTE", "ControlUi"]
