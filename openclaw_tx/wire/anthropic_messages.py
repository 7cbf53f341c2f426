# -*- test-case-name: tests.wire.test_anthropic_messages -*-
"""Requests to Anthropic's Messages API (API reference "Create a Message"; "Extended thinking", "Adaptive thinking",
"Prompt caching").

The answers are read by L{openclaw_tx.wire.anthropic_events}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from openclaw_tx.values import ModelRequest, Part, Sampling, TextPart, ToolSpec, UserMessage
from openclaw_tx.values.value import Value
from openclaw_tx.wire.history import (
    BEGINNING,
    BLANK,
    IMAGE_OMITTED,
    CallIds,
    Exchange,
    as_object,
    exchanges,
    result_parts,
)
from openclaw_tx.wire.openai_completions import NO_PARAMETERS
from openclaw_tx.wire.replay import Piece, unseal, woven
from openclaw_tx.wire.thinking import with_room

_encode = msgspec.json.Encoder().encode

API = "anthropic-messages"

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 23_552, "max": 23_552}
"""Reasoning effort -> tokens for thinking. With 8192 for the answer all keep below the 32,000 of Claude Opus 4."""
LEAST_BUDGET = 1024
"""Anthropic takes no smaller one; as much is left for the answer, if it may be as long."""
EPHEMERAL = {"type": "ephemeral"}

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")


class AnthropicDialect(Value, frozen=True):
    """What one model of a provider understands."""

    provider: str = ""
    """Id of the provider, as answers of its models bear it."""
    max_tokens: int = 8192
    """Longest answer when a request leaves it open; Anthropic wants one said."""
    max_tokens_cap: int = 0
    """Most that it may be raised to for thinking; 0 = not known."""
    thinking: bool = True
    adaptive: bool = False
    """It thinks adaptively, although its id does not tell."""
    cache_control: bool = True
    images: bool = False


def encode_request(model: str, request: ModelRequest, dialect: AnthropicDialect) -> bytes:
    """The JSON body of a streaming request.

    @param model: the provider's own id of the model.
    """
    turns = _Turns(request, dialect, model)
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.sampling.max_tokens or dialect.max_tokens,
        "stream": True,
        "messages": turns.messages,
    }
    if request.system.strip():
        body["system"] = [{"type": "text", "text": request.system}]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = _tool_choice(request)
        if choice is not None:
            body["tool_choice"] = choice
    if turns.effort:
        body |= _thinking(model, turns.effort, body["max_tokens"], dialect)
    _add_sampling(body, request.sampling, model)
    if dialect.cache_control:
        _mark_for_cache(body)
    return _encode(body)


def thinks_adaptively(model: str) -> bool:
    """Whether a Claude decides itself how much to think; before 4.6 it needs a budget.

    @param model: also with the prefix or suffix of some other host's; what is no Claude needs a budget.
    """
    return "claude" in model and _version(model) >= (4, 6)


def _version(model: str) -> tuple[int, int]:
    """Of a Claude's id; one without a number is taken as new."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (99, 0)


