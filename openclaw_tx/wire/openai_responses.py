# -*- test-case-name: tests.wire.test_openai_responses -*-
"""C{POST /v1/responses}: a request's bytes become values. Pure (spec 1.4, OpenAI API reference).

The body is strict: a key that is not OpenAI's is refused by name, and so is one that would change what the answer
means. Error texts are those of the recorded gateway; every error names the field at fault in C{param}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import Sampling, Spoken, ToolChoice, ToolSpec, Value
from openclaw_tx.wire.large_json import fields_reader
from openclaw_tx.wire.openai_chat import decode_object
from openclaw_tx.wire.openai_chat_fields import Handling
from openclaw_tx.wire.openai_chat_images import ImageReader, ImageRules, ImageUrl
from openclaw_tx.wire.openai_chat_sampling import check_schema, number_between, token_limit
from openclaw_tx.wire.openai_chat_tools import read_tools
from openclaw_tx.wire.openai_fields import (
    EFFORTS,
    MAX_MODEL,
    expected,
    invalid,
    one_of,
    optional_bool,
    optional_string,
)
from openclaw_tx.wire.openai_responses_input import NOTHING_KNOWN, Known, read_input

MAX_METADATA = 16
"""Pairs of C{metadata} (OpenAI), and below the length of a key and of a value in characters."""
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512

MAX_USER = 512
"""Longest C{user}, in characters: as long as a session key."""

MAX_NAME = 64
"""Longest name of a format (OpenAI), in characters."""

HARMLESS: Mapping[str, str] = {
    "service_tier": "string",
    "prompt_cache_key": "string",
    "prompt_cache_retention": "string",
    "prompt_cache_options": "object",
    "safety_identifier": "string",
    "stream_options": "object",
}
"""Fields without effect here -> their type. They change how OpenAI serves an answer, not what it says."""

REFUSED = ("background", "context_management", "conversation", "moderation", "prompt")
"""Fields of OpenAI's that would change the answer and that are not served; null, false and empty are let pass."""

TRUNCATIONS = ("auto", "disabled")
VERBOSITIES = ("low", "medium", "high")
FORMATS = ("text", "json_object", "json_schema")


class ResponsesRequest(Value, frozen=True):
    """What a client asked for."""

    model: str
    """As sent."""
    messages: tuple[Spoken, ...]
    """The conversation up to the current message, which is the last; empty = there is none (see L{require_message})."""
    instructions: str | None
    context: str
    """C{system} and C{developer} texts, then files, joined by blank lines."""
    sampling: Sampling
    text_format: dict[str, Any]
    """C{text.format} as it came."""
    tools: tuple[ToolSpec, ...]
    tool_choice: ToolChoice
    stream: bool
    store: bool
    previous_response_id: str | None
    user: str | None
    metadata: dict[str, str]
    image_urls: tuple[ImageUrl, ...] = ()
    """Images to fetch; their places in C{messages} are without data until then."""
    image_bytes: int = 0
    """Decoded size of the images that came along."""
    references: dict[str, str] = {}
    """Ids of items of earlier responses, and where C{input} refers to them. There are no messages until it is read
    again with these known."""
    nested_tools: bool = False
    """Functions stand below C{function}, as chat completions have them."""

    @property
    def extra_system(self) -> str:
        """What the agent's system prompt is extended by."""
        return "\n\n".join(text for text in (self.instructions or "", self.context) if text.strip())

    def require_message(self) -> None:
        """
        @raise GatewayError: C{invalid_request}: nothing in C{input} can be answered.
        """
        if not self.messages:
            raise invalid("Missing user message in `input`.", "input")


def parse(body: bytes, rules: ImageRules | None = None, known: Known = NOTHING_KNOWN) -> ResponsesRequest:
    """Read a request.

    @param rules: for images; None = the defaults, without URLs.
    @param known: items of earlier responses that it may refer to.
    @raise GatewayError: C{invalid_request}, C{unsupported_parameter} or C{invalid_image}.
    """
    fields = decode_object(body, _read_large)
    model = optional_string(fields, "model", limit=MAX_MODEL)
    if model is None:
        raise expected("string", model, "model") if "model" in fields else _missing("model", "string")
    _check_keys(fields)
    text_format = _text_format(fields.get("text"))
    tools, tool_choice = read_tools(fields.get("tools"), fields.get("tool_choice"), flat=True)
    sampling = _sampling(fields, text_format)
    images = ImageReader(rules or ImageRules())
    messages, context, references = read_input(fields.get("input"), images, known)
    store = optional_bool(fields, "store")
    return ResponsesRequest(
        model=model,
        messages=messages,
        instructions=optional_string(fields, "instructions"),
        context=context,
        sampling=sampling,
        text_format=text_format,
        tools=tools,
        tool_choice=tool_choice,
        stream=bool(optional_bool(fields, "stream")),
        store=store is not False,
        previous_response_id=optional_string(fields, "previous_response_id") or None,
        user=optional_string(fields, "user", limit=MAX_USER),
        metadata=_metadata(fields.get("metadata")),
        image_urls=tuple(images.urls),
        image_bytes=images.total,
        references=dict(references),
        nested_tools=any("function" in tool for tool in fields.get("tools") or ()),
    )


def as_sent(info: ErrorInfo, *, nested_tools: bool) -> ErrorInfo:
    """The failure of a run, which calls the fields of its request what chat completions call them, in the words of this
    API.

    @param nested_tools: as in L{ResponsesRequest}.
    """
    name = info.param or ""
    if name == "response_format":
        param = "text.format"
    elif name.startswith("tools[") and not nested_tools:
        param = name.replace(".function.", ".")
    else:
        return info
    return replace(info, param=param, message=info.message.replace(f"`{name}`", f"`{param}`"))


