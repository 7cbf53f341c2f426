# -*- test-case-name: tests.web.test_openapi -*-
"""JSON Schemas of request bodies for the OpenAPI document, by the tables of fields that the endpoints go by. Pure.

The tables say what is done with a field; here stands what it may be. A test holds both to the same names. Source: JSON
Schema 2020-12, OpenAPI 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.wire.approvals import DECISIONS
from openclaw_tx.wire.openai_chat_fields import CHAT_FIELDS, Handling
from openclaw_tx.wire.openai_chat_sampling import MAX_STOPS
from openclaw_tx.wire.openai_chat_tools import MAX_TOOLS
from openclaw_tx.wire.openai_embeddings import FIELDS as EMBEDDING_FIELDS
from openclaw_tx.wire.openai_embeddings import MAX_CHARS, MAX_DIMENSIONS, MAX_INPUTS
from openclaw_tx.wire.openai_fields import EFFORTS, MAX_MODEL, MAX_SAFE_INT
from openclaw_tx.wire.openai_responses import (
    FIELDS,
    FORMATS,
    HARMLESS,
    MAX_METADATA,
    MAX_METADATA_KEY,
    MAX_METADATA_VALUE,
    MAX_NAME,
    MAX_USER,
    REFUSED,
    TRUNCATIONS,
    VERBOSITIES,
)
from openclaw_tx.wire.tools_invoke import FIELDS as TOOLS_FIELDS
from openclaw_tx.wire.tools_invoke import MAX_KEY

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """Null is as good as absent."""
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _between(low: float, high: float) -> Schema:
    return maybe({"type": "number", "minimum": low, "maximum": high})


_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1, "pattern": r"\S"}
_FLAG: Schema = maybe({"type": "boolean"})
_COUNT: Schema = maybe({"type": "integer", "minimum": 1, "maximum": MAX_SAFE_INT})
_NOTHING: Schema = {"type": "null"}
_NO_EFFECT: Schema = {}
_FUNCTION = _object(
    ("name",),
    name=_NAME,
    description=maybe(_TEXT),
    parameters=maybe({"type": "object"}),
    strict=_FLAG,
)
_NESTED_TOOL = _object(("type", "function"), type={"const": "function"}, function=_FUNCTION)
_FLAT_TOOL = {
    **_FUNCTION,
    "required": ["type", "name"],
    "properties": {"type": {"const": "function"}, **_FUNCTION["properties"]},
}
_NESTED_CHOICE = _object(("type", "function"), type={"const": "function"}, function=_object(("name",), name=_NAME))
_FLAT_CHOICE = _object(("type", "name"), type={"const": "function"}, name=_NAME)
_MODES: Schema = {"enum": ["auto", "none", "required", None]}


def _tools(*forms: Schema) -> Schema:
    return maybe({"type": "array", "maxItems": MAX_TOOLS, "items": {"anyOf": list(forms)}})


CHAT_TYPES: Mapping[str, Schema] = {
    "model": maybe({**_TEXT, "maxLength": MAX_MODEL}),
    "messages": {"type": "array", "minItems": 1, "items": ref("ChatMessage")},
    "stream": _FLAG,
    "stream_options.include_usage": _FLAG,
    "stream_options.continuous_usage_stats": _FLAG,
    "stream_options.openclaw_events": _FLAG,
    "stream_options.include_obfuscation": _NO_EFFECT,
    "user": maybe(_TEXT),
    "tools": _tools(_NESTED_TOOL),
    "tool_choice": {"anyOf": [_MODES, _NESTED_CHOICE]},
    "response_format": maybe(
        {
            "oneOf": [
                _object(("type",), type={"enum": ["text", "json_object"]}),
                _object(
                    ("type", "json_schema"),
                    type={"const": "json_schema"},
                    json_schema=_object(("name",), name=_TEXT, schema=maybe({"type": "object"})),
                ),
            ]
        }
    ),
    "max_completion_tokens": _COUNT,
    "max_tokens": _COUNT,
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
    "seed": maybe({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}),
    "stop": maybe({"anyOf": [_TEXT, {"type": "array", "maxItems": MAX_STOPS, "items": {**_TEXT, "minLength": 1}}]}),
    "parallel_tool_calls": _FLAG,
    "reasoning_effort": {"enum": [*EFFORTS, None]},
    **{name: _NO_EFFECT for name, handling in CHAT_FIELDS.items() if handling.how == "ignored"},
    "n": {"enum": [1, None]},
    "logprobs": {"enum": [False, None]},
    "top_logprobs": {"enum": [0, None]},
    "logit_bias": maybe({"type": "object", "maxProperties": 0}),
    "modalities": {"enum": [["text"], None]},
    "audio": _NOTHING,
    "web_search_options": _NOTHING,
    "functions": _NOTHING,
    "function_call": _NOTHING,
}
"""What each of L{CHAT_FIELDS} may be."""

RESPONSES_TYPES: Mapping[str, Schema] = {
    "model": {**_TEXT, "maxLength": MAX_MODEL},
    "input": {"anyOf": [_NAME, {"type": "array", "minItems": 1, "items": ref("ResponseInputItem")}]},
    "instructions": maybe(_TEXT),
    "tools": _tools(_FLAT_TOOL, _NESTED_TOOL),
    "tool_choice": {"anyOf": [_MODES, _FLAT_CHOICE, _NESTED_CHOICE]},
    "parallel_tool_calls": _FLAG,
    "stream": _FLAG,
    "store": _FLAG,
    "previous_response_id": maybe(_TEXT),
    "user": maybe({**_TEXT, "maxLength": MAX_USER}),
    "metadata": maybe(
        {
            "type": "object",
            "maxProperties": MAX_METADATA,
            "propertyNames": {"maxLength": MAX_METADATA_KEY},
            "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE},
        }
    ),
    "max_output_tokens": _COUNT,
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "text": maybe(
        _object(
            format=maybe(
                {
                    "oneOf": [
                        _object(("type",), type={"enum": [kind for kind in FORMATS if kind != "json_schema"]}),
                        _object(
                            ("type", "name", "schema"),
                            type={"const": "json_schema"},
                            name={**_TEXT, "minLength": 1, "maxLength": MAX_NAME},
                            schema={"type": "object"},
                            description=maybe(_TEXT),
                            strict=_FLAG,
                        ),
                    ]
                }
            ),
            verbosity={"enum": [*VERBOSITIES, None]},
        )
    ),
    "reasoning": maybe(_object(effort={"enum": [*EFFORTS, None]}, summary=maybe(_TEXT), generate_summary=maybe(_TEXT))),
    "truncation": {"enum": [*TRUNCATIONS, None]},
    "max_tool_calls": _COUNT,
    "include": maybe({"type": "array", "items": {**_TEXT, "not": {"const": "message.output_text.logprobs"}}}),
    "top_logprobs": {"enum": [0, None]},
    **{name: maybe({"type": kind}) for name, kind in HARMLESS.items()},
    **{name: {"enum": [None, False, "", [], {}]} for name in REFUSED},
}
"""What each of the fields of a Responses request may be."""

EMBEDDING_TYPES: Mapping[str, Schema] = {
    "model": {**_NAME, "maxLength": MAX_MODEL},
    "input": {
        "anyOf": [
            {**_TEXT, "minLength": 1, "maxLength": MAX_CHARS},
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_INPUTS,
                "items": {**_TEXT, "minLength": 1, "maxLength": MAX_CHARS},
            },
        ]
    },
    "encoding_format": {"enum": ["float", "base64", None]},
    "dimensions": maybe({"type": "integer", "minimum": 1, "maximum": MAX_DIMENSIONS}),
    "user": _NO_EFFECT,
}
"""What each of the fields of an embeddings request may be."""

TOOLS_TYPES: Mapping[str, Schema] = {
    "name": _NAME,
    "tool": _TEXT,
    "action": maybe(_TEXT),
    "args": {"type": "object"},
    "sessionKey": maybe(_TEXT),
    "agentId": maybe(_TEXT),
    "idempotencyKey": maybe({**_TEXT, "maxLength": MAX_KEY}),
    "dryRun": _NO_EFFECT,
}
"""What each of the fields of a tool's call may be."""

