# -*- test-case-name: tests.wire.test_frames -*-
"""Frames of the Gateway WebSocket protocol: one JSON object each (spec 2.1).

Pure: bytes in, values out, and the other way round. The texts of refusals are those of the OpenClaw gateway, so that
clients which match on them keep working.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.wire import whole_numbers
from openclaw_tx.wire.halves import without_halves
from openclaw_tx.wire.large_json import LARGE, MAX_DEPTH, is_too_deep
from openclaw_tx.wire.openai_fields import MAX_SAFE_INT

T = TypeVar("T")

OLDEST = 3
NEWEST = 4
"""Versions of the protocol that are spoken."""

NonEmpty = Annotated[str, Meta(min_length=1)]
Natural = Annotated[int, Meta(ge=0, le=MAX_SAFE_INT)]
Positive = Annotated[int, Meta(ge=1, le=MAX_SAFE_INT)]
"""Numbers of params: what a JavaScript client can count to. Stores can not keep much larger ones."""
MAX_ID = 256
"""Longest request id; it is sent back with each response."""
MAX_FRAME_DEPTH = 4 * MAX_DEPTH
"""Nesting from which on a frame is not looked into at all; below that, who sent it is told what in it is too deep."""

MAX_HEAD = 4096
"""Bytes at the beginning of a frame in which its id is looked for when the rest can not be read."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A C{req} frame. C{params} stays undecoded until the method is known."""

    type: Literal["req"]
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
    method: NonEmpty
    params: Raw = Raw(b"")
    traceparent: Annotated[str, Meta(max_length=128)] = ""
    expected_profile_id: str = ""


class NotJSON(Exception):
    """The frame is not JSON at all, or not UTF-8."""


class BadFrame(Exception):
    """The frame is JSON, but not a request.

    @ivar reply_to: id to answer under: the frame's own if it has one, else C{"invalid"}.
    @ivar reason: what is wrong, in the words of the wire.
    """

    def __init__(self, reply_to: str | int | float, reason: str) -> None:
        super().__init__(reason)
        self.reply_to = reply_to
        self.reason = reason


class TooDeep(BadFrame):
    """The frame is nested deeper than can be read, so that nobody knows what it is."""

    def __init__(self, reply_to: str | int | float) -> None:
        super().__init__(reply_to, "nested too deeply")


class _Identified(msgspec.Struct, frozen=True):
    """What can still be read of a large frame that is no request; the rest is only looked over."""

    id: Raw = Raw(b"null")


