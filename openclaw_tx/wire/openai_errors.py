# -*- test-case-name: tests.wire.test_openai_completions -*-
"""Errors of a provider that speaks OpenAI's Chat Completions (API reference, "Error codes"), in all shapes met."""

from __future__ import annotations

from typing import Any

import msgspec


class UpstreamError(Exception):
    """What a provider said went wrong.

    @ivar status: HTTP status, also one named inside a stream; None when there is none.
    @ivar type: its C{error.type}, or "".
    @ivar code: its C{error.code} as text, or "".
    @ivar message: its own words, or "".
    """

    def __init__(self, message: str, *, status: int | None = None, type: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code


def decode_error(status: int, body: bytes) -> UpstreamError:
    """The error in an answer with an HTTP error status; text that is not JSON is taken as the message."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return UpstreamError("" if text.startswith("<") else text, status=status)
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("error") or found
    error = error_of(found)
    error.status = status
    return error


def error_of(found: Any) -> UpstreamError:
    """The error that a decoded error value describes, whatever its shape."""
    if not isinstance(found, dict):
        return UpstreamError(found if isinstance(found, str) else "")
    message = found.get("message") or found.get("detail") or found.get("error_description") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode("utf-8")
    code, kind = found.get("code"), found.get("type")
    status = next((n for n in (count(code), count(found.get("status"))) if n is not None and 400 <= n < 600), None)
    return UpstreamError(
        message,
        status=status,
        type=kind if isinstance(kind, str) else "",
        code="" if code is None else str(code),
    )


def count(value: Any) -> int | None:
    """A count that may have come as text or float; None when it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


__all__ = ["UpstreamError", "count", "decode_error", "error_of"]