_PART: Schema = _object(
    ("type",),
    type={"enum": ["text", "image_url", "file", "refusal"]},
    text=_TEXT,
    image_url=_object(("url",), url=_TEXT),
    file=_object(("file_data",), file_data=_TEXT, filename=_TEXT),
    refusal=_TEXT,
)
_CALL = _object(
    ("id", "function"),
    id={**_TEXT, "minLength": 1},
    type={"const": "function"},
    function=_object(("name",), name={**_TEXT, "minLength": 1}, arguments=maybe(_TEXT)),
)
_CONTENT: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _PART}, _NOTHING]}


def _body(
    fields: Mapping[str, Handling], types: Mapping[str, Schema], required: tuple[str, ...], *, strict: bool = False
) -> Schema:
    """The schema of a body; C{a.b} in a table is the field C{b} of the object C{a}."""
    properties: dict[str, Any] = {}
    for name, handling in fields.items():
        outer, _, inner = name.partition(".")
        note = f"{handling.how}: {handling.note}" if handling.note else handling.how
        shown = {**types[name], "description": note}
        if inner:
            held = properties.setdefault(outer, maybe({"type": "object", "properties": {}}))
            held["anyOf"][0]["properties"][inner] = shown
        else:
            properties[outer] = shown
    schema: Schema = {"type": "object", "required": list(required), "properties": properties}
    return {**schema, "additionalProperties": False} if strict else schema


