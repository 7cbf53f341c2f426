# -*- test-case-name: tests.models.test_apis -*-
"""A provider over HTTP: the same for all APIs, which differ in their codecs (spec 6.2).

One call is one attempt. The provider is always asked to stream, so that an abort can take effect and a watcher sees the
text as it comes; one that sends a whole reply all the same is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hyperlink import DecodedURL

from twisted.web.http_headers import Headers

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import OnEvents
from openclaw_tx.models.door import Answer, Door, HttpFailure
from openclaw_tx.models.refusals import check, refusal_of, secrets_of
from openclaw_tx.models.sampling import with_defaults
from openclaw_tx.values import Embeddings, ModelAnswered, ModelEvent, ModelInfo, ModelReply, ModelRequest, Sampling
from openclaw_tx.values.value import Value
from openclaw_tx.wire.openai_vectors import decode_reply
from openclaw_tx.wire.openai_vectors import encode_request as encode_embedding_request
from openclaw_tx.wire.replies import Framing, ReplyReader
from openclaw_tx.wire.sse import SseDecoder
from openclaw_tx.wire.trace import HEADER
from openclaw_tx.wire.upstream import UpstreamError

MAX_WHOLE_REPLY_BYTES = 32 * 1024 * 1024
"""Cap on a reply that was not streamed."""

_WHOLE = re.compile(r"(application|text)/([^;\s]+\+)?json\s*(;|$)", re.IGNORECASE)
"""Content types of such a reply; NDJSON is a stream."""

_EVENTS = b"deir:\xef"
"""First bytes of an event stream: its fields, a comment, or a byte order mark. No JSON begins so."""

_PAGE = re.compile(r"text/html\s*(;|$)", re.IGNORECASE)
"""What sends this is a proxy, a portal or a wrong path; but some servers of models call their streams so."""


class Codec(NamedTuple):
    """How a model is spoken to: an API, and what the model understands of it. No I/O."""

    url: Callable[[DecodedURL, str], DecodedURL]
    """From the provider's base URL (without empty segments) and the model to where its requests go."""
    encode: Callable[[str, ModelRequest], bytes]
    """From the model and a request to the JSON body of a streaming request."""
    reader: Callable[[Callable[[], str]], ReplyReader]
    """Makes what reads one answer, from what makes ids."""
    framing: Callable[[], Framing] = SseDecoder
    """Makes what cuts one answer into that which the reader reads."""


class Service(NamedTuple):
    """How a provider is reached.

    @ivar provider: its id, as in model refs.
    @ivar headers: sent with each request, the key among them.
    @ivar new_id: makes ids for tool calls that came without one.
    @ivar advice: what to do when the provider does not know us; "" = nothing to say.
    """

    provider: str
    door: Door
    headers: Mapping[str, str]
    new_id: Callable[[], str]
    advice: str = ""


class ServedModel(Value, frozen=True):
    """A model as its provider serves it."""

    info: ModelInfo
    codec: Codec
    defaults: Sampling = Sampling()
    """Used where a request leaves a parameter open."""
    headers: dict[str, str] | None = None
    """Sent in place of the provider's own; None = those."""


class HttpProvider:
    """A L{openclaw_tx.interfaces.ModelProvider} over HTTP."""

    def __init__(
        self, service: Service, models: Sequence[ServedModel], *, any_model: ServedModel | None = None
    ) -> None:
        """
        @param any_model: stands for models that are not listed; None = there are no others.
        """
        self._provider, self._door, headers, self._new_id, self._advice = service
        self._models = {model.info.id: model for model in models}
        self._any_model = any_model
        self._urls = {name: served.codec.url(service.door.base_url, name) for name, served in self._models.items()}
        own = ((name, served.headers) for name, served in self._models.items())
        self._headers = {name: _headers(values) for name, values in own if values is not None}
        self._common_headers = _headers(headers)
        self._secrets = secrets_of(self._common_headers, *self._headers.values())

    def models(self) -> Sequence[ModelInfo]:
        return [served.info for served in self._models.values()]

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """One attempt. The first batch, which starts with C{ModelAnswered}, is handed on when there is something to
        say: a provider that fails after a greeting can still be replaced by another one."""
        ref = f"{self._provider}/{model}"
        served = self._models.get(model, self._any_model)
        if served is None:
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        codec = served.codec
        url = self._urls.get(model) or codec.url(self._door.base_url, model)
        intake = _Intake(codec.reader(self._new_id), codec.framing(), on_events, self._provider, model)
        headers = self._headers.get(model, self._common_headers)
        try:
            answer = await self._door.send(
                "POST",
                url,
                headers,
                # Held by nobody once it is sent: as long as the answer lasts it would be most of what a stream takes.
                codec.encode(model, with_defaults(request, served.defaults)),
                more=_trace(headers, request.traceparent),
            )
            await check(ref, answer, self._advice, self._secrets, self._door.last_heard)
            await intake.take(answer)
        except (HttpFailure, UpstreamError) as error:
            raise refusal_of(ref, error, self._secrets) from None
        return intake.reader.reply(self._provider, model)

    async def close(self) -> None:
        await self._door.close()


