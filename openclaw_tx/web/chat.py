# -*- test-case-name: tests.web.test_chat -*-
"""C{POST /v1/chat/completions}: an OpenAI request becomes an agent run (spec 1.1)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.agents.routing import PLAIN
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ChatCompletions as Settings
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Run, RunEngine
from openclaw_tx.values import Principal, RunRequest
from openclaw_tx.web.addressing import address
from openclaw_tx.web.chat_stream import ChatStream, StreamOptions, failure_of
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.resource import NewId
from openclaw_tx.wire.large_json import LARGE
from openclaw_tx.wire.openai_chat import ChatRequest, parse
from openclaw_tx.wire.openai_chat_render import ChunkWriter, completion


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

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        engine: RunEngine,
        agents: Agents,
        clock: IReactorTime,
        in_thread: InThread,
    ) -> None:
        super().__init__(guard, new_id, settings)
        self._engine = engine
        self._agents = agents
        self._clock = clock
        self._in_thread = in_thread

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Run the agent; see L{Endpoint.serve}."""
        settings = self.settings
        body = await exchange.body(settings.max_body_bytes)
        chat = parse(body) if len(body) < LARGE else await self._in_thread(parse, body)
        run = self._start(exchange, principal, chat, settings)
        exchange.set_header("X-Openclaw-Run-Id", run.request.run_id)
        exchange.set_header("X-Openclaw-Session-Key", run.request.session_key)
        model = PLAIN if chat.model is None else chat.model
        created = int(self._clock.seconds())
        if not chat.stream:
            await self._whole(exchange, run, created, model)
            return
        options = StreamOptions(
            include_usage=chat.include_usage,
            keep_alive=settings.keep_alive_seconds,
            hold=settings.hold_status_seconds,
            still_valid=lambda: self._guard.authenticator.is_valid(principal),
        )
        chunks = ChunkWriter(run.request.run_id, created, model, include_usage=chat.include_usage)
        await ChatStream(run, exchange, chunks, options, self._clock, self._log).follow()

    def _start(self, exchange: Exchange, principal: Principal, chat: ChatRequest, settings: Settings) -> Run:
        where = address(
            self._agents,
            exchange,
            model=chat.model,
            user=chat.user,
            strict=settings.strict_model,
            new_id=self._new_id,
        )
        chat.require_message()
        request = RunRequest(
            run_id=f"chatcmpl_{self._new_id()}",
            agent_id=where.agent_id,
            session_key=where.session_key,
            messages=chat.messages,
            stateless=where.stateless,
            extra_system=chat.extra_system,
            model=where.model,
            sampling=chat.sampling,
            tools=chat.tools,
            tool_choice=chat.tool_choice,
            surface="http",
        )
        return self._engine.start(request, principal)

    async def _whole(self, exchange: Exchange, run: Run, created: int, model: str) -> None:
        """Wait for the result and send it; a client that goes away aborts the run."""
        try:
            result = await run.result()
        except CancelledError:
            run.abort("disconnect")
            raise
        failure = failure_of(result)
        if failure is not None:
            raise GatewayError.from_info(failure)
        exchange.send_json(completion(result, created, model))


__all__ = ["ChatCompletions", "ChatEndpoint"]
