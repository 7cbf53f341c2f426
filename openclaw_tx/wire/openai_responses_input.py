# -*- test-case-name: tests.wire.test_openai_responses -*-
"""C{input} of a Responses request as values (spec 1.4). Pure.

Items become the entries of a chat conversation, one at the same place, and L{openai_chat_messages} reads those: which
message is the current one, whose images count and what is skipped is decided once for both APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Spoken
from openclaw_tx.wire.openai_chat_images import ImageReader
from openclaw_tx.wire.openai_chat_messages import MAX_MESSAGES, read_messages
from openclaw_tx.wire.openai_fields import expected, invalid, optional_string
from openclaw_tx.wire.openai_responses_files import FileReader
from openclaw_tx.wire.openai_responses_items import response_of

ROLES = ("system", "developer", "user", "assistant")

REFERENCE = "item_reference"

IGNORED = ("reasoning", REFERENCE)
"""Items that clients send back and that say nothing to a model of ours; a reference to an item of ours does."""

Entry = dict[str, Any]
"""A message as chat completions have it."""

Known = Mapping[str, Entry | None]
"""Items of earlier responses by their ids; None = another item says what it said."""

NOTHING_KNOWN: Known = MappingProxyType({})

_NOTHING: Entry = {"role": "assistant"}
"""A message that is skipped wherever it stands."""


def read_input(
    value: Any, images: ImageReader, known: Known = NOTHING_KNOWN
) -> tuple[tuple[Spoken, ...], str, Mapping[str, str]]:
    """
    @param value: the field C{input}: a string, or a list of items.
    @param images: reads the images.
    @param known: items that it may refer to.
    @return: the conversation (the current message last; empty when there is nothing to answer), what the system
        prompt is to be extended by: C{system} and C{developer} texts, then files; and ids of items of earlier responses
        that are not known, with the places where they are referred to: without them it is not the whole conversation.
    @raise GatewayError: C{invalid_request}, C{invalid_image}, C{unsupported_parameter}.
    """
    if isinstance(value, str):
        return (*read_messages([{"role": "user", "content": value}], "input", images), {})
    if not isinstance(value, list):
        raise invalid("input: Invalid input", "input")
    if len(value) > MAX_MESSAGES:
        raise invalid(f"`input` may have at most {MAX_MESSAGES} entries.", "input")
    items = _Items(known)
    for index, item in enumerate(value):
        items.add(item, f"input[{index}]")
    if items.unknown:
        return (), "", items.unknown
    return (*read_messages([entry or _NOTHING for entry in items.entries], "input", images, items.files), {})


class _Items:
    """Items, read in order.

    @ivar entries: an entry for each item, None for one that stands for nothing by itself.
    @ivar unknown: ids of items that were referred to and are not known, and where.
    """

    def __init__(self, known: Known) -> None:
        self.entries: list[Entry | None] = []
        self.files = FileReader()
        self.unknown: dict[str, str] = {}
        self._known = known
        self._last: Entry | None = None
        """The newest entry that is one."""

    def add(self, item: Any, path: str) -> None:
        """Read one item."""
        if not isinstance(item, dict):
            raise expected("object", item, path)
        if item.get("type") == REFERENCE:
            item = self._referred(item, path)
        entry = self._entry(item, path)
        self.entries.append(entry)
        if entry is not None:
            self._last = entry

    def _referred(self, reference: Entry, path: str) -> Entry:
        """The item that is referred to, or the reference itself."""
        item_id = reference.get("id")
        if not isinstance(item_id, str) or not response_of(item_id):
            return reference
        if item_id not in self._known:
            self.unknown.setdefault(item_id, f"{path}.id")
        return self._known.get(item_id) or reference

    def _entry(self, item: Entry, path: str) -> Entry | None:
        kind = item.get("type", "message" if "role" in item else None)
        if kind == "message":
            return self._message(item, path)
        if kind == "function_call":
            return self._call(item, path)
        if kind == "function_call_output":
            call_id, output = _text(item, "call_id", path), self._content(item, "output", "tool", path)
            return {"role": "tool", "tool_call_id": call_id, "content": output}
        if kind in IGNORED:
            return None
        raise invalid(f"{path}.type is not an item type that can be sent here.", f"{path}.type")

    def _message(self, item: Entry, path: str) -> Entry | None:
        """A message; what is said after a call is part of the answer that the call is part of."""
        role = item.get("role")
        if role not in ROLES:
            raise invalid(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
        content = self._content(item, "content", role, path)
        if role == "assistant" and self._last is not None and "tool_calls" in self._last:
            self._last["content"] = [*_parts(self._last["content"]), *_parts(content)]
            return None
        return {"role": role, "content": content}

    def _content(self, item: Entry, name: str, role: str, path: str) -> str | list[Entry]:
        """Text as it is, or parts as chat completions have them."""
        content = item.get(name)
        if isinstance(content, str):
            return content
        if not isinstance(content, list):
            raise expected("string or array", content, f"{path}.{name}")
        return [self._part(part, role, f"{path}.{name}[{index}]") for index, part in enumerate(content)]

    def _part(self, part: Any, role: str, path: str) -> Entry:
        """A part as chat completions have it."""
        if not isinstance(part, dict):
            raise expected("object", part, path)
        kind = part.get("type")
        if kind in ("input_text", "output_text", "text"):
            return {"type": "text", "text": _text(part, "text", path, empty=True)}
        if kind == "refusal":
            return {"type": "text", "text": _text(part, "refusal", path, empty=True)}
        if kind not in ("input_image", "input_file"):
            raise invalid(f"{path}.type is not a content type that can be sent here.", f"{path}.type")
        if kind == "input_image" and role in ("user", "tool"):
            return {"type": "image_url", "image_url": _image_url(part, path)}
        if role != "user":
            raise invalid(f"{kind} can not be sent in this place.", f"{path}.type")
        # Where the file was shown stays marked; its text goes to the system prompt.
        return {"type": "text", "text": f"[file: {self.files.add(part, path)}]"}

    def _call(self, item: Entry, path: str) -> Entry | None:
        """A call joins the answer it was part of."""
        function = {
            "name": _text(item, "name", path),
            "arguments": optional_string(item, "arguments", f"{path}.") or "{}",
        }
        call = {"id": _text(item, "call_id", path), "type": "function", "function": function}
        if self._last is None or self._last["role"] != "assistant":
            return {"role": "assistant", "content": "", "tool_calls": [call]}
        self._last.setdefault("tool_calls", []).append(call)
        return None


def _parts(content: str | list[Entry]) -> list[Entry]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []


def _text(fields: Entry, name: str, path: str, *, empty: bool = False) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not (value or empty):
        words = "a string" if empty else "a non-empty string"
        raise invalid(f"{path}.{name} must be {words}.", f"{path}.{name}")
    return value


def _image_url(part: Entry, path: str) -> Any:
    """The image as a URL; OpenClaw's own form C{source} becomes a C{data:} URI."""
    source = part.get("source")
    if source is None:
        if part.get("file_id") is not None:
            raise _no_uploads(path)
        return part.get("image_url")
    if not isinstance(source, dict):
        raise expected("object", source, f"{path}.source")
    if source.get("type") != "base64":
        return source.get("url")
    media_type, data = source.get("media_type"), source.get("data")
    return f"data:{media_type};base64,{data}" if isinstance(media_type, str) and isinstance(data, str) else None


def _no_uploads(path: str) -> GatewayError:
    return GatewayError(
        "unsupported_parameter", "There are no uploaded files here: send the data itself.", param=f"{path}.file_id"
    )


__all__ = ["NOTHING_KNOWN", "Known", "read_input"]
