# -*- test-case-name: tests.models.test_registry -*-
"""All models behind one door: refs, aliases, the allowlist, keys, following the configuration, failover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_models import LocalModel, ProviderDefinition
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ModelProvider, OnEvents
from openclaw_tx.models.refs import api_key, how_to_configure, key_names, split_ref
from openclaw_tx.models.registry import ModelRegistry
from openclaw_tx.models.sampling import sampling_of, with_defaults
from openclaw_tx.values import FinishReason, ModelAnswered, ModelInfo, ModelReply, ModelRequest, Sampling, Usage
from tests.contract.model_provider import prompt
from tests.models.memory import outcome, start


class Scripted:
    """A provider that does as it is told."""

    def __init__(self, name: str, *models: str, key: str = "") -> None:
        self.name = name
        self.key = key
        self.ids = models
        self.windows: dict[str, int] = {}
        self.calls: list[tuple[str, ModelRequest]] = []
        self.errors: list[Exception] = []
        self.speak_first = False
        self.wait: Deferred[None] | None = None
        self.closed = 0

    def models(self) -> Sequence[ModelInfo]:
        """The ids it was made with."""
        return [
            ModelInfo(
                provider=self.name, id=model, name=model, context_window=self.windows.get(model, 99_000), max_tokens=9
            )
            for model in self.ids
        ]

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Answer, fail, or wait."""
        self.calls.append((model, request))
        if self.wait is not None:
            await self.wait
        if self.speak_first or not self.errors:
            on_events([ModelAnswered(provider=self.name, model=model, round=0)])
        if self.errors:
            raise self.errors.pop(0)
        finish: FinishReason = "stop"
        return ModelReply(
            text="t", reasoning="", tool_calls=(), finish_reason=finish, usage=Usage(), provider=self.name, model=model
        )

    async def close(self) -> None:
        """Counted."""
        self.closed += 1


class Factory:
    """Makes scripted providers and remembers all of them."""

    def __init__(self) -> None:
        self.made: list[Scripted] = []

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """One with the definition's models."""
        if not definition.base_url:
            raise ValueError("baseUrl is missing")
        self.made.append(Scripted(provider, *(model.id for model in definition.models), key=key))
        self.made[-1].windows = {model.id: model.context_window for model in definition.models}
        return self.made[-1]

    def local(self, settings: LocalModel) -> ModelProvider:
        """The embedded one."""
        self.made.append(Scripted("local", "smollm2-135m"))
        return self.made[-1]


def config(**sections: Any) -> Config:
    """A configuration from JSON-like sections."""
    return msgspec.convert(sections, Config)


def models(*ids: str, **more: Any) -> dict[str, Any]:
    """A provider's definition."""
    return {"baseUrl": "http://h/v1", "models": [{"id": name} for name in ids], **more}


TWO = {"providers": {"A": models("x", "org/y"), "b": models("z")}}


