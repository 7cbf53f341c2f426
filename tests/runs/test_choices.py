# -*- test-case-name: tests.runs.test_choices -*-
"""Who answers and how hard it thinks: every source, and who wins."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentEntry, AgentsSection, Heartbeat
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.choices import ack_max_chars, choose, effort, milder, reasoning, verbose
from openclaw_tx.values import Agent, ModelInfo, RunRequest, Sampling, SessionSettings

AGENT = Agent(
    id="main", name="main", workspace="/w", models=("p/a", "p/b"), is_default=True, timeout_s=0, thinking_default=""
)


class Catalog:
    """Models p/a, p/b, which think, and p/plain, which does not."""

    def info(self, ref: str) -> ModelInfo:
        provider, _, model = ref.partition("/")
        if model not in ("a", "b", "plain"):
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        return ModelInfo(
            provider=provider,
            id=model,
            name=model,
            context_window=100_000,
            max_tokens=1,
            reasoning=model != "plain",
        )


def chosen(
    agent: Agent = AGENT, settings: SessionSettings | None = None, defaults: AgentDefaults | None = None, **fields: Any
) -> Any:
    """What is chosen for a request."""
    request = RunRequest(run_id="r", agent_id="main", session_key="k", messages=(), **fields)
    models: Any = Catalog()
    return choose(models, agent, request, settings or SessionSettings(), defaults or AgentDefaults(), Logger())


class ModelTests(SynchronousTestCase):
    """Which model."""

    def test_agent(self) -> None:
        """The agent's models, in order."""
        self.assertEqual(chosen().refs, ("p/a", "p/b"))

    def test_session(self) -> None:
        """The session's model is the only one: who chose it wants no other."""
        settings = SessionSettings(provider_override="p", model_override="b")
        self.assertEqual(chosen(settings=settings).refs, ("p/b",))

    def test_session_not_allowed_any_more(self) -> None:
        """One that there is no more does not count."""
        settings = SessionSettings(provider_override="p", model_override="gone")
        self.assertEqual(chosen(settings=settings).refs, ("p/a", "p/b"))

    def test_request(self) -> None:
        """The request wins over the session; a model that there is not is refused."""
        settings = SessionSettings(provider_override="p", model_override="b")
        self.assertEqual(chosen(settings=settings, model="p/plain").refs, ("p/plain",))
        self.assertRaises(GatewayError, chosen, model="p/gone")

    def test_window(self) -> None:
        """contextTokens caps the window, and never widens it."""
        self.assertEqual(chosen().window, 100_000)
        self.assertEqual(chosen(defaults=AgentDefaults(context_tokens=5000)).window, 5000)
        self.assertEqual(chosen(defaults=AgentDefaults(context_tokens=500_000)).window, 100_000)


class ThinkingTests(SynchronousTestCase):
    """Which level."""

    def test_precedence(self) -> None:
        """Request, effort as sent, session, agent, then low for models that think."""
        agent = replace(AGENT, thinking_default="minimal")
        settings = SessionSettings(thinking_level="medium")
        sampling = Sampling(reasoning_effort="none")
        self.assertEqual(chosen(agent, settings, sampling=sampling, thinking="high").thinking, "high")
        self.assertEqual(chosen(agent, settings, sampling=sampling).thinking, "none")
        self.assertEqual(chosen(agent, settings).thinking, "medium")
        self.assertEqual(chosen(agent).thinking, "minimal")
        self.assertEqual(chosen().thinking, "low")

    def test_off_is_an_answer(self) -> None:
        """Off is not the same as nothing said."""
        self.assertEqual(chosen(thinking="off").thinking, "off")
        self.assertEqual(chosen(settings=SessionSettings(thinking_level="off")).thinking, "off")

    def test_models_that_do_not_think(self) -> None:
        """Defaults are not for them; what somebody asked for is tried."""
        agent = replace(AGENT, thinking_default="high")
        self.assertEqual(chosen(agent, model="p/plain").thinking, "off")
        self.assertEqual(chosen(agent, SessionSettings(thinking_level="high"), model="p/plain").thinking, "high")

    def test_effort(self) -> None:
        """Off asks the provider for nothing."""
        self.assertEqual([effort(level) for level in ("off", "low", "xhigh")], [None, "low", "xhigh"])

    def test_milder(self) -> None:
        """The nearest level that the refusal names; else one lower, then off."""
        words = "Unsupported value: 'xhigh'. Supported values are: 'low', 'medium', and 'high'."
        self.assertEqual(milder("xhigh", words, 1), "high")
        self.assertEqual(milder("minimal", words, 1), "low")
        self.assertEqual(milder("minimal", words, 2), "off")
        self.assertEqual(milder("minimal", "Supported values are: 'none' and 'high'.", 1), "off")
        self.assertEqual(milder("high", "Unrecognized request argument: reasoning_effort", 1), "medium")
        self.assertEqual(milder("medium", "Unrecognized request argument: reasoning_effort", 2), "off")
        self.assertEqual(milder("max", "no such effort", 1), "xhigh")


class TellingTests(SynchronousTestCase):
    """What chat clients are told of."""

    def test_verbose_and_reasoning(self) -> None:
        """The session's word, else the default's."""
        loud = Config(agents=AgentsSection(defaults=AgentDefaults(verbose_default="on", reasoning_default="stream")))
        self.assertEqual((verbose(SessionSettings(), loud), reasoning(SessionSettings(), loud)), (True, "stream"))
        off = SessionSettings(verbose_level="off", reasoning_level="off")
        self.assertEqual((verbose(off, loud), reasoning(off, loud)), (False, "off"))
        self.assertFalse(verbose(SessionSettings(), Config()))
        self.assertTrue(verbose(SessionSettings(verbose_level="on"), Config()))

    def test_ack_max_chars(self) -> None:
        """An agent's own heartbeat says how much is nothing, else the defaults do."""
        config = Config(
            agents=AgentsSection(
                defaults=AgentDefaults(heartbeat=Heartbeat(ack_max_chars=7)),
                entries=[AgentEntry(id="main"), AgentEntry(id="own", heartbeat=Heartbeat(ack_max_chars=9))],
            )
        )
        self.assertEqual((ack_max_chars(config, "main"), ack_max_chars(config, "own")), (7, 9))