class _Turns:
    """The messages, users' and assistant's by turns.

    @ivar effort: how much to think, "" for not at all. Where thinking has a budget, a round of tools that began without
        it, or with somebody else's, has to end without: Anthropic refuses it otherwise, as it does thinking when a
        tool is forced.
    """

    def __init__(self, request: ModelRequest, dialect: AnthropicDialect, model: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.effort = request.sampling.reasoning_effort if dialect.thinking else ""
        if self.effort not in BUDGETS or (request.tools and request.tool_choice.mode in ("required", "named")):
            self.effort = ""
        self._dialect = dialect
        self._model = model
        self._adaptive = dialect.adaptive or thinks_adaptively(model)
        self._ids = CallIds(r"[A-Za-z0-9_-]{1,64}", 32)
        items = list(exchanges(request.messages))
        if self.effort and not self._adaptive and self._goes_on_without_thoughts(items):
            self.effort = ""
        for item in items:
            self._take(item)

    def _take(self, item: UserMessage | Exchange) -> None:
        if isinstance(item, UserMessage):
            self._push("user", list(self._blocks(item.content)) or [{"type": "text", "text": BLANK}])
            return
        if not self.messages:
            self._push("user", [{"type": "text", "text": BEGINNING}])
        calls = item.message.tool_calls
        names = [self._ids.of(call) for call in calls]
        said: list[dict[str, Any]] = []
        for kind, data, place in woven(item.message, self._thoughts(item)):
            if kind == "thought":
                said.append(data)
            elif kind == "call":
                call = calls[place]
                name = names[place]
                said.append({"type": "tool_use", "id": name, "name": call.name, "input": as_object(call.arguments)})
            elif item.message.text.strip():
                said.append({"type": "text", "text": item.message.text})
        self._push("assistant", said or [{"type": "text", "text": BLANK}])
        results, pictures = [], []
        for name, result in zip(names, item.results, strict=True):
            shown: dict[str, Any] = {"type": "tool_result", "tool_use_id": name}
            content = list(self._blocks(result_parts(result)))
            if result.is_error:  # which holds text, and not none
                shown["is_error"] = True
                pictures += [block for block in content if block["type"] == "image"]
                content = [block for block in content if block["type"] == "text"] or [{"type": "text", "text": BLANK}]
            if content:
                shown["content"] = content
            results.append(shown)
        if results:
            self._push("user", results + pictures)

    def _thoughts(self, item: UserMessage | Exchange) -> list[Piece]:
        """What the model thought, in its place, if it is to think now."""
        if not self.effort or isinstance(item, UserMessage):
            return []
        return unseal(item.message, API, self._dialect.provider, self._model)

    def _goes_on_without_thoughts(self, items: Sequence[UserMessage | Exchange]) -> bool:
        """Whether the model's last words are calls of tools before which it did not think."""
        last = next((item for item in reversed(items) if isinstance(item, Exchange)), None)
        return last is not None and bool(last.results) and not self._thoughts(last)

    def _push(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": blocks})

    def _blocks(self, content: Sequence[Part]) -> Iterator[dict[str, Any]]:
        for part in content:
            if isinstance(part, TextPart):
                if part.text.strip():
                    yield {"type": "text", "text": part.text}
            elif self._dialect.images:
                source = {"type": "base64", "media_type": part.mime_type, "data": part.data}
                yield {"type": "image", "source": source}
            else:
                yield {"type": "text", "text": IMAGE_OMITTED}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    schema = tool.parameters or NO_PARAMETERS
    shaped: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object"} | schema}
    if tool.description:
        shaped["description"] = tool.description
    return shaped


def _tool_choice(request: ModelRequest) -> dict[str, Any] | None:
    choice, alone = request.tool_choice, request.sampling.parallel_tool_calls is False
    if choice.mode == "none":
        return {"type": "none"}
    if choice.mode == "auto" and not alone:
        return None
    shaped: dict[str, Any] = {"type": {"auto": "auto", "required": "any", "named": "tool"}[choice.mode]}
    if choice.mode == "named":
        shaped["name"] = choice.name
    if alone:
        shaped["disable_parallel_tool_use"] = True
    return shaped


def _thinking(model: str, effort: str, max_tokens: int, dialect: AnthropicDialect) -> dict[str, Any]:
    """Thinking counts as part of the answer, so the limit on that is raised by as much, as far as the model goes."""
    raised = with_room(max_tokens, BUDGETS[effort], dialect.max_tokens_cap)
    if dialect.adaptive or thinks_adaptively(model):
        level = {"minimal": "low", "xhigh": "xhigh" if _version(model) >= (4, 7) else "max"}.get(effort, effort)
        return {
            "max_tokens": raised,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": level},
        }
    budget = min(BUDGETS[effort], raised - min(max_tokens, LEAST_BUDGET))
    if budget < LEAST_BUDGET:
        return {}  # the model's longest answer leaves no room
    return {"max_tokens": raised, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _add_sampling(body: dict[str, Any], sampling: Sampling, model: str) -> None:
    """Seed and penalties do not exist here. Temperature ends at 1, excludes C{top_p}, and both exclude thinking and are
    gone from Claude 4.7 on."""
    stops = [stop for stop in sampling.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    if "thinking" in body or ("claude" in model and _version(model) >= (4, 7)):
        return
    if sampling.temperature is not None:
        body["temperature"] = min(sampling.temperature, 1.0)
    elif sampling.top_p is not None:
        body["top_p"] = sampling.top_p


def _mark_for_cache(body: dict[str, Any]) -> None:
    """What stays from call to call ends at these marks: tools and system prompt, and the conversation so far."""
    steady = body.get("system") or body.get("tools")
    if steady:
        steady[-1]["cache_control"] = EPHEMERAL
    if body["messages"] and body["messages"][-1]["role"] == "user":
        body["messages"][-1]["content"][-1]["cache_control"] = EPHEMERAL


__all__ = ["API", "BUDGETS", "AnthropicDialect", "encode_request", "thinks_adaptively"]
