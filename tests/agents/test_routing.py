# -*- test-case-name: tests.agents.test_routing -*-
"""Which agent answers an OpenAI request."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.routing import Choice, choose_agent, model_ids, named_agent, shown
from openclaw_tx.errors import GatewayError
from tests.support.fakes import FixedAgents


class ChooseAgentTests(SynchronousTestCase):
    """Precedence, forms, defaults, refusals."""

    def setUp(self) -> None:
        """Agents main and beta; beta is the configured default."""
        self.agents = FixedAgents("main", "beta", default="beta")

    def choose(self, *, header: str | None = None, model: str | None = None, strict: bool = False) -> Choice:
        """Ask."""
        return choose_agent(self.agents, header=header, model=model, strict=strict)

    def refused(self, *, header: str | None = None, model: str | None = None, strict: bool = False) -> GatewayError:
        """Ask in vain."""
        return self.assertRaises(GatewayError, self.choose, header=header, model=model, strict=strict)

    def test_forms_of_model(self) -> None:
        """C{openclaw:<id>}, C{openclaw/<id>} and C{agent:<id>} name an agent, in any case."""
        for model in ("openclaw:beta", "openclaw/beta", "agent:beta", "OpenClaw:BETA", " Agent:Beta "):
            self.assertEqual(self.choose(model=model), Choice(agent_id="beta", explicit=True), model)

    def test_header_beats_model(self) -> None:
        """The header decides, whatever the model says."""
        self.assertEqual(self.choose(header="Beta", model="openclaw:main").agent_id, "beta")
        self.assertEqual(self.choose(header="main", model="openclaw:nope").agent_id, "main")

    def test_default_is_main_where_there_is_one(self) -> None:
        """D3: SEED's literal default wins over the configured one."""
        for model in (None, "", "  ", "openclaw", "OPENCLAW"):
            self.assertEqual(self.choose(model=model), Choice(agent_id="main", explicit=False))

    def test_default_without_main(self) -> None:
        """D3: otherwise the configured default."""
        self.agents = FixedAgents("alpha", "beta", default="beta")
        self.assertEqual(self.choose(), Choice(agent_id="beta", explicit=False))

    def test_default_alias(self) -> None:
        """C{openclaw/default} is the configured default, not main."""
        self.assertEqual(self.choose(model="openclaw/default"), Choice(agent_id="beta", explicit=False))

    def test_unknown_agent(self) -> None:
        """D4: an id that is not configured is refused, by header and by model, with the field named."""
        error = self.refused(header="no pe!")
        self.assertEqual((str(error), error.info.param), ("Unknown agent 'no pe!'.", "x-openclaw-agent-id"))
        error = self.refused(model="agent:nope")
        self.assertEqual((str(error), error.info.param), ("Unknown agent 'nope'.", "model"))
        self.assertEqual(error.info.kind.status, 400)

    def test_target_without_an_agent_id(self) -> None:
        """The right form with something else than an id in it is no model at all."""
        for model in ("openclaw:", "openclaw:no pe", "agent:../etc", "openclaw/a/b", "agent:" + "a" * 65, "agent:a\nb"):
            self.assertIn("Invalid `model`", str(self.refused(model=model)), model)

    def test_foreign_models(self) -> None:
        """D5: any other name is answered by the default agent, unless the operator is strict."""
        for model in ("gpt-4o", "stub/stub-1", "openclaw-2", "openclawbeta"):
            self.assertEqual(self.choose(model=model).agent_id, "main")
            self.assertIn("Invalid `model`", str(self.refused(model=model, strict=True)))
        for model in (None, "", "openclaw", "openclaw/default", "openclaw:beta"):
            self.choose(model=model, strict=True)

    def test_named_agent(self) -> None:
        """The alias names no agent."""
        self.assertEqual(
            [named_agent(model) for model in ("openclaw/default", "gpt-4o", "", "openclaw:default")],
            [None, None, None, "default"],
        )

    def test_model_ids(self) -> None:
        """Both names of the default, then each agent, in order, none twice."""
        self.assertEqual(model_ids(self.agents), ["openclaw", "openclaw/default", "openclaw/main", "openclaw/beta"])
        self.assertEqual(model_ids(FixedAgents("default", "b")), ["openclaw", "openclaw/default", "openclaw/b"])

    def test_shown(self) -> None:
        """What a client is told of its own words is short and printable."""
        self.assertEqual(shown("a\r\nb\0"), "a\ufffd\ufffdb\ufffd")
        self.assertEqual(len(shown("x" * 10_000)), 65)
