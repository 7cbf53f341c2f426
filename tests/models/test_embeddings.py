# -*- test-case-name: tests.models.test_embeddings -*-
"""Which provider embeds, with which model; the OpenAI endpoint of a provider; the registry's door to all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_agents import MemorySearch
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Embedder, EmbeddingProvider, ModelProvider
from openclaw_tx.models.embeddings import choose, overridden, usual_model
from openclaw_tx.models.provider import EmbeddingHttpProvider, Service
from openclaw_tx.models.registry import ModelRegistry
from openclaw_tx.values import Embeddings, Usage
from tests.models.memory import Memory, start
from tests.models.test_registry import RegistryCase, Scripted, config

EMBEDDER: type[Embedder] = ModelRegistry


class Embedding(Scripted):
    """A provider that embeds as well."""

    def __init__(self, name: str, usual: str = "", length: int = 2) -> None:
        super().__init__(name, "chat")
        self.usual = usual
        self.length = length
        self.asked: list[tuple[str, tuple[str, ...], int | None]] = []

    def embedding_model(self) -> str:
        """As told."""
        return self.usual

    async def embed(self, model: str, texts: Sequence[str], dimensions: int | None) -> Embeddings:
        """Vectors of ones."""
        self.asked.append((model, tuple(texts), dimensions))
        if self.wait is not None:
            await self.wait
        if self.errors:
            raise self.errors.pop(0)
        vectors = tuple((1.0,) * self.length for _ in texts)
        return Embeddings(vectors=vectors, usage=Usage(prompt_tokens=1), provider=self.name, model=model)


class ChoiceTests(SynchronousTestCase):
    """The pure part."""

    def chosen(self, provider: str = "", model: str = "", **providers: ModelProvider) -> str:
        """The ref of what would embed."""
        return choose(MemorySearch(provider=provider, model=model), providers).ref

    def refused(self, *arguments: str, **providers: ModelProvider) -> str:
        """Why nothing would."""
        error = self.assertRaises(GatewayError, self.chosen, *arguments, **providers)
        self.assertEqual(error.info.code, "model_not_found")
        self.assertIn("agents.defaults.memorySearch.provider", str(error))
        return str(error)

    def test_usual_model(self) -> None:
        """One of the list that says what it is, else the well-known one, else none."""
        self.assertEqual(usual_model("openai", ["gpt-4o"]), "text-embedding-3-small")
        self.assertEqual(usual_model("openai", ["gpt-4o", "text-Embedding-3-large"]), "text-Embedding-3-large")
        self.assertEqual(usual_model("x", ["mxbai-embed-large"]), "mxbai-embed-large")
        self.assertEqual(usual_model("x", ["m"]), "")

    def test_first_that_can(self) -> None:
        """Without configuration: the first provider known to embed; the embedded model comes last by itself."""
        able = {"chat": Scripted("chat", "m"), "plain": Embedding("plain"), "e": Embedding("e", "vec")}
        for word in ("", "auto", "AUTO"):
            self.assertEqual(self.chosen(word, **able, local=Embedding("local", "smol")), "e/vec")
        self.assertEqual(self.chosen(chat=Scripted("chat", "m"), local=Embedding("local", "smol")), "local/smol")

    def test_named(self) -> None:
        """A provider that is named, with its usual model or the one configured."""
        able = {"a": Embedding("a", "one"), "b": Embedding("b", "two"), "google": Embedding("google", "g")}
        self.assertEqual(self.chosen("B", **able), "b/two")
        self.assertEqual(self.chosen("b", "org/other", **able), "b/org/other")
        self.assertEqual(self.chosen("gemini", **able), "google/g")

    def test_model_alone(self) -> None:
        """A model without its provider goes to one that embeds anyway, else to the first that could."""
        self.assertEqual(self.chosen("", "m", a=Embedding("a"), b=Embedding("b", "two")), "b/m")
        self.assertEqual(self.chosen("", "m", a=Embedding("a"), b=Embedding("b")), "a/m")

    def test_nothing(self) -> None:
        """Each way of having nothing says which it is, and what to configure."""
        self.assertIn("No embedding model", self.refused())
        self.assertIn("No embedding model", self.refused(chat=Scripted("chat", "m"), plain=Embedding("plain")))
        self.assertIn("'openai' is configured", self.refused("openai", chat=Scripted("chat", "m")))
        self.assertIn("has no embeddings", self.refused("chat", chat=Scripted("chat", "m")))
        self.assertIn("No embedding model", self.refused("plain", plain=Embedding("plain")))

    def test_overridden(self) -> None:
        """Another model, also with slashes; never another provider."""
        usual = choose(MemorySearch(), {"p": Embedding("p", "m")})
        for model, ref in (("", "p/m"), ("x", "p/x"), ("p/x", "p/x"), ("P/org/x", "p/org/x"), ("p/", "p/m")):
            self.assertEqual(overridden(usual, model).ref, ref)
        error = self.assertRaises(GatewayError, overridden, usual, "openai/x")
        self.assertEqual((error.info.code, error.info.param), ("invalid_request", "x-openclaw-model"))


class OpenAITests(SynchronousTestCase):
    """The endpoint of a provider, over the real HTTP client."""

    def setUp(self) -> None:
        self.memory = Memory()
        self.provider = EmbeddingHttpProvider(
            Service("p", self.memory.door(), {"Authorization": "Bearer sk"}, lambda: "x"), [], embedding_model="usual"
        )

    def ask(self, *texts: str, dimensions: int | None = None) -> Deferred[Embeddings]:
        """Start a call, and let the network work."""
        called = start(self.provider.embed("org/m", texts, dimensions))
        self.memory.advance(0.2)
        return called

    def failed(self, text: str) -> GatewayError:
        """What a call fails with."""
        error: GatewayError = self.failureResultOf(self.ask(text), GatewayError).value
        return error

    def test_request(self) -> None:
        """Path, key, and a body that asks for floats; the vectors come in the order of the texts."""
        found = self.successResultOf(self.ask("hello", "hi", dimensions=4))
        (seen,) = self.memory.upstream.embeddings
        self.assertEqual(
            seen.body, {"model": "org/m", "input": ["hello", "hi"], "encoding_format": "float", "dimensions": 4}
        )
        self.assertEqual((seen.headers["authorization"], seen.headers["accept"]), ("Bearer sk", "application/json"))
        self.assertEqual(found.vectors, ((0.625, 0.0, 0.5, 0.5), (0.25, 0.125, 0.5, 0.5)))
        self.assertEqual((found.usage, found.provider, found.model), (Usage(prompt_tokens=9), "p", "org/m"))
        self.assertTrue(isinstance(self.provider, EmbeddingProvider))
        self.assertEqual(self.provider.embedding_model(), "usual")

    def test_failures(self) -> None:
        """Statuses mean what they mean for a chat; the key is never in the words."""
        for status, code in (
            (400, "provider_rejected"),
            (401, "provider_auth"),
            (402, "provider_billing"),
            (404, "provider_rejected"),
            (429, "provider_rate_limit"),
            (500, "provider_error"),
            (503, "provider_overloaded"),
        ):
            self.assertEqual(self.failed(f"[[status={status}]]").info.code, code)
        self.assertEqual(self.failed("[[status=429 retry=7]]").info.retry_after, 7)

    def test_bad_answers(self) -> None:
        """Nonsense with status 200 is the provider's error; so is an error object."""
        for broken in ("<html>", '{"data":{}}', '{"error":{"message":"bang"}}'):
            error = self.failed(f"[[broken={broken}]]")
            self.assertEqual(error.info.code, "provider_error")
            self.assertTrue(str(error).startswith("p/org/m: "))

    def test_silence(self) -> None:
        """Nothing within the idle timeout is a timeout."""
        called = self.ask("[[hang=1]]")
        self.memory.advance(21, step=1)
        self.assertEqual(self.failureResultOf(called, GatewayError).value.info.code, "provider_timeout")

    def test_cancel(self) -> None:
        """The provider sees it at once."""
        called = self.ask("[[hang=1]]")
        called.cancel()
        self.memory.advance(0.2)
        self.failureResultOf(called, CancelledError)
        self.assertEqual(self.memory.upstream.embeddings[0].outcome, "hung up")
        self.assertEqual(self.memory.open_connections, 0)

    def tearDown(self) -> None:
        closing = start(self.provider.close())
        self.memory.advance(1)
        self.successResultOf(closing)
        self.assertEqual(self.memory.reactor.getDelayedCalls(), [])


