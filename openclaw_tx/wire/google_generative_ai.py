# -*- test-case-name: tests.wire.test_google_generative_ai -*-
"""Requests to Google's Gemini API (API reference "models.streamGenerateContent"; "Thinking", "Thought signatures").

The answers are read by L{openclaw_tx.wire.google_events}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from openclaw_tx.values import ModelRequest, Part, Sampling, TextPart, ToolChoice, ToolSpec, UserMessage
from openclaw_tx.values.value import Value
from openclaw_tx.wire.google_schema import Budget, google_schema
from openclaw_tx.wire.history import BEGINNING, BLANK, IMAGE_OMITTED, Exchange, as_object, exchanges, pictures
from openclaw_tx.wire.replay import unseal, woven
from openclaw_tx.wire.thinking import with_room

_encode = msgspec.json.Encoder().encode

API = "google-generative-ai"

BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
"""Reasoning effort -> tokens for thinking, for models before Gemini 3; later ones have levels."""
NO_SIGNATURE = "skip_thought_signature_validator"
"""What Google has one put on a call that another model made: from Gemini 3 on a call without signature is refused."""

_GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


class GoogleDialect(Value, frozen=True):
    """What one model of a provider understands."""

    provider: str = ""
    """Id of the provider, as answers of its models bear it."""
    max_tokens_cap: int = 0
    """Most that the limit on an answer may be raised to for thinking; 0 = not known."""
    thinking: bool = True
    images: bool = False
    response_format: bool = True


def generation(model: str) -> tuple[int, int]:
    """Which Gemini it is; one without a number is taken as new, what is no Gemini as old."""
    found = _GENERATION.search(model)
    if found:
        return int(found[1]), int(found[2] or 0)
    return (3, 0) if "gemini" in model else (0, 0)


def encode_request(model: str, request: ModelRequest, dialect: GoogleDialect) -> bytes:
    """The JSON body of a streaming request; the model stands in the URL.

    @param model: the provider's own id of the model.
    @raise GatewayError: C{invalid_request}, the schemas are too large.
    """
    body: dict[str, Any] = {"contents": _Contents(model, dialect).of(request)}
    if request.system.strip():
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    budget = Budget()
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool, budget) for tool in request.tools]}]
        if request.tool_choice.mode != "auto":
            body["toolConfig"] = {"functionCallingConfig": _tool_choice(request.tool_choice)}
    if settings := _generation_config(model, request, dialect, budget):
        body["generationConfig"] = settings
    return _encode(body)


class _Contents:
    """The conversation."""

    def __init__(self, model: str, dialect: GoogleDialect) -> None:
        self._model = model
        self._dialect = dialect
        self._new = generation(model) >= (3, 0)
        self._contents: list[dict[str, Any]] = []

    def of(self, request: ModelRequest) -> list[dict[str, Any]]:
        """All of it."""
        for item in exchanges(request.messages):
            if isinstance(item, UserMessage):
                self._push("user", list(self._parts(item.content)))
            else:
                self._exchange(item)
        return self._contents

    def _exchange(self, item: Exchange) -> None:
        """An answer, and right after it a content of as many results as it has calls, in their order."""
        if not self._contents:
            self._push("user", [{"text": BEGINNING}])
        self._push("model", list(self._said(item)))
        answers = []
        for call, result in zip(item.message.tool_calls, item.results, strict=True):
            shaped: dict[str, Any] = {
                "name": call.name,
                "response": {"error" if result.is_error else "output": result.text},
            }
            if self._new and self._dialect.images and result.images:
                shaped["parts"] = list(self._parts(result.images))
            answers.append({"functionResponse": shaped})
        if not answers:
            return
        self._contents.append({"role": "user", "parts": answers})
        if (shown := pictures(item)) and not (self._new and self._dialect.images):
            self._contents.append({"role": "user", "parts": list(self._parts(shown))})

    def _said(self, item: Exchange) -> Iterator[dict[str, Any]]:
        message = item.message
        kept = unseal(message, API, self._dialect.provider, self._model)
        signed = False
        for kind, data, place in woven(message, kept):
            part: dict[str, Any]
            if kind == "text":
                part = {"text": message.text}
            elif kind == "call":
                call = message.tool_calls[place]
                part = {"functionCall": {"name": call.name, "args": as_object(call.arguments)}}
                if data is None and self._new and not signed:
                    data = NO_SIGNATURE  # of calls in parallel only the first is signed
                signed = True
            else:
                continue
            yield part if data is None else {**part, "thoughtSignature": data}

    def _push(self, role: str, parts: list[dict[str, Any]]) -> None:
        parts = parts or [{"text": BLANK}]
        last = self._contents[-1] if self._contents else None
        if last is not None and last["role"] == role and "functionResponse" not in last["parts"][0]:
            last["parts"] += parts
        else:
            self._contents.append({"role": role, "parts": parts})

    def _parts(self, content: Sequence[Part]) -> Iterator[dict[str, Any]]:
        for part in content:
            if isinstance(part, TextPart):
                if part.text:
                    yield {"text": part.text}
            elif self._dialect.images:
                yield {"inlineData": {"mimeType": part.mime_type, "data": part.data}}
            else:
                yield {"text": IMAGE_OMITTED}


def _declaration(tool: ToolSpec, budget: Budget) -> dict[str, Any]:
    shaped: dict[str, Any] = {"name": tool.name, "description": tool.description}
    parameters = google_schema(tool.parameters, budget)
    if parameters.get("properties"):  # an object without any is refused
        shaped["parameters"] = parameters
    return shaped


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.mode == "none":
        return {"mode": "NONE"}
    return {"mode": "ANY"} | ({"allowedFunctionNames": [choice.name]} if choice.mode == "named" else {})


def _generation_config(model: str, request: ModelRequest, dialect: GoogleDialect, budget: Budget) -> dict[str, Any]:
    """Penalties are left out: most models refuse them."""
    sampling = request.sampling
    config: dict[str, Any] = {}
    for name, field in (("max_tokens", "maxOutputTokens"), ("temperature", "temperature"), ("top_p", "topP")):
        value = getattr(sampling, name)
        if value is not None:
            config[field] = value
    if sampling.seed is not None:
        config["seed"] = sampling.seed & 0x7FFF_FFFF  # a 32-bit number here
    if sampling.stop:
        config["stopSequences"] = sampling.stop
    effort = sampling.reasoning_effort if dialect.thinking else None
    if effort in BUDGETS and generation(model) >= (2, 5):
        config["thinkingConfig"] = _thinking(model, effort)
        if sampling.max_tokens is not None:
            config["maxOutputTokens"] = with_room(sampling.max_tokens, BUDGETS[effort], dialect.max_tokens_cap)
    if dialect.response_format and (not request.tools or holds_with_tools(model)):
        _add_format(config, sampling, budget)
    return config


def holds_with_tools(model: str) -> bool:
    """Whether answers can be held to a form although there are tools: before Gemini 3 that is refused."""
    return generation(model) >= (3, 0)


def _thinking(model: str, effort: str) -> dict[str, Any]:
    if generation(model) < (3, 0):
        return {"includeThoughts": True, "thinkingBudget": BUDGETS[effort]}
    level = {"minimal": "minimal" if "flash" in model else "low", "xhigh": "high", "max": "high"}.get(effort, effort)
    if level == "medium" and "gemini-3-pro" in model:
        level = "high"  # which the first of them lacks
    return {"includeThoughts": True, "thinkingLevel": level}


def _add_format(config: dict[str, Any], sampling: Sampling, budget: Budget) -> None:
    wanted = sampling.response_format or {}
    if wanted.get("type") not in ("json_object", "json_schema"):
        return
    config["responseMimeType"] = "application/json"
    schema = (wanted.get("json_schema") or {}).get("schema")
    if isinstance(schema, dict):
        config["responseSchema"] = google_schema(schema, budget)


__all__ = [
    "API",
    "BUDGETS",
    "NO_SIGNATURE",
    "GoogleDialect",
    "encode_request",
    "holds_with_tools",
]
