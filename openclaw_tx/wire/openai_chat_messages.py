# -*- test-case-name: tests.wire.test_openai_chat -*-
"""C{messages} of a chat request as values: client history stays structure (design decision 14; spec 1.1). Pure.

The I{current} message is the last one of a user or tool (if there is none, the last of all); what follows it is
dropped. Entries that say nothing, that are no objects, or whose role is unknown are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.values import (
    AssistantMessage,
    Part,
    Spoken,
    TextPart,
    ToolCall,
    ToolResultMessage,
    UserMessage,
)
from openclaw_tx.wire.openai_chat_images import ImageReader, ImageRules, is_image
from openclaw_tx.wire.openai_fields import expected, invalid

EARLIER_IMAGE = TextPart(text="[image]")
"""Stands for an image of an earlier turn: only those of the last user message, and of tool results after it, are sent
on (spec 1.1)."""

MAX_MESSAGES = 10_000
"""Most entries of C{messages}."""

_USERS = ("user", "tool", "function")


def read_messages(
    value: Any, field: str = "messages", images: ImageReader | None = None
) -> tuple[tuple[Spoken, ...], str]:
    """
    @param value: the field C{messages}; None = absent.
    @param field: its name, for errors.
    @param images: reads the images; without one there may be none that have to be fetched.
    @return: the conversation (the current message last; empty when there is nothing to answer), and the texts of
        C{system} and C{developer} messages joined by blank lines.
    @raise GatewayError: C{invalid_request}, C{invalid_image}.
    """
    if value is None:
        return (), ""
    if not isinstance(value, list):
        raise expected("array", value, field)
    if len(value) > MAX_MESSAGES:
        raise invalid(f"`{field}` may have at most {MAX_MESSAGES} entries.", field)
    system: list[str] = []
    entries: list[tuple[int, dict[str, Any]]] = []
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            continue
        role = entry.get("role")
        if role in ("system", "developer"):
            text = text_of(entry.get("content"))
            if text.strip():
                system.append(text)
        elif (role == "assistant" or role in _USERS) and _says_something(entry):
            entries.append((index, entry))
    return _conversation(entries, field, images or ImageReader(ImageRules())), "\n\n".join(system)


def text_of(content: Any) -> str:
    """The text of a C{content} field: a string as it is, or its text parts joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(text for part in content if (text := _part_text(part)) is not None)


def _part_text(part: Any) -> str | None:
    if not isinstance(part, dict):
        return None
    if part.get("type") in ("text", "input_text") and isinstance(part.get("text"), str):
        return str(part["text"])
    return part["input_text"] if isinstance(part.get("input_text"), str) else None


def _answer_text(entry: Mapping[str, Any]) -> str:
    """What an assistant said. One that declined says so in C{refusal}, beside C{content} or in its parts."""
    content, refusal = entry.get("content"), entry.get("refusal")
    if isinstance(content, list):
        parts = [
            {"type": "text", "text": part.get("refusal")}
            if isinstance(part, dict) and part.get("type") == "refusal"
            else part
            for part in content
        ]
        text = text_of(parts)
    else:
        text = text_of(content)
    return text if text.strip() or not isinstance(refusal, str) else refusal


def _says_something(entry: Mapping[str, Any]) -> bool:
    role = entry["role"]
    if role == "assistant":
        return bool(entry.get("tool_calls") or entry.get("function_call") or _answer_text(entry).strip())
    if text_of(entry.get("content")).strip():
        return True
    if role == "user":
        return _has_image(entry)
    # An empty tool result is valid and completes its call.
    return bool(entry.get("tool_call_id")) or (role == "function" and bool(entry.get("name")))


def _has_image(entry: Mapping[str, Any]) -> bool:
    content = entry.get("content")
    return isinstance(content, list) and any(map(is_image, content))