_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_SCALAR = rb"(?:" + _STRING + rb"|[-+.0-9A-Za-z]++)"
_FIRST_ID = re.compile(
    rb"\s*+\{\s*+(?:(?!\"id\"\s*+:)" + _STRING + rb"\s*+:\s*+" + _SCALAR + rb"\s*+,\s*+)*+"
    rb"\"id\"\s*+:\s*+(" + _SCALAR + rb")\s*+[,}]"
)
_request_decoder = msgspec.json.Decoder(Request)
_any_decoder = msgspec.json.Decoder()
_identified_decoder = msgspec.json.Decoder(_Identified)
_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""A value as JSON bytes."""


def decode_request(data: bytes) -> Request:
    """Read one frame. Halves of surrogate pairs, which JavaScript writes when it cuts a text, are U+FFFD.

    @raise NotJSON: it can not be parsed.
    @raise BadFrame: it is no request frame.
    """
    if len(data) < LARGE and is_too_deep(data, MAX_FRAME_DEPTH):
        raise TooDeep(_first_id(data))
    try:
        return _request_decoder.decode(data)
    except msgspec.ValidationError as error:
        raise BadFrame(_id_of(data), describe(error)) from None
    except RecursionError:
        raise TooDeep(_first_id(data)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        mended = without_halves(data)
        if mended == data:
            raise NotJSON from None
    return decode_request(mended)


def _id_of(data: bytes) -> str | int | float:
    """The id of a frame that is otherwise wrong."""
    try:
        frame = _any_decoder.decode(data) if len(data) < LARGE else _identity(data)
    except RecursionError:
        raise TooDeep(_first_id(data)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJSON from None
    return _answerable(frame.get("id") if isinstance(frame, dict) else None)


def _answerable(found: Any) -> str | int | float:
    """An id to answer under."""
    if isinstance(found, str):
        return found if 0 < len(found) <= MAX_ID else "invalid"
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found
    return "invalid"


def _first_id(data: bytes) -> str | int | float:
    """The id of a frame that can not be read as a whole, if it stands before everything that is nested."""
    found = _FIRST_ID.match(data[:MAX_HEAD])
    try:
        return _answerable(msgspec.json.decode(found.group(1)) if found is not None else None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "invalid"


def _identity(data: bytes) -> Any:
    """A large frame with nothing in it but its id. One that is no object is not looked over at all: to be told so is
    not worth the time it takes."""
    try:
        found = memoryview(_identified_decoder.decode(data).id)
    except msgspec.ValidationError:
        return None
    return {"id": msgspec.json.decode(found) if len(found) <= 8 * MAX_ID else None}


def decode_params(type: type[T], raw: Raw | bytes, method: str) -> T:
    """Read a method's params; absent ones count as an empty object. Where an integer belongs, C{100.0} is one.

    @param type: the struct that describes them; unknown properties are refused if it forbids them.
    @raise GatewayError: C{invalid_request}, C{invalid <method> params: ...} naming the property.
    """
    if len(memoryview(raw)) < LARGE and is_too_deep(memoryview(raw)):
        raise GatewayError("invalid_request", f"invalid {method} params: nested too deeply")
    try:
        params: T = whole_numbers.decode(_decoder(cast("Any", type)), raw if len(memoryview(raw)) else b"{}")
    except msgspec.ValidationError as error:
        raise GatewayError("invalid_request", f"invalid {method} params: {describe(error)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise GatewayError("invalid_request", f"invalid {method} params: not readable as JSON") from None
    return params


@cache
def _decoder(type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type)


_PLACE = re.compile(r" - at `(\$[^`]*)`$", re.DOTALL)
_KINDS = {
    "object": "object",
    "array": "array",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "null": "null",
}


def describe(error: msgspec.ValidationError) -> str:
    """What is wrong with a value, in the words that the wire uses (those of a JSON Schema validator)."""
    text = str(error)
    place = _PLACE.search(text)
    path = ""
    if place is not None:
        text = text[: place.start()]
        path = place.group(1)[1:].replace("[...]", "/*").replace("[", "/").replace("]", "").replace(".", "/")
    prefix = f"at {path}: " if path else ""
    if match := re.match(r"Object missing required field `(.*)`$", text, re.DOTALL):
        return f"{prefix}must have required property '{match.group(1)}'"
    if match := re.match(r"Object contains unknown field `(.*)`$", text, re.DOTALL):
        return f"{prefix or 'at root: '}unexpected property '{_short(match.group(1))}'"
    if match := re.match(r"Expected `(str|array|object)` of length (>=|<=) (\d+)$", text):
        kind, sign, count = match.groups()
        noun = {"str": "characters", "array": "items", "object": "properties"}[kind]
        return f"{prefix}must NOT have {'fewer' if sign == '>=' else 'more'} than {count} {noun}"
    if match := re.match(r"Expected `(?:int|float)` (>=|<=|>|<) (\S+)$", text):
        return f"{prefix}must be {match.group(1)} {match.group(2)}"
    if match := re.match(r"Expected `([^`]+)`, got `[^`]*`$", text):
        kinds = [_KINDS.get(kind, kind) for kind in match.group(1).split(" | ")]
        return f"{prefix}must be {' or '.join(kinds)}"
    if match := re.match(r"Expected `str` matching regex (.*)$", text, re.DOTALL):
        return f"{prefix}must NOT be blank" if match.group(1) == r"'\\S'" else f"{prefix}must match {match.group(1)}"
    if text.startswith("Invalid enum value"):
        return f"{prefix}must be equal to one of the allowed values"
    return f"{prefix}{_short(text)}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


# What goes out. A frame is bytes from here on; nothing later parses or re-encodes it.


def response(reply_to: str | int | float, payload: Any) -> bytes:
    """A C{res} frame that says yes."""
    return encode({"type": "res", "id": reply_to, "ok": True, "payload": payload})


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The error object of the protocol."""

    code: str
    message: str
    retryable: bool | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


def failure_of(info: ErrorInfo, *, modern: bool = True) -> Failure:
    """A L{GatewayError}'s information as the protocol's error object.

    @param modern: protocol 4. In protocol 3 a missing scope or question is C{INVALID_REQUEST} without details.
    """
    code = info.kind.ws
    if not modern and code in ("FORBIDDEN", "APPROVAL_NOT_FOUND"):
        return Failure(code="INVALID_REQUEST", message=info.message)
    return Failure(
        code=code,
        message=info.message,
        retryable=True if info.retryable else UNSET,
        retry_after_ms=UNSET if info.retry_after is None else max(0, round(info.retry_after * 1000)),
        details=info.details or UNSET,
    )


def refusal(reply_to: str | int | float, failure: Failure, payload: Any = UNSET) -> bytes:
    """A C{res} frame that says no.

    @param payload: what a final answer of a failed run carries beside the error.
    """
    frame = {"type": "res", "id": reply_to, "ok": False, "error": failure}
    if payload is not UNSET:
        frame["payload"] = payload
    return encode(frame)


def event_body(event: str, payload: bytes, state_version: tuple[int, int] | None = None) -> bytes:
    """An event frame without its end: made once, sent to any number of connections with L{numbered}.

    @param payload: JSON.
    @param state_version: versions of presence and health.
    """
    body = b'{"type":"event","event":"%b","payload":%b' % (event.encode("ascii"), payload)
    if state_version is not None:
        body += b',"stateVersion":{"presence":%d,"health":%d}' % state_version
    return body


def numbered(body: bytes, seq: int) -> bytes:
    """The event frame with a connection's own sequence number."""
    return b'%b,"seq":%d}' % (body, seq)


def unnumbered(body: bytes) -> bytes:
    """The event frame without a number: only C{connect.challenge}."""
    return body + b"}"


__all__ = [
    "BadFrame",
    "Failure",
    "Natural",
    "NonEmpty",
    "NotJSON",
    "Positive",
    "Request",
    "TooDeep",
    "decode_params",
    "decode_request",
    "describe",
    "encode",
    "event_body",
    "failure_of",
    "numbered",
    "refusal",
    "response",
    "unnumbered",
]
