# -*- test-case-name: tests.web.test_chat,tests.web.test_chat_extras -*-
"""C{POST /v1/chat/completions}: an OpenAI request becomes an agent run (spec 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.agents.routing import PLAIN
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ChatCompletions as Settings
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Fetcher, Run
from openclaw_tx.values import Entry, Principal, ReasoningDelta, RunRequest
from openclaw_tx.web.addressing import address, channel_header, meant, model_header
from openclaw_tx.web.answers import Answers, Rendering
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.images import ImageLoader, rules_of
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.starting import Known, Starter
from openclaw_tx.wire.openai_chat import ChatRequest, parse
from openclaw_tx.wire.openai_chat_fields import CHAT_FIELDS
from openclaw_tx.wire.openai_chat_render import ChunkWriter, completion

MAX_THOUGHTS = 1024 * 1024
"""Most characters of C{reasoning_content}."""


class ChatEndpoint(Endpoint):
    """What the chat completions switch turns on."""

    config_key = "gateway.http.endpoints.chatCompletions.enabled"

    def __init__(self, guard: Guard, new_id: NewId, settings: Callable[[], Config]) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        super().__init__(guard, new_id)
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The section of the moment."""
        return self._settings().gateway.http.endpoints.chat_completions

    def enabled(self) -> bool:
        """Off unless configured."""
        return self.settings.enabled


class ChatCompletions(ChatEndpoint):
    """The resource."""

    methods = (b"POST",)
    action = "chat.completions"
    fields = CHAT_FIELDS

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        starter: Starter,
        agents: Agents,
        clock: IReactorTime,
        fetcher: Fetcher | None,
        reader: BodyReader,
    ) -> None:
        """
        @param fetcher: gets images that are named by URL; None = they are refused.
        """
        super().__init__(guard, new_id, settings)
        self._starter = starter
        self._answers = Answers(starter, guard.authenticator, clock)
        self._agents = agents
        self._images = ImageLoader(fetcher)
        self._reader = reader

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Run the agent; see L{Endpoint.serve}."""
        settings = self.settings
        body = await exchange.body(settings.max_body_bytes)
        chat, request, known = await self._asked(exchange, principal, body, settings)
        agent = self._agents.get(request.agent_id)
        thinks = agent is not None and agent.reasoning_content
        await self._answers.send(
            exchange, principal, request, lambda run: _rendering(run, chat, thinks), settings, known
        )

    async def _asked(
        self, exchange: Exchange, principal: Principal, body: bytes, settings: Settings
    ) -> tuple[ChatRequest, RunRequest, Known | None]:
        """What a body asks for, as OpenAI says it and as the engine does; and what is known of an earlier try, which
        has seen the images."""
        chat = await self._reader.read(parse, body, rules_of(settings))
        if chat.user and chat.user.strip():
            exchange.needs_sessions()
        if model_header(exchange):
            self._guard.authorise(principal, "models.override")
        known = await self._starter.known(exchange, principal) if chat.image_urls else None
        if known is None or known.run is None:
            chat = await self._images.load(chat, settings)
        return chat, self._request(exchange, principal, chat, settings), known

    def _request(self, exchange: Exchange, principal: Principal, chat: ChatRequest, settings: Settings) -> RunRequest:
        meaning = meant(settings.model_map, chat.model)
        where = address(
            self._agents,
            exchange,
            principal,
            model=meaning.model,
            user=chat.user,
            strict=settings.strict_model,
            new_id=self._new_id,
        )
        chat.require_message()
        return RunRequest(
            run_id=f"chatcmpl_{self._new_id()}",
            agent_id=where.agent_id,
            session_key=where.session_key,
            messages=chat.messages,
            stateless=where.stateless,
            extra_system=chat.extra_system,
            model=where.model or meaning.ref,
            sampling=chat.sampling,
            tools=chat.tools,
            tool_choice=chat.tool_choice,
            channel=channel_header(exchange) or "webchat",
            surface="http",
            stream=chat.stream,
            traceparent=exchange.traceparent,
        )


def _rendering(run: Run, chat: ChatRequest, thinks: bool) -> Rendering:
    """
    @param thinks: the agent's thinking may be seen.
    """
    model = PLAIN if chat.model is None else chat.model
    created = run.queued_at_ms // 1000
    thoughts = Thoughts(run) if thinks and not chat.stream else None
    return Rendering(
        whole=lambda result: completion(result, created, model, thoughts.text if thoughts else ""),
        writer=lambda: ChunkWriter(run.request.run_id, created, model, chat.options, reasoning=thinks),
    )


class Thoughts:
    """What a run thinks, for an answer that is not streamed; no more than L{MAX_THOUGHTS} characters of it."""

    def __init__(self, run: Run) -> None:
        self._pieces: list[str] = []
        self._left = MAX_THOUGHTS
        with suppress(GatewayError):  # the run was joined late, and its thoughts are no longer held
            run.watch(self._take)

    @property
    def text(self) -> str:
        """So far."""
        return "".join(self._pieces)

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            event = entry.event
            if type(event) is ReasoningDelta and self._left > 0:
                self._pieces.append(event.text[: self._left])
                self._left -= len(event.text)


__all__ = ["ChatCompletions", "ChatEndpoint"]
