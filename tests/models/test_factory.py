# -*- test-case-name: tests.models.test_factory -*-
"""Providers made from configuration, seen from the server's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_models import LocalModel, ProviderDefinition
from openclaw_tx.models.factory import HttpProviderFactory
from openclaw_tx.values import ImagePart, ModelRequest, Sampling, TextPart, UserMessage
from tests.contract.model_provider import prompt
from tests.models.memory import URL, Memory, start

PICTURE = UserMessage(content=(TextPart(text="look"), ImagePart(data="QQ==", mime_type="image/png")))


class FactoryTests(SynchronousTestCase):
    """L{HttpProviderFactory}."""

    def setUp(self) -> None:
        self.memory = Memory()
        reactor: Any = self.memory.reactor
        self.factory = HttpProviderFactory(
            reactor, reactor, reactor, Path("/nowhere"), {}, new_id=lambda: "i", new_secret=lambda: "s"
        )

    def remote(self, key: str = "k", **definition: Any) -> Any:
        """A provider from a definition in JSON's shape."""
        definition = {"baseUrl": URL, **definition}
        return self.factory.remote("p", msgspec.convert(definition, ProviderDefinition), key)

    def seen(self, provider: Any, model: str = "m", request: ModelRequest | None = None) -> Any:
        """What the server sees of a call."""
        called = start(provider.stream(model, request or prompt("hi"), lambda events: None))
        self.memory.advance(0.2)
        self.successResultOf(called)
        return self.memory.upstream.exchanges[-1]

    def test_models(self) -> None:
        """What is listed, and what is made up where the definition is silent."""
        provider = self.remote(
            models=[
                {"id": "a"},
                {
                    "id": "b",
                    "name": "Bee",
                    "contextWindow": 4096,
                    "maxTokens": 100,
                    "reasoning": True,
                    "input": ["text", "image"],
                },
                {"id": "c", "contextWindow": 4096},
            ]
        )
        a, b, c = provider.models()
        self.assertEqual(
            (a.ref, a.name, a.context_window, a.max_tokens, a.input), ("p/a", "a", 200_000, 8192, ("text",))
        )
        self.assertEqual((b.name, b.context_window, b.max_tokens, b.reasoning), ("Bee", 4096, 100, True))
        self.assertEqual(c.max_tokens, 4096)

    def test_key(self) -> None:
        """The key goes as bearer token, unless there is none or it is not to be sent; headers go along."""
        headers = self.seen(self.remote(models=[{"id": "m"}], headers={"X-T": "1"})).headers
        self.assertEqual((headers["authorization"], headers["x-t"]), ("Bearer k", "1"))
        self.assertNotIn("authorization", self.seen(self.remote("", models=[{"id": "m"}])).headers)
        self.assertNotIn("authorization", self.seen(self.remote(authHeader=False)).headers)

    def test_other_servers_get_the_common_core(self) -> None:
        """What only OpenAI is known to understand is not sent elsewhere."""
        model = {"id": "m", "reasoning": True, "maxTokens": 50}
        body = self.seen(self.remote(models=[model]), request=prompt("hi", sampling=Sampling(seed=1))).body
        self.assertEqual(body["messages"][0]["role"], "system")
        self.assertEqual(
            {name: value for name, value in body.items() if name not in ("messages", "model")},
            {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 50, "seed": 1},
        )

    def test_compat(self) -> None:
        """The provider's compat holds for its models, and a model's own goes further."""
        provider = self.remote(
            compat={"maxTokensField": "max_completion_tokens", "supportsUsageInStreaming": False},
            models=[{"id": "m", "compat": {"sendReturnProgress": True, "supportsReasoningEffort": False}}],
        )
        request = prompt("hi", sampling=Sampling(max_tokens=3, reasoning_effort="low"))
        body = self.seen(provider, request=request).body
        self.assertEqual((body["max_completion_tokens"], body["return_progress"]), (3, True))
        self.assertNotIn("stream_options", body)
        self.assertNotIn("reasoning_effort", body)

    def test_images(self) -> None:
        """They go to models that take them, and to models nobody described."""
        asked = ModelRequest(system="", messages=(PICTURE,))
        seeing = self.remote(models=[{"id": "m", "input": ["text", "image"]}])
        for provider, content in ((seeing, list), (self.remote(models=[{"id": "m"}]), str), (self.remote(), list)):
            shown = self.seen(provider, request=asked).body["messages"][0]["content"]
            self.assertIsInstance(shown, content)

    def test_timeouts(self) -> None:
        """Both come from the definition."""
        provider = self.remote(timeoutSeconds=7, connectTimeoutSeconds=3, models=[{"id": "m"}])
        called = start(provider.stream("m", prompt("[[hang=1]]"), lambda events: None))
        self.assertEqual(self.memory.reactor.tcpClients[-1][3], 3)
        self.memory.advance(6.5)
        self.assertNoResult(called)
        self.memory.advance(1)
        self.assertEqual(self.failureResultOf(called).value.info.code, "provider_timeout")

    def test_unusable(self) -> None:
        """A bad URL and an API that is not spoken are refused."""
        self.assertRaises(ValueError, self.remote, baseUrl="h/v1")
        self.assertRaises(ValueError, self.remote, models=[{"id": "m", "api": "telepathy"}])

    def test_local(self) -> None:
        """The embedded model is there before anything of it is installed."""
        (info,) = self.factory.local(LocalModel()).models()
        self.assertEqual((info.ref, info.context_window), ("local/smollm2-135m", 8192))
