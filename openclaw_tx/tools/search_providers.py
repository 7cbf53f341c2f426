# -*- test-case-name: tests.tools.test_web_search -*-
"""What search engines want to be asked, and what they answer: Brave, Perplexity, SearXNG. Pure.

Sources: Brave Search API (web search), Perplexity API (chat completions of the Sonar models), OpenRouter API,
SearXNG Search API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from openclaw_tx.config.schema_tools import WebSearch
from openclaw_tx.tools.services import ServiceCall
from openclaw_tx.values import Value

BRAVE = "https://api.search.brave.com"
PERPLEXITY = "https://api.perplexity.ai"
OPENROUTER = "https://openrouter.ai/api/v1"

MAX_TEXT = 2000
"""Characters kept of one description."""

MAX_ANSWER = 20_000
"""Characters kept of an answer that was written for the question."""

Provider = Literal["brave", "perplexity", "searxng"]

_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_DAYS = re.compile(r"\d{4}-\d\d-\d\dto\d{4}-\d\d-\d\d", re.ASCII)
_PERIODS: Mapping[str, str] = {"pd": "day", "pw": "week", "pm": "month", "py": "year"}


class Question(Value, frozen=True):
    """What is searched for."""

    query: str
    count: int
    country: str = ""
    """Two letters of ISO 3166."""
    search_lang: str = ""
    ui_lang: str = ""
    freshness: str = ""
    """C{pd}, C{pw}, C{pm}, C{py}, or two dates C{YYYY-MM-DDtoYYYY-MM-DD}."""


class Hit(Value, frozen=True):
    """Something that was found."""

    title: str
    url: str
    description: str = ""
    published: str = ""


class Answer(Value, frozen=True):
    """What a search engine said."""

    hits: tuple[Hit, ...]
    text: str = ""
    """An answer in words, where it writes one; the hits are its sources then."""


class Access(NamedTuple):
    """The way to a search engine that is set up."""

    provider: Provider
    key: str = ""
    base_url: str = ""


def access(settings: WebSearch, environment: Mapping[str, str]) -> Access | str:
    """The search engine to use: the one configured, else the first one that is set up.

    @return: the way to it; or what is missing, in words that name the setting and the variable.
    """
    found = {
        "brave": _brave_access(settings, environment),
        "perplexity": _perplexity_access(settings, environment),
        "searxng": _searxng_access(settings, environment),
    }
    if settings.provider:
        return found[settings.provider] or _HINTS[settings.provider]
    hint = "No search engine is set up. " + " Or: ".join(_HINTS.values())
    return next((way for way in found.values() if way), hint)


_HINTS: Mapping[str, str] = {
    "brave": "Set tools.web.search.apiKey or BRAVE_API_KEY to a key for Brave Search (https://brave.com/search/api/).",
    "perplexity": "Set tools.web.search.perplexity.apiKey, PERPLEXITY_API_KEY or OPENROUTER_API_KEY.",
    "searxng": "Set tools.web.search.searxng.baseUrl or SEARXNG_BASE_URL to the address of a SearXNG server.",
}


def _brave_access(settings: WebSearch, environment: Mapping[str, str]) -> Access | None:
    key = (settings.api_key or environment.get("BRAVE_API_KEY", "")).strip()
    return Access("brave", key, BRAVE) if key else None


def _perplexity_access(settings: WebSearch, environment: Mapping[str, str]) -> Access | None:
    own = settings.perplexity
    key = (own.api_key or environment.get("PERPLEXITY_API_KEY", "")).strip()
    router = environment.get("OPENROUTER_API_KEY", "").strip()
    if not (key or router):
        return None
    usual = PERPLEXITY if key and not key.startswith("sk-or-") else OPENROUTER
    return Access("perplexity", key or router, own.base_url.strip() or usual)


def _searxng_access(settings: WebSearch, environment: Mapping[str, str]) -> Access | None:
    base = (settings.searxng.base_url or environment.get("SEARXNG_BASE_URL", "")).strip()
    return Access("searxng", "", base) if base else None


def complaint(question: Question, provider: Provider) -> str:
    """What is wrong with a question, naming the parameter; "" = nothing."""
    if question.country and not _COUNTRY.fullmatch(question.country):
        return "country must be two letters, e.g. DE"
    for name, language in (("search_lang", question.search_lang), ("ui_lang", question.ui_lang)):
        if language and not _LANGUAGE.fullmatch(language):
            return f"{name} must be a language, e.g. de or de-DE"
    text = question.freshness
    if not text or text in _PERIODS:
        return ""
    begin, _, end = text.partition("to")
    try:
        in_order = _DAYS.fullmatch(text) is not None and date.fromisoformat(begin) <= date.fromisoformat(end)
    except ValueError:
        in_order = False
    if not in_order:
        return "freshness must be pd, pw, pm, py or YYYY-MM-DDtoYYYY-MM-DD, the earlier day first"
    return (
        "SearXNG can not search between two days; freshness must be pd, pw, pm or py" if provider == "searxng" else ""
    )


def asked(way: Access, question: Question, settings: WebSearch) -> ServiceCall:
    """The request that puts a question."""
    if way.provider == "brave":
        wanted = {
            "q": question.query,
            "count": str(question.count),
            "country": question.country.upper(),
            "search_lang": question.search_lang,
            "ui_lang": question.ui_lang,
            "freshness": question.freshness,
        }
        headers = {"Accept": "application/json", "X-Subscription-Token": way.key}
        return ServiceCall(way.base_url, "res/v1/web/search", _given(wanted), headers)
    if way.provider == "searxng":
        language = question.search_lang or question.ui_lang
        if language and question.country and "-" not in language:
            language = f"{language}-{question.country.upper()}"
        wanted = {
            "q": question.query,
            "format": "json",
            "language": language,
            "time_range": _PERIODS.get(question.freshness, ""),
        }
        return ServiceCall(way.base_url, "search", _given(wanted), {"Accept": "application/json"})
    headers = {"Authorization": f"Bearer {way.key}", "Content-Type": "application/json", "Accept": "application/json"}
    body = msgspec.json.encode(_perplexity_body(way, question, settings.perplexity.model))
    return ServiceCall(way.base_url, "chat/completions", {}, headers, body)


def _given(wanted: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if value}


def _perplexity_body(way: Access, question: Question, model: str) -> dict[str, Any]:
    bare = model.removeprefix("perplexity/")
    language = question.search_lang or question.ui_lang
    wish = f"\n\nAnswer from sources in the language {language!r} where there are any." if language else ""
    body: dict[str, Any] = {
        "model": f"perplexity/{bare}" if "openrouter.ai" in way.base_url else bare,
        "messages": [{"role": "user", "content": f"{question.query}{wish}"}],
    }
    if question.country:
        body["web_search_options"] = {"user_location": {"country": question.country.upper()}}
    if question.freshness in _PERIODS:
        body["search_recency_filter"] = _PERIODS[question.freshness]
    elif question.freshness:
        days = [date.fromisoformat(day) for day in question.freshness.split("to")]
        body["search_after_date_filter"], body["search_before_date_filter"] = (f"{day:%m/%d/%Y}" for day in days)
    return body


def answered(way: Access, body: bytes, count: int) -> Answer:
    """What a search engine said.

    @param body: of an answer with status 200.
    @param count: most hits.
    @raise ValueError: it is not what that engine answers.
    """
    try:
        if way.provider == "brave":
            web = msgspec.json.decode(body, type=_BraveReply).web
            results = (web.results if web is not None else None) or ()
            rows = [(row.title, row.url, row.description, row.age or row.page_age) for row in results if row.url]
            return Answer(hits=_hits(rows, count))
        if way.provider == "searxng":
            found = msgspec.json.decode(body, type=_SearxngReply).results
            return Answer(
                hits=_hits([(row.title, row.url, row.content, row.published) for row in found if row.url], count)
            )
        reply = msgspec.json.decode(body, type=_PerplexityReply)
        text = reply.choices[0].message.content or ""
    except (msgspec.DecodeError, IndexError, UnicodeError, RecursionError) as error:
        raise ValueError(f"its answer is not what was expected ({type(error).__name__})") from None
    cited: list[_Row] = [(row.title, row.url, row.snippet, row.date) for row in reply.search_results or ()]
    if not cited:
        notes = [note.url_citation for note in reply.choices[0].message.annotations or () if note.url_citation]
        cited = [(note.title, note.url, "", "") for note in notes] or [
            ("", url, "", "") for url in reply.citations or ()
        ]
    # All of them, in their order: the text refers to them by number.
    return Answer(hits=_hits([row for row in cited if row[1]], MAX_SOURCES), text=text.strip()[:MAX_ANSWER])


MAX_SOURCES = 40
"""Sources of one written answer."""

_Row = tuple[str | None, str | None, str | None, str | None]
"""Title, address, description, date."""


def _hits(rows: Sequence[_Row], count: int) -> tuple[Hit, ...]:
    return tuple(
        Hit(title=_line(title), url=_line(url), description=_line(description), published=_line(published))
        for title, url, description, published in rows[:count]
    )


def _line(text: str | None) -> str:
    return " ".join((text or "")[:MAX_TEXT].split())


class _Reply(msgspec.Struct, frozen=True):
    """Base of what engines answer; what is not named here is let go. What an engine does not know may be absent or
    null."""


class _BraveRow(_Reply, frozen=True):
    title: str | None = None
    url: str | None = None
    description: str | None = None
    age: str | None = None
    page_age: str | None = None


class _BraveWeb(_Reply, frozen=True):
    results: list[_BraveRow] | None = None


class _BraveReply(_Reply, frozen=True):
    web: _BraveWeb | None = None
    """Absent when there is nothing."""


class _SearxngRow(_Reply, frozen=True):
    title: str | None = None
    url: str | None = None
    content: str | None = None
    published: str | None = msgspec.field(default=None, name="publishedDate")


class _SearxngReply(_Reply, frozen=True):
    results: list[_SearxngRow]


class _Source(_Reply, frozen=True):
    title: str | None = None
    url: str | None = None
    snippet: str | None = None
    date: str | None = None


class _Note(_Reply, frozen=True):
    url_citation: _Source | None = None


class _PerplexityMessage(_Reply, frozen=True):
    content: str | None = None
    annotations: list[_Note] | None = None


class _PerplexityChoice(_Reply, frozen=True):
    message: _PerplexityMessage


class _PerplexityReply(_Reply, frozen=True):
    choices: list[_PerplexityChoice]
    citations: list[str] | None = None
    search_results: list[_Source] | None = None


__all__ = ["Access", "Answer", "Hit", "Provider", "Question", "access", "answered", "asked", "complaint"]
