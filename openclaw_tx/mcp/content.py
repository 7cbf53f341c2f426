# -*- test-case-name: tests.mcp.test_content -*-
"""Between MCP's tools and ours: what a server says of its tools, their names here, and what a call has brought. Pure.

Source: Model Context Protocol 2025-06-18, server/tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from openclaw_tx.mcp.session import McpError
from openclaw_tx.values import ImagePart, ToolResult, Value

MAX_TOOLS = 200
"""Tools of one server."""

MAX_DESCRIPTION = 4000
"""Characters of a tool's description; the rest is cut."""

MAX_SCHEMA_BYTES = 64 * 1024
"""Largest schema of a tool's arguments."""

MAX_NAME = 64
"""Characters of a function's name, as model providers have it."""

MAX_IMAGES = 8
MAX_IMAGE_CHARS = 7_000_000
"""Base64 of one image: about 5 MiB, as for the tool C{read}."""

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class RemoteTool(Value, frozen=True):
    """A tool as its server describes it."""

    name: str
    description: str
    parameters: dict[str, Any]


def remote_tools(result: Mapping[str, Any]) -> tuple[list[RemoteTool], list[str]]:
    """A page of C{tools/list}.

    @return: the tools that can be used, and the names of those that can not.
    @raise McpError: it is no list of tools.
    """
    listed = result.get("tools")
    if not isinstance(listed, list):
        raise McpError("its list of tools is none.")
    found, useless = [], []
    for each in listed:
        tool = _remote_tool(each)
        if tool is not None:
            found.append(tool)
        else:
            useless.append(str(each.get("name") if isinstance(each, dict) else each)[:100])
    return found, useless


def _remote_tool(listed: Any) -> RemoteTool | None:
    if not isinstance(listed, dict):
        return None
    name, schema = listed.get("name"), listed.get("inputSchema", {})
    if not isinstance(name, str) or not name or not isinstance(schema, dict):
        return None
    if schema.get("type", "object") != "object" or len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        return None
    described = listed.get("description") or listed.get("title")
    text = described if isinstance(described, str) else ""
    properties = schema.get("properties")
    return RemoteTool(
        name=name,
        description=text[:MAX_DESCRIPTION],
        parameters={**schema, "type": "object", "properties": properties if isinstance(properties, dict) else {}},
    )


def names_of(server: str, tools: Iterable[str]) -> dict[str, str]:
    """Names under which models call the tools of a server.

    @return: name here -> the server's own name; C{<server>__<tool>} of characters that every provider takes, numbered
        where two would be the same.
    """
    names: dict[str, str] = {}
    folded: set[str] = set()
    for tool in tools:
        plain = f"{_plain(server)}__{_plain(tool)}"
        name, number = plain[:MAX_NAME], 1
        while name.lower() in folded:
            number += 1
            name = f"{plain[: MAX_NAME - len(str(number)) - 1]}_{number}"
        folded.add(name.lower())
        names[name] = tool
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def allowed(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Those of a server's tools that C{mcp.servers.*.allow} lets through: by the server's own names, C{*} for any
    characters; no patterns = all."""
    return [name for name in names if not patterns or any(_matches(name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    """Piece by piece; a regular expression could take for ever over many stars."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return name == pattern
    last = pieces.pop()
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in pieces:
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def tool_result(result: Mapping[str, Any]) -> ToolResult:
    """What a call has brought: text and images; C{structuredContent} as details, and as text where there is no other.

    What models can not be shown is named.
    """
    content = result.get("content")
    texts: list[str] = []
    images: list[ImagePart] = []
    for block in content if isinstance(content, list) else []:
        if isinstance(block, dict):
            texts += _block(block, images)
    structured = result.get("structuredContent")
    if structured is not None and not texts and not images:
        texts.append(msgspec.json.format(msgspec.json.encode(structured), indent=2).decode())
    return ToolResult(
        text="\n".join(texts),
        details=structured,
        is_error=result.get("isError") is True,
        images=tuple(images),
    )


def _block(block: Mapping[str, Any], images: list[ImagePart]) -> Iterator[str]:
    kind = block.get("type")
    if kind == "text":
        yield str(block.get("text", ""))
    elif kind == "image":
        data, mime_type = block.get("data"), block.get("mimeType")
        if not isinstance(data, str) or not isinstance(mime_type, str) or mime_type not in _IMAGES:
            yield f"[an image of a kind that can not be shown: {str(mime_type)[:50]}]"
        elif len(images) == MAX_IMAGES or len(data) > MAX_IMAGE_CHARS or not _BASE64.fullmatch(data):
            yield "[an image that can not be shown: there are too many, or it is too large or broken]"
        else:
            images.append(ImagePart(data=data, mime_type=mime_type))
    elif kind == "resource":
        resource = block.get("resource")
        yield _resource(resource if isinstance(resource, dict) else {})
    elif kind == "resource_link":
        name, uri, about = (str(block.get(key) or "") for key in ("name", "uri", "description"))
        yield f"[resource {name}: {uri}]" + (f" {about}" if about else "")
    else:
        yield f"[content of a kind that can not be shown: {str(kind)[:50]}]"


def _resource(resource: Mapping[str, Any]) -> str:
    uri, text = str(resource.get("uri", "")), resource.get("text")
    if isinstance(text, str):
        return f"[resource {uri}]\n{text}"
    return f"[resource {uri}: {str(resource.get('mimeType') or 'binary')[:50]}, which can not be shown]"


__all__ = ["MAX_TOOLS", "RemoteTool", "allowed", "names_of", "remote_tools", "tool_result"]
