# -*- test-case-name: tests.config.test_rules -*-
"""What types can not say about a configuration.

What concerns authentication is checked where it is done, in L{openclaw_tx.auth.startup}; see the C{check} of
L{openclaw_tx.config.load.load}.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from urllib.parse import urlsplit

from twisted.internet.abstract import isIPAddress, isIPv6Address

from openclaw_tx.config.decode import allowed
from openclaw_tx.config.paths import Issues, Path, render
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentsSection, Heartbeat
from openclaw_tx.config.schema_automation import PLACE, PLACEHOLDER, HooksSection
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.config.schema_models import ModelDefinition, ModelsSection, ProviderDefinition
from openclaw_tx.config.schema_tools import McpSection, ToolPolicy, WebSearch
from openclaw_tx.config.vendors import VENDORS

Found = Iterator[tuple[Path, str]]

_SERVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""Of an MCP server: it begins the names of its tools."""
_PROBES = ("health", "healthz", "ready", "readyz", "startup", "startupz")
_SERVED = frozenset(("v1", "tools", "channels", "metrics", "openapi.json", *_PROBES))
"""First parts of paths that are taken."""
RESERVED = _SERVED | {"api", "plugins", "hooks"}
"""First parts of paths that belong to programs: no page is ever served below them (spec 1.0)."""
PAGES = frozenset({"channels", "plugins"})
"""Of these a page has the name itself: the Control UI calls two of its own so."""
MIN_SECRET = 16
"""Characters of a secret that requests are signed with."""
_BASE_PATH = re.compile(r"/?[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1


def check(config: Config) -> Issues:
    """Everything that is wrong with a well-formed configuration, apart from authentication."""
    found = [
        *_gateway(config.gateway),
        *_agents(config.agents),
        *_models(config.models),
        *_policy(config.tools, ("tools",)),
        *_web_search(config.tools.web.search),
        *_policy(config.tools.subagents.tools, ("tools", "subagents", "tools")),
        *_store(config.session.store),
        *_mcp(config.mcp),
        *_heartbeat(config.agents.defaults.heartbeat, ("agents", "defaults", "heartbeat")),
        *_hooks(config.hooks),
        *_channels(config),
    ]
    return [(render(path), message) for path, message in found]


def _gateway(gateway: GatewaySection) -> Found:
    host = gateway.custom_bind_host
    if gateway.bind == "custom" and not (isIPAddress(host) or isIPv6Address(host)):
        yield ("gateway", "customBindHost"), "must be an IP address when gateway.bind is custom"
    base = gateway.control_ui.base_path
    if base.strip("/") and _BASE_PATH.fullmatch(base) is None:
        yield ("gateway", "controlUi", "basePath"), "must be a path such as /openclaw"
    elif base.strip("/").split("/")[0] in RESERVED:
        yield ("gateway", "controlUi", "basePath"), f"can not lie under /{base.strip('/').split('/')[0]}: that is taken"


def _agents(agents: AgentsSection) -> Found:
    seen: set[str] = set()
    default = ""
    for index, agent in enumerate(agents.entries):
        place: Path = ("agents", "list", index)
        if agent.id in seen:
            yield (*place, "id"), f"another agent is called {agent.id}"
        seen.add(agent.id)
        if agent.heartbeat is not None:
            yield from _heartbeat(agent.heartbeat, (*place, "heartbeat"))
        if agent.default and default:
            yield (*place, "default"), f"{default} is the default agent already"
        default = default or (agent.id if agent.default else "")
        yield from _policy(agent.tools, (*place, "tools"))
    zone = agents.defaults.user_timezone
    if zone and not _is_zone(zone):
        yield ("agents", "defaults", "userTimezone"), "must be an IANA name such as Europe/Berlin"


def _policy(policy: ToolPolicy, place: Path) -> Found:
    if policy.allow and policy.also_allow:
        yield (*place, "alsoAllow"), "can not stand beside allow; put everything into allow"
    for name, inner in policy.by_provider.items():
        yield from _policy(inner, (*place, "byProvider", name))


def _web_search(search: WebSearch) -> Found:
    place: Path = ("tools", "web", "search")
    for name, base_url in (("perplexity", search.perplexity.base_url), ("searxng", search.searxng.base_url)):
        if base_url and not _is_http_url(base_url):
            yield (*place, name, "baseUrl"), "must be an http:// or https:// URL"
    for key, inner in ((search.api_key, ()), (search.perplexity.api_key, ("perplexity",))):
        if _has_control(key):
            yield (*place, *inner, "apiKey"), "holds a line break or another control character"


def _models(models: ModelsSection) -> Found:
    for name, provider in models.providers.items():
        place: Path = ("models", "providers", name)
        if "/" in name or not name.strip():
            yield place, "a provider's name can not be blank or hold a slash"
        if not provider.base_url and name.strip().lower() not in VENDORS:
            yield (*place, "baseUrl"), f"is required, but for {', '.join(VENDORS)}"
        elif provider.base_url and not _is_http_url(provider.base_url):
            yield (*place, "baseUrl"), "must be an http:// or https:// URL"
        if _has_control(provider.api_key):
            yield (*place, "apiKey"), "holds a line break or another control character"
        yield from _headers(provider.headers, (*place, "headers"))
        seen: set[str] = set()
        for index, model in enumerate(provider.models):
            yield from _model(model, seen, (*place, "models", index))


def _model(model: ModelDefinition, seen: set[str], place: Path) -> Found:
    if not model.id.strip():
        yield (*place, "id"), "is blank"
    if model.id in seen:
        yield (*place, "id"), "this provider has another model of that id"
    seen.add(model.id)
    apis = allowed(ProviderDefinition, "api")
    if model.api and model.api not in apis:
        yield (*place, "api"), f"expected one of {', '.join(apis)}"
    yield from _headers(model.headers, (*place, "headers"))


def _headers(headers: dict[str, str], place: Path) -> Found:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield (*place, name), "not a name for a header"
        if _has_control(value):
            yield (*place, name), "holds a line break or another control character"


def _store(url: str) -> Found:
    """What L{openclaw_tx.sessions.lifecycle.store_path} would refuse at the start."""
    scheme, separator, rest = url.strip().partition("://")
    if separator and scheme.startswith("postgres"):
        yield ("session", "store"), "PostgreSQL is not there yet; leave it empty for SQLite"
    elif url and (scheme != "sqlite" or not separator or "?" in rest or (rest and not rest.startswith("/"))):
        yield ("session", "store"), "must be a database URL such as sqlite:////var/lib/openclaw.sqlite"


def _mcp(mcp: McpSection) -> Found:
    for name, server in mcp.servers.items():
        place: Path = ("mcp", "servers", name)
        if not _SERVER_NAME.fullmatch(name):
            yield place, "a server's name is 1 to 32 letters, digits, - and _"
        if server.transport == "stdio" or (not server.transport and server.command):
            if not server.command.strip():
                yield (*place, "command"), "is needed for the transport stdio"
            for text, key in ((server.command, "command"), (server.cwd, "cwd")):
                if "\0" in text:
                    yield (*place, key), "holds a NUL character"
            for index, text in enumerate(server.args):
                if "\0" in text:
                    yield (*place, "args", index), "holds a NUL character"
            for variable, text in server.env.items():
                if not variable or "=" in variable or "\0" in variable + text:
                    yield (*place, "env", variable), "is no environment variable"
        elif not _is_http_url(server.url):
            yield (*place, "url"), "must be an http:// or https:// URL (or give a command)"
        elif any(urlsplit(server.url)[1].rpartition("@")[:2]):
            yield (*place, "url"), "must not hold a user or password; put them into headers"
        if server.command and server.url:
            yield place, "has a command and a url; it can only be one of them"
        yield from _headers(server.headers, (*place, "headers"))


def _heartbeat(rules: Heartbeat, place: Path) -> Found:
    hours = rules.active_hours
    zone = hours.timezone if hours is not None else ""
    if zone and zone not in ("user", "local") and not _is_zone(zone):
        yield (*place, "activeHours", "timezone"), "must be user, local or an IANA name such as Europe/Berlin"


def _hooks(hooks: HooksSection) -> Found:
    first, *rest = hooks.path.strip("/").split("/")
    if not all((first, *rest)):
        yield ("hooks", "path"), "must be a path such as /hooks"
    elif first in _SERVED:
        yield ("hooks", "path"), f"/{first} is served by the gateway itself"
    for index, mapping in enumerate(hooks.mappings):
        place: Path = ("hooks", "mappings", index)
        needed = "textTemplate" if mapping.action == "wake" else "messageTemplate"
        templates = {
            "messageTemplate": mapping.message_template,
            "textTemplate": mapping.text_template,
            "sessionKey": mapping.session_key,
        }
        if not templates[needed].strip():
            yield (*place, needed), f"is needed for action {mapping.action}"
        for name, template in templates.items():
            wrong = next((part for part in PLACEHOLDER.findall(template) if not PLACE.fullmatch(part)), None)
            if wrong is not None:
                yield (*place, name), f"{{{{{wrong}}}}} is no place in a request, such as {{{{issue.labels[0].name}}}}"
        if PLACEHOLDER.search(mapping.session_key) and not hooks.allow_request_session_key:
            yield (*place, "sessionKey"), "is taken from requests only with hooks.allowRequestSessionKey"


def _channels(config: Config) -> Found:
    known = {agent.id.lower() for agent in config.agents.entries} or {"main"}
    for name, account in config.channels.webhook.items():
        place: Path = ("channels", "webhook", name)
        if account.enabled and len(account.secret.strip()) < MIN_SECRET:
            yield (*place, "secret"), f"is needed, of {MIN_SECRET} characters at least"
        if account.out_secret and len(account.out_secret.strip()) < MIN_SECRET:
            yield (*place, "outSecret"), f"must have {MIN_SECRET} characters at least"
        if account.out_url and not _is_http_url(account.out_url):
            yield (*place, "outUrl"), "must be an http:// or https:// URL"
        if account.agent_id and account.agent_id.lower() not in known:
            yield (*place, "agentId"), f"there is no agent {account.agent_id!r}"
    for index, binding in enumerate(config.bindings):
        if binding.agent_id.lower() not in known:
            yield ("bindings", index, "agentId"), f"there is no agent {binding.agent_id!r}"


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        # On a machine without the database no name can be told from another.
        return not zoneinfo.available_timezones()
    return True


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _has_control(text: str) -> bool:
    return any((ord(char) < 32 and char != "\t") or ord(char) == 127 for char in text)