def _conversation(entries: list[tuple[int, dict[str, Any]]], field: str, images: ImageReader) -> tuple[Spoken, ...]:
    if not entries:
        return ()
    current = max((at for at, (_, entry) in enumerate(entries) if entry["role"] in _USERS), default=len(entries) - 1)
    entries = entries[: current + 1]
    last_user = max((at for at, (_, entry) in enumerate(entries) if entry["role"] == "user"), default=-1)
    reader = _Reader(images)
    messages = [
        reader.read(entry, f"{field}[{index}]", current=at >= last_user) for at, (index, entry) in enumerate(entries)
    ]
    last = messages[-1]
    if isinstance(last, AssistantMessage):
        # Nobody asked anything: the last thing said becomes the prompt.
        if not last.text.strip():
            return ()
        messages[-1] = UserMessage(content=(TextPart(text=last.text),))
    return tuple(messages)


class _Reader:
    """Reads entries in order; remembers tool calls, so that results know the names of their tools."""

    def __init__(self, images: ImageReader) -> None:
        self._images = images
        self._tools: dict[str, str] = {}
        """Call id -> tool name."""
        self._legacy: dict[str, str] = {}
        """Function name -> id made up for its latest C{function_call}, which has none."""

    def read(self, entry: Mapping[str, Any], path: str, *, current: bool) -> Spoken:
        """One entry as a message.

        @param current: it is part of the current turn, so its images are wanted.
        """
        if entry["role"] == "user":
            return UserMessage(content=self._user_parts(entry, path, current=current))
        if entry["role"] == "assistant":
            calls = self._calls(entry, path)
            return AssistantMessage(
                text=_answer_text(entry), tool_calls=calls, stop_reason="tool_calls" if calls else "stop"
            )
        return self._result(entry, path, current=current)

    def _calls(self, entry: Mapping[str, Any], path: str) -> tuple[ToolCall, ...]:
        calls = entry.get("tool_calls")
        if calls is None:
            calls = []
        if not isinstance(calls, list):
            raise expected("array", calls, f"{path}.tool_calls")
        read = [self._call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls)]
        legacy = entry.get("function_call")
        if legacy is not None:
            name, arguments = _function(legacy, f"{path}.function_call")
            self._legacy[name] = f"{path}:{name}"
            read.append(ToolCall(id=self._legacy[name], name=name, arguments=arguments))
        for call in read:
            self._tools[call.id] = call.name
        return tuple(read)

    def _call(self, call: Any, path: str) -> ToolCall:
        if not isinstance(call, dict):
            raise expected("object", call, path)
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id:
            raise invalid(f"{path}.id must be a non-empty string.", f"{path}.id")
        if call.get("type", "function") != "function":
            raise invalid(f"{path}.type must be function.", f"{path}.type")
        name, arguments = _function(call.get("function"), f"{path}.function")
        return ToolCall(id=call_id, name=name, arguments=arguments)

    def _result(self, entry: Mapping[str, Any], path: str, *, current: bool) -> ToolResultMessage:
        name = entry.get("name")
        name = name if isinstance(name, str) else ""
        call_id = entry.get("tool_call_id")
        if call_id is None:
            call_id = self._legacy.get(name, name)
        if not isinstance(call_id, str):
            raise expected("string", call_id, f"{path}.tool_call_id")
        text = text_of(entry.get("content"))
        return ToolResultMessage(
            tool_call_id=call_id,
            tool_name=name or self._tools.get(call_id, ""),
            text=text if text or current or not _has_image(entry) else EARLIER_IMAGE.text,
            images=self._images.read(entry.get("content"), f"{path}.content") if current else (),
        )

    def _user_parts(self, entry: Mapping[str, Any], path: str, *, current: bool) -> tuple[Part, ...]:
        content = entry.get("content")
        text = text_of(content)
        parts: list[Part] = [TextPart(text=text)] if text.strip() else []
        if current:
            parts.extend(self._images.read(content, f"{path}.content"))
        elif not parts:
            parts.append(EARLIER_IMAGE)
        return tuple(parts)


def _function(function: Any, path: str) -> tuple[str, str]:
    """Name and arguments of a call; arguments that are missing or null are none."""
    if not isinstance(function, dict):
        raise expected("object", function, path)
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not name:
        raise invalid(f"{path}.name must be a non-empty string.", f"{path}.name")
    if arguments is not None and not isinstance(arguments, str):
        raise expected("string", arguments, f"{path}.arguments")
    return name, arguments or "{}"


__all__ = ["MAX_MESSAGES", "read_messages", "text_of"]
