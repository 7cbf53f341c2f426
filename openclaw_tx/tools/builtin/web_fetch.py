# -*- test-case-name: tests.tools.test_web_fetch -*-
"""C{web_fetch}: read a page of the public web (spec 7.1, 7.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import WebFetch as FetchSettings
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import FetchFailed
from openclaw_tx.interfaces import Fetcher, ToolContext
from openclaw_tx.tools.caching import Cache
from openclaw_tx.tools.documents import Document, ExtractMode, document
from openclaw_tx.tools.typed import Parameters, TypedTool
from openclaw_tx.tools.untrusted import wrapped
from openclaw_tx.values import Agent, Fetched, FetchLimits, ToolResult, Value

CACHED_PAGES = 100
CACHED_CHARS = 8_000_000
"""Characters of all pages kept."""

EXCERPT_CHARS = 2000
"""Characters shown of an answer that is an error."""

ACCEPT = (
    "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.8, application/json;q=0.8, */*;q=0.1"
)


class WebFetchParameters(Parameters, frozen=True):
    """Arguments of C{web_fetch}."""

    url: Annotated[str, Meta(min_length=1, max_length=4096, description="Address of the page, http or https")]
    extract_mode: Annotated[
        ExtractMode, Meta(description="markdown keeps headings, links, lists and tables; text only the words")
    ] = "markdown"
    max_chars: Annotated[int, Meta(ge=100, description="Characters of the page at most")] | UnsetType = UNSET


class _Page(Value, frozen=True):
    """What was got, as it is kept."""

    url: str
    status: int
    content_type: str
    title: str
    text: str
    cut: bool
    fetched_at: str


class WebFetch(TypedTool[WebFetchParameters]):
    """Fetches through L{openclaw_tx.interfaces.Fetcher}, which keeps out of private networks, and gives back text that
    is marked as somebody else's."""

    name = "web_fetch"
    description = (
        "Fetch a web page and read it as Markdown or text. "
        "Only public http and https addresses; no scripts are run, nobody is logged in."
    )
    parameters = WebFetchParameters
    concurrent = True

    def __init__(
        self,
        settings: Callable[[], Config],
        fetcher: Fetcher,
        clock: IReactorTime,
        in_thread: InThread,
        new_id: Callable[[], str],
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param in_thread: where pages are taken apart.
        @param new_id: makes ids that can not be guessed.
        """
        super().__init__()
        self._settings = settings
        self._fetcher = fetcher
        self._clock = clock
        self._in_thread = in_thread
        self._new_id = new_id
        self._cache: Cache[_Page] = Cache(clock.seconds, CACHED_PAGES, CACHED_CHARS)

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """See L{openclaw_tx.interfaces.ConditionalTool.offered}."""
        return self._settings().tools.web.fetch.enabled

    async def run(self, parameters: WebFetchParameters, context: ToolContext) -> ToolResult:
        """The page; C{details} tells where it came from. What can not be read is an error result."""
        settings = self._settings().tools.web.fetch
        begun = self._clock.seconds()
        key = (parameters.url, parameters.extract_mode, settings)
        page = self._cache.get(key, settings.cache_ttl_minutes * 60)
        cached = page is not None
        if page is None:
            try:
                page = await self._get(parameters, settings)
            except (FetchFailed, ValueError) as error:
                text = f"{parameters.url} could not be read: {error}."
                return ToolResult(text=text, details={"url": parameters.url, "error": str(error)}, is_error=True)
            if 200 <= page.status < 300 and settings.cache_ttl_minutes:
                self._cache.put(key, page, len(page.text) + len(page.title))
        failed = not 200 <= page.status < 300
        limit = min(parameters.max_chars or settings.max_chars, settings.max_chars)
        shown = page.text[: min(limit, EXCERPT_CHARS) if failed else limit]
        truncated = page.cut or len(shown) < len(page.text)
        details = {
            "url": parameters.url,
            "finalUrl": page.url,
            "status": page.status,
            "contentType": page.content_type,
            "title": page.title,
            "extractMode": parameters.extract_mode,
            "truncated": truncated,
            "length": len(shown),
            "fetchedAt": page.fetched_at,
            "tookMs": round((self._clock.seconds() - begun) * 1000),
            "cached": cached,
        }
        return ToolResult(text=self._told(page, shown, truncated), details=details, is_error=failed)

    def _told(self, page: _Page, shown: str, truncated: bool) -> str:
        title = f"Title: {page.title}\n" if page.title else ""
        text = wrapped(f"{title}\n{shown or '(there is nothing to read)'}", page.url, self._new_id)
        if truncated:
            text += f"\n[cut after {len(shown)} characters; there is more]"
        return text if 200 <= page.status < 300 else f"The server answered {page.status}.\n{text}"

    async def _get(self, parameters: WebFetchParameters, settings: FetchSettings) -> _Page:
        """
        @raise FetchFailed: it may not be fetched, or could not be.
        @raise ValueError: it is not text.
        """
        limits = FetchLimits(
            max_bytes=settings.max_response_bytes,
            max_redirects=settings.max_redirects,
            timeout_s=settings.timeout_seconds,
            cut=True,
        )
        headers = {"Accept": ACCEPT, **({"User-Agent": settings.user_agent} if settings.user_agent else {})}
        fetched = await self._fetcher.fetch(parameters.url, limits, headers)
        found = await self._in_thread(_read, fetched, parameters.extract_mode, settings.max_chars)
        return _Page(
            url=fetched.url,
            status=fetched.status,
            content_type=fetched.content_type,
            title=found.title,
            text=found.text,
            cut=found.cut,
            fetched_at=_iso(self._clock.seconds()),
        )


def _read(fetched: Fetched, mode: ExtractMode, limit: int) -> Document:
    """
    @raise ValueError: it is not text, and was to be.
    """
    try:
        return document(fetched, mode, limit)
    except ValueError:
        if 200 <= fetched.status < 300:
            raise
        return Document("", "", False)  # that it is an error page counts, not what it is made of


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


__all__ = ["WebFetch", "WebFetchParameters"]
