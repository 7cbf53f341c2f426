# -*- test-case-name: tests.web.test_embeddings -*-
"""C{POST /v1/embeddings}: texts as vectors, by the provider of the agent's memory search (spec 1.3)."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_tx.agents.routing import choose_agent
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Embedder
from openclaw_tx.values import Principal, Target
from openclaw_tx.web.addressing import agent_header, meant, model_header
from openclaw_tx.web.chat import ChatEndpoint
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.health import Lifecycle
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.slots import Slots
from openclaw_tx.web.timing import show_total
from openclaw_tx.wire.openai_embeddings import FIELDS, parse, render

MAX_BODY = 5 * 1024 * 1024
"""Largest request body."""

MAX_AT_WORK = 64
"""Requests at work at the same time."""


class EmbeddingsEndpoint(ChatEndpoint):
    """The resource; served with the chat endpoint."""

    methods = (b"POST",)
    action = "embeddings"
    fields = FIELDS

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        agents: Agents,
        embedder: Embedder,
        lifecycle: Lifecycle,
    ) -> None:
        super().__init__(guard, new_id, settings)
        self._agents = agents
        self._embedder = embedder
        self._slots = Slots(lifecycle, MAX_AT_WORK)

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Embed; a client that goes away cancels the provider's call. See L{Endpoint.serve}."""
        request = parse(await exchange.body(MAX_BODY))
        if model_header(exchange):
            self._guard.authorise(principal, "models.override")
        meaning = meant(self.settings.model_map, request.model)
        header_name, header = agent_header(exchange)
        agent_id = choose_agent(
            agents_for(self._agents, principal),
            header=header,
            model=meaning.model,
            strict=self.settings.strict_model,
            header_name=header_name,
        ).agent_id
        self._guard.authorise(principal, self.action, Target(agent_id=agent_id))
        with self._slots.one():
            embeddings = await self._embedder.embed(
                request.input, request.dimensions, agent_id=agent_id, model=model_header(exchange) or meaning.ref
            )
        if self._guard.meter is not None:
            self._guard.meter.spend(principal, embeddings.usage.prompt_tokens or 0)
        show_total(exchange)
        exchange.send_json(render(embeddings, request.model, request.encoding_format))


__all__ = ["MAX_AT_WORK", "MAX_BODY", "EmbeddingsEndpoint"]
