# -*- test-case-name: tests.wire.test_openai_chat -*-
"""Checks of single JSON fields, with the error texts of the recorded gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openclaw_tx.errors import GatewayError

MAX_SAFE_INT = 2**53 - 1
"""Largest integer that every JSON reader keeps exact."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What C{reasoning_effort} may be (OpenAI API reference). Which model takes which is for its provider to say."""

MAX_MODEL = 256
"""Longest C{model}, or ref of a model, in characters."""


def kind_of(value: Any) -> str:
    """JavaScript's name for the type of a decoded JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def invalid(message: str, param: str | None) -> GatewayError:
    """C{invalid_request} about a field."""
    return GatewayError("invalid_request", message, param=param)


def expected(kind: str, value: Any, param: str) -> GatewayError:
    """C{invalid_request}: a field has the wrong type.

    @param param: path of the field; "" = the body itself.
    """
    text = f"Invalid input: expected {kind}, received {kind_of(value)}"
    return invalid(f"{param}: {text}" if param else text, param or None)


def optional_string(fields: Mapping[str, Any], name: str, prefix: str = "", limit: int | None = None) -> str | None:
    """A string field, or None.

    @param prefix: path of the object the field is in, with its dot.
    @param limit: most characters; None = any number. What is echoed has one.
    @raise GatewayError: C{invalid_request}.
    """
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise expected("string", value, prefix + name)
    if limit is not None and len(value) > limit:
        raise invalid(f"`{prefix}{name}` has at most {limit} characters.", prefix + name)
    return value


def one_of(fields: Mapping[str, Any], name: str, values: Sequence[str], prefix: str = "") -> str | None:
    """A string that is one of some, or None.

    @raise GatewayError: C{invalid_request}.
    """
    value = optional_string(fields, name, prefix)
    if value is not None and value not in values:
        raise invalid(f"`{prefix}{name}` must be one of {', '.join(values)}.", prefix + name)
    return value


def optional_bool(fields: Mapping[str, Any], name: str, prefix: str = "") -> bool | None:
    """A boolean field, or None.

    @raise GatewayError: C{invalid_request}.
    """
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise expected("boolean", value, prefix + name)


def optional_number(fields: Mapping[str, Any], name: str) -> float | None:
    """A number, or None.

    @raise GatewayError: C{invalid_request}.
    """
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected("number", value, name)
    return value


__all__ = [
    "EFFORTS",
    "MAX_MODEL",
    "MAX_SAFE_INT",
    "expected",
    "invalid",
    "kind_of",
    "one_of",
    "optional_bool",
    "optional_number",
    "optional_string",
]
