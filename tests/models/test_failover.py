# -*- test-case-name: tests.models.test_failover -*-
"""From key to key and from model to model, through the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.failures import FAILOVER_CODES, REASONS, ROTATE_CODES, RequestForbidden
from openclaw_tx.models.profile_files import ProfileFiles, path_of
from openclaw_tx.models.registry import ModelRegistry
from openclaw_tx.values import Agent, Embeddings, ModelReply, ModelRequest, Usage
from tests.contract.model_provider import prompt
from tests.models.memory import outcome, start
from tests.models.test_profiles import file, key
from tests.models.test_registry import RegistryCase, Scripted, config, models

CHAIN = {"mode": "replace", "providers": {"a": models("x", "y"), "b": models("z", apiKey="key-b")}}


class ChainCase(RegistryCase):
    """Base: provider a has the profiles one and two and models x and y; provider b has a key of its own and model z."""

    profiles: tuple[str, ...] = ("one", "two")

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(1_700_000_000)
        self.config = config(models=CHAIN)
        self.state = Path(self.mktemp()).absolute()
        path = path_of(self.state, "main")
        path.parent.mkdir(parents=True)
        path.write_bytes(file(**{name: key("a", f"key-{name}") for name in self.profiles}))
        path.chmod(0o600)
        self.under_test = self.registry()
        self.under_test.catalog()
        self.script: dict[str, list[Exception]] = {}
        """Key -> how the calls with it fail, then it answers."""
        self.calls: list[str] = []
        """Key and model of every call."""

    def registry(self, **own: ModelProvider) -> ModelRegistry:
        """One with profiles."""
        files = ProfileFiles(self.state, in_reactor_thread, self.clock)
        return ModelRegistry(
            lambda: self.config, self, self.clock, lambda: 0.5, lambda: self.environ, own, profiles=files
        )

    def remote(self, provider: str, definition: Any, key: str) -> ModelProvider:
        """The factory: a provider that fails by the script of its key."""
        made = self.factory.remote(provider, definition, key)
        assert isinstance(made, Scripted)
        stream = made.stream

        async def scripted(model: str, request: ModelRequest, on_events: Any) -> ModelReply:
            self.calls.append(f"{key}/{model}")
            if self.script.get(key):
                made.errors = [self.script[key].pop(0)]
            return await stream(model, request, on_events)

        made.stream = scripted  # type: ignore[method-assign]
        return made

    def local(self, settings: Any) -> ModelProvider:
        """The factory's other half."""
        return self.factory.local(settings)

    def fail(self, key: str, *codes: str, after: float | None = None) -> None:
        """The next calls with a key fail so."""
        self.script[key] = [GatewayError(code, f"{key}: {code}", retry_after=after) for code in codes]

    def ask(self, *refs: str, **request: Any) -> list[Any]:
        """What a call comes to so far."""
        asked = ModelRequest(system="S", messages=prompt("hi").messages, **request)
        return outcome(start(self.under_test.stream(refs, asked, lambda events: None)))

    def answered(self, result: list[Any]) -> str:
        """The ref that answered."""
        self.assertIsInstance(result[0], ModelReply)
        return f"{result[0].provider}/{result[0].model}"

    def error(self, result: list[Any]) -> GatewayError:
        """The error it came to."""
        error: GatewayError = result[0].value
        self.assertIsInstance(error, GatewayError)
        return error

    def tearDown(self) -> None:
        self.successResultOf(start(self.under_test.close()))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RotationTests(ChainCase):
    """Within one model."""

    def test_next_key_at_once(self) -> None:
        """A refused, unpaid, limited or silent key gives way to the next one without a wait."""
        self.config = config(models=CHAIN, auth={"order": {"a": ["one", "two"]}})
        for code in ("provider_auth", "provider_billing", "provider_rate_limit", "provider_timeout"):
            self.calls.clear()
            self.fail("key-one", code)
            self.assertEqual(self.answered(self.ask("a/x")), "a/x")
            self.assertEqual(self.calls, ["key-one/x", "key-two/x"])
            self.clock.advance(25 * 3600)

    def test_in_turn(self) -> None:
        """Requests without a conversation take turns; a conversation stays."""
        for _ in range(4):
            self.ask("a/x")
        self.assertEqual(self.calls, ["key-one/x", "key-two/x"] * 2)
        self.calls.clear()
        for _ in range(3):
            self.ask("a/x", session="s")
        self.assertEqual(self.calls, ["key-one/x"] * 3)

    def test_a_server_s_failure_is_not_the_key_s(self) -> None:
        """It is tried again with the same key; then other keys are spared."""
        self.fail("key-one", *["provider_error"] * 3)
        result = self.ask("a/x", "b/z")
        self.clock.pump([1, 2])
        self.assertEqual(self.answered(result), "b/z")
        self.assertEqual(self.calls, ["key-one/x"] * 3 + ["key-b/z"])

    def test_last_key_is_tried_again(self) -> None:
        """With no other key ready, a limit is waited for."""
        self.fail("key-one", "provider_rate_limit")
        self.fail("key-two", "provider_rate_limit")
        result = self.ask("a/x")
        self.assertEqual((result, self.calls), ([], ["key-one/x", "key-two/x"]))
        self.clock.advance(1)
        self.assertEqual(self.answered(result), "a/x")
        self.assertEqual(self.calls[2:], ["key-two/x"])

    def test_chosen_profile(self) -> None:
        """It is the only one of its provider; other providers have their own."""
        self.fail("key-two", "provider_auth")
        self.assertEqual(self.answered(self.ask("a/x", "b/z", auth_profile="two")), "b/z")
        self.assertEqual(self.calls, ["key-two/x", "key-b/z"])

    def test_environment_comes_after_profiles(self) -> None:
        """Then C{apiKey}."""
        self.environ = {"A_API_KEY": "key-env"}
        self.config = config(models={"providers": {"a": models("x", apiKey="key-file")}})
        self.fail("key-one", "provider_auth")
        self.fail("key-two", "provider_auth")
        self.assertEqual(self.answered(self.ask("a/x")), "a/x")
        self.assertEqual(self.calls, ["key-one/x", "key-two/x", "key-env/x"])

    def test_not_after_the_first_event(self) -> None:
        """What was said stands, and the key does not rest for it."""
        self.ask("a/x")
        self.made("a").speak_first = True
        self.made("a").errors = [GatewayError("provider_rate_limit", "cut")]
        self.calls.clear()
        for _ in range(2):
            self.ask("a/x", "b/z")
        self.assertEqual([call for call in self.calls if "b/" in call], [])
        self.assertEqual(dict(self.under_test.cooling()), {})


