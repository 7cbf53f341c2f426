# -*- test-case-name: tests.wire.test_openai_vectors -*-
"""Embedding requests to a provider that speaks OpenAI's API, and its answers (API reference "Create embeddings").

Nothing of an answer is believed unchecked: one vector for each text, each index once, all of one length, all numbers
finite and small enough for float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openclaw_tx.values import Usage
from openclaw_tx.wire.upstream import UpstreamError, count, error_of

MAX_FLOAT32 = 3.4028234663852886e38

_encode = msgspec.json.Encoder().encode

Vectors = tuple[tuple[float, ...], ...]


class _Item(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int = -1


class _Reply(msgspec.Struct):
    data: list[_Item] = []
    usage: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def encode_request(model: str, texts: Sequence[str | Sequence[int]], dimensions: int | None) -> bytes:
    """The JSON body of a request.

    @param model: the provider's own id of the model.
    @param texts: strings, or token ids where the server takes them.
    """
    body: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "float"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    return _encode(body)


def decode_reply(body: bytes, expected: int) -> tuple[Vectors, Usage]:
    """The vectors in the order of the texts, and the token count.

    @param expected: how many texts were sent.
    @raise UpstreamError: the answer is an error, or makes no sense.
    """
    try:
        reply = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError("The provider's embeddings can not be read.") from None
    if reply.error is not None:
        raise error_of(reply.error)
    vectors: list[tuple[float, ...] | None] = [None] * expected
    for position, item in enumerate(reply.data):
        index = position if item.index < 0 else item.index
        if index >= expected or vectors[index] is not None:
            raise UpstreamError("The provider's embeddings do not match the texts.")
        vectors[index] = item.embedding
    found = tuple(vector for vector in vectors if vector is not None)
    if len(found) != expected:
        raise UpstreamError(f"The provider gave {len(found)} embeddings for {expected} texts.")
    if not found[0] or any(len(vector) != len(found[0]) for vector in found):
        raise UpstreamError("The provider's embeddings differ in length.")
    # NaN is no JSON, but a server may write a number that is too large for it.
    if any(min(vector) < -MAX_FLOAT32 or max(vector) > MAX_FLOAT32 for vector in found):
        raise UpstreamError("The provider's embeddings hold numbers out of range.")
    usage = reply.usage if isinstance(reply.usage, dict) else {}
    return found, Usage(prompt_tokens=count(usage.get("prompt_tokens", usage.get("total_tokens"))))


__all__ = ["MAX_FLOAT32", "Vectors", "decode_reply", "encode_request"]
