# -*- test-case-name: tests.wire.test_openai_chat -*-
"""Generation parameters of a chat request, and the fields that are refused rather than ignored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Sampling
from openclaw_tx.wire.json_schema_flaws import flaws
from openclaw_tx.wire.openai_fields import (
    EFFORTS,
    MAX_SAFE_INT,
    expected,
    invalid,
    one_of,
    optional_bool,
    optional_number,
)

_PARAMETERS = frozenset({"max_completion_tokens", *Sampling.__struct_fields__})
_NONE = Sampling()
"""Most requests have none of them."""

_UNSERVED = frozenset(
    {
        "n",
        "logprobs",
        "top_logprobs",
        "modalities",
        "audio",
        "functions",
        "function_call",
        "logit_bias",
        "web_search_options",
    }
)

MAX_STOPS = 4
"""Most stop sequences (OpenAI)."""


def read_sampling(fields: Mapping[str, Any]) -> Sampling:
    """The generation parameters; null is as good as absent.

    @raise GatewayError: C{invalid_request} with the field at fault.
    """
    if fields.keys().isdisjoint(_PARAMETERS):
        return _NONE
    limit = token_limit(fields, "max_completion_tokens")
    legacy_limit = token_limit(fields, "max_tokens")
    return Sampling(
        max_tokens=legacy_limit if limit is None else limit,
        temperature=number_between(fields, "temperature", 0, 2, "0 and 2"),
        top_p=number_between(fields, "top_p", 0, 1, "0 and 1"),
        frequency_penalty=number_between(fields, "frequency_penalty", -2, 2, "-2.0 and 2.0"),
        presence_penalty=number_between(fields, "presence_penalty", -2, 2, "-2.0 and 2.0"),
        seed=_seed(fields),
        stop=_stop(fields.get("stop")),
        response_format=_response_format(fields.get("response_format")),
        reasoning_effort=one_of(fields, "reasoning_effort", EFFORTS),
        parallel_tool_calls=optional_bool(fields, "parallel_tool_calls"),
    )


def refuse_unsupported(fields: Mapping[str, Any]) -> None:
    """Refuse fields that would change what the answer means and that the gateway does not serve.

    What is done with which field: L{openclaw_tx.wire.openai_chat_fields}.

    @raise GatewayError: C{unsupported_parameter}.
    """
    if fields.keys().isdisjoint(_UNSERVED):
        return
    if optional_number(fields, "n") not in (None, 1):
        raise _unsupported("n", "Only one choice is generated (`n` must be 1).")
    for name in ("logprobs", "top_logprobs"):
        if fields.get(name):
            raise _unsupported(name, f"`{name}` is not supported.")
    modalities = fields.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise _unsupported("modalities", 'Only text is generated (`modalities` must be ["text"]).')
    for name, instead in (("functions", " Use `tools`."), ("logit_bias", "")):
        if fields.get(name):
            raise _unsupported(name, f"`{name}` is not supported.{instead}")
    for name, instead in (("audio", ""), ("function_call", " Use `tool_choice`."), ("web_search_options", "")):
        if fields.get(name) is not None:  # an empty object asks for it, with the defaults
            raise _unsupported(name, f"`{name}` is not supported.{instead}")


def _unsupported(param: str, message: str) -> GatewayError:
    return GatewayError("unsupported_parameter", message, param=param)


def token_limit(fields: Mapping[str, Any], name: str) -> int | None:
    """A whole number above 0, or None.

    @raise GatewayError: C{invalid_request}.
    """
    value = optional_number(fields, name)
    if value is None:
        return None
    if not _whole(value):
        raise invalid(f"{name}: Invalid input: expected int, received number", name)
    if value <= 0:
        raise invalid(f"{name}: Too small: expected number to be >0", name)
    if value > MAX_SAFE_INT:
        raise invalid(f"{name}: Too big: expected int to be <={MAX_SAFE_INT}", name)
    return int(value)


def number_between(fields: Mapping[str, Any], name: str, low: float, high: float, words: str) -> float | None:
    """A number within bounds, or None.

    @param words: the bounds as the error names them.
    @raise GatewayError: C{invalid_request}.
    """
    value = optional_number(fields, name)
    if value is not None and not low <= value <= high:
        raise invalid(f"`{name}` must be between {words}.", name)
    return value


def _seed(fields: Mapping[str, Any]) -> int | None:
    value = optional_number(fields, "seed")
    if value is None:
        return None
    if not _whole(value) or not -(2**63) <= value < 2**63:
        raise invalid("`seed` must be an integer.", "seed")
    return int(value)


def _whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


def _stop(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise invalid("stop: Invalid input", "stop")
    if len(entries) > MAX_STOPS:
        raise invalid(f"Invalid stop: stop supports at most {MAX_STOPS} sequences", "stop")
    for entry in entries:
        if not isinstance(entry, str) or not entry:
            raise invalid("Invalid stop: stop entries must be non-empty strings", "stop")
    return tuple(entries)


def _response_format(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid("Invalid response_format: response_format must be an object", "response_format")
    kind = value.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid(
            "Invalid response_format: response_format.type must be text, json_object, or json_schema",
            "response_format.type",
        )
    if kind == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("name"), str):
            raise invalid(
                "Invalid response_format: response_format.json_schema must be an object with a name",
                "response_format.json_schema",
            )
        check_schema(schema.get("schema"))
    return None if kind == "text" else value


def check_schema(schema: Any, path: str = "response_format.json_schema.schema") -> None:
    """Refuse a JSON Schema that answers can not be checked against; None is none.

    @param path: where it stands in the request, for errors.
    @raise GatewayError: C{invalid_request}.
    """
    if schema is None:
        return
    if not isinstance(schema, dict):
        raise expected("object", schema, path)
    try:
        flaw = next(flaws(schema), None)
    except RecursionError:
        flaw = "it is nested too deeply"
    if flaw is not None:
        raise invalid(f"Invalid response_format: {flaw[:500]}", path)


__all__ = ["check_schema", "number_between", "read_sampling", "refuse_unsupported", "token_limit"]
