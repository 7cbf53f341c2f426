# -*- test-case-name: tests.wire.test_upstream -*-
"""What went wrong at a provider, in all shapes met.

OpenAI and those who speak like it put an object with C{message}, C{type} and C{code} under C{error}; Anthropic the same
with a C{type} beside it; Google one with an HTTP status as C{code} and a word as C{status}, streams and batches in a
list; Ollama a plain text; OpenRouter, under C{metadata}, word for word what the provider behind it said.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from openclaw_tx.wire.halves import read_json


class UpstreamError(Exception):
    """What a provider said went wrong.

    @ivar status: HTTP status, also one named inside a stream; None when there is none.
    @ivar type: its C{error.type}, for Google C{error.status}, or "".
    @ivar code: its C{error.code} as text, or "".
    @ivar message: its own words, or "".
    @ivar retry_after: seconds that the error itself asks to wait; None when it does not.
    """

    def __init__(self, message: str, *, status: int | None = None, type: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.retry_after: float | None = None


def decode_error(status: int, body: bytes) -> UpstreamError:
    """The error in an answer with an HTTP error status; text that is not JSON is taken as the message."""
    try:
        found = read_json(msgspec.json.decode, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return UpstreamError("" if text.startswith("<") else text, status=status)
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        inner = found.get("error")
        found = inner if inner and isinstance(inner, dict | str) and not _says_more(found, inner) else found
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
    message = _with_raw(message, found.get("metadata"))
    code, kind, word = found.get("code"), found.get("type"), found.get("status")
    status = next((n for n in (count(code), count(word)) if n is not None and 400 <= n < 600), None)
    kind = kind or word
    error = UpstreamError(
        message,
        status=status,
        type=kind if isinstance(kind, str) else "",
        code="" if code is None else str(code),
    )
    error.retry_after = _retry_delay(found.get("details"))
    return error


def _says_more(found: dict[str, Any], inner: Any) -> bool:
    """Whether the words stand beside an C{error} that is but the name of a status."""
    return isinstance(inner, str) and isinstance(found.get("message"), str) and len(found["message"]) > len(inner)


def _with_raw(message: str, metadata: Any) -> str:
    """The words of the provider behind the one that was asked, after those of the latter."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw.strip():
        return message
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        words: Any = raw.strip()
    else:
        inner = found.get("error") if isinstance(found, dict) else None
        inner = inner or found
        words = (inner.get("message") or inner.get("detail")) if isinstance(inner, dict) else inner
    return f"{message}: {words}" if isinstance(words, str) and words and not words.startswith("<") else message


_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")


def _retry_delay(details: Any) -> float | None:
    """The wait in a C{google.rpc.RetryInfo}, which looks like C{"37.5s"}."""
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        found = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
        if found:
            return float(found[1])
    return None


MAX_COUNT = 10**12
"""What is more is no count of anything: it would not fit where counts are added up and stored."""


def count(value: Any) -> int | None:
    """A count that may have come as text or float; None when it is none, or more than L{MAX_COUNT}."""
    text = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19
    if text or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def total(*counts: int | None) -> int | None:
    """The sum of what is known; None when nothing is."""
    known = [number for number in counts if number is not None]
    return sum(known) if known else None


__all__ = ["MAX_COUNT", "UpstreamError", "count", "decode_error", "error_of", "total"]