class RegistryTests(RegistryCase):
    """L{ModelRegistry.embed}."""

    def setUp(self) -> None:
        super().setUp()
        self.config = config(models={"mode": "replace"})
        self.provider = Embedding("e", "vec")
        self.door = self.registry(e=self.provider)

    def failed(self, *arguments: Any, **more: Any) -> GatewayError:
        """What a call fails with."""
        error: GatewayError = self.failureResultOf(start(self.door.embed(*arguments, **more)), GatewayError).value
        return error

    def test_embeds(self) -> None:
        """The configured model, or the caller's."""
        found = self.successResultOf(start(self.door.embed(("a", "b"))))
        self.assertEqual((len(found.vectors), found.provider, found.model), (2, "e", "vec"))
        self.successResultOf(start(self.door.embed(("a",), 2, model="e/other")))
        self.assertEqual(self.provider.asked, [("vec", ("a", "b"), None), ("other", ("a",), 2)])

    def test_dimensions_that_cannot_be_had(self) -> None:
        """Vectors of another length than asked for are never passed off as right."""
        error = self.failed(("a",), 3)
        self.assertEqual((error.info.code, error.info.param), ("unsupported_parameter", "dimensions"))
        self.assertEqual(str(error), "The embedding model e/vec gives 2 dimensions, not 3.")

    def test_allowlist(self) -> None:
        """Only what the configuration chose itself need not be in the list of models."""
        self.config = config(models={"mode": "replace"}, agents={"defaults": {"models": {"e/chat": {}, "e/big": {}}}})
        self.successResultOf(start(self.door.embed(("a",))))
        self.successResultOf(start(self.door.embed(("a",), model="vec")))
        self.successResultOf(start(self.door.embed(("a",), model="big")))
        self.assertEqual(self.failed(("a",), model="secret").info.code, "model_not_found")

    def test_retries(self) -> None:
        """A passing failure is tried again, a lasting one is not."""
        self.provider.errors = [GatewayError("provider_overloaded", "busy")]
        called = start(self.door.embed(("a",)))
        self.assertNoResult(called)
        self.clock.advance(2)
        self.successResultOf(called)
        self.provider.errors = [GatewayError("provider_auth", "no")]
        self.assertEqual(self.failed(("a",)).info.code, "provider_auth")

    def test_retired_while_at_work(self) -> None:
        """A provider that leaves the configuration answers first, then closes."""
        gone = Embedding("gone", "vec")
        gone.wait = Deferred()
        self.factory.remote = lambda provider, definition, key: gone  # type: ignore[assignment,method-assign]
        self.config = config(models={"mode": "replace", "providers": {"gone": {"baseUrl": "http://h/v1"}}})
        door = self.registry()
        called = start(door.embed(("a",)))
        self.config = config(models={"mode": "replace"})
        door.catalog()
        self.assertEqual(gone.closed, 0)
        gone.wait.callback(None)
        self.successResultOf(called)
        self.assertEqual(gone.closed, 1)
