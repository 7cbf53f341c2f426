# -*- test-case-name: tests.wire.test_replay -*-
"""What a vendor wants back goes back to it alone, in its place."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, ToolCall
from openclaw_tx.wire.large_json import MAX_DEPTH
from openclaw_tx.wire.replay import MAX_OPAQUE_BYTES, Piece, seal, unseal, woven

CALLS = (ToolCall(id="1", name="a", arguments="{}"), ToolCall(id="2", name="b", arguments="{}"))


def message(opaque: str = "", text: str = "t") -> AssistantMessage:
    """An answer with two calls."""
    return AssistantMessage(text=text, tool_calls=CALLS, provider="p", model="m", opaque=opaque)


def order(said: AssistantMessage, *pieces: Piece) -> list[Any]:
    """The pieces as they go back."""
    return [(kind, data, place) for kind, data, place in woven(said, list(pieces))]


class SealTests(SynchronousTestCase):
    """L{seal} and L{unseal}."""

    def test_there_and_back(self) -> None:
        """To the same model of the same provider over the same API, and to nobody else."""
        pieces = [Piece(kind="thought", data={"x": [1]}), Piece(kind="text"), Piece(kind="call", data="s")]
        sealed = message(seal("api", pieces))
        self.assertEqual(unseal(sealed, "api", "p", "m"), pieces)
        for api, provider, model in (("other", "p", "m"), ("api", "q", "m"), ("api", "p", "n")):
            self.assertEqual(unseal(sealed, api, provider, model), [])

    def test_nothing_to_keep(self) -> None:
        """Nothing is kept without need, or when it is huge; what can not be read is nothing."""
        self.assertEqual(seal("api", [Piece(kind="text"), Piece(kind="call")]), "")
        self.assertEqual(seal("api", [Piece(kind="thought", data="x" * MAX_OPAQUE_BYTES)]), "")
        nested: list[Any] = []
        for _ in range(MAX_DEPTH):
            nested = [nested]
        self.assertEqual(seal("api", [Piece(kind="thought", data=nested)]), "")
        deep = '{"api":"api","pieces":[{"kind":"text","data":' + "[" * 100_000 + "]" * 100_000 + "}]}"
        for opaque in ("", "{", "[]", '{"api":"api","pieces":[{"kind":"odd"}]}', deep):
            self.assertEqual(unseal(message(opaque), "api", "p", "m"), [])


class WovenTests(SynchronousTestCase):
    """L{woven}."""

    def test_order(self) -> None:
        """As it came; the text comes once, at its first place."""
        thought = Piece(kind="thought", data="d")
        self.assertEqual(
            order(message(), thought, Piece(kind="call"), Piece(kind="text", data="s"), thought, Piece(kind="text")),
            [("thought", "d", 0), ("call", None, 0), ("text", "s", 0), ("thought", "d", 0), ("call", None, 1)],
        )

    def test_what_was_not_kept(self) -> None:
        """Text and calls are never lost, and none is made up."""
        self.assertEqual(order(message()), [("text", None, 0), ("call", None, 0), ("call", None, 1)])
        self.assertEqual(
            order(message(text=""), Piece(kind="text", data="s"), *[Piece(kind="call", data="c")] * 3),
            [("call", "c", 0), ("call", "c", 1)],
        )
        self.assertEqual(order(message(), Piece(kind="call", data="c"))[0], ("text", None, 0))
