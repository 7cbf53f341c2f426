# -*- test-case-name: tests.web.test_responses,tests.web.test_responses_continuing,tests.web.test_responses_stream -*-
"""C{POST /v1/responses}: an OpenAI Responses request becomes an agent run (spec 1.4).

A response is kept, so that the next one can continue it, in a session that is pruned a day after its last use (D34).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.agents.routing import shown
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Responses as Settings
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Fetcher, Run, Sessions
from openclaw_tx.runs.archive import Archive
from openclaw_tx.runs.context import model_messages, since_mark
from openclaw_tx.sessions.keys import openai_key
from openclaw_tx.values import Principal, RunRequest, Spoken
from openclaw_tx.web.addressing import PREVIOUS, address, channel_header, meant, model_header
from openclaw_tx.web.answers import Answers, Rendering
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.images import ImageLoader, rules_of
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.starting import Starter
from openclaw_tx.wire.openai_responses import FIELDS, ResponsesRequest, as_sent, parse
from openclaw_tx.wire.openai_responses_input import Known
from openclaw_tx.wire.openai_responses_items import response_of
from openclaw_tx.wire.openai_responses_render import Items, Response
from openclaw_tx.wire.openai_responses_stream import EventWriter

API = "openresponses"
"""What its sessions are called."""

MAX_REFERENCES = 1000
"""Most items of earlier responses that one request refers to by their ids."""

HISTORY = 4000
"""Newest messages of a session that a response that is not kept gets to know."""


class Responses(Endpoint):
    """The resource."""

    methods = (b"POST",)
    action = "responses.create"
    fields = FIELDS
    config_key = "gateway.http.endpoints.responses.enabled"

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        starter: Starter,
        archive: Archive,
        agents: Agents,
        clock: IReactorTime,
        sessions: Sessions | None,
        fetcher: Fetcher | None,
        reader: BodyReader,
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param archive: where earlier responses are.
        @param sessions: where what they said is; None = none can be continued.
        @param fetcher: gets images that are named by URL; None = they are refused.
        """
        super().__init__(guard, new_id)
        self._settings = settings
        self._starter = starter
        self._answers = Answers(starter, guard.authenticator, clock)
        self._archive = archive
        self._agents = agents
        self._sessions = sessions
        self._images = ImageLoader(fetcher)
        self._reader = reader

    @property
    def settings(self) -> Settings:
        """The section of the moment."""
        return self._settings().gateway.http.endpoints.responses

    def enabled(self) -> bool:
        """Off unless configured."""
        return self.settings.enabled

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Run the agent; see L{Endpoint.serve}."""
        settings = self.settings
        body = await exchange.body(settings.max_body_bytes)
        wanted = await self._reader.read(parse, body, rules_of(settings))
        if wanted.store or wanted.previous_response_id is not None or wanted.references:
            exchange.needs_sessions()
        if model_header(exchange):
            self._guard.authorise(principal, "models.override")
        names = bool(wanted.references or wanted.image_urls or wanted.previous_response_id is not None)
        known = await self._starter.known(exchange, principal) if names else None
        again = known is not None and known.run is not None
        if wanted.references and not again:
            items = await self._items(wanted.references, principal)
            wanted = await self._reader.read(parse, body, rules_of(settings), items)
        if not again:
            wanted = await self._images.load(wanted, settings)
        request = await self._request(exchange, principal, wanted, settings, again)
        try:
            await self._answers.send(exchange, principal, request, lambda run: _rendering(run, wanted), settings, known)
        except GatewayError as error:
            raise GatewayError.from_info(as_sent(error.info, nested_tools=wanted.nested_tools)) from None

    async def _request(
        self, exchange: Exchange, principal: Principal, wanted: ResponsesRequest, settings: Settings, again: bool
    ) -> RunRequest:
        """
        @param again: an earlier try is known: what this one names need not be there.
        """
        earlier: Run | None = None
        if wanted.previous_response_id is not None and not again:
            earlier = await self._previous(wanted.previous_response_id, principal)
        meaning = meant(settings.model_map, wanted.model)
        where = address(
            self._agents,
            exchange,
            principal,
            model=meaning.model,
            user=wanted.user,
            strict=settings.strict_model,
            new_id=self._new_id,
            api=API,
            previous=earlier.request.session_key if earlier is not None else "",
        )
        if not again:
            wanted.require_message()
        session_key, messages = where.session_key, wanted.messages
        stateless = not wanted.store and not where.named
        if stateless:
            if earlier is not None:
                messages = await self._continued(earlier, messages)
            session_key = openai_key(where.agent_id, self._new_id(), API, principal.session_prefix)
        return RunRequest(
            run_id=f"resp_{self._new_id()}",
            agent_id=where.agent_id,
            session_key=session_key,
            messages=messages,
            stateless=stateless,
            extra_system=wanted.extra_system,
            model=where.model or meaning.ref,
            sampling=wanted.sampling,
            tools=wanted.tools,
            tool_choice=wanted.tool_choice,
            channel=channel_header(exchange) or "webchat",
            surface="http",
            stream=wanted.stream,
            traceparent=exchange.traceparent,
        )

    async def _items(self, references: Mapping[str, str], principal: Principal) -> Known:
        """Items of earlier responses of the principal's. Of one that is under way the end is awaited.

        @param references: their ids, and where in the request they are.
        @raise GatewayError: C{invalid_request}: too many; C{run_not_found}.
        """
        if len(references) > MAX_REFERENCES:
            raise GatewayError("invalid_request", f"`input` refers to more than {MAX_REFERENCES} items.", param="input")
        known: dict[str, dict[str, object] | None] = {}
        for item_id, param in references.items():
            if item_id in known:
                continue
            run = await self._archive.find(response_of(item_id))
            if run is None or run.principal.id != principal.id or run.request.stateless:
                raise GatewayError("run_not_found", f"Item with id '{item_id}' not found.", param=param)
            known[item_id] = None
            known.update({str(item["id"]): item for item in Items(run.request.run_id).all(await run.result())})
        return known

    async def _continued(self, earlier: Run, messages: Sequence[Spoken]) -> tuple[Spoken, ...]:
        """What a run is told that goes on with an earlier response, which may be under way, without being written down:
        what it would read in the session, and then its own messages."""
        await earlier.result()
        if self._sessions is None:
            return tuple(messages)
        before = await self._sessions.transcript(earlier.request.session_key, HISTORY)
        return model_messages(since_mark(before), messages)

    async def _previous(self, response_id: str, principal: Principal) -> Run:
        """An earlier response. Whose it is not never learns that it exists.

        @raise GatewayError: C{run_not_found}.
        """
        run = await self._archive.find(response_id) if response_id.startswith("resp_") else None
        if run is None or run.principal.id != principal.id or run.request.stateless or not await self._continues(run):
            words = f"Previous response with id '{shown(response_id)}' not found."
            raise GatewayError("run_not_found", words, param=PREVIOUS)
        return run

    async def _continues(self, run: Run) -> bool:
        """Whether its session is there, or will be."""
        if run.outcome is None:
            return True
        return self._sessions is not None and await self._sessions.get(run.request.session_key) is not None


def _rendering(run: Run, wanted: ResponsesRequest) -> Rendering:
    response = Response(run.request.run_id, run.queued_at_ms // 1000, wanted)
    return Rendering(whole=response.whole, writer=lambda: EventWriter(response))


__all__ = ["Responses"]
