# -*- test-case-name: tests.wire.test_openai_embeddings -*-
"""Requests for embeddings, and the answers."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Embeddings, Usage
from openclaw_tx.wire.openai_embeddings import MAX_CHARS, MAX_INPUTS, MAX_TOTAL_CHARS, EmbeddingsRequest, parse, render

SHAPE = "`input` must be a string or an array of strings."


def read(**fields: Any) -> EmbeddingsRequest:
    """Parse a request that is good but for C{fields}."""
    return parse(json.dumps({"model": "openclaw", "input": "hi", **fields}).encode())


class ParseTests(SynchronousTestCase):
    """Field by field."""

    def refused(self, param: str | None, message: str = "", **fields: Any) -> None:
        """It is C{invalid_request}, pointing at C{param}."""
        error = self.assertRaises(GatewayError, read, **fields)
        self.assertEqual((error.info.code, error.info.param), ("invalid_request", param), fields)
        if message:
            self.assertEqual(str(error), message)

    def test_defaults(self) -> None:
        """A text alone."""
        self.assertEqual(
            read(), EmbeddingsRequest(model="openclaw", input=("hi",), encoding_format="float", dimensions=None)
        )

    def test_everything(self) -> None:
        """All fields; null is as good as absent, what is ignored may be anything."""
        self.assertEqual(
            read(input=["a", "b"], encoding_format="base64", dimensions=8.0, user={"no": "string"}, zzz=1),
            EmbeddingsRequest(model="openclaw", input=("a", "b"), encoding_format="base64", dimensions=8),
        )
        self.assertEqual(read(encoding_format=None, dimensions=None, user=None), read())

    def test_model(self) -> None:
        """It must be there; the recorded text."""
        for value in (None, "", "  "):
            self.refused("model", "Missing `model`.", model=value)
        for value in (1, True, ["a"], {}):
            self.refused("model", model=value)
        self.refused("model", "`model` has at most 256 characters.", model="m" * 257)
        error = self.assertRaises(GatewayError, parse, b"")
        self.assertEqual((str(error), error.info.param), ("Missing `model`.", "model"))

    def test_input_shape(self) -> None:
        """A string or a list of them; the recorded text. Token ids are not served."""
        for value in (None, 1, True, {}, {"text": "hi"}):
            self.refused("input", SHAPE, input=value)
        for value in ([1, 2], [[1, 2]], [None], [True], [{"text": "hi"}]):
            self.refused("input[0]", SHAPE, input=value)
        self.refused("input[2]", SHAPE, input=["a", "b", 3])
        error = self.assertRaises(GatewayError, parse, b'{"model":"openclaw"}')
        self.assertEqual(str(error), SHAPE)

    def test_input_limits(self) -> None:
        """Each limit to the letter: what fits, and one more."""
        self.assertEqual(len(read(input=["x"] * MAX_INPUTS).input), 128)
        self.refused("input", input=["x"] * (MAX_INPUTS + 1))
        self.assertEqual(len(read(input="\N{SNOWMAN}" * MAX_CHARS).input[0]), 8192)
        self.refused("input", input="x" * (MAX_CHARS + 1))
        self.refused("input[1]", input=["x", "x" * (MAX_CHARS + 1)])
        full = ["x" * MAX_CHARS] * (MAX_TOTAL_CHARS // MAX_CHARS)
        self.assertEqual(sum(map(len, read(input=full).input)), 65_536)
        self.refused("input", input=[*full, "x"])

    def test_nothing_to_embed(self) -> None:
        """No empty list, no empty string; blanks are a text."""
        self.refused("input", input=[])
        self.refused("input", input="")
        self.refused("input[1]", input=["a", ""])
        self.assertEqual(read(input=" ").input, (" ",))

    def test_encoding_format(self) -> None:
        """One of two words."""
        for value in ("", "Float", "int8", "base64 "):
            self.refused("encoding_format", input="hi", encoding_format=value)
        for wrong in (1, True, ["float"], {}):
            self.refused("encoding_format", encoding_format=wrong)

    def test_too_many_dimensions(self) -> None:
        """A vector without end is not asked of a provider."""
        self.assertEqual(read(dimensions=65_536).dimensions, 65_536)
        self.refused("dimensions", dimensions=65_537)
        self.refused("dimensions", "`dimensions` must be a positive integer.", dimensions=10**400)

    def test_dimensions(self) -> None:
        """A positive integer, not larger than numbers are exact."""
        for value in (0, -1, 1.5, 2**53, 1e300):
            self.refused("dimensions", "`dimensions` must be a positive integer.", dimensions=value)
        for wrong in (True, "8", [], {}):
            self.refused("dimensions", dimensions=wrong)

    def test_hostile_bodies(self) -> None:
        """No JSON, no object, bad UTF-8, NaN, and far too deep."""
        for body in (
            b"{",
            b"[1]",
            b'"hi"',
            b"null",
            b'{"model":"m","input":"\xff"}',
            b'{"model":"m","input":"a","dimensions":NaN}',
            b'{"model":"m","input":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        ):
            error = self.assertRaises(GatewayError, parse, body)
            self.assertEqual(error.info.code, "invalid_request", body[:60])

    def test_half_surrogates(self) -> None:
        """U+FFFD each, as JavaScript sends them on."""
        self.assertEqual(parse(b'{"model":"m","input":"\\ud800"}').input, ("\ufffd",))


class RenderTests(SynchronousTestCase):
    """OpenAI's object."""

    vectors = ((0.1, -2.0, 3e-5), (1.0, 0.0, -0.25))

    def answer(self, tokens: int | None, encoding_format: Any) -> Any:
        """Rendered and read again."""
        embeddings = Embeddings(vectors=self.vectors, usage=Usage(prompt_tokens=tokens), provider="p", model="m")
        return json.loads(render(embeddings, "openclaw", encoding_format))

    def test_float(self) -> None:
        """Numbers as the provider gave them, and what it counted."""
        self.assertEqual(
            self.answer(4, "float"),
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": [0.1, -2.0, 3e-5]},
                    {"object": "embedding", "index": 1, "embedding": [1.0, 0.0, -0.25]},
                ],
                "model": "openclaw",
                "usage": {"prompt_tokens": 4, "total_tokens": 4},
            },
        )

    def test_base64(self) -> None:
        """Little-endian float32."""
        data = self.answer(4, "base64")["data"]
        for item, vector in zip(data, self.vectors, strict=True):
            packed = b64decode(item["embedding"], validate=True)
            self.assertEqual(packed, struct.pack("<3f", *vector))

    def test_unknown_usage(self) -> None:
        """Zeros: clients insist on numbers here."""
        self.assertEqual(self.answer(None, "float")["usage"], {"prompt_tokens": 0, "total_tokens": 0})
