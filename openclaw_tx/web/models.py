# -*- test-case-name: tests.web.test_models -*-
"""C{GET /v1/models} and C{GET /v1/models/<id>}: agents, seen as models (spec 1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from openclaw_tx.agents.routing import DEFAULT_ALIAS, PLAIN, model_ids, named_agent, shown
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Principal
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.resource import NewId
from openclaw_tx.wire.openai_chat_render import encode

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class ModelList(Endpoint):
    """All agents as models, as far as the client may use them; no provider's models."""

    methods = (b"GET",)
    action = "models.list"
    config_key = "gateway.http.endpoints.chatCompletions.enabled or gateway.http.endpoints.responses.enabled"

    def __init__(self, guard: Guard, new_id: NewId, settings: Callable[[], Config], agents: Agents) -> None:
        super().__init__(guard, new_id)
        self._settings = settings
        self._agents = agents

    def enabled(self) -> bool:
        """With either of the endpoints that take a model."""
        endpoints = self._settings().gateway.http.endpoints
        return endpoints.chat_completions.enabled or endpoints.responses.enabled

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Send the list."""
        data = [model_object(model_id) for model_id in model_ids(agents_for(self._agents, principal))]
        exchange.send_json(encode({"object": "list", "data": data}))


class ModelDetail(ModelList):
    """One of them. Everything after C{/v1/models/} is the id, slashes and all."""

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Send the model object.

        @raise GatewayError: C{invalid_request} for what can not be an id, C{model_not_found}.
        """
        model_id = _id_in_path(exchange)
        if model_id not in model_ids(agents_for(self._agents, principal)):
            if not _looks_like_a_model(model_id):
                raise _invalid("Invalid model id.")
            raise GatewayError("model_not_found", f"Model '{shown(model_id)}' not found.", param="model")
        exchange.send_json(encode(model_object(model_id)))


def model_object(model_id: str) -> dict[str, object]:
    """OpenAI's model object."""
    return {"id": model_id, "object": "model", "created": 0, "owned_by": "openclaw", "permission": []}


def _id_in_path(exchange: Exchange) -> str:
    """The id, decoded here because Twisted lets broken escapes pass."""
    request = exchange.request
    raw = b"/".join(request.path.split(b"/")[-len(request.postpath or [b""]) :])
    if not raw:
        raise _invalid("Missing model id.")
    try:
        if _BAD_ESCAPE.search(raw):
            raise ValueError("broken escape")
        return unquote_to_bytes(raw).decode("utf-8")
    except ValueError:
        raise _invalid("Invalid model id encoding.") from None


def _looks_like_a_model(model_id: str) -> bool:
    if model_id.lower() in (PLAIN, DEFAULT_ALIAS):
        return True
    try:
        return named_agent(model_id) is not None
    except GatewayError:
        return False


def _invalid(message: str) -> GatewayError:
    return GatewayError("invalid_request", message, param="model")


__all__ = ["ModelDetail", "ModelList", "model_object"]
