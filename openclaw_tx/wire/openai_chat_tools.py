# -*- test-case-name: tests.wire.test_openai_chat -*-
"""The client's own tools in a request, and which of them must be called. Pure.

Chat completions put a function below C{function}; the Responses API has it flat, and the nested form too (D8).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ToolChoice, ToolSpec
from openclaw_tx.wire.openai_fields import expected, invalid

MAX_TOOLS = 128
"""Most tools of one request (OpenAI)."""


def read_tools(tools: Any, choice: Any, *, flat: bool = False) -> tuple[tuple[ToolSpec, ...], ToolChoice]:
    """C{tools} and C{tool_choice}.

    @param flat: the flat form is understood as well as the nested one.
    @raise GatewayError: C{invalid_request}; the text starts with "Invalid tools/tool_choice".
    """
    if tools is None:
        tools = []
    if not isinstance(tools, list):
        raise expected("array", tools, "tools")
    if len(tools) > MAX_TOOLS:
        raise _invalid(f"at most {MAX_TOOLS} tools are supported", "tools")
    specs: dict[str, ToolSpec] = {}
    for index, tool in enumerate(tools):
        spec, place = _tool(tool, f"tools[{index}]", flat=flat)
        if spec.name in specs:
            raise _invalid(f"duplicate tool name: {spec.name[:64]}", f"{place}.name")
        specs[spec.name] = spec
    return tuple(specs.values()), _choice(choice, specs, flat=flat)


def _tool(tool: Any, path: str, *, flat: bool) -> tuple[ToolSpec, str]:
    """
    @return: the tool, and the path of its function.
    """
    if not isinstance(tool, dict):
        raise _invalid("each tool must be an object", path)
    if tool.get("type") != "function":
        raise _invalid("only function tools are supported", f"{path}.type")
    function, name, inside = _function(tool, flat=flat)
    path += inside
    if not name:
        raise _invalid(f"tool{inside}.name is required", f"{path}.name")
    description, parameters, strict = (function.get(key) for key in ("description", "parameters", "strict"))
    if description is not None and not isinstance(description, str):
        raise expected("string", description, f"{path}.description")
    if parameters is not None and not isinstance(parameters, dict):
        raise expected("object", parameters, f"{path}.parameters")
    if strict is not None and not isinstance(strict, bool):
        raise expected("boolean", strict, f"{path}.strict")
    spec = ToolSpec(
        name=name,
        description=description or "",
        parameters=parameters or {"type": "object", "properties": {}},
        strict=strict,
    )
    return spec, path


def _function(value: dict[str, Any], *, flat: bool) -> tuple[dict[str, Any], str, str]:
    """
    @return: the function, its name ("" when it has none), and where in C{value} it is.
    """
    if flat and "function" not in value:
        function, inside = value, ""
    else:
        nested = value.get("function")
        function, inside = nested if isinstance(nested, dict) else {}, ".function"
    name = function.get("name")
    return function, name.strip() if isinstance(name, str) else "", inside


def _choice(choice: Any, names: Collection[str], *, flat: bool) -> ToolChoice:
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
    _, name, inside = _function(choice, flat=flat)
    path = f"tool_choice{inside}.name"
    if not name:
        raise _invalid(f"{path} is required", path)
    if name not in names:
        raise _invalid(f"tool_choice requested unknown tool: {name[:64]}", path)
    return ToolChoice(mode="named", name=name)


def _invalid(text: str, param: str) -> GatewayError:
    return invalid(f"Invalid tools/tool_choice: {text}", param)


__all__ = ["MAX_TOOLS", "read_tools"]