class RegistryCase(SynchronousTestCase):
    """Base: a registry over scripted providers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = Factory()
        self.config = config(models=TWO)
        self.environ: Mapping[str, str] = {}

    def registry(self, **own: ModelProvider) -> ModelRegistry:
        """The registry under test."""
        return ModelRegistry(lambda: self.config, self.factory, self.clock, lambda: 0.5, lambda: self.environ, own)

    def refs(self, registry: ModelRegistry) -> list[str]:
        """The refs of its catalog."""
        return [info.ref for info in registry.catalog()]

    def made(self, name: str) -> Scripted:
        """The newest provider of that id."""
        return next(provider for provider in reversed(self.factory.made) if provider.name == name)

    def unknown(self, registry: ModelRegistry, ref: str) -> str:
        """Asking for a ref fails; the words."""
        error = self.assertRaises(GatewayError, registry.info, ref)
        self.assertEqual(error.info.code, "model_not_found")
        return str(error)


class NamesTests(RegistryCase):
    """Refs, aliases, the allowlist, defaults."""

    def test_catalog(self) -> None:
        """All models, provider ids in lower case, the embedded one last."""
        self.assertEqual(self.refs(self.registry()), ["a/x", "a/org/y", "b/z", "local/smollm2-135m"])

    def test_refs(self) -> None:
        """Split at the first slash; the provider in any case; blanks around do not matter."""
        registry = self.registry()
        self.assertEqual(registry.info(" A/org/y ").ref, "a/org/y")
        for ref in ("a/Y", "c/x", "a/", "", "/", "a"):
            self.unknown(registry, ref)
        self.assertIn("c/x", self.unknown(registry, "c/x"))
        self.assertEqual(registry.info("x").ref, "a/x")
        self.assertEqual(split_ref("Z.AI/glm/4"), ("zai", "glm/4"))

    def test_nobody_offers_it(self) -> None:
        """What an agent is to use and nobody is configured for is told at the start, and after each change."""
        model = {"primary": "a/x", "fallbacks": ["nowhere/y", "x"]}
        agents = {
            "defaults": {"model": model, "imageModel": "local/smollm2-135m"},
            "list": [{"id": "m", "model": "Elsewhere/z"}],
        }
        self.config = config(models=TWO, agents=agents)
        registry = self.registry()
        with capturedLogs() as events:
            registry.catalog()
            registry.catalog()
        self.assertEqual(
            [(event["path"], event["ref"], event["provider"]) for event in events],
            [
                ("agents.defaults.model.fallbacks[0]", "nowhere/y", "nowhere"),
                ("agents.list[0].model", "Elsewhere/z", "elsewhere"),
            ],
        )
        self.assertIn("models.providers.nowhere", formatEvent(events[0]))

    def test_provider_without_list(self) -> None:
        """It takes any model."""
        self.config = config(models={"providers": {"open": models()}})
        self.assertEqual(self.registry().info("open/a/b").id, "a/b")

    def test_well_known_providers(self) -> None:
        """One whose key is there needs no entry, takes any model, is nobody's default and comes after all others;
        without a key an error says what to do."""
        self.environ = {"ANTHROPIC_API_KEY": "sk-a"}
        self.config = config(models=TWO, env={"vars": {"GEMINI_API_KEY": "sk-g"}})
        registry = self.registry()
        self.assertEqual(registry.info("anthropic/claude-x").ref, "anthropic/claude-x")
        self.assertEqual(registry.info("google/gemini-x").ref, "google/gemini-x")
        self.assertEqual([made.name for made in self.factory.made], ["a", "b", "local", "anthropic", "google"])
        self.assertEqual((self.made("anthropic").key, self.made("google").key), ("sk-a", "sk-g"))
        self.assertEqual(registry.default_ref(), "a/x")
        self.assertIn("Set OPENAI_API_KEY, or add models.providers.openai", self.unknown(registry, "openai/gpt-x"))
        self.assertIn("Set ANTHROPIC_OAUTH_TOKEN or ANTHROPIC_API_KEY", how_to_configure("anthropic"))
        self.assertNotIn("Set", self.unknown(registry, "mine/x"))
        self.config = config(models={**TWO, "mode": "replace"})
        self.unknown(registry, "anthropic/claude-x")

    def test_default(self) -> None:
        """The first provider's first model, else the embedded one; the name stands even without it."""
        self.assertEqual(self.registry().default_ref(), "a/x")
        self.config = config()
        self.assertEqual(self.registry().default_ref(), "local/smollm2-135m")
        self.config = config(models={"local": {"enabled": False}})
        registry = self.registry()
        self.assertEqual(registry.default_ref(), "local/smollm2-135m")
        self.assertIn("local", self.unknown(registry, "local/smollm2-135m"))

    def test_local_can_be_left_out(self) -> None:
        """By its switch, and by mode C{replace}; a provider called local takes its place."""
        for more in ({"local": {"enabled": False}}, {"mode": "replace"}):
            self.config = config(models={**TWO, **more})
            self.assertEqual(self.refs(self.registry()), ["a/x", "a/org/y", "b/z"])
        self.config = config(models={"providers": {"local": models("mine")}})
        self.assertEqual(self.refs(self.registry()), ["local/mine"])

    def test_own_providers(self) -> None:
        """The embedder's come first and win over the configuration's."""
        own = Scripted("b", "own")
        registry = self.registry(B=own)
        self.assertEqual(self.refs(registry), ["b/own", "a/x", "a/org/y", "local/smollm2-135m"])
        self.assertEqual(registry.default_ref(), "b/own")

    def test_aliases(self) -> None:
        """In any case, for every place a ref can stand."""
        defaults = {"models": {"a/x": {"alias": "Fast"}, "B/z": {"alias": "org/style"}}}
        self.config = config(models=TWO, agents={"defaults": defaults})
        registry = self.registry()
        self.assertEqual(registry.info("fast").ref, "a/x")
        self.assertEqual(registry.info("ORG/Style").ref, "b/z")
        reply = self.successResultOf(start(registry.stream(["FAST"], prompt("hi"), lambda events: None)))
        self.assertEqual((reply.provider, reply.model), ("a", "x"))

    def test_allowlist(self) -> None:
        """Non-empty means closed: primaries are in, fallbacks are not, and the refusal names the ref."""
        agents = {
            "defaults": {"models": {"b/z": {"alias": "zed"}}, "model": {"primary": "A/x", "fallbacks": ["a/org/y"]}},
            "list": [{"id": "other", "model": "local/smollm2-135m"}],
        }
        self.config = config(models=TWO, agents=agents)
        registry = self.registry()
        self.assertEqual(self.refs(registry), ["a/x", "b/z", "local/smollm2-135m"])
        self.assertIn("a/org/y", self.unknown(registry, "a/org/y"))

    def test_allowlist_and_images(self) -> None:
        """The model that is configured to look at images is in as well, an agent's own too."""
        for agents in ({"imageModel": "a/org/y"}, {"imageModel": {"primary": "a/org/y"}}):
            for place in ({"defaults": {"models": {"b/z": {}}, **agents}},
                          {"defaults": {"models": {"b/z": {}}}, "list": [{"id": "main", **agents}]}):  # fmt: skip
                self.config = config(models=TWO, agents=place)
                self.assertEqual(self.refs(self.registry()), ["a/org/y", "b/z"])

    def test_allowlist_of_unknowns_is_closed_too(self) -> None:
        """A list that names nothing known does not open the door (decision D26)."""
        self.config = config(models=TWO, agents={"defaults": {"models": {"no/such": {}}}})
        registry = self.registry()
        self.assertEqual(self.refs(registry), [])
        self.unknown(registry, "a/x")

    def test_params(self) -> None:
        """Parameters of a model entry fill what a request leaves open; odd ones are told and left out."""
        entries = {"a/x": {"params": {"maxTokens": 5, "temperature": 0}}, "b/z": {"params": {"zoom": 1}}}
        self.config = config(models=TWO, agents={"defaults": {"models": entries}})
        registry = self.registry()
        asked = prompt("hi", sampling=Sampling(temperature=1.0))
        self.successResultOf(start(registry.stream(["a/x"], asked, lambda events: None)))
        self.assertEqual(self.made("a").calls[0][1].sampling, Sampling(max_tokens=5, temperature=1.0))
        self.assertRaises(ValueError, sampling_of, {"zoom": 1})
        self.assertRaises(ValueError, sampling_of, {"seed": "x"})
        self.assertIs(with_defaults(asked, Sampling()), asked)