class EmbeddingTests(ChainCase):
    """Texts into vectors, with the same keys."""

    def remote(self, provider: str, definition: Any, key: str) -> ModelProvider:
        """The factory: providers that embed, unless their script says otherwise."""
        made = self.factory.remote(provider, definition, key)

        async def embed(model: str, texts: Any, dimensions: int | None) -> Embeddings:
            self.calls.append(f"{key}/{model}")
            if self.script.get(key):
                raise self.script[key].pop(0)
            return Embeddings(vectors=((1.0,),), usage=Usage(), provider=provider, model=model)

        made.embed, made.embedding_model = embed, lambda: "e"  # type: ignore[attr-defined]
        return made

    def test_next_key(self) -> None:
        """They give way to each other, and rest."""
        self.config = config(models=CHAIN, auth={"order": {"a": ["one", "two"]}})
        self.fail("key-one", "provider_auth")
        for _ in range(2):
            found = self.successResultOf(start(self.under_test.embed(["hi"])))
            self.assertEqual(found.vectors, ((1.0,),))
        self.assertEqual(self.calls, ["key-one/e", "key-two/e", "key-two/e"])


class RestTests(ChainCase):
    """What rests is passed over."""

    def test_one_forbidden_prompt(self) -> None:
        """It locks nobody out: who asked is told, the next one is answered."""
        self.script["key-b"] = [RequestForbidden("provider_forbidden", "b/z: 403 Your input was flagged")]
        error = self.error(self.ask("b/z"))
        self.assertEqual((error.info.code, str(error)), ("provider_forbidden", "b/z: 403 Your input was flagged"))
        self.assertEqual(self.answered(self.ask("b/z")), "b/z")

    def test_resting_key(self) -> None:
        """The next request does not ask it again until it has rested."""
        self.fail("key-one", "provider_auth")
        self.ask("a/x")
        self.calls.clear()
        self.ask("a/x")
        self.clock.advance(59)
        self.ask("a/x")
        self.assertEqual(self.calls, ["key-two/x"] * 2)
        self.clock.advance(1)
        self.ask("a/x")
        self.assertEqual(self.calls[2:], ["key-one/x"])

    def test_resting_provider(self) -> None:
        """The fallback answers at once, until the server has had its minute."""
        self.fail("key-one", *["provider_overloaded"] * 3)
        self.ask("a/x", "b/z")
        self.clock.pump([1, 2])
        self.calls.clear()
        self.assertEqual(self.answered(self.ask("a/x", "b/z")), "b/z")
        self.assertEqual(self.calls, ["key-b/z"])
        self.clock.advance(61)
        self.assertEqual(self.answered(self.ask("a/x", "b/z")), "a/x")

    def test_last_resort(self) -> None:
        """When all that is ready has failed, what rests is asked after all."""
        self.fail("key-b", "provider_timeout")
        self.assertEqual(self.answered(self.ask("b/z", "a/x")), "a/x")
        self.fail("key-one", "provider_auth")
        self.fail("key-two", "provider_auth")
        self.calls.clear()
        self.assertEqual(self.answered(self.ask("b/z", "a/x")), "b/z")
        self.assertEqual([call.partition("/")[0] for call in self.calls], ["key-two", "key-one", "key-b"])

    def test_other_model_of_a_limited_key(self) -> None:
        """A limit is often one model's: the same provider's next model is asked when nothing else is left."""
        self.fail("key-b", "provider_rate_limit", after=40)
        self.config = config(models={"mode": "replace", "providers": {"b": models("z", "y", apiKey="key-b")}})
        self.assertEqual(self.answered(self.ask("b/z", "b/y")), "b/y")
        self.assertEqual(self.calls, ["key-b/z", "key-b/y"])


