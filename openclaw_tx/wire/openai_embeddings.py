# -*- test-case-name: tests.wire.test_openai_embeddings -*-
"""C{POST /v1/embeddings}: a request's bytes become values, vectors become bytes. Pure (spec 1.3, OpenAI API reference).

Error texts are those of the recorded gateway where it was seen to have one.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from openclaw_tx.values import Embeddings
from openclaw_tx.values.value import Value
from openclaw_tx.wire.large_json import fields_reader
from openclaw_tx.wire.openai_chat import decode_object
from openclaw_tx.wire.openai_chat_fields import Handling
from openclaw_tx.wire.openai_fields import MAX_MODEL, MAX_SAFE_INT, invalid, optional_number, optional_string

MAX_INPUTS = 128
"""Most texts of one request."""

MAX_CHARS = 8192
"""Longest text, in characters."""

MAX_DIMENSIONS = 65_536
"""Largest vector that may be asked for: a provider must not be made to build one without end."""
MAX_TOTAL_CHARS = 65_536
"""Characters of all texts together."""

EncodingFormat = Literal["float", "base64"]

_encode = msgspec.json.Encoder().encode


class EmbeddingsRequest(Value, frozen=True):
    """What a client asked for."""

    model: str
    """Names an agent; echoed as sent."""
    input: tuple[str, ...]
    encoding_format: EncodingFormat
    dimensions: int | None


def parse(body: bytes) -> EmbeddingsRequest:
    """Read a request.

    @raise GatewayError: C{invalid_request} with the field at fault.
    """
    fields = decode_object(body, _read_large)
    return EmbeddingsRequest(**{name: read(fields) for name, read in READERS.items()})


def render(embeddings: Embeddings, model: str, encoding_format: EncodingFormat) -> bytes:
    """The answer. What a provider counted, or zeros where it did not: the object has no place for "unknown".

    @param model: echoed as the client sent it.
    """
    shape: Callable[[tuple[float, ...]], Any] = _base64 if encoding_format == "base64" else tuple
    tokens = embeddings.usage.prompt_tokens or 0
    return _encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": shape(vector)}
                for index, vector in enumerate(embeddings.vectors)
            ],
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _base64(vector: tuple[float, ...]) -> str:
    """Little-endian float32, whatever the machine."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return b64encode(numbers.tobytes()).decode("ascii")


def _model(fields: Mapping[str, Any]) -> str:
    model = optional_string(fields, "model", limit=MAX_MODEL) or ""
    if not model.strip():
        raise invalid("Missing `model`.", "model")
    return model


def _input(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise invalid("`input` must be a string or an array of strings.", "input")
    if not texts:
        raise invalid("`input` must not be empty.", "input")
    if len(texts) > MAX_INPUTS:
        raise invalid(f"`input` has at most {MAX_INPUTS} strings.", "input")
    for index, text in enumerate(texts):
        place = "input" if texts is not value else f"input[{index}]"
        if not isinstance(text, str):
            raise invalid("`input` must be a string or an array of strings.", place)
        if not text:
            raise invalid("`input` must not hold an empty string.", place)
        if len(text) > MAX_CHARS:
            raise invalid(f"A string in `input` has at most {MAX_CHARS} characters.", place)
    if sum(map(len, texts)) > MAX_TOTAL_CHARS:
        raise invalid(f"`input` has at most {MAX_TOTAL_CHARS} characters in all.", "input")
    return tuple(texts)


def _encoding_format(fields: Mapping[str, Any]) -> EncodingFormat:
    value = optional_string(fields, "encoding_format")
    if value is None or value == "float":
        return "float"
    if value == "base64":
        return "base64"
    raise invalid("`encoding_format` must be float or base64.", "encoding_format")


def _dimensions(fields: Mapping[str, Any]) -> int | None:
    value = optional_number(fields, "dimensions")
    if value is None:
        return None
    if not 0 < value <= MAX_SAFE_INT or not float(value).is_integer():
        raise invalid("`dimensions` must be a positive integer.", "dimensions")
    if value > MAX_DIMENSIONS:
        raise invalid(f"`dimensions` must be at most {MAX_DIMENSIONS}.", "dimensions")
    return int(value)


READERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "model": _model,
    "input": _input,
    "encoding_format": _encoding_format,
    "dimensions": _dimensions,
}
"""Field -> how it is read, in the order of the checks."""

FIELDS: Mapping[str, Handling] = {
    "model": Handling("used", "names the agent; echoed"),
    "input": Handling(
        "forwarded", f"a text or at most {MAX_INPUTS}, {MAX_CHARS} characters each, {MAX_TOTAL_CHARS} together"
    ),
    "encoding_format": Handling("used", "float or base64"),
    "dimensions": Handling("forwarded", f"1 to {MAX_DIMENSIONS}; refused when the model gives others"),
    "user": Handling("ignored"),
}
"""What is done with each field; any other is ignored."""

_read_large = fields_reader(FIELDS)


__all__ = [
    "FIELDS",
    "MAX_CHARS",
    "MAX_INPUTS",
    "MAX_TOTAL_CHARS",
    "READERS",
    "EmbeddingsRequest",
    "EncodingFormat",
    "parse",
    "render",
]