class KeysTests(RegistryCase):
    """Where keys come from."""

    def test_order(self) -> None:
        """Environment, then C{env.vars}, then the definition."""
        self.config = config(
            models={"providers": {name: models("x", apiKey="file") for name in ("openai", "groq", "my-own")}},
            env={"vars": {"GROQ_API_KEY": "vars", "OPENAI_API_KEY": "vars"}},
        )
        self.environ = {"OPENAI_API_KEY": "env", "GROQ_API_KEY": ""}
        self.registry().catalog()
        self.assertEqual(
            {name: self.made(name).key for name in ("openai", "groq", "my-own")},
            {"openai": "env", "groq": "vars", "my-own": "file"},
        )

    def test_names(self) -> None:
        """The names of OpenClaw, in its order; others by pattern."""
        self.assertEqual(key_names("anthropic"), ("ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"))
        self.assertEqual(key_names("google"), ("GEMINI_API_KEY",))
        self.assertEqual(key_names("my-own.llm"), ("MY_OWN_LLM_API_KEY",))
        self.assertEqual(api_key("zai", "", {"Z_AI_API_KEY": "2", "ZAI_API_KEY": "1"}, {}), "1")


class FollowTests(RegistryCase):
    """Changes of the configuration."""

    def test_unchanged_providers_stay(self) -> None:
        """Only what changed is built again, and what left is closed."""
        registry = self.registry()
        registry.catalog()
        a, b = self.made("a"), self.made("b")
        self.config = config(models={"providers": {"a": models("x", "org/y"), "b": models("new")}})
        self.assertEqual(self.refs(registry), ["a/x", "a/org/y", "b/new", "local/smollm2-135m"])
        self.assertIs(self.made("a"), a)
        self.assertEqual((a.closed, b.closed, len(self.factory.made)), (0, 1, 4))
        self.config = config()
        registry.catalog()
        self.assertEqual((a.closed, self.made("b").closed, self.made("local").closed), (1, 1, 0))

    def test_a_call_outlives_its_provider(self) -> None:
        """A provider that leaves finishes what it was asked first."""
        registry = self.registry()
        registry.catalog()
        b = self.made("b")
        b.wait = Deferred()
        called = start(registry.stream(["b/z"], prompt("hi"), lambda events: None))
        self.config = config()
        self.unknown(registry, "b/z")
        self.assertEqual(b.closed, 0)
        b.wait.callback(None)
        self.assertEqual(self.successResultOf(called).model, "z")
        self.assertEqual(b.closed, 1)

    def test_unusable_provider(self) -> None:
        """It is left out and told; the others work."""
        self.config = config(models={"providers": {"a": models("x"), "bad": {"baseUrl": ""}}})
        self.assertEqual(self.refs(self.registry()), ["a/x", "local/smollm2-135m"])

    def test_close(self) -> None:
        """All are closed, the embedder's too, and none comes back."""
        own = Scripted("own", "o")
        registry = self.registry(own=own)
        registry.catalog()
        self.successResultOf(start(registry.close()))
        self.assertEqual([one.closed for one in (own, *self.factory.made)], [1, 1, 1, 1])
        self.assertEqual(self.refs(registry), [])