class AloneTests(ChainCase):
    """One provider with one key, and nothing else: rests must not make that worse."""

    profiles = ()

    def test_limited(self) -> None:
        """It is asked again with the next request."""
        self.fail("key-b", *["provider_rate_limit"] * 3)
        result = self.ask("b/z")
        self.clock.pump([1, 2])
        self.assertEqual(self.error(result).info.code, "provider_rate_limit")
        self.assertEqual(self.answered(self.ask("b/z")), "b/z")

    def test_down(self) -> None:
        """So is a server that failed or was silent."""
        for code in ("provider_error", "provider_timeout"):
            self.fail("key-b", *[code] * 3)
            result = self.ask("b/z")
            self.clock.pump([1, 2])
            self.assertEqual(self.error(result).info.code, code)
            self.script.clear()
            self.assertEqual(self.answered(self.ask("b/z")), "b/z")

    def test_retry_after(self) -> None:
        """What the provider asked for is waited for if it is short, and said if it is long; no call is made before."""
        self.fail("key-b", "provider_rate_limit", after=40)
        self.assertEqual(self.error(self.ask("b/z")).info.retry_after, 40)
        error = self.error(self.ask("b/z"))
        self.assertEqual((error.info.code, error.info.retry_after), ("provider_rate_limit", 40))
        self.assertTrue(error.info.should_retry)
        self.clock.advance(15)
        result = self.ask("b/z")
        self.assertEqual((result, len(self.calls)), ([], 1))
        self.clock.advance(25)
        self.assertEqual(result, [])
        self.clock.advance(25 * 0.05 + 0.01)
        self.assertEqual(self.answered(result), "b/z")

    def test_refused(self) -> None:
        """A refused key is not asked again for a minute, with a clear error that is not to be retried; then it is."""
        for code in ("provider_auth", "provider_billing"):
            self.fail("key-b", code)
            self.assertEqual(str(self.error(self.ask("b/z"))), f"key-b: {code}".replace("key-b", "***"))
            self.calls.clear()
            self.clock.advance(10)
            error = self.error(self.ask("b/z"))
            self.assertEqual((error.info.code, error.info.retry_after, self.calls), (code, 50, []))
            self.assertIn("in 50 seconds", str(error))
            self.assertIs(error.info.should_retry, False)
            self.clock.advance(50)
            self.assertEqual(self.answered(self.ask("b/z")), "b/z")

    def test_changed_key(self) -> None:
        """Another key in the configuration is asked at once."""
        self.fail("key-b", "provider_auth")
        self.ask("b/z")
        self.config = config(models={"mode": "replace", "providers": {"b": models("z", apiKey="mended")}})
        self.assertEqual(self.answered(self.ask("b/z")), "b/z")

    def test_all_rest(self) -> None:
        """The error tells of each, and of the earliest end."""
        self.fail("key-b", "provider_rate_limit", after=100)
        self.fail("", "provider_auth")
        self.ask("a/x", "b/z")
        self.clock.advance(10)
        error = self.error(self.ask("a/x", "b/z"))
        self.assertIn("All models failed (2): a/x: ", str(error).replace("a/x: a/x", "a/x"))
        self.assertIn("in 50 seconds", str(error))
        self.assertIn("in 90 seconds", str(error))
        self.assertEqual((error.info.code, error.info.retry_after), ("provider_rate_limit", 50))

    def test_cancel_while_waiting(self) -> None:
        """An abort ends the wait for a rest."""
        self.fail("key-b", "provider_rate_limit", after=31)
        self.ask("b/z")
        self.clock.advance(20)
        called = start(self.under_test.stream(["b/z"], prompt("hi"), lambda events: None))
        self.assertNoResult(called)
        called.cancel()
        self.failureResultOf(called, CancelledError)
        self.assertEqual(len(self.calls), 1)