class EmbeddingHttpProvider(HttpProvider):
    """A provider that has OpenAI's embeddings as well, whatever its models speak."""

    def __init__(
        self,
        service: Service,
        models: Sequence[ServedModel],
        *,
        any_model: ServedModel | None = None,
        embedding_model: str = "",
        embeddings_url: DecodedURL | None = None,
        embedding_headers: Mapping[str, str] | None = None,
    ) -> None:
        """
        @param embedding_model: what it embeds with when nobody names a model; "" = not known.
        @param embeddings_url: None = C{/embeddings} below the base URL.
        @param embedding_headers: None = the service's.
        """
        super().__init__(service, models, any_model=any_model)
        self._embeddings_url = embeddings_url or service.door.url("embeddings")
        self._embedding_model = embedding_model
        asked = service.headers if embedding_headers is None else embedding_headers
        self._embedding_headers = _headers({**asked, "accept": "application/json"})
        self._secrets = (*self._secrets, *secrets_of(self._embedding_headers))

    def embedding_model(self) -> str:
        return self._embedding_model

    async def embed(self, model: str, texts: Sequence[str | Sequence[int]], dimensions: int | None) -> Embeddings:
        """See L{openclaw_tx.interfaces.EmbeddingProvider.embed}. Any model id is good: few providers list these.

        @param texts: strings, or token ids where the server takes them.
        """
        ref = f"{self._provider}/{model}"
        body = encode_embedding_request(model, texts, dimensions)
        parts: list[bytes] = []

        def keep(data: bytes) -> bool:
            parts.append(data)
            return False

        try:
            answer = await self._door.send("POST", self._embeddings_url, self._embedding_headers, body)
            await check(ref, answer, self._advice, self._secrets, self._door.last_heard)
            await answer.deliver(keep, MAX_WHOLE_REPLY_BYTES)
            vectors, usage = decode_reply(b"".join(parts), len(texts))
        except (HttpFailure, UpstreamError) as error:
            raise refusal_of(ref, error, self._secrets) from None
        return Embeddings(vectors=vectors, usage=usage, provider=self._provider, model=model)


class _Intake:
    """From the bytes of one answer to batches of events. What it is, stream or whole, is seen from how it begins: some
    servers know their streams by the name of JSON, and more the other way round."""

    __slots__ = ("_answered", "_body", "_framing", "_is_json", "_on_events", "_size", "reader")

    def __init__(self, reader: ReplyReader, framing: Framing, on_events: OnEvents, provider: str, model: str) -> None:
        self.reader = reader
        self._framing = framing
        self._on_events = on_events
        self._answered: ModelAnswered | None = ModelAnswered(provider=provider, model=model, round=0)
        self._is_json = False
        """What the server says."""
        self._body: list[bytes] | None = None
        """A whole reply, as far as it is here; None = it is a stream."""
        self._size = 0

    async def take(self, answer: Answer) -> None:
        """Read the answer to its end.

        @raise HttpFailure: it was cut off.
        @raise UpstreamError: it ends in an error, or can not be read.
        """
        try:
            await self._take(answer)
        except UpstreamError:
            if self._answered is not None and _PAGE.match(answer.header("content-type")):
                raise UpstreamError("The provider sent a web page (text/html); is its baseUrl right?") from None
            raise

    async def _take(self, answer: Answer) -> None:
        self._is_json = _WHOLE.match(answer.header("content-type")) is not None
        try:
            await answer.deliver(self._data)
        except HttpFailure:
            if not self.reader.finished:
                raise
        if self._body is None and self._is_json and not self._size:
            self._body = []
        if self._body is None:
            events = self._rest()
        else:
            events = []
            self.reader.read_whole(b"".join(self._body), events)
        self.reader.finish(events)
        self._push(events, at_end=True)

    def _rest(self) -> list[ModelEvent]:
        """What came without an end. An answer that is complete but for the farewell is complete, and half a farewell
        says nothing."""
        finished = self.reader.finished
        try:
            return self._read(self._framing.finish())
        except UpstreamError:
            if not finished:
                raise
            return []

    def _data(self, data: bytes) -> bool:
        if not self._size:
            data = data.lstrip()
            if self._begins_whole(data[:1]):
                self._body = []
        self._size += len(data)
        if self._body is not None:
            self._body.append(data)
            return self._size >= MAX_WHOLE_REPLY_BYTES
        events = self._read(self._framing.feed(data))
        if self._answered is not None:
            self._push(events)
        elif events:
            self._on_events(events)
        return self.reader.done

    def _begins_whole(self, first: bytes) -> bool:
        """Whether a reply is whole that begins with this byte."""
        if isinstance(self._framing, SseDecoder) and first:
            return first in b"{[" or (self._is_json and first not in _EVENTS)
        return self._is_json and bool(first)

    def _read(self, payloads: list[bytes]) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        try:
            for payload in payloads:
                self.reader.read(payload, events)
        except UpstreamError:
            self._push(events)  # what came before the error was said
            raise
        return events

    def _push(self, events: list[ModelEvent], at_end: bool = False) -> None:
        if self._answered is not None and (events or at_end):
            events.insert(0, self._answered)
            self._answered = None
        if events:
            self._on_events(events)


def _trace(headers: Headers, traceparent: str) -> Mapping[str, str]:
    """The trace that the call belongs to, unless the configuration has one there."""
    return {} if not traceparent or headers.hasHeader(HEADER) else {HEADER: traceparent}


def _headers(values: Mapping[str, str]) -> Headers:
    headers = Headers({"content-type": ["application/json"], "accept": ["text/event-stream"]})
    for name, value in values.items():
        headers.setRawHeaders(name, [value])
    return headers


__all__ = ["Codec", "EmbeddingHttpProvider", "HttpProvider", "ServedModel"]
