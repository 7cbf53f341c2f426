# -*- test-case-name: tests.web.test_capabilities -*-
"""C{GET /v1/capabilities}: what this gateway serves and understands, for whoever builds a client (asks.md 17, T32).

Everything in it is read off what does the work: the tree of URLs, the tables of request fields, the limits that are
enforced, the configuration of the moment. docs/capabilities.md describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openclaw_tx._version import __version__
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Tools
from openclaw_tx.runs.attendance import MAX_GRACE
from openclaw_tx.sessions.keys import MAX_KEY as MAX_SESSION_KEY
from openclaw_tx.tools.over_http import callable_over_http
from openclaw_tx.values import Agent, ModelInfo, Principal
from openclaw_tx.web import embeddings, tools
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.images import rules_of
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.web.starting import KEY_HEADER, MAX_KEY, POLICY_HEADER
from openclaw_tx.wire.frames import NEWEST, OLDEST
from openclaw_tx.wire.openai_chat_fields import Handling
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_chat_tools import MAX_TOOLS
from openclaw_tx.wire.openai_embeddings import MAX_CHARS, MAX_INPUTS, MAX_TOTAL_CHARS
from openclaw_tx.wire.openai_responses import FORMATS

SCHEMA = 1
"""Number of the document's shape: it grows when something is taken away or changes its meaning."""

GROUPS: Mapping[str, str] = {"used": "supported", "forwarded": "supported", "ignored": "ignored", "refused": "refused"}
"""What L{Handling.how} is called here."""

Routes = Callable[[], Iterable[tuple[str, object]]]
"""Gives every path below the mount point, ids in braces, and its resource."""


class Capabilities(Endpoint):
    """The resource; always on."""

    methods = (b"GET", b"HEAD")
    action = "capabilities"
    config_key = ""

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        agents: Agents,
        models: Models,
        tools: Tools,
        routes: Routes,
    ) -> None:
        super().__init__(guard, new_id)
        self._settings = settings
        self._agents = agents
        self._models = models
        self._tools = tools
        self._routes = routes

    def enabled(self) -> bool:
        """Always."""
        return True

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Send the document; it may differ from one client to the next, and after each change of configuration."""
        exchange.set_header("Cache-Control", "no-store")
        exchange.send_json(encode(self.document(principal)))

    def document(self, principal: Principal) -> dict[str, Any]:
        """The document for C{principal}."""
        config = self._settings()
        endpoints = [
            self._endpoint(path, resource, principal)
            for path, resource in self._routes()
            if isinstance(resource, GatewayResource)
        ]
        agents = agents_for(self._agents, principal)
        return {
            "object": "gateway.capabilities",
            "schema": SCHEMA,
            "server": "openclaw_tx",
            "version": __version__,
            "protocols": {"http": "openai", "websocket": {"oldest": OLDEST, "newest": NEWEST}},
            "endpoints": endpoints,
            "request_fields": {
                path: fields_object(resource.fields)
                for path, resource in self._routes()
                if isinstance(resource, Endpoint) and resource.fields
            },
            "features": features(config, {entry["path"] for entry in endpoints if entry["enabled"]}),
            "limits": limits(config),
            "agents": [self._agent(agent, agents.default_id, principal) for agent in agents.all()],
            "models": [model_object(info) for info in self._models.catalog()],
        }

    def _endpoint(self, path: str, resource: GatewayResource, principal: Principal) -> dict[str, Any]:
        methods = [method.decode("ascii") for method in resource.methods]
        if not isinstance(resource, Endpoint):
            return {"path": path, "methods": methods, "enabled": resource.refusal() is None, "authenticated": False}
        return {
            "path": path,
            "methods": methods,
            "enabled": resource.enabled(),
            "authenticated": True,
            "allowed": [
                method.decode("ascii") for method in resource.methods if self._may(resource, method, principal)
            ],
            "config_key": resource.config_key or None,
        }

    def _may(self, resource: Endpoint, method: bytes, principal: Principal) -> bool:
        try:
            self._guard.authorise(principal, resource.action_of(method))
        except GatewayError:
            return False
        return True

    def _agent(self, agent: Agent, default_id: str, principal: Principal) -> dict[str, Any]:
        ref = self._primary(agent)
        names = [tool.spec.name for tool in self._tools.allowed(agent, ref)]
        over_http = callable_over_http(names, self._settings().gateway.tools, owner=tools.is_owner(principal))
        return {
            "id": agent.id,
            "name": agent.name,
            "default": agent.id == default_id,
            "model": f"openclaw/{agent.id}",
            "backend_models": [ref, *agent.models[1:]],
            "tools": names,
            "invokable_tools": [name for name in names if name in over_http],
        }

    def _primary(self, agent: Agent) -> str:
        return tools.primary_model(self._models, agent)


def fields_object(fields: Mapping[str, Handling]) -> dict[str, dict[str, str]]:
    """C{supported}, C{ignored} and C{refused}: field -> what there is to know about it."""
    groups: dict[str, dict[str, str]] = {"supported": {}, "ignored": {}, "refused": {}}
    for name, handling in fields.items():
        groups[GROUPS[handling.how]][name] = handling.note
    return groups


def features(config: Config, paths: set[str]) -> dict[str, Any]:
    """What can be built on.

    @param paths: of the endpoints that are on.
    """
    rules = rules_of(config.gateway.http.endpoints.chat_completions)
    runs = "/v1/runs" in paths
    return {
        "streaming": {"format": "sse", "usage": True},
        "idempotency": {"header": KEY_HEADER, "max_length": MAX_KEY},
        "runs": runs,
        "resume": {"header": "last-event-id"} if runs else False,
        "on_disconnect": {
            "header": POLICY_HEADER,
            "values": ["cancel", "continue", "grace=<seconds>"],
            "max_grace_seconds": MAX_GRACE,
        },
        "images": {"data_uris": True, "urls": rules.allow_url, "types": sorted(rules.mime_types)},
        "tools": {"client": True, "choice": ["auto", "none", "required", "function"], "invoke": "/tools/invoke"},
        "structured_outputs": list(FORMATS),
        "embeddings": "/v1/embeddings" in paths,
    }


def limits(config: Config) -> dict[str, Any]:
    """What is enforced; bytes, characters and counts."""
    served = config.gateway.http.endpoints
    rules = rules_of(served.chat_completions)
    return {
        "body_bytes": {
            "/v1/chat/completions": served.chat_completions.max_body_bytes,
            "/v1/responses": served.responses.max_body_bytes,
            "/v1/embeddings": embeddings.MAX_BODY,
            "/tools/invoke": tools.MAX_BODY,
        },
        "session_key_characters": MAX_SESSION_KEY,
        "tools": MAX_TOOLS,
        "images": {"count": rules.max_images, "bytes": rules.max_bytes, "total_bytes": rules.max_total_bytes},
        "embeddings": {"inputs": MAX_INPUTS, "characters": MAX_CHARS, "total_characters": MAX_TOTAL_CHARS},
    }


def model_object(info: ModelInfo) -> dict[str, Any]:
    """A model behind the agents."""
    return {
        "ref": info.ref,
        "name": info.name,
        "context_window": info.context_window,
        "max_tokens": info.max_tokens,
        "reasoning": info.reasoning,
        "input": list(info.input),
    }


__all__ = ["SCHEMA", "Capabilities", "Routes", "features", "fields_object", "limits", "model_object"]
