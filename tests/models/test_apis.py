# -*- test-case-name: tests.models.test_apis -*-
"""Every API over a network in memory whose other end plays the vendor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.decode import allowed
from openclaw_tx.config.schema_models import Compat, ModelDefinition, ProviderDefinition
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import EmbeddingProvider, ModelProvider
from openclaw_tx.models.apis import APIS, apis, table
from openclaw_tx.models.factory import HttpProviderFactory
from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import ModelSetup
from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    ModelReply,
    ModelRequest,
    Sampling,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolResultMessage,
    UserMessage,
)
from tests.contract import model_provider as contract
from tests.contract.model_provider import WEATHER, prompt
from tests.models.memory import Memory, start
from tests.support.upstream import Exchange

ROOT = "http://127.0.0.1:9"


def made(memory: Memory, api: str, key: str = "k", **definition: Any) -> ModelProvider:
    """A provider of one model that thinks and sees, as the configuration makes it."""
    reactor: Any = memory.reactor
    factory = HttpProviderFactory(
        reactor, reactor, reactor, Path("/nowhere"), {}, new_id=lambda: "new-id", new_secret=lambda: "s"
    )
    model = {"id": "m", "reasoning": True, "input": ["text", "image"]}
    definition = {"baseUrl": ROOT, "api": api, "models": [model], **definition}
    return factory.remote("p", msgspec.convert(definition, ProviderDefinition), key)


class ApiContract(contract.ModelProviderContract):
    """The contract for the API in C{api}."""

    api = "openai-completions"

    def make(self) -> None:
        self.memory = Memory()
        self.provider = made(self.memory, self.api)


class AnthropicTests(ApiContract):
    """C{anthropic-messages}."""

    api = "anthropic-messages"


class ResponsesTests(ApiContract):
    """C{openai-responses}."""

    api = "openai-responses"


class GoogleTests(ApiContract):
    """C{google-generative-ai}."""

    api = "google-generative-ai"


class OllamaTests(ApiContract):
    """C{ollama}."""

    api = "ollama"


class Case(SynchronousTestCase):
    """Base: calls over a network in memory."""

    def setUp(self) -> None:
        self.memory = Memory()

    def call(self, provider: ModelProvider, request: ModelRequest, model: str = "m") -> ModelReply:
        """What a call comes to."""
        called = start(provider.stream(model, request, lambda events: None))
        self.memory.accept()
        self.memory.advance(0.5)
        reply: ModelReply = self.successResultOf(called)
        return reply

    def seen(self, api: str, model: str = "m", key: str = "k", **definition: Any) -> Exchange:
        """What the server sees of a call."""
        self.call(made(self.memory, api, key, **definition), prompt("hi"), model)
        return self.memory.upstream.exchanges[-1]

    def error(self, provider: ModelProvider, words: str) -> GatewayError:
        """What a call fails with."""
        called = start(provider.stream("m", prompt(words), lambda events: None))
        self.memory.accept()
        self.memory.advance(0.5)
        error: GatewayError = self.failureResultOf(called, GatewayError).value
        return error


class AddressTests(Case):
    """Where calls go, and what shows who calls."""

    def test_paths(self) -> None:
        """Each API's own, from base URLs as people write them; models with slashes and odd characters."""
        for api, base, model, path in (
            ("openai-completions", "/v1", "m", "/v1/chat/completions"),
            ("openai-responses", "/v1/", "m", "/v1/responses"),
            ("anthropic-messages", "", "m", "/v1/messages"),
            ("anthropic-messages", "/anthropic/v1", "m", "/anthropic/v1/messages"),
            ("google-generative-ai", "/v1beta", "g", "/v1beta/models/g:streamGenerateContent?alt=sse"),
            ("google-generative-ai", "/v1beta", "tuned/a b", "/v1beta/tuned/a%20b:streamGenerateContent?alt=sse"),
            ("ollama", "", "m", "/api/chat"),
            ("ollama", "/x/v1", "m", "/x/api/chat"),
        ):
            seen = self.seen(api, model, baseUrl=ROOT + base, models=[{"id": model}])
            self.assertEqual(seen.path, path)

    def keys(self, api: str, key: str = "k", **definition: Any) -> dict[str, str]:
        """The headers that concern the key."""
        headers = self.seen(api, key=key, **definition).headers
        names = ("authorization", "x-api-key", "x-goog-api-key", "anthropic-version", "anthropic-beta")
        return {name: headers[name] for name in names if name in headers}

    def test_keys(self) -> None:
        """Each API's own way, none for none, and a bearer token where the configuration wants that."""
        version = {"anthropic-version": "2023-06-01"}
        bearer = {"authorization": "Bearer k"}
        for api, usual, without in (
            ("openai-completions", bearer, {}),
            ("openai-responses", bearer, {}),
            ("anthropic-messages", {"x-api-key": "k", **version}, {"x-api-key": "k", **version}),
            ("google-generative-ai", {"x-goog-api-key": "k"}, {"x-goog-api-key": "k"}),
            ("ollama", bearer, {}),
        ):
            self.assertEqual(self.keys(api), usual, api)
            self.assertEqual(self.keys(api, authHeader=False), without, api)
            always = version if api == "anthropic-messages" else {}
            self.assertEqual(self.keys(api, authHeader=True), {**bearer, **always})
            self.assertEqual(self.keys(api, auth="token"), {**bearer, **always})
            self.assertEqual(self.keys(api, key=""), always)

    def test_account_token(self) -> None:
        """Anthropic's tokens of accounts are told by their looks."""
        self.assertEqual(
            self.keys("anthropic-messages", key="sk-ant-oat01-x"),
            {
                "authorization": "Bearer sk-ant-oat01-x",
                "anthropic-beta": "oauth-2025-04-20",
                "anthropic-version": "2023-06-01",
            },
        )

    def test_headers_of_ones_own(self) -> None:
        """They win over ours in any case of letters, a model's over the provider's."""
        headers = {"X-API-Key": "mine", "Anthropic-Beta": "b1"}
        models = [{"id": "m"}, {"id": "n", "headers": {"anthropic-beta": "b2", "X-More": "1"}}]
        found = self.seen("anthropic-messages", headers=headers, models=models).headers
        self.assertEqual((found["x-api-key"], found["anthropic-beta"]), ("mine", "b1"))
        found = self.seen("anthropic-messages", "n", headers=headers, models=models).headers
        self.assertEqual((found["x-api-key"], found["anthropic-beta"], found["x-more"]), ("mine", "b2", "1"))

    def test_models_of_another_api(self) -> None:
        """A model may speak otherwise than its provider, with the key shown its way."""
        models = [{"id": "m"}, {"id": "c", "api": "anthropic-messages"}]
        plain = self.seen("openai-completions", models=models)
        other = self.seen("openai-completions", "c", models=models)
        self.assertEqual((plain.path, other.path), ("/chat/completions", "/v1/messages"))
        self.assertEqual(other.headers["x-api-key"], "k")
        self.assertNotIn("authorization", other.headers)

    def test_advice(self) -> None:
        """Who has no key is told where to put one; a key that is refused is another matter."""
        said = str(self.error(made(self.memory, "anthropic-messages", ""), "[[status=401]]"))
        self.assertIn("Set P_API_KEY or models.providers.p.apiKey.", said)
        self.assertNotIn("Set", str(self.error(made(self.memory, "anthropic-messages"), "[[status=401]]")))

    def test_embeddings(self) -> None:
        """OpenAI's endpoint stands somewhere beside each API, but Anthropic has none."""
        for api, base, path, name in (
            ("openai-completions", "/v1", "/v1/embeddings", "authorization"),
            ("openai-responses", "/v1", "/v1/embeddings", "authorization"),
            ("google-generative-ai", "/v1beta", "/v1beta/openai/embeddings", "authorization"),
            ("ollama", "", "/v1/embeddings", "authorization"),
        ):
            provider = made(self.memory, api, baseUrl=ROOT + base)
            assert isinstance(provider, EmbeddingProvider)
            asked = start(provider.embed("e", ["text"], None))
            self.memory.accept()
            self.assertEqual(len(self.successResultOf(asked).vectors), 1)
            seen = self.memory.upstream.embeddings[-1]
            self.assertEqual((seen.path, seen.headers.get(name)), (path, "Bearer k"))
        self.assertNotIsInstance(made(self.memory, "anthropic-messages"), EmbeddingProvider)


