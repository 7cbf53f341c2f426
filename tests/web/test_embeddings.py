# -*- test-case-name: tests.web.test_embeddings -*-
"""C{POST /v1/embeddings}."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import authorise
from openclaw_tx.config.schema_gateway import ChatCompletions
from openclaw_tx.errors import GatewayError
from openclaw_tx.testing import MemoryGateway, ScriptedModel
from openclaw_tx.values import Embeddings, Principal, Usage
from openclaw_tx.web.embeddings import MAX_AT_WORK
from tests.support.web import Client, Harness


class EndpointTests(SynchronousTestCase):
    """The resource over a scripted embedder."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def ask(self, headers: dict[str, str] | None = None, **fields: Any) -> Client:
        """A request that is good but for what is given."""
        body = json.dumps({"model": "openclaw", "input": "hi", **fields}).encode()
        return self.gateway.ask("POST", "/v1/embeddings", body, headers)

    def hold(self) -> list[Deferred[Embeddings]]:
        """From now on the embedder waits."""
        waiting: list[Deferred[Embeddings]] = []

        def wait() -> Deferred[Embeddings]:
            waiting.append(Deferred())
            return waiting[-1]

        self.gateway.models.script = wait
        return waiting

    def test_float(self) -> None:
        """Vectors in the order of the texts, the provider's count, the model echoed."""
        response = self.ask(input=["hello", "you"], model="openclaw/beta").response
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.json,
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": [5.0, 0.0, 0.1]},
                    {"object": "embedding", "index": 1, "embedding": [3.0, 1.0, 0.1]},
                ],
                "model": "openclaw/beta",
                "usage": {"prompt_tokens": 7, "total_tokens": 7},
            },
        )
        self.assertEqual(self.gateway.models.asked, [(("hello", "you"), None, "beta", "")])

    def test_base64(self) -> None:
        """C{(2, 0, 0.1)} as float32."""
        data = self.ask(encoding_format="base64").response.json["data"]
        self.assertEqual(data[0]["embedding"], "AAAAQAAAAADNzMw9")

    def test_agent_and_model(self) -> None:
        """Agent by header, alias or model field; any other model is the default agent's; the header picks the model."""
        for headers, model, agent_id in (
            ({"x-openclaw-agent-id": "beta"}, "openclaw", "beta"),
            ({"x-openclaw-agent": "beta"}, "openclaw/main", "beta"),
            ({}, "agent:beta", "beta"),
            ({}, "text-embedding-3-small", "main"),
            ({"x-openclaw-model": "p/m"}, "openclaw", "main"),
        ):
            self.ask(headers, model=model, dimensions=5)
            self.assertEqual(
                self.gateway.models.asked[-1], (("hi",), 5, agent_id, headers.get("x-openclaw-model", "")), model
            )

    def test_model_map(self) -> None:
        """C{modelMap} names another agent, or another model; the client's own word is echoed, its header wins."""
        self.gateway.chat = ChatCompletions(enabled=True, model_map={"ada": "openclaw/beta", "big": "p/large"})
        self.assertEqual(self.ask(model="ada").response.json["model"], "ada")
        self.ask(model="big")
        self.ask({"x-openclaw-model": "own"}, model="big")
        self.assertEqual(
            [asked[2:] for asked in self.gateway.models.asked], [("beta", ""), ("main", "p/large"), ("main", "own")]
        )

    def test_override_needs_admin(self) -> None:
        """Without C{operator.admin} the header is refused, and nothing is asked."""

        async def writer(credentials: Any, peer: Any) -> Principal:
            return Principal(id="w", method="token", scopes=frozenset({"operator.write"}))

        gateway = Harness(authorise=authorise)
        self.addCleanup(gateway.close)
        gateway.one_secret.authenticate = writer  # type: ignore[method-assign]
        body = b'{"model":"openclaw","input":"hi"}'
        self.assertEqual(gateway.ask("POST", "/v1/embeddings", body).response.status, 200)
        refused = gateway.ask("POST", "/v1/embeddings", body, {"x-openclaw-model": "m"}).response
        self.assertEqual((refused.status, refused.error["code"]), (403, "insufficient_scope"))
        self.assertEqual(len(gateway.models.asked), 1)

    def test_key(self) -> None:
        """A key's agents are all that there are for it, and its tokens are counted."""

        class Till:
            """A meter that notes."""

            spent: ClassVar[list[int]] = []

            def request(self, principal: Principal) -> None:
                """Passes."""

            def headers(self, principal: Principal) -> dict[str, str]:
                """One."""
                return {"x-ratelimit-limit-requests": "5"}

            def spend(self, principal: Principal, tokens: int) -> None:
                """Noted."""
                self.spent.append(tokens)

        async def key(credentials: Any, peer: Any) -> Principal:
            return Principal(id="key:k", method="key", scopes=frozenset({"operator.write"}), agents=("beta",))

        gateway = Harness(authorise=authorise, meter=Till())
        self.addCleanup(gateway.close)
        gateway.one_secret.authenticate = key  # type: ignore[method-assign]
        for model, status in (("openclaw", 200), ("openclaw/beta", 200), ("openclaw/main", 400)):
            body = json.dumps({"model": model, "input": "hi"}).encode()
            response = gateway.ask("POST", "/v1/embeddings", body).response
            self.assertEqual(response.status, status, model)
            self.assertEqual(response.header("x-ratelimit-limit-requests"), "5")
        self.assertEqual({asked[2] for asked in gateway.models.asked}, {"beta"})
        self.assertEqual(Till.spent, [7, 7])

    def test_every_bad_field(self) -> None:
        """Each gets 400 with its name, and nothing is asked of the embedder."""
        for param, fields in (
            ("model", {"model": None}),
            ("model", {"model": 5}),
            ("model", {"model": "openclaw/nope"}),
            ("model", {"model": "openclaw/No Pe"}),
            ("input", {"input": None}),
            ("input", {"input": []}),
            ("input[0]", {"input": [[1, 2]]}),
            ("input", {"input": "x" * 8193}),
            ("encoding_format", {"encoding_format": "int8"}),
            ("dimensions", {"dimensions": 0}),
            ("dimensions", {"dimensions": "5"}),
        ):
            response = self.ask(**fields).response
            self.assertEqual(response.status, 400, fields)
            self.assertEqual((response.error["param"], response.error["code"]), (param, "invalid_request"), fields)
        for headers, param in (
            ({"x-openclaw-agent-id": "nope"}, "x-openclaw-agent-id"),
            ({"x-openclaw-model": "m" * 300}, "x-openclaw-model"),
        ):
            response = self.ask(headers).response
            self.assertEqual((response.status, response.error["param"]), (400, param))
        self.assertEqual(self.gateway.models.asked, [])

    def test_strict_model(self) -> None:
        """With C{strictModel} a model that names no agent is refused, as for chat."""
        self.gateway.chat = ChatCompletions(enabled=True, strict_model=True)
        self.assertEqual(self.ask(model="text-embedding-3-small").response.status, 400)
        self.assertEqual(self.ask(model="openclaw").response.status, 200)

    def test_switch_method_secret(self) -> None:
        """Off with chat: 404 for everybody; else wrong methods 405, then the secret."""
        get = self.gateway.ask("GET", "/v1/embeddings", authorised=False).response
        self.assertEqual((get.status, get.header("allow"), get.error["code"]), (405, "POST", "method_not_allowed"))
        denied = self.gateway.ask("POST", "/v1/embeddings", b"{", authorised=False).response
        self.assertEqual((denied.status, denied.error["code"]), (401, "invalid_api_key"))
        self.gateway.chat = ChatCompletions(enabled=False)
        off = self.gateway.ask("GET", "/v1/embeddings", authorised=False).response
        self.assertEqual((off.status, off.error["code"]), (404, "endpoint_disabled"))

    def test_body_limit(self) -> None:
        """5 MiB: judged when it is announced."""
        client = self.gateway.connect()
        head = {**self.gateway.credentials(), "Content-Length": str(5 * 1024 * 1024 + 1)}
        client.request("POST", "/v1/embeddings", b"", head)
        self.assertEqual((client.response.status, client.response.error["code"]), (413, "payload_too_large"))

    def test_provider_failures(self) -> None:
        """They have the statuses and the retry advice that they have for a chat."""
        for code, status, retry in (
            ("provider_auth", 401, "false"),
            ("provider_rate_limit", 429, "true"),
            ("provider_error", 502, "true"),
            ("provider_timeout", 504, "true"),
            ("model_not_found", 404, None),
            ("local_model_not_installed", 503, "false"),
        ):
            waiting = self.hold()
            client = self.ask()
            waiting[0].errback(GatewayError(code, "it broke"))
            client.advance(0)
            self.assertEqual(
                (client.response.status, client.response.error["code"], client.response.header("x-should-retry")),
                (status, code, retry),
            )

    def test_bug(self) -> None:
        """An exception that nobody expected says nothing."""
        waiting = self.hold()
        client = self.ask()
        waiting[0].errback(ValueError("secret"))
        client.advance(0)
        self.assertEqual((client.response.status, client.response.error["message"]), (500, "internal error"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_disconnect(self) -> None:
        """A client that goes away cancels the call, and its place is free again."""
        cancelled: list[Any] = []
        self.gateway.models.script = lambda: Deferred(cancelled.append)
        client = self.ask()
        self.assertEqual(client.responses, [])
        client.reset()
        self.assertEqual(len(cancelled), 1)

    def test_too_many(self) -> None:
        """The one too many is told to come again; so is everybody while the gateway shuts down."""
        waiting = self.hold()
        clients = [self.ask() for _ in range(MAX_AT_WORK)]
        refused = self.ask().response
        self.assertEqual((refused.status, refused.error["code"]), (429, "queue_full"))
        self.assertEqual((refused.header("retry-after"), refused.header("x-should-retry")), ("1", "true"))
        good = Embeddings(vectors=((1.0,),), usage=Usage(), provider="p", model="m")
        for client, each in zip(clients, waiting, strict=True):
            each.callback(good)
            client.advance(0)
        self.assertEqual({client.response.status for client in clients}, {200})
        self.gateway.phases.phase = "draining"
        self.assertEqual(self.ask().response.error["code"], "gateway_draining")


class Embedding(ScriptedModel):
    """A scripted model that embeds: vectors of C{length} ones."""

    length = 3
    hanging: Deferred[None] | None = None

    def embedding_model(self) -> str:
        """Its own."""
        return "vec"

    async def embed(self, model: str, texts: Sequence[str], dimensions: int | None) -> Embeddings:
        """At once, or when told."""
        if self.hanging is not None:
            await self.hanging
        vectors = tuple((1.0,) * self.length for _ in texts)
        return Embeddings(vectors=vectors, usage=Usage(prompt_tokens=len(texts)), provider=self.provider, model=model)


class WholeGatewayTests(SynchronousTestCase):
    """From the socket to the provider, in memory."""

    def setUp(self) -> None:
        """A gateway whose model embeds."""
        self.model = Embedding()
        self.gateway = MemoryGateway(model=self.model)
        self.addCleanup(self.gateway.close)

    def ask(self, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Post."""
        return self.gateway.post("/v1/embeddings", {"model": "openclaw", "input": "hi", **fields}, headers=headers)

    def test_embeds(self) -> None:
        """The agent's provider embeds; another model of it may be asked for, another provider not."""
        response = self.ask(input=["a", "b"])
        self.assertEqual(response.code, 200)
        self.assertEqual([item["embedding"] for item in response.json()["data"]], [[1.0, 1.0, 1.0]] * 2)
        self.assertEqual(response.json()["usage"], {"prompt_tokens": 2, "total_tokens": 2})
        self.assertEqual(self.ask({"x-openclaw-model": "scripted/other"}).code, 200)
        refused = self.ask({"x-openclaw-model": "openai/other"})
        self.assertEqual((refused.code, refused.json()["error"]["param"]), (400, "x-openclaw-model"))

    def test_timing(self) -> None:
        """The answer says how long it took since the request came; the call is counted under its provider."""
        self.model.hanging = Deferred()
        response = self.ask()
        self.gateway.advance(1.5)
        self.model.hanging.callback(None)
        self.gateway.flush()
        self.assertEqual(response.headers["server-timing"], "total;dur=1500.0")
        counted = 'openclaw_provider_calls_total{outcome="ok",provider="scripted"} 1.0\n'
        self.assertIn(counted, self.gateway.get("/metrics").text())

    def test_dimensions(self) -> None:
        """Those that the model has not are refused rather than passed off."""
        self.assertEqual(self.ask(dimensions=3).code, 200)
        refused = self.ask(dimensions=4)
        self.assertEqual((refused.code, refused.json()["error"]["code"]), (400, "unsupported_parameter"))

    def test_large(self) -> None:
        """A reply of megabytes arrives whole."""
        self.model.length = 20_000
        response = self.ask(input=["x"] * 100)
        self.gateway.advance(1, 10)
        self.assertTrue(response.finished)
        self.assertEqual(len(response.json()["data"]), 100)

    def test_disconnect(self) -> None:
        """Reaches the provider."""
        cancelled: list[Any] = []
        self.model.hanging = Deferred(cancelled.append)
        self.ask().disconnect()
        self.gateway.advance(0.1)
        self.assertEqual(len(cancelled), 1)


class NoEmbeddingsTests(SynchronousTestCase):
    """A gateway whose only provider can not embed."""

    def test_says_what_to_do(self) -> None:
        """404, naming the keys to set."""
        gateway = MemoryGateway()
        self.addCleanup(gateway.close)
        response = gateway.post("/v1/embeddings", {"model": "openclaw", "input": "hi"})
        self.assertEqual((response.code, response.json()["error"]["code"]), (404, "model_not_found"))
        self.assertIn("agents.defaults.memorySearch.provider", response.json()["error"]["message"])
