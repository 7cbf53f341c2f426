"""Streams of vendors as they come over the wire (C{vendor_streams.json}, in the shapes of their documentation), and
what reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    ModelEvent,
    ModelReply,
    ModelRequest,
    Spoken,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolResultMessage,
    ToolSpec,
    UserMessage,
)
from openclaw_tx.wire.anthropic_events import MessageReader
from openclaw_tx.wire.google_events import GenerateContentReader
from openclaw_tx.wire.lines import LineDecoder
from openclaw_tx.wire.ollama_chat import ChatReader
from openclaw_tx.wire.openai_responses_events import ResponseReader
from openclaw_tx.wire.replies import Framing, ReplyReader
from openclaw_tx.wire.sse import SseDecoder

STREAMS: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
    Path(__file__).with_name("vendor_streams.json").read_text("utf-8")
)
"""API -> C{text} and C{tools} -> events."""

READERS: dict[str, tuple[Callable[[Callable[[], str]], ReplyReader], Callable[[], Framing]]] = {
    "anthropic-messages": (MessageReader, SseDecoder),
    "openai-responses": (ResponseReader, SseDecoder),
    "google-generative-ai": (GenerateContentReader, SseDecoder),
    "ollama": (ChatReader, LineDecoder),
}

WEATHER = ToolSpec(
    name="get_weather", description="d", parameters={"type": "object", "properties": {"city": {"type": "string"}}}
)
PICTURE = ImagePart(data="QUJD", mime_type="image/png")


def on_the_wire(api: str, events: Sequence[dict[str, Any]], end: str = "\n") -> bytes:
    """Events as the vendor sends them.

    @param end: of a line.
    """
    texts = [json.dumps(event, ensure_ascii=False) for event in events]
    if api == "ollama":
        return "".join(f"{text}{end}" for text in texts).encode()
    names = [f"event: {event['type']}{end}" if "type" in event else "" for event in events]
    return "".join(f"{name}data: {text}{end}{end}" for name, text in zip(names, texts, strict=True)).encode()


def read(api: str, *pieces: bytes) -> tuple[list[ModelEvent], ModelReply]:
    """Everything that a stream says which comes in these pieces."""
    make, framing = READERS[api]
    numbers = count(1)
    reader, frames = make(lambda: f"made-{next(numbers)}"), framing()
    events: list[ModelEvent] = []
    for piece in pieces:
        for payload in frames.feed(piece):
            reader.read(payload, events)
    for payload in frames.finish():
        reader.read(payload, events)
    reader.finish(events)
    return events, reader.reply("p", "m")


def read_events(api: str, *events: dict[str, Any]) -> tuple[list[ModelEvent], ModelReply]:
    """Everything that these events say."""
    return read(api, on_the_wire(api, events))


def read_whole(api: str, body: Any) -> tuple[list[ModelEvent], ModelReply]:
    """Everything that a reply says which was not streamed."""
    numbers = count(1)
    reader = READERS[api][0](lambda: f"made-{next(numbers)}")
    events: list[ModelEvent] = []
    reader.read_whole(json.dumps(body).encode(), events)
    reader.finish(events)
    return events, reader.reply("p", "m")


def told_calls(events: list[ModelEvent]) -> list[ToolCall]:
    """Tool calls as somebody sees them who has only the deltas."""
    found: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.index in found:
                assert not event.id and not event.name, "id and name come once"
                found[event.index][2] += event.arguments
            else:
                found[event.index] = [event.id, event.name, event.arguments]
    return [ToolCall(id=a, name=b, arguments=c) for a, b, c in found.values()]


def encoder(encode: Callable[[str, ModelRequest, Any], bytes], usual: Any, model: str = "m") -> Callable[..., Any]:
    """What makes the body for some messages: C{encoded(*messages, dialect=usual, model=model, **of_the_request)}."""

    def encoded(*messages: Spoken, dialect: Any = usual, model: str = model, system: str = "", **more: Any) -> Any:
        request = ModelRequest(system=system, messages=messages, **more)
        return json.loads(encode(model, request, dialect))

    return encoded


def user(*parts: str | ImagePart) -> UserMessage:
    """A user's message."""
    return UserMessage(content=tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts))


def call(name: str = "get_weather", call_id: str = "c1", arguments: str = '{"city":"Paris"}') -> ToolCall:
    """A call of a tool."""
    return ToolCall(id=call_id, name=name, arguments=arguments)


def called(*calls: ToolCall, text: str = "", **more: Any) -> AssistantMessage:
    """An answer that calls tools."""
    return AssistantMessage(text=text, tool_calls=calls, **more)


def result(text: str = "sunny", call_id: str = "c1", *images: ImagePart, is_error: bool = False) -> ToolResultMessage:
    """What a tool said."""
    return ToolResultMessage(tool_call_id=call_id, text=text, images=images, is_error=is_error)


def again(reply: ModelReply) -> AssistantMessage:
    """A reply as it stands in the conversation afterwards."""
    return AssistantMessage(
        text=reply.text,
        reasoning=reply.reasoning,
        tool_calls=reply.tool_calls,
        provider=reply.provider,
        model=reply.model,
        opaque=reply.opaque,
    )