class ToolLoopTests(Case):
    """A round of tools with thinking, as the engine plays it."""

    def test_thinking_comes_back(self) -> None:
        """What the vendor signed or encrypted, or wants back as it was, is in the second call of the round, word for
        word; where nothing is, nothing goes back."""
        for api, sealed in (
            ("anthropic-messages", "signed-0"),
            ("openai-responses", "sealed-0"),
            ("google-generative-ai", "signed"),
            ("openai-completions", "reasoning_content"),
            ("ollama", None),
        ):
            provider = made(self.memory, api)
            asked = prompt("[[think=1 tool=get_weather]]", WEATHER, sampling=Sampling(reasoning_effort="low"))
            reply = self.call(provider, asked)
            message = AssistantMessage(
                text=reply.text,
                reasoning=reply.reasoning,
                tool_calls=reply.tool_calls,
                provider=reply.provider,
                model=reply.model,
                opaque=reply.opaque,
            )
            result = ToolResultMessage(tool_call_id=reply.tool_calls[0].id, text="sunny")
            again = self.call(provider, replace(asked, messages=(*asked.messages, message, result)))
            self.assertEqual(again.text, "tool said: sunny", api)
            sent = json.dumps(self.memory.upstream.exchanges[-1].body)
            self.assertEqual(bool(reply.opaque), sealed is not None, api)
            if sealed is not None:
                self.assertIn(f'"{sealed}"', sent, api)


