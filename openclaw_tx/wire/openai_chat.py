# -*- test-case-name: tests.wire.test_openai_chat -*-
"""C{POST /v1/chat/completions}: a request's bytes become values. Pure (spec 1.1, OpenAI API reference).

Error texts are those of the recorded gateway; every error names the field at fault in C{param}.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Sampling, Spoken, ToolChoice, ToolSpec, Value
from openclaw_tx.wire.halves import read_json
from openclaw_tx.wire.large_json import LARGE, ReadFields, TooManyValues, fields_reader, is_too_deep
from openclaw_tx.wire.openai_chat_images import ImageReader, ImageRules, ImageUrl
from openclaw_tx.wire.openai_chat_messages import read_messages
from openclaw_tx.wire.openai_chat_sampling import read_sampling, refuse_unsupported
from openclaw_tx.wire.openai_chat_tools import read_tools
from openclaw_tx.wire.openai_fields import MAX_MODEL, expected, optional_bool, optional_string

FIELDS = (
    *("model", "messages", "stream", "stream_options", "user", "tools", "tool_choice"),
    *("max_completion_tokens", "max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed"),
    *("stop", "response_format", "reasoning_effort", "parallel_tool_calls"),
    *("n", "logprobs", "top_logprobs", "modalities", "audio", "functions", "function_call", "logit_bias"),
    "web_search_options",
)
"""Every field that is looked at."""

_read_fields = fields_reader(FIELDS)


class StreamExtras(Value, frozen=True):
    """What a stream carries besides the answer (C{stream_options}); nothing unless asked for."""

    include_usage: bool = False
    """A usage chunk at the end."""
    continuous_usage: bool = False
    """The usage so far on every chunk."""
    openclaw_events: bool = False
    """Tools and thinking, as an C{openclaw} object on chunks of their own."""


class ChatRequest(Value, frozen=True):
    """What a client asked for."""

    model: str | None
    """As sent; None = not sent."""
    messages: tuple[Spoken, ...]
    """The conversation up to the current message, which is the last; empty = there is none (see L{require_message})."""
    extra_system: str
    """C{system} and C{developer} texts, then files, joined by blank lines."""
    sampling: Sampling
    tools: tuple[ToolSpec, ...]
    tool_choice: ToolChoice
    stream: bool
    options: StreamExtras
    user: str | None
    image_urls: tuple[ImageUrl, ...] = ()
    """Images to fetch; their places in C{messages} are without data until then."""
    image_bytes: int = 0
    """Decoded size of the images that came along."""

    def require_message(self) -> None:
        """
        @raise GatewayError: C{invalid_request}: nothing in C{messages} can be answered.
        """
        if not self.messages:
            raise GatewayError("invalid_request", "Missing user message in `messages`.", param="messages")


def parse(body: bytes, rules: ImageRules | None = None) -> ChatRequest:
    """Read a request. An empty body is C{{}}. From L{LARGE} bytes on this is work for a thread.

    @param rules: for images; None = the defaults, without URLs.
    @raise GatewayError: C{invalid_request}, C{unsupported_parameter}, C{invalid_image}, or C{payload_too_large} for too
        many values.
    """
    fields = decode_object(body, _read_fields)
    refuse_unsupported(fields)
    model = optional_string(fields, "model", limit=MAX_MODEL)
    user = optional_string(fields, "user")
    stream = optional_bool(fields, "stream")
    extras = _extras(fields.get("stream_options"))
    sampling = read_sampling(fields)
    images = ImageReader(rules or ImageRules())
    messages, extra_system = read_messages(fields.get("messages"), images=images)
    tools, tool_choice = read_tools(fields.get("tools"), fields.get("tool_choice"))
    return ChatRequest(
        model=model,
        messages=messages,
        extra_system=extra_system,
        sampling=sampling,
        tools=tools,
        tool_choice=tool_choice,
        stream=bool(stream),
        options=extras,
        user=user,
        image_urls=tuple(images.urls),
        image_bytes=images.total,
    )


def decode_object(body: bytes, large: ReadFields | None = None) -> dict[str, Any]:
    """A JSON object from bytes. Of repeated keys the last one counts, and half a surrogate pair is U+FFFD, as in
    JavaScript.

    @param large: reads one of L{LARGE} bytes or more; it may leave out fields that nobody looks at.
    @raise GatewayError: C{invalid_request}: not JSON, not UTF-8, nested too deeply, NaN, or not an object;
        C{payload_too_large}.
    """
    if not body.strip():
        return {}
    try:
        fields = read_json(msgspec.json.decode if large is None or len(body) < LARGE else large, body)
    except TooManyValues:
        raise GatewayError("payload_too_large", "The JSON body holds too many values.") from None
    except msgspec.ValidationError:
        first = body.lstrip()[:1]
        if first == b"{":
            raise GatewayError("invalid_request", "The body is not valid JSON: a number is out of range") from None
        raise expected("object", _EXAMPLES.get(first, 0), "") from None
    except RecursionError:
        raise GatewayError("invalid_request", "The JSON body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayError("invalid_request", f"The body is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise expected("object", fields, "")
    if is_too_deep(body):
        raise GatewayError("invalid_request", "The JSON body is nested too deeply.")
    return fields


_EXAMPLES: dict[bytes, Any] = {b"[": [], b'"': "", b"n": None, b"t": True, b"f": False}
"""First byte of a JSON value that is no object -> a value of its type; all others are numbers."""


def _extras(options: Any) -> StreamExtras:
    if options is None:
        return StreamExtras()
    if not isinstance(options, dict):
        raise expected("object", options, "stream_options")
    return StreamExtras(
        include_usage=bool(optional_bool(options, "include_usage", "stream_options.")),
        continuous_usage=bool(optional_bool(options, "continuous_usage_stats", "stream_options.")),
        openclaw_events=bool(optional_bool(options, "openclaw_events", "stream_options.")),
    )


__all__ = ["FIELDS", "ChatRequest", "StreamExtras", "decode_object", "parse"]
