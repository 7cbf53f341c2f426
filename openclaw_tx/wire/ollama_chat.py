# -*- test-case-name: tests.wire.test_ollama_chat -*-
"""Ollama's own chat API, requests and answers (docs "Generate a chat completion").

Beside its OpenAI endpoint this one takes a context size, and keeps thinking apart from text. Answers are JSON objects
on a line each; calls come whole and without ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from openclaw_tx.values import ImagePart, ModelEvent, ModelRequest, Part, Sampling, ToolSpec, Usage, UserMessage
from openclaw_tx.values.value import Value
from openclaw_tx.wire.history import as_object, exchanges, has_images, pictures, plain
from openclaw_tx.wire.openai_completions import tool_of
from openclaw_tx.wire.replies import ReplyReader, as_text
from openclaw_tx.wire.upstream import count, error_of

_encode = msgspec.json.Encoder().encode

API = "ollama"

_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


class OllamaDialect(Value, frozen=True):
    """What one model understands."""

    context_window: int = 0
    """Tokens of context to run it with: Ollama cuts off silently what does not fit its default; 0 = that."""
    thinking: bool = True
    images: bool = False
    response_format: bool = True


def encode_request(model: str, request: ModelRequest, dialect: OllamaDialect) -> bytes:
    """The JSON body of a streaming request."""
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    messages.extend(_messages(request, dialect.images))
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    tools = _tools(request)
    if tools:
        body["tools"] = [tool_of(tool) for tool in tools]
    sampling = request.sampling
    effort = _LEVELS.get(sampling.reasoning_effort or "")
    if effort and dialect.thinking:
        body["think"] = effort if "gpt-oss" in model else True  # the only one with levels
    if dialect.response_format and not tools and (form := _format(sampling)) is not None:
        body["format"] = form
    options = {_OPTIONS[name]: value for name in _OPTIONS if (value := getattr(sampling, name)) is not None}
    if sampling.stop:
        options["stop"] = sampling.stop
    if dialect.context_window:
        options["num_ctx"] = dialect.context_window
    if options:
        body["options"] = options
    return _encode(body)


def _tools(request: ModelRequest) -> Sequence[ToolSpec]:
    """Ollama holds no model to a choice; it can only be offered less."""
    choice = request.tool_choice
    if choice.mode == "none":
        return ()
    if choice.mode == "named":
        return [tool for tool in request.tools if tool.name == choice.name]
    return request.tools


def _messages(request: ModelRequest, images: bool) -> Iterator[dict[str, Any]]:
    for item in exchanges(request.messages):
        if isinstance(item, UserMessage):
            yield _user(item.content, images)
            continue
        shaped: dict[str, Any] = {"role": "assistant", "content": item.message.text}
        calls = item.message.tool_calls
        if calls:
            shaped["tool_calls"] = [
                {"function": {"name": call.name, "arguments": as_object(call.arguments)}} for call in calls
            ]
        yield shaped
        for call, result in zip(calls, item.results, strict=True):
            yield {"role": "tool", "tool_name": call.name, "content": result.text}
        if shown := pictures(item):
            yield _user(shown, images)


def _user(content: Sequence[Part], images: bool) -> dict[str, Any]:
    if not images or not has_images(content):
        return {"role": "user", "content": plain(content)}
    texts = [part for part in content if not isinstance(part, ImagePart)]
    shown = [part.data for part in content if isinstance(part, ImagePart)]
    return {"role": "user", "content": plain(texts), "images": shown}


def _format(sampling: Sampling) -> Any:
    wanted = sampling.response_format or {}
    if wanted.get("type") == "json_schema":
        return (wanted.get("json_schema") or {}).get("schema") or "json"
    return "json" if wanted.get("type") == "json_object" else None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Line)


class ChatReader(ReplyReader):
    """Reads the lines of one answer. The one with C{done} is the last."""

    api = API

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if self.done or not payload.strip():
            return
        line = self._decoded(_decoder, payload)
        if line.error:
            raise error_of(line.error)
        message = line.message or _Message()
        self._think(message.thinking or "", events)
        self._say(message.content or "", events)
        for call in message.tool_calls or ():
            function = call.function or _Function()
            self._grow(self._open(call.id or "", function.name or ""), as_text(function.arguments), events)
        if line.done:
            self._reason = "length" if line.done_reason == "length" else "stop"
            self._usage = Usage(prompt_tokens=count(line.prompt_eval_count), completion_tokens=count(line.eval_count))
            self.done = True

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        """One line or several: the content type does not tell."""
        for line in body.splitlines():
            self.read(line, events)


__all__ = ["API", "ChatReader", "OllamaDialect", "encode_request"]
