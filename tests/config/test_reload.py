# -*- test-case-name: tests.config.test_reload -*-
"""L{openclaw_tx.config.reload}."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.decode import decode
from openclaw_tx.config.reload import EFFECTS, ReloadPlan, effect, hold_back, plan
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection


def provider(name: str, url: str) -> dict[str, Any]:
    """A configuration with this provider."""
    return {"models": {"providers": {name: {"baseUrl": url}}}}


CONFIGS = st.sampled_from(
    [
        {},
        {"gateway": {"port": 5}},
        {"gateway": {"port": 6, "auth": {"token": "a"}}},
        {"gateway": {"bind": "lan", "auth": {"mode": "none"}}, "session": {"store": "sqlite:///x"}},
        {"agents": {"list": [{"id": "a"}]}},
        provider("a", "http://a"),
        provider("b", "http://b"),
    ]
).map(decode)


class PlanTests(SynchronousTestCase):
    """L{plan} and L{effect}."""

    def planned(self, old: dict[str, Any], new: dict[str, Any], *variables: str) -> ReloadPlan:
        """From one file's content to another's."""
        return plan(decode(old), decode(new), variables)

    def test_nothing(self) -> None:
        """Equal configurations, however written, differ in nothing."""
        self.assertEqual(self.planned({}, {"gateway": {"port": 18789}}).changed, ())

    def test_hot(self) -> None:
        """What a gateway reads at each use takes effect at once."""
        for new, path in (
            ({"gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": True}}}}},
             "gateway.http.endpoints.chatCompletions.enabled"),
            ({"gateway": {"auth": {"token": "x"}}}, "gateway.auth.token"),
            ({"gateway": {"auth": {"rateLimit": {"windowMs": 5}}}}, "gateway.auth.rateLimit.windowMs"),
            ({"gateway": {"controlUi": {"allowedOrigins": ["*"]}}}, "gateway.controlUi.allowedOrigins"),
            ({"agents": {"list": [{"id": "a"}]}}, "agents.list"),
            ({"agents": {"defaults": {"model": {"primary": "a/b"}}}}, "agents.defaults.model"),
            (provider("a.b", "http://x"), 'models.providers["a.b"]'),
            ({"tools": {"deny": ["x"]}}, "tools.deny"),
            ({"logging": {"level": "debug"}}, "logging.level"),
            ({"env": {"vars": {"A": "1"}}}, "env.vars.A"),
        ):  # fmt: skip
            self.assertEqual(self.planned({}, new), ReloadPlan(hot=(path,)))
            self.assertEqual(self.planned(new, {}).changed, (path,))

    def test_restart(self) -> None:
        """What is fixed at the start is told so."""
        for new, path in (
            ({"gateway": {"port": 5}}, "gateway.port"),
            ({"gateway": {"bind": "lan"}}, "gateway.bind"),
            ({"gateway": {"customBindHost": "::1"}}, "gateway.customBindHost"),
            ({"gateway": {"mode": "local"}}, "gateway.mode"),
            ({"session": {"store": "sqlite:///x"}}, "session.store"),
        ):
            self.assertEqual(self.planned({}, new), ReloadPlan(restart=(path,)))

    def test_inside_a_provider(self) -> None:
        """A change deep in a map is named to its leaf."""
        self.assertEqual(
            self.planned(provider("a", "http://x"), provider("a", "http://y")).hot, ("models.providers.a.baseUrl",)
        )

    def test_variables(self) -> None:
        """Variables that changed count too, each once; the port's needs a restart."""
        new = {"env": {"vars": {"A": "1"}}}
        changes = self.planned({}, new, "B", "A", "OPENCLAW_GATEWAY_PORT")
        self.assertEqual(changes.hot, ("env.vars.A", "env.B"))
        self.assertEqual(changes.restart, ("env.OPENCLAW_GATEWAY_PORT",))

    def test_longest_prefix(self) -> None:
        """The longest rule decides, on whole words; what nobody thought of needs a restart."""
        self.assertEqual(effect(("gateway", "auth", "token")), "hot")
        self.assertEqual(effect(("gateway", "authority")), "restart")
        self.assertEqual(effect(("session", "store")), "restart")
        self.assertEqual(effect(("unheard", "of")), "restart")

    def test_every_section_has_a_rule(self) -> None:
        """A new section of the configuration must be thought about; rules name what exists."""
        sections = {field.encode_name for field in msgspec.structs.fields(Config)}
        self.assertEqual(sections - set(EFFECTS), set())
        keys = {f"gateway.{field.encode_name}" for field in msgspec.structs.fields(GatewaySection)}
        self.assertEqual({path for path in EFFECTS if path.startswith("gateway.")} - keys, set())


class HoldBackTests(SynchronousTestCase):
    """L{hold_back}."""

    def test_mixed_edit(self) -> None:
        """The hot part of an edit is taken, the rest keeps its old value."""
        old = decode({"gateway": {"port": 5, "bind": "lan"}})
        new = decode({"gateway": {"port": 6, "auth": {"token": "x"}}, "agents": {"list": [{"id": "a"}]}})
        held = hold_back(old, new)
        self.assertEqual((held.gateway.port, held.gateway.bind, held.gateway.auth.token), (5, "lan", "x"))
        self.assertEqual(held.agents, new.agents)

    @settings(deadline=None)
    @given(CONFIGS, CONFIGS)
    def test_laws(self, old: Config, new: Config) -> None:
        """What is held back is exactly what the plan says: hot changes remain, restarts vanish, and only those."""
        changes = plan(old, new)
        held = hold_back(old, new)
        self.assertEqual(plan(old, held), ReloadPlan(hot=changes.hot))
        self.assertEqual(plan(held, new), ReloadPlan(restart=changes.restart))
        if not changes.restart:
            self.assertEqual(held, new)
