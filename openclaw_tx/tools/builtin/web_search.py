# -*- test-case-name: tests.tools.test_web_search -*-
"""C{web_search}: ask a search engine (spec 7.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import WebSearch as SearchSettings
from openclaw_tx.errors import FetchFailed
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.caching import Cache
from openclaw_tx.tools.search_providers import (
    Access,
    Answer,
    Hit,
    Question,
    access,
    answered,
    asked,
    complaint,
)
from openclaw_tx.tools.services import Services
from openclaw_tx.tools.typed import Parameters, TypedTool
from openclaw_tx.tools.untrusted import wrapped
from openclaw_tx.values import Agent, ToolResult

CACHED_ANSWERS = 100
CACHED_CHARS = 4_000_000

_WHY: Mapping[int, str] = {
    401: "it does not accept the key",
    403: "it refuses (for SearXNG: json must be among search.formats of its settings)",
    422: "it does not accept the question",
    429: "there were too many searches; try again later",
}


class WebSearchParameters(Parameters, frozen=True, rename=str):
    """Arguments of C{web_search}; their names are those of Brave's API."""

    query: Annotated[str, Meta(min_length=1, max_length=400, description="What to search for")]
    count: Annotated[int, Meta(ge=1, le=10, description="Number of results")] | UnsetType = UNSET
    country: Annotated[str, Meta(max_length=2, description="Country of the results, two letters, e.g. DE")] = ""
    search_lang: Annotated[str, Meta(max_length=20, description="Language of the results, e.g. de")] = ""
    ui_lang: Annotated[str, Meta(max_length=20, description="Language of the words around them, e.g. de-DE")] = ""
    freshness: Annotated[
        str,
        Meta(
            max_length=24,
            description="Only what is from the last day (pd), week (pw), month (pm), year (py), or "
            "between two days (YYYY-MM-DDtoYYYY-MM-DD)",
        ),
    ] = ""


class WebSearch(TypedTool[WebSearchParameters]):
    """Searches with Brave, Perplexity or SearXNG, whichever is set up; what is found is marked as somebody else's."""

    name = "web_search"
    description = "Search the web. Gives titles, addresses and descriptions; read a page with web_fetch."
    parameters = WebSearchParameters
    concurrent = True

    def __init__(
        self,
        settings: Callable[[], Config],
        services: Services,
        clock: IReactorTime,
        environment: Callable[[], Mapping[str, str]],
        new_id: Callable[[], str],
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param environment: where keys are looked for that the configuration does not have.
        @param new_id: makes ids that can not be guessed.
        """
        super().__init__()
        self._settings = settings
        self._services = services
        self._clock = clock
        self._environment = environment
        self._new_id = new_id
        self._cache: Cache[Answer] = Cache(clock.seconds, CACHED_ANSWERS, CACHED_CHARS)

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """See L{openclaw_tx.interfaces.ConditionalTool.offered}. Offered without a key too: the answer tells how to set
        one."""
        return self._settings().tools.web.search.enabled

    async def run(self, parameters: WebSearchParameters, context: ToolContext) -> ToolResult:
        """What was found; C{details} holds it as an object. A missing key and a failure are error results."""
        settings = self._settings().tools.web.search
        way = access(settings, self._environment())
        if isinstance(way, str):
            return ToolResult(text=f"web_search is not set up. {way}", details={"error": "not_set_up"}, is_error=True)
        question = msgspec.convert(
            {**msgspec.to_builtins(parameters), "count": parameters.count or settings.max_results}, Question
        )
        wrong = complaint(question, way.provider)
        if wrong:
            return ToolResult(text=f"{wrong}.", details={"error": "invalid_parameter"}, is_error=True)
        begun = self._clock.seconds()
        key = (question, way, settings)
        answer = self._cache.get(key, settings.cache_ttl_minutes * 60)
        cached = answer is not None
        if answer is None:
            try:
                answer = await self._ask(way, question, settings)
            except (FetchFailed, ValueError) as error:
                text = f"The search with {way.provider} failed: {error}."
                failed = {"provider": way.provider, "query": question.query, "error": str(error)}
                return ToolResult(text=text, details=failed, is_error=True)
            if settings.cache_ttl_minutes:
                self._cache.put(key, answer, len(msgspec.json.encode(answer)))
        details: dict[str, Any] = {
            "query": question.query,
            "provider": way.provider,
            "count": len(answer.hits),
            "tookMs": round((self._clock.seconds() - begun) * 1000),
            "cached": cached,
            "results": [msgspec.to_builtins(hit) for hit in answer.hits],
            **({"content": answer.text} if answer.text else {}),
        }
        return ToolResult(text=wrapped(_told(answer), f"web search with {way.provider}", self._new_id), details=details)

    async def _ask(self, way: Access, question: Question, settings: SearchSettings) -> Answer:
        """
        @raise FetchFailed: no answer.
        @raise ValueError: a refusal, or an answer that can not be read. No text of the engine's is in it.
        """
        reply = await self._services.ask(asked(way, question, settings), settings.timeout_seconds)
        if reply.status != 200:
            why = _WHY.get(reply.status, "it has a problem" if reply.status >= 500 else "it refuses")
            raise ValueError(f"{why} (status {reply.status})")
        return answered(way, reply.body, question.count)


def _told(answer: Answer) -> str:
    """An answer as a model reads it."""
    numbered = [_line(number, hit) for number, hit in enumerate(answer.hits, 1)]
    if answer.text:
        sources = "\n\nSources:\n" + "\n".join(numbered) if numbered else ""
        return f"\n{answer.text}{sources}"
    return "\n" + ("\n".join(numbered) or "(nothing was found)")


def _line(number: int, hit: Hit) -> str:
    age = f" ({hit.published})" if hit.published else ""
    description = f"\n   {hit.description}" if hit.description else ""
    return f"{number}. {hit.title or hit.url}{age}\n   {hit.url}{description}"


__all__ = ["WebSearch", "WebSearchParameters"]
