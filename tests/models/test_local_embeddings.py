# -*- test-case-name: tests.models.test_local_embeddings -*-
"""Texts as vectors of the embedded model."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.child import BATCH_TOKENS
from openclaw_tx.models.local_embeddings import mean
from openclaw_tx.values import Embeddings
from tests.models.memory import start
from tests.models.test_local import Scene, Server


class Tokenizer(Server):
    """Takes each character for a token, and embeds no more of them at once than fit into a batch.

    @ivar cut: texts that it was asked to cut.
    """

    broken: bytes | None = None

    def render_POST(self, request: Request) -> bytes | int:
        """C{/tokenize} besides the rest."""
        if request.path != b"/tokenize":
            return super().render_POST(request)
        assert request.content is not None and request.getHeader("authorization") == "Bearer secret"
        told = json.loads(request.content.read())
        assert told["add_special"] is True
        if self.broken is not None:
            return self.broken
        return json.dumps({"tokens": list(map(ord, told["content"]))}).encode()


class LocalEmbeddingsTests(SynchronousTestCase):
    """Through the whole provider."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.server = self.scene.memory.replace(Tokenizer)

    def ask(self, *texts: str, model: str = "smollm2-135m", dimensions: int | None = None) -> Deferred[Embeddings]:
        """Start a call, and the process if need be."""
        called = start(self.scene.provider.embed(model, texts, dimensions))
        spawned = self.scene.processes.spawned
        if spawned and not spawned[-1].protocol.ready:
            self.scene.serve()
        self.scene.memory.advance(1)
        return called

    def test_short(self) -> None:
        """A text that surely fits is sent as it is."""
        found = self.successResultOf(self.ask("hello", "hi"))
        self.assertEqual(self.server.embeddings[0].body["input"], ["hello", "hi"])
        self.assertNotIn("dimensions", self.server.embeddings[0].body)
        self.assertEqual(found.vectors, ((0.625, 0.0, 0.5), (0.25, 0.125, 0.5)))
        self.assertEqual((found.provider, found.model, found.usage.prompt_tokens), ("local", "smollm2-135m", 9))
        self.assertEqual(self.scene.provider.embedding_model(), "smollm2-135m")

    def test_long(self) -> None:
        """A long one goes in pieces that fit, a few at a time, each token once; the short beside it is untouched."""
        text = "".join(chr(97 + number % 26) for number in range(400))
        found = self.successResultOf(self.ask("a", text, "b"))
        sent = [piece for exchange in self.server.embeddings for piece in exchange.body["input"]]
        self.assertEqual((sent[0], sent[-1]), ("a", "b"))
        pieces = [piece for piece in sent if isinstance(piece, list)]
        self.assertEqual("".join(chr(token) for piece in pieces for token in piece), text)
        self.assertTrue(all(len(piece) <= BATCH_TOKENS for piece in pieces))
        self.assertTrue(all(len(exchange.body["input"]) <= 4 for exchange in self.server.embeddings))
        self.assertEqual(len(found.vectors), 3)
        self.assertEqual(found.usage.prompt_tokens, 9 * len(self.server.embeddings))
        self.assertAlmostEqual(sum(number * number for number in found.vectors[1]), 1.0)

    def test_bytes_count(self) -> None:
        """What is short in characters may be long in bytes, and so in tokens."""
        self.successResultOf(self.ask("\N{SNOWMAN}" * 30))
        self.assertIsInstance(self.server.embeddings[0].body["input"][0], list)

    def test_no_tokens(self) -> None:
        """A tokenizer that finds nothing leaves the text whole."""
        self.server.broken = b'{"tokens":[]}'
        self.successResultOf(self.ask("x" * 100))
        self.assertEqual(self.server.embeddings[0].body["input"], ["x" * 100])

    def test_failures(self) -> None:
        """A tokenizer that makes no sense, a model that fails, a model that is not there."""
        self.server.broken = b"?"
        error = self.failureResultOf(self.ask("x" * 100), GatewayError).value
        self.assertEqual(error.info.code, "provider_error")
        self.server.broken = None
        error = self.failureResultOf(self.ask("[[status=500]]"), GatewayError).value
        self.assertEqual(error.info.code, "provider_error")
        error = self.failureResultOf(self.ask("x", model="other"), GatewayError).value
        self.assertEqual(error.info.code, "model_not_found")
        self.scene.memory.advance(6)
        self.assertEqual(self.scene.processes.spawned[0].signals, [])

    def test_not_installed(self) -> None:
        """Says which command to run."""
        scene = Scene(weights=None)
        called = start(scene.provider.embed("smollm2-135m", ("x",), None))
        error = self.failureResultOf(called, GatewayError).value
        self.assertEqual(error.info.code, "local_model_not_installed")

    def test_cancel(self) -> None:
        """The connection is closed, and the process is looked after: stuck, it is killed."""
        called = self.ask("[[hang=1]]")
        self.server.busy = True
        called.cancel()
        self.scene.memory.advance(0.2)
        self.failureResultOf(called, CancelledError)
        self.assertEqual(self.server.embeddings[0].outcome, "hung up")
        self.scene.memory.advance(5.5)
        self.assertEqual(self.scene.processes.spawned[0].signals, ["KILL"])

    def tearDown(self) -> None:
        closing = start(self.scene.provider.close())
        if self.scene.processes.spawned:
            self.scene.die()
        self.scene.memory.advance(0.5)
        self.successResultOf(closing)


class MeanTests(SynchronousTestCase):
    """The mean of pieces."""

    def test_one(self) -> None:
        """Stays as it is, also when it is not of length 1."""
        self.assertEqual(mean([(3.0, 4.0)], [5]), (3.0, 4.0))

    def test_weights(self) -> None:
        """A longer piece counts for more."""
        found = mean([(1.0, 0.0), (0.0, 1.0)], [3, 4])
        self.assertAlmostEqual(found[0], 0.6)
        self.assertAlmostEqual(found[1], 0.8)

    def test_nothing_left(self) -> None:
        """Pieces that cancel out give zeros, not a division by zero."""
        self.assertEqual(mean([(1.0,), (-1.0,)], [1, 1]), (0.0,))

    @example([(5e-324, 1e-323), (0.0, 0.0)])
    @given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=9))
    def test_length(self, vectors: list[Any]) -> None:
        """Length 1, or 0."""
        length = sum(number * number for number in mean(vectors, [1] * len(vectors)))
        self.assertTrue(length == 0 or abs(length - 1) < 1e-9)