class AbilitiesTests(Case):
    """L{apis} tells the truth."""

    def body(self, codec: Codec, model: str = "gemini-2.5-flash", **more: Any) -> dict[str, Any]:
        """The request that a codec makes."""
        message = UserMessage(content=(TextPart(text="hi"),))
        found: dict[str, Any] = json.loads(codec.encode(model, ModelRequest(system="", messages=(message,), **more)))
        return found

    def codec(self, name: str) -> Codec:
        """The codec for a model of that API."""
        model = ModelDefinition(id="m")
        setup = ModelSetup(provider="p", model=model, compat=Compat(), host="h", max_tokens=9)
        return APIS[name].codec(replace(setup, model=ModelDefinition(id="")))

    def test_all(self) -> None:
        """All that the configuration knows."""
        self.assertEqual(set(apis()), set(allowed(ProviderDefinition, "api")))

    def test_page(self) -> None:
        """docs/models.md has the table; C{python -c "from openclaw_tx.models.apis import table; print(table())"}."""
        self.assertIn(table(), (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8"))

    def test_sampling(self) -> None:
        """A parameter changes the request just when the table says so."""
        values: dict[str, Any] = {
            "max_tokens": 77,
            "temperature": 0.5,
            "top_p": 0.5,
            "frequency_penalty": 0.5,
            "presence_penalty": 0.5,
            "seed": 5,
            "stop": ("x",),
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "parallel_tool_calls": False,
        }
        self.assertEqual(set(values), set(Sampling.__struct_fields__))
        for name, abilities in apis().items():
            codec = self.codec(name)
            for field, value in values.items():
                tools = (WEATHER,) if field == "parallel_tool_calls" else ()
                plain = self.body(codec, tools=tools)
                changed = self.body(codec, tools=tools, sampling=Sampling(**{field: value}))
                self.assertEqual(plain != changed, field in abilities.sampling, (name, field))

    def test_tool_choice(self) -> None:
        """Likewise each way to choose among two tools; what a vendor can not hold a model to is not in the table."""
        for name, abilities in apis().items():
            for mode in ("none", "required"):
                choice = msgspec.convert({"mode": mode}, ToolChoice)
                plain = self.body(self.codec(name), tools=(WEATHER,))
                changed = self.body(self.codec(name), tools=(WEATHER,), tool_choice=choice)
                self.assertEqual(plain != changed, mode in abilities.tool_choice, (name, mode))

    def test_response_format(self) -> None:
        """Models are said to be held to a form where they are although there are tools."""
        for name, model, holds in (
            ("openai-completions", "m", True),
            ("openai-responses", "m", True),
            ("anthropic-messages", "m", False),
            ("google-generative-ai", "gemini-2.5-pro", False),
            ("google-generative-ai", "gemini-3-pro", True),
            ("ollama", "m", False),
        ):
            [info] = made(self.memory, name, models=[{"id": model}]).models()
            self.assertEqual(info.response_format, holds, name)
            wanted = Sampling(response_format={"type": "json_object"})
            bodies = [self.body(self.codec(name), model, tools=(WEATHER,), sampling=s) for s in (wanted, Sampling())]
            self.assertEqual(bodies[0] != bodies[1], holds)
            [info] = made(self.memory, name, models=[{"id": model}], compat={"supportsResponseFormat": False}).models()
            self.assertFalse(info.response_format)

    def test_images_in_results(self) -> None:
        """Inside them where the table says so."""
        picture = ImagePart(data="QUJD", mime_type="image/png")
        call = ToolCall(id="c", name="f", arguments="{}")
        history = (
            UserMessage(content=(TextPart(text="hi"),)),
            AssistantMessage(tool_calls=(call,)),
            ToolResultMessage(tool_call_id="c", text="r", images=(picture,)),
        )
        for name, abilities in apis().items():
            body = self.body_of(self.codec(name), history)
            self.assertIn("QUJD", body)
            self.assertEqual("Images from the tool" in body, not abilities.result_images, name)

    def body_of(self, codec: Codec, messages: tuple[Any, ...]) -> str:
        """The request for a conversation, as text."""
        return codec.encode("gemini-3-pro", ModelRequest(system="", messages=messages)).decode()
