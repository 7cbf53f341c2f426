# -*- test-case-name: tests.models.test_openai -*-
"""The provider adapter for servers that speak OpenAI's Chat Completions (spec 6.2, api C{openai-completions}).

One call is one attempt. The provider is always asked to stream, so that an abort can take effect and a watcher sees the
text as it comes; one that sends a whole reply all the same is understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

from twisted.web.http_headers import Headers

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import OnEvents
from openclaw_tx.models.failures import gateway_error
from openclaw_tx.models.http import Answer, HttpDoor, HttpFailure
from openclaw_tx.models.sampling import with_defaults
from openclaw_tx.values import Embeddings, ModelAnswered, ModelEvent, ModelInfo, ModelReply, ModelRequest, Sampling
from openclaw_tx.values.value import Value
from openclaw_tx.wire.openai_chunks import ChunkReader
from openclaw_tx.wire.openai_completions import Dialect, encode_request
from openclaw_tx.wire.openai_errors import UpstreamError, decode_error
from openclaw_tx.wire.openai_vectors import decode_reply
from openclaw_tx.wire.openai_vectors import encode_request as encode_embedding_request
from openclaw_tx.wire.sse import SseDecoder
from openclaw_tx.wire.trace import HEADER

MAX_WHOLE_REPLY_BYTES = 32 * 1024 * 1024
"""Cap on a reply that was not streamed."""


class ServedModel(Value, frozen=True):
    """A model as its provider serves it."""

    info: ModelInfo
    dialect: Dialect = Dialect()
    defaults: Sampling = Sampling()
    """Used where a request leaves a parameter open."""
    headers: dict[str, str] = {}
    """Sent besides the provider's own."""


class OpenAICompletionsProvider:
    """A L{openclaw_tx.interfaces.ModelProvider} over HTTP."""

    def __init__(
        self,
        provider: str,
        models: Sequence[ServedModel],
        door: HttpDoor,
        headers: Mapping[str, str],
        new_id: Callable[[], str],
        *,
        any_model: ServedModel | None = None,
        embedding_model: str = "",
    ) -> None:
        """
        @param provider: its id, as in model refs.
        @param headers: sent with each request, the key among them.
        @param new_id: makes ids for tool calls that came without one.
        @param any_model: stands for models that are not listed; None = there are no others.
        @param embedding_model: what it embeds with when nobody names a model; "" = not known.
        """
        self._provider = provider
        self._models = {model.info.id: model for model in models}
        self._any_model = any_model
        self._door = door
        self._url = door.url("chat", "completions")
        self._embeddings_url = door.url("embeddings")
        self._embedding_model = embedding_model
        self._new_id = new_id
        self._headers = {
            model: _headers({**headers, **served.headers}) for model, served in self._models.items() if served.headers
        }
        self._common_headers = _headers(headers)
        self._embedding_headers = _headers({**headers, "accept": "application/json"})

    def models(self) -> Sequence[ModelInfo]:
        return [served.info for served in self._models.values()]

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """One attempt. The first batch, which starts with C{ModelAnswered}, is handed on when there is something to
        say: a provider that fails after a greeting can still be replaced by another one."""
        ref = f"{self._provider}/{model}"
        served = self._models.get(model, self._any_model)
        if served is None:
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        body = encode_request(model, with_defaults(request, served.defaults), served.dialect)
        intake = _Intake(ChunkReader(self._new_id), on_events, self._provider, model)
        with _failures_of(ref):
            headers = _traced(self._headers.get(model, self._common_headers), request.traceparent)
            answer = await self._door.send("POST", self._url, headers, body)
            await _check(ref, answer)
            await intake.take(answer)
        return intake.chunks.reply(self._provider, model)

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

        with _failures_of(ref):
            answer = await self._door.send("POST", self._embeddings_url, self._embedding_headers, body)
            await _check(ref, answer)
            await answer.deliver(keep, MAX_WHOLE_REPLY_BYTES)
            vectors, usage = decode_reply(b"".join(parts), len(texts))
        return Embeddings(vectors=vectors, usage=usage, provider=self._provider, model=model)

    async def close(self) -> None:
        await self._door.close()


class _Intake:
    """From the bytes of one answer to batches of events."""

    def __init__(self, chunks: ChunkReader, on_events: OnEvents, provider: str, model: str) -> None:
        self.chunks = chunks
        self._on_events = on_events
        self._answered: ModelAnswered | None = ModelAnswered(provider=provider, model=model, round=0)
        self._sse = SseDecoder()

    async def take(self, answer: Answer) -> None:
        """Read the answer to its end.

        @raise HttpFailure: it was cut off.
        @raise UpstreamError: it ends in an error, or can not be read.
        """
        if "json" in answer.header("content-type"):
            body = await answer.collect(MAX_WHOLE_REPLY_BYTES)
            events: list[ModelEvent] = []
            self.chunks.read_whole(body, events)
        else:
            try:
                await answer.deliver(self._data)
            except HttpFailure:
                if not self.chunks.finished:  # complete but for the farewell is complete
                    raise
            events = self._read(self._sse.finish())
        self.chunks.finish(events)
        self._push(events, at_end=True)

    def _data(self, data: bytes) -> bool:
        self._push(self._read(self._sse.feed(data)))
        return self.chunks.done

    def _read(self, payloads: list[bytes]) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        try:
            for payload in payloads:
                self.chunks.read(payload, events)
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


@contextmanager
def _failures_of(ref: str) -> Iterator[None]:
    """Make L{GatewayError} of what can go wrong with a call of C{ref}."""
    try:
        yield
    except HttpFailure as failure:
        code = "provider_timeout" if failure.timed_out else "provider_error"
        raise GatewayError(code, f"{ref}: {failure}") from None
    except UpstreamError as error:
        raise gateway_error(ref, error) from None


async def _check(ref: str, answer: Answer) -> None:
    """
    @raise GatewayError: the status is none of 2xx.
    """
    if not 200 <= answer.status < 300:
        raise gateway_error(ref, await _refusal(answer), _retry_after(answer))


async def _refusal(answer: Answer) -> UpstreamError:
    """The error in an answer that is none of 2xx."""
    if answer.status < 400:
        await answer.deliver(lambda _: True)
        return UpstreamError("The provider redirects elsewhere; is its baseUrl right?", status=answer.status)
    try:
        body = await answer.collect()
    except HttpFailure:
        body = b""  # the status says enough
    return decode_error(answer.status, body)


def _retry_after(answer: Answer) -> float | None:
    """Seconds that C{Retry-After} (RFC 9110, 10.2.3) or OpenAI's C{retry-after-ms} ask for."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(answer.header(name)) * unit
        except ValueError:
            continue
        if 0 <= seconds < 1e6:
            return seconds
    try:
        until = parsedate_to_datetime(answer.header("retry-after"))
        return max(0.0, (until - parsedate_to_datetime(answer.header("date"))).total_seconds())
    except (ValueError, TypeError):
        return None


def _traced(headers: Headers, traceparent: str) -> Headers:
    """C{headers} with the trace that the call belongs to, unless the configuration has one there."""
    if not traceparent or headers.hasHeader(HEADER):
        return headers
    traced = headers.copy()
    traced.setRawHeaders(HEADER, [traceparent])
    return traced


def _headers(values: Mapping[str, str]) -> Headers:
    headers = Headers({"content-type": ["application/json"], "accept": ["text/event-stream"]})
    for name, value in values.items():
        headers.setRawHeaders(name, [value])
    return headers


__all__ = ["OpenAICompletionsProvider", "ServedModel"]
