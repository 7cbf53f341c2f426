# -*- test-case-name: tests.models.test_local_embeddings -*-
"""Texts of any length as vectors of the embedded model.

llama.cpp embeds a text only if all of it fits into one batch, and batches are small here, so that an abort takes effect
soon. A longer text is cut into pieces of a batch; its vector is the mean of theirs, each as heavy as it is long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from twisted.web.http_headers import Headers

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.child import BATCH_TOKENS
from openclaw_tx.models.door import Door, HttpFailure
from openclaw_tx.models.provider import EmbeddingHttpProvider
from openclaw_tx.models.refs import LOCAL
from openclaw_tx.values import Embeddings, Usage

SHORT_BYTES = BATCH_TOKENS - 4
"""A text of at most so many bytes is not cut: a token is a byte at least, and a model may add a few of its own."""

PIECES = 4
"""Pieces sent at a time. Between two lots a waiting chat gets its turn, and a busy process is heard of often enough not
to be taken for one that works for nobody (L{openclaw_tx.models.local.ABORT_GRACE_S})."""

MAX_TOKENS_BYTES = 4 * 1024 * 1024
"""Cap on the answer that lists a text's tokens."""

Vector = tuple[float, ...]


class _Tokens(msgspec.Struct):
    tokens: list[int]


class LocalEmbeddings:
    """Embeddings by one process."""

    def __init__(self, provider: EmbeddingHttpProvider, control: Door, headers: Headers) -> None:
        """
        @param provider: the way to the process's OpenAI API.
        @param control: the way to its own API.
        @param headers: what that asks for.
        """
        self._provider = provider
        self._control = control
        self._url = control.url("tokenize")
        self._headers = headers

    async def embed(self, model: str, texts: Sequence[str]) -> Embeddings:
        """
        @raise GatewayError: a C{provider_*} code.
        """
        pieces = [await self._cut(text) for text in texts]
        flat = [piece for cut in pieces for piece in cut]
        vectors: list[Vector] = []
        usage = Usage()
        for start in range(0, len(flat), PIECES):
            lot = await self._provider.embed(model, flat[start : start + PIECES], None)
            vectors.extend(lot.vectors)
            usage = usage.plus(lot.usage)
        whole: list[Vector] = []
        used = 0
        for cut in pieces:
            whole.append(mean(vectors[used : used + len(cut)], [len(piece) for piece in cut]))
            used += len(cut)
        return Embeddings(vectors=tuple(whole), usage=usage, provider=LOCAL, model=model)

    async def _cut(self, text: str) -> list[str | list[int]]:
        """The pieces of a text: itself if it is short, else its tokens, a batch at a time."""
        if len(text.encode("utf-8")) <= SHORT_BYTES:
            return [text]
        body = msgspec.json.encode({"content": text, "add_special": True})
        try:
            answer = await self._control.send("POST", self._url, self._headers, body)
            listed = await answer.collect(MAX_TOKENS_BYTES)
            tokens = msgspec.json.decode(listed, type=_Tokens).tokens
        except HttpFailure as failure:
            code = "provider_timeout" if failure.timed_out else "provider_error"
            raise GatewayError(code, f"{LOCAL}: {failure}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise GatewayError("provider_error", f"{LOCAL}: the tokens of a text can not be read.") from None
        if not tokens:
            return [text]
        return [tokens[start : start + BATCH_TOKENS] for start in range(0, len(tokens), BATCH_TOKENS)]


def mean(vectors: Sequence[Vector], weights: Sequence[int]) -> Vector:
    """The weighted mean, of length 1 as the vectors are; one vector stays as it is."""
    if len(vectors) == 1:
        return vectors[0]
    total = [
        math.fsum(weight * number for weight, number in zip(weights, numbers, strict=True))
        for numbers in zip(*vectors, strict=True)
    ]
    # The smallest floats have few digits: they are brought up to size before they are squared.
    largest = max(map(abs, total)) or 1.0
    scaled = [number / largest for number in total]
    length = math.hypot(*scaled) or 1.0
    return tuple(number / length for number in scaled)


__all__ = ["LocalEmbeddings", "mean"]
