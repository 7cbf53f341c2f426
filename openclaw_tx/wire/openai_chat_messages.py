# -*- test-case-name: tests.wire.test_openai_chat -*-
"""C{messages} of a chat request as values: client history stays structure (design decision 14; spec 1.1). Pure.

The I{current} message is the last one of a user or tool (if there is none, the last of all); what an assistant said
after it is dropped. Entries that say nothing, that are no objects, or whose role is unknown are skipped, unless they
follow it: then an older question would be answered in their place, and they are refused instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    AssistantMessage,
    Part,
    Spoken,
    TextPart,
    ToolCall,
    ToolResultMessage,
    UserMessage,
)
from openclaw_tx.wire.openai_chat_images import ImageReader, ImageRules
from openclaw_tx.wire.openai_chat_parts import SYSTEM, USERS, answer_text, has_image, passable, text_of
from openclaw_tx.wire.openai_fields import expected, invalid
from openclaw_tx.wire.openai_responses_files import FileReader

EARLIER_IMAGE = TextPart(text="[image]")
"""Stands for an image of an earlier turn: only those of the last user message, and of tool results after it, are sent
on (spec 1.1)."""

MAX_MESSAGES = 10_000
"""Most entries of C{messages}."""

_Entry = tuple[int, dict[str, Any]]
"""Its index, and the entry."""


def read_messages(
    value: Any, field: str = "messages", images: ImageReader | None = None, files: FileReader | None = None
) -> tuple[tuple[Spoken, ...], str]:
    """
    @param value: the field C{messages}; None = absent.
    @param field: its name, for errors.
    @param images: reads the images; without one there may be none that have to be fetched.
    @param files: reads the files, and may hold some already.
    @return: the conversation (the current message last; empty when there is nothing to answer), and what the system
        prompt is to be extended by: C{system} and C{developer} texts, then files, joined by blank lines.
    @raise GatewayError: C{invalid_request}, C{invalid_image}, C{unsupported_parameter}.
    """
    if value is None:
        return (), ""
    if not isinstance(value, list):
        raise expected("array", value, field)
    if len(value) > MAX_MESSAGES:
        raise invalid(f"`{field}` may have at most {MAX_MESSAGES} entries.", field)
    files = files or FileReader()
    new: int | None = None
    system: list[str] = []
    entries: list[_Entry] = []
    skipped = -1
    for index, entry in enumerate(value):
        role = entry.get("role") if isinstance(entry, dict) else None
        if role == "assistant":
            if _says_something(entry):
                entries.append((index, entry))
            continue
        if role not in USERS and role not in SYSTEM:
            skipped = index
            continue
        content = entry.get("content")
        if content is not None and not isinstance(content, str):
            new = _first_new(value) if new is None else new
            entry = passable(entry, f"{field}[{index}]", files, new=index >= new)
        if role in SYSTEM:
            text = text_of(entry.get("content"))
            if text.strip():
                system.append(text)
        elif _says_something(entry):
            entries.append((index, entry))
        else:
            skipped = index
    entries = _up_to_current(entries)
    if entries and skipped > entries[-1][0]:
        raise _not_understood(value[skipped], f"{field}[{skipped}]")
    conversation = _conversation(entries, field, images or ImageReader(ImageRules()))
    return conversation, "\n\n".join([*system, *filter(None, [files.text()])])


def _first_new(value: list[Any]) -> int:
    """Where the turn begins that is to be answered: with the last message of a user, or after the last answer."""
    roles = [entry.get("role") if isinstance(entry, dict) else None for entry in value]
    current = max((at for at, role in enumerate(roles) if role in USERS), default=len(roles))
    answered = max((at for at, role in enumerate(roles[:current]) if role == "assistant"), default=-1)
    asked = max((at for at, role in enumerate(roles) if role == "user"), default=current)
    return min(asked, answered + 1)


def _not_understood(entry: Any, path: str) -> GatewayError:
    """Why there is nothing to answer in what should be answered."""
    if not isinstance(entry, dict):
        return expected("object", entry, path)
    if entry.get("role") not in USERS:
        return invalid(f"{path}.role must be one of {', '.join((*SYSTEM, *USERS, 'assistant'))}.", f"{path}.role")
    content = entry.get("content")
    if content is not None and not isinstance(content, str | list):
        return expected("string or array", content, f"{path}.content")
    return invalid(f"{path}.content says nothing that could be answered.", f"{path}.content")


def _says_something(entry: Mapping[str, Any]) -> bool:
    role = entry["role"]
    if role == "assistant":
        return bool(entry.get("tool_calls") or entry.get("function_call") or answer_text(entry).strip())
    if text_of(entry.get("content")).strip():
        return True
    if role == "user":
        return has_image(entry)
    # An empty tool result is valid and completes its call.
    return bool(entry.get("tool_call_id")) or (role == "function" and bool(entry.get("name")))


def _up_to_current(entries: list[_Entry]) -> list[_Entry]:
    current = max((at for at, (_, entry) in enumerate(entries) if entry["role"] in USERS), default=len(entries) - 1)
    return entries[: current + 1]


def _conversation(entries: list[_Entry], field: str, images: ImageReader) -> tuple[Spoken, ...]:
    if not entries:
        return ()
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
                text=answer_text(entry), tool_calls=calls, stop_reason="tool_calls" if calls else "stop"
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
            text=text if text or current or not has_image(entry) else EARLIER_IMAGE.text,
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


__all__ = ["MAX_MESSAGES", "read_messages"]
