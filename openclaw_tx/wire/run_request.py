# -*- test-case-name: tests.wire.test_run_request -*-
"""C{POST /v1/runs}: a request's bytes become those of a chat request. Pure (docs/runs.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import Value
from openclaw_tx.wire.large_json import fields_reader
from openclaw_tx.wire.openai_chat import FIELDS, decode_object
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_fields import expected, invalid, optional_bool, optional_string

_MESSAGE = {"messages[0].content": "message", "messages": "message"}
"""What stands in the chat request -> what was sent."""

_read_large = fields_reader((*FIELDS, "message", "agent", "session"))


class RunAsk(Value, frozen=True):
    """What a client asked for."""

    chat: bytes
    """The same as a body of C{POST /v1/chat/completions}."""
    agent: str
    """Id of the agent; "" = not said."""
    session: str
    """Session key; "" = not said."""
    message: bool
    """What is asked came as C{message}."""

    def as_sent(self, info: ErrorInfo, headers: Mapping[str, str]) -> ErrorInfo:
        """An error about the chat request in terms of this one.

        @param headers: those that fields of this request stand for -> the fields.
        """
        names = {**headers, **(_MESSAGE if self.message else {})}
        name = next((name for name in names if (info.param or "").startswith(name)), None)
        if name is None or info.param is None:
            return info
        param = names[name] + info.param[len(name) :]
        message = info.message.replace(info.param, param).replace(f"`{name}`", f"`{names[name]}`")
        return replace(info, param=param, message=message)


def parse_run(body: bytes) -> RunAsk:
    """Read a request: a chat request, with C{message} for one user message, C{agent}, and C{session}.

    @raise GatewayError: C{invalid_request} or C{unsupported_parameter}.
    """
    fields = decode_object(body, _read_large)
    agent, session = (_name(fields, name) for name in ("agent", "session"))
    if optional_bool(fields, "stream"):
        raise GatewayError(
            "unsupported_parameter", "A run is not streamed here: watch /v1/runs/<id>/events.", param="stream"
        )
    message = fields.pop("message", None)
    has_message = message is not None
    if has_message:
        if fields.get("messages") is not None:
            raise invalid("`message` and `messages` can not stand together.", "message")
        if not isinstance(message, str | list):
            raise expected("string", message, "message")
        fields["messages"] = [{"role": "user", "content": message}]
    return RunAsk(chat=encode(fields), agent=agent, session=session, message=has_message)


def _name(fields: dict[str, Any], name: str) -> str:
    """Take a string out of the fields."""
    value = optional_string(fields, name)
    fields.pop(name, None)
    if value is not None and not (value.strip() and value.isprintable()):
        raise invalid(f"`{name}` must be a printable, non-empty string.", name)
    return (value or "").strip()


__all__ = ["RunAsk", "parse_run"]
