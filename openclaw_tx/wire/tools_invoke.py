# -*- test-case-name: tests.wire.test_tools_invoke -*-
"""C{POST /tools/invoke}: a request's bytes become values, results and refusals become bytes. Pure (spec 1.5).

This endpoint of OpenClaw's has an envelope of its own, C{{"ok": ...}}, kept here to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ToolResult
from openclaw_tx.values.value import Value
from openclaw_tx.wire.openai_chat import decode_object
from openclaw_tx.wire.openai_chat_fields import Handling
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_fields import expected

MAX_NAME = 128
"""Longest name of a tool; a longer one is no tool's."""

MAX_KEY = 256
"""Longest idempotency key."""


class ToolsInvokeRequest(Value, frozen=True):
    """What a client asked for."""

    name: str
    action: str
    """Goes into the arguments of tools that have one; "" = not sent."""
    args: dict[str, Any]
    session_key: str
    """As sent, trimmed; "" = not sent."""
    agent_id: str
    """As sent, trimmed; "" = not sent."""
    idempotency_key: str
    """"" = not sent."""


class ToolsInvokeError(Exception):
    """A refusal in this endpoint's own envelope.

    @ivar status: HTTP status.
    @ivar kind: C{error.type}.
    @ivar message: C{error.message}.
    """

    def __init__(self, status: int, kind: Literal["invalid_request", "not_found", "tool_error"], message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def parse(body: bytes) -> ToolsInvokeRequest:
    """Read a request.

    @raise GatewayError: C{invalid_request}: not a JSON object.
    @raise ToolsInvokeError: a field is wrong.
    """
    fields = decode_object(body)
    try:
        found = {field: read(fields) for field, read in READERS.items()}
    except GatewayError as error:
        raise invalid(str(error)) from None
    return ToolsInvokeRequest(
        name=found["name"],
        action=found["action"],
        args=found["args"],
        session_key=found["sessionKey"],
        agent_id=found["agentId"],
        idempotency_key=found["idempotencyKey"],
    )


def invalid(message: str) -> ToolsInvokeError:
    """The request is at fault."""
    return ToolsInvokeError(400, "invalid_request", message)


def not_available(name: str) -> ToolsInvokeError:
    """The tool is denied, or there is none of that name: nobody is to tell the difference.

    @param name: fit to be shown.
    """
    return ToolsInvokeError(404, "not_found", f"Tool not available: {name}")


def render_result(result: ToolResult) -> bytes:
    """A tool's result.

    @raise TypeError: its details are nothing that JSON has.
    """
    shown: dict[str, Any] = {"content": [{"type": "text", "text": result.text}]}
    if result.details is not None:
        shown["details"] = result.details
    return encode({"ok": True, "result": shown})


def render_error(error: ToolsInvokeError) -> bytes:
    """A refusal."""
    return encode({"ok": False, "error": {"type": error.kind, "message": error.message}})


def _text(field: str, limit: int | None = None) -> Callable[[Mapping[str, Any]], str]:
    """Reads a string, trimmed; absent, null and blank are all ""."""

    def read(fields: Mapping[str, Any]) -> str:
        value = fields.get(field)
        if value is not None and not isinstance(value, str):
            raise expected("string", value, field)
        text = (value or "").strip()
        if limit is not None and len(text) > limit:
            raise invalid(f"{field}: Too big: expected string to have <={limit} characters")
        return text

    return read


def _name(fields: Mapping[str, Any]) -> str:
    """C{name}, or C{tool} as it was called before. What is no name at all counts as none."""
    for field in ("name", *ALIASES):
        value = fields.get(field)
        if isinstance(value, str) and value.strip():
            return value.strip()
    raise invalid("tools.invoke requires name")


def _args(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Anything that is no object is taken for no arguments, as both releases of OpenClaw do."""
    value = fields.get("args")
    return value if isinstance(value, dict) else {}


READERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "name": _name,
    "action": _text("action"),
    "args": _args,
    "sessionKey": _text("sessionKey"),
    "agentId": _text("agentId"),
    "idempotencyKey": _text("idempotencyKey", MAX_KEY),
}
"""Field -> how it is read, in the order of the checks."""

ALIASES = ("tool",)
"""What C{name} may be called as well."""

FIELDS: Mapping[str, Handling] = {
    "name": Handling("used", "the tool"),
    "tool": Handling("used", "the same; name comes first"),
    "action": Handling("used", "an argument, for tools that have it"),
    "args": Handling("used", "checked against the tool's schema; anything but an object is no arguments"),
    "sessionKey": Handling("used", "absent or main = the agent's main session"),
    "agentId": Handling("used"),
    "idempotencyKey": Handling("used", f"at most {MAX_KEY} characters; one call, for ten minutes"),
    "dryRun": Handling("ignored"),
}
"""What is done with each field; any other is ignored."""


__all__ = [
    "ALIASES",
    "FIELDS",
    "MAX_KEY",
    "READERS",
    "ToolsInvokeError",
    "ToolsInvokeRequest",
    "invalid",
    "not_available",
    "parse",
    "render_error",
    "render_result",
]