def _check_keys(fields: Mapping[str, Any]) -> None:
    """Refuse what is unknown or not served; check the type of what has no effect."""
    for name, value in fields.items():
        if name in _READ or value is None:
            continue
        if name in HARMLESS:
            kind = HARMLESS[name]
            if not isinstance(value, str if kind == "string" else dict):
                raise expected(kind, value, name)
        elif name in REFUSED:
            if value:
                raise _unsupported(name, f"`{name}` is not supported.")
        else:
            raise invalid(f'Unrecognized key: "{name[:64]}"', name[:64])
    if fields.get("top_logprobs"):
        raise _unsupported("top_logprobs", "`top_logprobs` is not supported.")
    one_of(fields, "truncation", TRUNCATIONS)
    token_limit(fields, "max_tool_calls")
    _check_include(fields.get("include"))


_NAMES = (
    "model input instructions tools tool_choice parallel_tool_calls stream store previous_response_id user metadata "
    "max_output_tokens temperature top_p text reasoning truncation max_tool_calls include top_logprobs"
)
_READ = frozenset(_NAMES.split())
"""Fields that have a check of their own."""

FIELDS: Mapping[str, Handling] = {
    **{name: Handling("used") for name in _NAMES.split()},
    **{name: Handling("ignored") for name in HARMLESS},
    **{name: Handling("refused") for name in REFUSED},
    "top_logprobs": Handling("refused", "other than 0"),
}
"""What is done with each field; any other is refused by name, but in a body so large that only these are read."""

_read_large = fields_reader(FIELDS)


def _check_include(value: Any) -> None:
    """Further output that is asked for: what there is none of is left out, what would have to be made up is refused."""
    if value is None:
        return
    if not isinstance(value, list):
        raise expected("array", value, "include")
    for index, name in enumerate(value):
        if not isinstance(name, str):
            raise expected("string", name, f"include[{index}]")
        if name == "message.output_text.logprobs":
            raise _unsupported(f"include[{index}]", "Log probabilities are not supported.")


def _sampling(fields: Mapping[str, Any], text_format: Mapping[str, Any]) -> Sampling:
    reasoning = fields.get("reasoning")
    if reasoning is not None and not isinstance(reasoning, dict):
        raise expected("object", reasoning, "reasoning")
    for name in ("summary", "generate_summary"):
        optional_string(reasoning or {}, name, "reasoning.")
    return Sampling(
        max_tokens=token_limit(fields, "max_output_tokens"),
        temperature=number_between(fields, "temperature", 0, 2, "0 and 2"),
        top_p=number_between(fields, "top_p", 0, 1, "0 and 1"),
        response_format=_response_format(text_format),
        reasoning_effort=one_of(reasoning or {}, "effort", EFFORTS, "reasoning."),
        parallel_tool_calls=optional_bool(fields, "parallel_tool_calls"),
    )


def _text_format(text: Any) -> dict[str, Any]:
    """C{text.format}; plain text when there is none."""
    if text is None:
        return {"type": "text"}
    if not isinstance(text, dict):
        raise expected("object", text, "text")
    one_of(text, "verbosity", VERBOSITIES, "text.")
    value = text.get("format")
    if value is None:
        return {"type": "text"}
    if not isinstance(value, dict):
        raise expected("object", value, "text.format")
    if value.get("type") not in FORMATS:
        raise invalid("text.format.type must be text, json_object, or json_schema", "text.format.type")
    if value["type"] == "json_schema":
        name = optional_string(value, "name", "text.format.", limit=MAX_NAME)
        if not name:
            raise invalid("text.format.name must be a non-empty string", "text.format.name")
        if not isinstance(value.get("schema"), dict):
            raise expected("object", value.get("schema"), "text.format.schema")
        check_schema(value["schema"], "text.format.schema")
        optional_string(value, "description", "text.format.")
        optional_bool(value, "strict", "text.format.")
    return value


def _response_format(text_format: Mapping[str, Any]) -> dict[str, Any] | None:
    """C{text.format} in the form that chat completions and providers use."""
    kind = text_format["type"]
    if kind == "json_schema":
        names = ("name", "description", "schema", "strict")
        schema = {name: text_format[name] for name in names if text_format.get(name) is not None}
        return {"type": kind, "json_schema": schema}
    return None if kind == "text" else {"type": kind}


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise expected("object", value, "metadata")
    if len(value) > MAX_METADATA:
        raise invalid(f"metadata has at most {MAX_METADATA} pairs.", "metadata")
    for name, text in value.items():
        if len(name) > MAX_METADATA_KEY:
            raise invalid(f"A key of metadata has at most {MAX_METADATA_KEY} characters.", "metadata")
        if not isinstance(text, str):
            raise expected("string", text, f"metadata.{name}")
        if len(text) > MAX_METADATA_VALUE:
            raise invalid(f"A value of metadata has at most {MAX_METADATA_VALUE} characters.", f"metadata.{name}")
    return value


def _missing(name: str, kind: str) -> GatewayError:
    return invalid(f"{name}: Invalid input: expected {kind}, received undefined", name)


def _unsupported(param: str, message: str) -> GatewayError:
    return GatewayError("unsupported_parameter", message, param=param)


__all__ = ["ResponsesRequest", "as_sent", "parse"]
