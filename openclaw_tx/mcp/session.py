# -*- test-case-name: tests.mcp.test_session -*-
"""One conversation with a server, as messages of JSON-RPC 2.0: requests get numbers, what comes gets a meaning. No I/O.

Source: Model Context Protocol, revision 2025-06-18 (basic/lifecycle, basic/utilities, server/tools); older servers
answer with their own revision, and those of L{VERSIONS} are understood. Of what a server may ask of a client only
C{ping} is answered with a result: no other ability is claimed at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from openclaw_tx._version import __version__
from openclaw_tx.values import Value
from openclaw_tx.wire.large_json import LARGE, is_too_deep

VERSION = "2025-06-18"
"""The revision that is offered."""

VERSIONS = frozenset({VERSION, "2025-03-26", "2024-11-05"})
"""Revisions that a server may choose."""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message that is read."""

MAX_BATCH = 100
"""Messages in one batch, which the revision 2025-03-26 has."""

MAX_TEXT = 2000
"""Characters of what a server says of itself, in errors, progress and logs."""

MAX_REPLY = 4096
"""Bytes of an answer to what a server asks, most of which are the id that it chose."""

_METHOD_NOT_FOUND = -32601


class McpError(Exception):
    """A server could not be used; the text is for models and the log."""


class BadMessage(Exception):
    """What came is no message."""


class Answered(Value, frozen=True):
    """The result of a request."""

    id: int
    result: Mapping[str, Any]


class Refused(Value, frozen=True):
    """A request failed."""

    id: int
    message: str


class Progressed(Value, frozen=True):
    """A request is still being worked on."""

    id: int
    text: str


class ToolsChanged(Value, frozen=True):
    """The list of tools is no longer what it was."""


class Logged(Value, frozen=True):
    """The server has something for the log."""

    level: str
    text: str


class Reply(Value, frozen=True):
    """A message to send, since the server asked for something."""

    data: bytes


Event = Answered | Refused | Progressed | ToolsChanged | Logged | Reply


class Session:
    """Numbers requests and understands what comes."""

    def __init__(self) -> None:
        self._last = 0
        self._open: set[int] = set()

    def request(self, method: str, params: Mapping[str, Any], *, progress: bool = False) -> tuple[int, bytes]:
        """A request, to be sent.

        @param progress: the server may tell how far it is.
        @return: its number and the message.
        """
        self._last += 1
        number = self._last
        self._open.add(number)
        if progress:
            params = {**params, "_meta": {"progressToken": number}}
        return number, _encode({"id": number, "method": method, "params": params})

    def initialize(self) -> tuple[int, bytes]:
        """The first request of all."""
        return self.request(
            "initialize",
            {
                "protocolVersion": VERSION,
                "capabilities": {},
                "clientInfo": {"name": "openclaw_tx", "title": "OpenClaw Gateway", "version": __version__},
            },
        )

    def notification(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """A message that nobody answers."""
        return _encode({"method": method, **({"params": params} if params else {})})

    def cancel(self, number: int, reason: str) -> bytes:
        """Give up on a request: nothing that comes for it means anything any more.

        @return: what tells the server.
        """
        self._open.discard(number)
        return self.notification("notifications/cancelled", {"requestId": number, "reason": reason})

    def receive(self, data: bytes) -> list[Event]:
        """
        @param data: one message, or a batch of them.
        @raise BadMessage: it is none.
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise BadMessage(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        try:
            found = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise BadMessage(f"no JSON ({error})") from None
        if len(data) < LARGE and is_too_deep(data):
            raise BadMessage("it is nested too deeply")
        messages = found if isinstance(found, list) else [found]
        if len(messages) > MAX_BATCH:
            raise BadMessage(f"more than {MAX_BATCH} messages at once")
        events: list[Event] = []
        odd: BadMessage | None = None
        for message in messages:
            try:
                events += self._event(message)
            except BadMessage as error:
                odd = error  # what else is in the batch counts all the same
        if odd is not None and not events:
            raise odd
        return events

    def _event(self, message: Any) -> list[Event]:
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise BadMessage("no JSON-RPC 2.0")
        method = message.get("method")
        if isinstance(method, str):
            if "id" in message:
                return [Reply(data=_reply(message["id"], method))]
            params = message.get("params")
            return self._notified(method, params if isinstance(params, dict) else {})
        number = message.get("id")
        if not _is_number(number) or number not in self._open:
            return []  # given up, or never asked
        self._open.discard(number)
        if "error" in message:
            return [Refused(id=number, message=_error_text(message["error"]))]
        result = message.get("result")
        if not isinstance(result, dict):
            return [Refused(id=number, message="its answer has no result.")]
        return [Answered(id=number, result=result)]

    def _notified(self, method: str, params: Mapping[str, Any]) -> list[Event]:
        if method == "notifications/tools/list_changed":
            return [ToolsChanged()]
        if method == "notifications/progress":
            number = params.get("progressToken")
            if _is_number(number) and number in self._open:
                return [Progressed(id=number, text=_progress_text(params))]
        if method == "notifications/message":
            told = params.get("data")
            text = told if isinstance(told, str) else msgspec.json.encode(told).decode()
            return [Logged(level=str(params.get("level", "info"))[:20], text=text[:MAX_TEXT])]
        return []


def _encode(message: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", **message})


def _reply(number: Any, method: str) -> bytes:
    """
    @raise BadMessage: the id is no id.
    """
    if method == "ping":
        reply = _encode({"id": number, "result": {}})
    else:
        error = {"code": _METHOD_NOT_FOUND, "message": f"no such method: {method[:100]}"}
        reply = _encode({"id": number, "error": error})
    if len(reply) > MAX_REPLY:
        raise BadMessage("a request with too long an id")
    return reply


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _error_text(error: Any) -> str:
    text = error.get("message") if isinstance(error, dict) else None
    return text[:MAX_TEXT] if isinstance(text, str) and text else "an error without a message"


def _progress_text(params: Mapping[str, Any]) -> str:
    text, done, total = (params.get(name) for name in ("message", "progress", "total"))
    if isinstance(text, str) and text:
        return text[:MAX_TEXT]
    try:
        if isinstance(done, int | float):
            return f"{done:g} of {total:g}" if isinstance(total, int | float) else f"{done:g}"
    except OverflowError:
        pass  # more digits than a number with a fraction can have
    return "at work"


__all__ = [
    "MAX_MESSAGE_BYTES",
    "VERSION",
    "VERSIONS",
    "Answered",
    "BadMessage",
    "Event",
    "Logged",
    "McpError",
    "Progressed",
    "Refused",
    "Reply",
    "Session",
    "ToolsChanged",
]