class WindowTests(ChainCase):
    """C{agents.defaults.minContextTokens}."""

    def windows(self, least: int | None = None) -> None:
        """Models small (8000), medium (20 000) and large."""
        sizes = {"small": 8000, "medium": 20_000, "large": 200_000}
        provider = models(apiKey="k")
        provider["models"] = [{"id": name, "contextWindow": size} for name, size in sizes.items()]
        defaults = {} if least is None else {"minContextTokens": least}
        self.config = config(models={"mode": "replace", "providers": {"w": provider}}, agents={"defaults": defaults})

    def test_refused(self) -> None:
        """The error names the key; a fallback that is large enough answers."""
        self.windows()
        error = self.error(self.ask("w/small"))
        self.assertEqual(error.info.code, "model_not_found")
        self.assertIn("8000", str(error))
        self.assertIn("agents.defaults.minContextTokens", str(error))
        self.assertEqual(self.answered(self.ask("w/small", "w/medium")), "w/medium")

    def test_configured(self) -> None:
        """Another bound, or none."""
        self.windows(20_001)
        self.error(self.ask("w/medium"))
        self.windows(0)
        self.assertEqual(self.answered(self.ask("w/small")), "w/small")

    def test_warned_once(self) -> None:
        """Of less than 32 000."""
        self.windows()
        events: list[dict[str, Any]] = []
        log = type("Log", (), {"warn": lambda _, text, **values: events.append(values)})()
        self.patch(self.under_test, "_log", log)
        for ref in ("w/medium", "w/medium", "w/large"):
            self.ask(ref)
        self.assertEqual(events, [{"ref": "w/medium", "window": 20_000}])

    def test_exempt(self) -> None:
        """The embedded model, and what an embedder brings."""
        small = Scripted("own", "o")
        small.windows["o"] = 100
        self.under_test = self.registry(own=small)
        self.config = config()
        self.assertEqual(self.answered(self.ask("own/o")), "own/o")
        self.assertEqual(self.answered(self.ask("local/smollm2-135m")), "local/smollm2-135m")


class TableTests(SynchronousTestCase):
    """The tables of codes fit together."""

    def test_codes(self) -> None:
        """Whatever makes a key rest also goes on to the next model; every code is one."""
        self.assertLessEqual(set(REASONS), FAILOVER_CODES)
        self.assertLessEqual(ROTATE_CODES, set(REASONS))
        self.assertLessEqual(FAILOVER_CODES, set(CODES))
        self.assertNotIn("context_length_exceeded", FAILOVER_CODES)
        self.assertNotIn("invalid_request", FAILOVER_CODES)


FATES = st.lists(st.sampled_from([*sorted(FAILOVER_CODES), "context_length_exceeded", "", ""]), max_size=6)


class AnyOrderTests(ChainCase):
    """Whatever the keys do."""

    @settings(max_examples=60, deadline=None)
    @given(FATES, FATES, FATES, st.lists(st.floats(0, 200), max_size=5))
    def test_ends(self, one: list[str], two: list[str], b: list[str], pauses: list[float]) -> None:
        """Every request ends in an answer or one error; no model and key is asked more than three times for it; nothing
        is left on the clock but the writing down."""
        self.setUp()
        for name, codes in (("key-one", one), ("key-two", two), ("key-b", b)):
            self.script[name] = [GatewayError(code, name) for code in codes if code]
        for pause in [*pauses, 0]:
            self.calls.clear()
            result = self.ask("a/x", "a/y", "b/z")
            self.clock.pump([1] * 40)
            self.assertEqual(len(result), 1)
            self.assertLessEqual(max(map(self.calls.count, self.calls), default=0), 3)
            self.clock.advance(pause)
        self.tearDown()


class CandidatesTests(SynchronousTestCase):
    """L{openclaw_tx.values.Agent.candidates}."""

    def test_order(self) -> None:
        """The chosen one, the fallbacks, at last the primary; each once."""
        agent = Agent(id="m", name="m", workspace="/", models=("p", "f", "g"), is_default=True, timeout_s=0)
        self.assertEqual(agent.candidates(), ("p", "f", "g"))
        self.assertEqual(agent.candidates("c"), ("c", "f", "g", "p"))
        self.assertEqual(agent.candidates("g"), ("g", "f", "p"))