class FailoverTests(RegistryCase):
    """From one model to the next."""

    def setUp(self) -> None:
        super().setUp()
        self.under_test = self.registry()
        self.under_test.catalog()
        self.a, self.b = self.made("a"), self.made("b")
        self.told: list[Any] = []

    def call(self, *refs: str) -> list[Any]:
        """What a call comes to."""
        return outcome(start(self.under_test.stream(refs, prompt("hi"), self.told.extend)))

    def error(self, result: list[Any]) -> GatewayError:
        """The error it came to."""
        error: GatewayError = result[0].value
        self.assertIsInstance(error, GatewayError)
        return error

    def test_next_model(self) -> None:
        """A failure that the next may not share goes to the next at once; the winner is named."""
        self.a.errors = [GatewayError("provider_auth", "no")]
        (reply,) = self.call("a/x", "b/z")
        self.assertEqual((reply.provider, reply.model), ("b", "z"))
        self.assertEqual([event.provider for event in self.told], ["b"])

    def test_retries_come_first(self) -> None:
        """A passing failure is tried again on the same model before the next one is asked."""
        self.a.errors = [GatewayError("provider_overloaded", "busy")]
        result = self.call("a/x", "b/z")
        self.assertEqual(result, [])
        self.clock.advance(1)
        self.assertEqual((result[0].provider, len(self.a.calls), len(self.b.calls)), ("a", 2, 0))

    def test_unknown_model_is_passed_over(self) -> None:
        """A ref that leads nowhere is one more failure."""
        self.assertEqual(self.call("no/such", "b/z")[0].provider, "b")

    def test_not_after_the_first_event(self) -> None:
        """Two answers are never glued together."""
        self.a.speak_first = True
        self.a.errors = [GatewayError("provider_error", "cut")]
        error = self.error(self.call("a/x", "b/z"))
        self.assertEqual((str(error), self.b.calls, len(self.a.calls)), ("cut", [], 1))

    def test_not_for_the_request_s_own_fault(self) -> None:
        """Too long a context is for somebody else to mend; a bug is a bug."""
        self.a.errors = [GatewayError("context_length_exceeded", "long")]
        self.assertEqual(self.error(self.call("a/x", "b/z")).info.code, "context_length_exceeded")
        self.a.errors = [ZeroDivisionError()]
        self.assertIsInstance(self.call("a/x", "b/z")[0].value, ZeroDivisionError)
        self.assertEqual(self.b.calls, [])

    def test_all_fail(self) -> None:
        """Each reason is told; a model named twice is asked once; one alone speaks for itself."""
        self.a.errors = [GatewayError("provider_billing", "a/x: pay")]
        self.b.errors = [GatewayError("provider_timeout", "b/z: silent")]
        error = self.error(self.call("a/x", "b/z", "a/x"))
        self.assertEqual(str(error), "All models failed (2): a/x: pay; b/z: silent")
        self.assertEqual(error.info.code, "provider_timeout")
        self.clock.advance(60)
        self.a.errors = [GatewayError("provider_billing", "a/x: pay")]
        self.assertEqual(str(self.error(self.call("a/x"))), "a/x: pay")

    def test_no_refs(self) -> None:
        """Without a wish the default model answers."""
        self.assertEqual(self.call()[0].model, "x")

    def test_cancel(self) -> None:
        """An abort reaches the provider and asks no other one."""
        cancelled: list[object] = []
        self.a.wait = Deferred(cancelled.append)
        called = start(self.under_test.stream(["a/x", "b/z"], prompt("hi"), self.told.extend))
        called.cancel()
        self.failureResultOf(called, CancelledError)
        self.assertEqual((len(cancelled), self.b.calls, self.clock.getDelayedCalls()), (1, [], []))
