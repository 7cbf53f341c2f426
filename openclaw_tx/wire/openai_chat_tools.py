# -*- test-case-name: tests.wire.test_openai_chat -*-
"""The client's own tools in a chat request, and which of them must be called. Pure."""

from __future__ import annotations

from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ToolChoice, ToolSpec
from openclaw_tx.wire.openai_fields import expected, invalid

MAX_TOOLS = 128
"""Most tools of one request (OpenAI)."""


def read_tools(tools: Any, choice: Any) -> tuple[tuple[ToolSpec, ...], ToolChoice]:
    """C{tools} and C{tool_choice}.

    @raise GatewayError: C{invalid_request}; the text starts with "Invalid tools/tool_choice".
    """
    if tools is None:
        tools = []
    if not isinstance(tools, list):
        raise expected("array", tools, "tools")
    if len(tools) > MAX_TOOLS:
        raise _invalid(f"at most {MAX_TOOLS} tools are supported", "tools")
    specs = tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))
    names = [spec.name for spec in specs]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _invalid(f"duplicate tool name: {name[:64]}", f"tools[{index}].function.name")
    return specs, _choice(choice, names)


def _tool(tool: Any, path: str) -> ToolSpec:
    if not isinstance(tool, dict):
        raise _invalid("each tool must be an object", path)
    if tool.get("type") != "function":
        raise _invalid("only function tools are supported", f"{path}.type")
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name.strip():
        raise _invalid("tool.function.name is required", f"{path}.function.name")
    description, parameters, strict = (function.get(key) for key in ("description", "parameters", "strict"))
    if description is not None and not isinstance(description, str):
        raise expected("string", description, f"{path}.function.description")
    if parameters is not None and not isinstance(parameters, dict):
        raise expected("object", parameters, f"{path}.function.parameters")
    if strict is not None and not isinstance(strict, bool):
        raise expected("boolean", strict, f"{path}.function.strict")
    return ToolSpec(
        name=name.strip(),
        description=description or "",
        parameters=parameters or {"type": "object", "properties": {}},
        strict=strict,
    )


def _choice(choice: Any, names: list[str]) -> ToolChoice:
    if choice is None or choice == "auto":
        return ToolChoice()
    if choice == "none":
        return ToolChoice(mode="none")
    if choice == "required":
        if not names:
            raise _invalid("tool_choice=required but no tools were provided", "tool_choice")
        return ToolChoice(mode="required")
    if not isinstance(choice, dict):
        raise _invalid("tool_choice must be a string or object", "tool_choice")
    if choice.get("type") != "function":
        kind = choice.get("type")
        shown = kind[:64] if isinstance(kind, str) else "of that type"
        raise _invalid(f"tool_choice {shown} is not supported", "tool_choice.type")
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise _invalid("tool_choice.function.name is required", "tool_choice.function.name")
    if name.strip() not in names:
        raise _invalid(f"tool_choice requested unknown tool: {name.strip()[:64]}", "tool_choice.function.name")
    return ToolChoice(mode="named", name=name.strip())


def _invalid(text: str, param: str) -> GatewayError:
    return invalid(f"Invalid tools/tool_choice: {text}", param)


__all__ = ["MAX_TOOLS", "read_tools"]
