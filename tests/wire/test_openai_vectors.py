# -*- test-case-name: tests.wire.test_openai_vectors -*-
"""What a provider is asked for embeddings, and what of its answer is believed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import Usage
from openclaw_tx.wire.openai_vectors import MAX_FLOAT32, decode_reply, encode_request
from openclaw_tx.wire.upstream import UpstreamError


def item(index: Any, *numbers: Any) -> dict[str, Any]:
    """One embedding."""
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


def decode(expected: int, *items: Any, **more: Any) -> Any:
    """A reply with these items."""
    return decode_reply(json.dumps({"object": "list", "data": items, **more}).encode(), expected)


class RequestTests(SynchronousTestCase):
    """The body that is sent."""

    def test_plain(self) -> None:
        """Floats are asked for, since not every server has base64; dimensions only when somebody wants them."""
        self.assertEqual(
            json.loads(encode_request("m", ("a", "b"), None)),
            {"model": "m", "input": ["a", "b"], "encoding_format": "float"},
        )
        self.assertEqual(json.loads(encode_request("m", ("a",), 64))["dimensions"], 64)

    def test_tokens(self) -> None:
        """Token ids pass as they are."""
        self.assertEqual(json.loads(encode_request("m", ["a", [1, 2]], None))["input"], ["a", [1, 2]])


class ReplyTests(SynchronousTestCase):
    """The answer that comes."""

    def refused(self, *arguments: Any, **more: Any) -> str:
        """The answer is not believed."""
        return str(self.assertRaises(UpstreamError, decode, *arguments, **more))

    def test_order(self) -> None:
        """The index counts, or the place where there is none."""
        vectors, usage = decode(2, item(1, 3, 4), item(0, 1, 2), usage={"prompt_tokens": 5, "total_tokens": 5})
        self.assertEqual((vectors, usage), (((1.0, 2.0), (3.0, 4.0)), Usage(prompt_tokens=5)))
        self.assertEqual(decode(2, {"embedding": [1]}, {"embedding": [2]})[0], ((1.0,), (2.0,)))

    def test_usage(self) -> None:
        """Only what is a count is one."""
        for told, tokens in (
            (None, None),
            ({}, None),
            ([], None),
            ({"total_tokens": 3}, 3),
            ({"prompt_tokens": "4"}, 4),
            ({"prompt_tokens": -1}, None),
            ({"prompt_tokens": True}, None),
        ):
            self.assertEqual(decode(1, item(0, 1.0), usage=told)[1].prompt_tokens, tokens, told)

    def test_numbers_and_lengths(self) -> None:
        """Too few, too many, twice the same, of different lengths, empty, too large."""
        self.refused(2, item(0, 1))
        self.refused(1, item(0, 1), item(1, 1))
        self.refused(2, item(0, 1), item(0, 1))
        self.refused(1, item(7, 1))
        self.refused(2, item(0, 1), item(1, 1, 2))
        self.refused(1, item(0))
        self.refused(1, item(0, 1e39))
        self.refused(1, item(0, -1e39))
        self.assertEqual(decode(1, item(0, MAX_FLOAT32))[0], ((MAX_FLOAT32,),))

    def test_errors(self) -> None:
        """An error that came with status 200 keeps its words."""
        self.assertEqual(
            self.refused(1, error={"message": "no such model", "code": "model_not_found"}), "no such model"
        )

    def test_nonsense(self) -> None:
        """What is no reply at all is an error of the provider, never an exception."""
        for body in (
            b"",
            b"<html>",
            b"[]",
            b"null",
            b'{"data":5}',
            b'{"data":[{"embedding":"AAAA","index":0}]}',
            b'{"data":[{"embedding":[1e999],"index":0}]}',
            b'{"data":[{"embedding":[null],"index":0}]}',
            b'{"data":[{"index":0}]}',
            b'{"data":[{"embedding":[1],"index":"0"}]}',
            b'{"data":' + b"[" * 10_000,
            b"\xff\xfe",
        ):
            self.assertRaises(UpstreamError, decode_reply, body, 1)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
    def test_anything(self, data: Any) -> None:
        """Whatever stands for the data, either it is read or it is refused."""
        try:
            vectors, _ = decode_reply(json.dumps({"data": data}).encode(), 1)
        except UpstreamError:
            return
        self.assertEqual(len(vectors), 1)