def request_schemas() -> dict[str, Schema]:
    """The components for bodies of requests, by name."""
    chat = _body(CHAT_FIELDS, CHAT_TYPES, ("messages",))
    run = dict(chat["properties"])
    run["stream"] = {"enum": [False, None], "description": "refused: watch /v1/runs/{id}/events"}
    run |= {
        "agent": {**maybe(_NAME), "description": "used: as the header x-openclaw-agent-id"},
        "session": {**maybe(_NAME), "description": "used: as the header x-openclaw-session-key"},
        "message": {
            "anyOf": [_NAME, {"type": "array", "minItems": 1, "items": _PART}],
            "description": "used: one user message, in place of messages",
        },
    }
    return {
        "ChatMessage": {
            "type": "object",
            "required": ["role"],
            "properties": {
                "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
                "content": _CONTENT,
                "refusal": maybe(_TEXT),
                "name": _TEXT,
                "tool_call_id": _TEXT,
                "tool_calls": maybe({"type": "array", "items": _CALL}),
            },
        },
        "ChatCompletionRequest": chat,
        "RunRequest": {
            "type": "object",
            "properties": run,
            "oneOf": [{"required": ["messages"]}, {"required": ["message"]}],
        },
        "RunApprovalAnswer": _object(("decision",), decision={"enum": list(DECISIONS)}),
        "ResponseInputItem": {
            "type": "object",
            "properties": {
                "type": {"enum": ["message", "function_call", "function_call_output", "reasoning", "item_reference"]},
                "role": {"enum": ["system", "developer", "user", "assistant"]},
            },
            "anyOf": [{"required": ["type"]}, {"required": ["role"]}],
        },
        "ResponseRequest": _body(FIELDS, RESPONSES_TYPES, ("model", "input"), strict=True),
        "EmbeddingRequest": _body(EMBEDDING_FIELDS, EMBEDDING_TYPES, ("model", "input")),
        "ToolsInvokeRequest": {
            **_body(TOOLS_FIELDS, TOOLS_TYPES, ()),
            "anyOf": [{"required": ["name"]}, {"required": ["tool"]}],
        },
    }


__all__ = [
    "CHAT_TYPES",
    "EMBEDDING_TYPES",
    "RESPONSES_TYPES",
    "TOOLS_TYPES",
    "Schema",
    "maybe",
    "ref",
    "request_schemas",
]
