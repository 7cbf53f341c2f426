# -*- test-case-name: tests.wire.test_openai_chat_parts -*-
"""C{content} of the messages of a chat request: what its parts say, and which can not be passed on (spec 1.1). Pure.

What a client says now is passed on whole or refused by name. What it said in earlier turns was answered then: a part
that can not be passed on is skipped there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.openai_chat_images import is_image
from openclaw_tx.wire.openai_fields import expected, invalid
from openclaw_tx.wire.openai_responses_files import FileReader

SYSTEM = ("system", "developer")
USERS = ("user", "tool", "function")
TEXTS = ("text", "input_text")


def text_of(content: Any) -> str:
    """The text of a C{content} field: a string as it is, or its text parts joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(text for part in content if (text := _part_text(part)) is not None)


def answer_text(entry: Mapping[str, Any]) -> str:
    """What an assistant said. One that declined says so in C{refusal}, beside C{content} or in its parts."""
    content, refusal = entry.get("content"), entry.get("refusal")
    if isinstance(content, list):
        content = [_text_part(part["refusal"]) if _is(part, "refusal") else part for part in content]
    text = text_of(content)
    if not isinstance(refusal, str) or not refusal.strip() or refusal in text:
        return text
    return f"{text}\n{refusal}" if text.strip() else refusal


def has_image(entry: Mapping[str, Any]) -> bool:
    """Whether a message shows an image."""
    content = entry.get("content")
    return isinstance(content, list) and any(map(is_image, content))


def passable(entry: dict[str, Any], path: str, files: FileReader, *, new: bool) -> dict[str, Any]:
    """A message of a role of L{SYSTEM} or L{USERS}, whose content is no text, with its files read: a mark stands where
    each was shown.

    @param path: of the message, for errors.
    @param files: takes the files.
    @param new: it belongs to the turn that is to be answered.
    @raise GatewayError: C{invalid_request}, C{unsupported_parameter}: the content of a new message, or a part of it,
        can not be passed on.
    """
    if not isinstance(entry["content"], list):
        if new and entry["role"] != "user":  # a user's says nothing, and that is found where there is nothing else
            raise expected("string or array", entry["content"], f"{path}.content")
        return entry
    parts = [
        part if _part_text(part) is not None else _passable(part, entry["role"], f"{path}.content[{at}]", files, new)
        for at, part in enumerate(entry["content"])
    ]
    return {**entry, "content": parts}


def _passable(part: Any, role: str, path: str, files: FileReader, new: bool) -> Any:
    if is_image(part) and role in USERS:
        return part
    try:
        if _is(part, "file") and role == "user":
            file = part["file"]
            if not isinstance(file, dict):
                raise expected("object", file, f"{path}.file")
            return _text_part(f"[file: {files.add(file, f'{path}.file')}]")
        raise _refusal(part, role, path)
    except GatewayError:
        if new:
            raise
        return part


def _refusal(part: Any, role: str, path: str) -> GatewayError:
    if not isinstance(part, dict):
        return expected("object", part, path)
    if part.get("type") in TEXTS:
        return invalid("The `text` of a content part must be a string.", path)
    kinds = {"user": "text, image_url and file"}.get(role, "text and image_url" if role in USERS else "text")
    return invalid(f"This content part can not be passed on. Parts of a {role} message are {kinds}.", path)


def _part_text(part: Any) -> str | None:
    if not isinstance(part, dict):
        return None
    if part.get("type") in TEXTS and isinstance(part.get("text"), str):
        return str(part["text"])
    return part["input_text"] if isinstance(part.get("input_text"), str) else None


def _text_part(text: Any) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _is(part: Any, kind: str) -> bool:
    """Whether a part is of a kind, with what that kind holds."""
    return isinstance(part, dict) and part.get("type") == kind and kind in part


__all__ = ["SYSTEM", "USERS", "answer_text", "has_image", "passable", "text_of"]
