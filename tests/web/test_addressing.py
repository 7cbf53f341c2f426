# -*- test-case-name: tests.web.test_addressing -*-
"""Which agent and which session a request is for."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal
from openclaw_tx.web.addressing import Address, address
from tests.support.fakes import OWNER, FixedAgents


class Headers:
    """A peer that has nothing but headers."""

    address = ""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def header(self, name: str) -> str | None:
        """One of them."""
        return self._headers.get(name)


class AddressTests(SynchronousTestCase):
    """Precedence and formats (spec 1.1)."""

    def address(
        self,
        headers: Mapping[str, str] | None = None,
        model: str = "openclaw",
        user: str = "",
        principal: Principal = OWNER,
        **more: str,
    ) -> Address:
        """Ask."""
        return address(
            FixedAgents("main", "beta"),
            Headers(headers or {}),
            principal,
            model=model,
            user=user or None,
            strict=False,
            new_id=lambda: "UUID",
            **more,
        )

    def key(self, value: str, model: str = "openclaw", **headers: str) -> Address:
        """Ask with a session key."""
        return self.address({"x-openclaw-session-key": value, **headers}, model)

    def refused(self, value: str, model: str = "openclaw") -> GatewayError:
        """Ask with a session key, in vain."""
        error = self.assertRaises(GatewayError, self.key, value, model)
        self.assertEqual(error.info.param, "x-openclaw-session-key")
        self.assertEqual(error.info.kind.status, 400)
        return error

    def test_s18_fresh_key(self) -> None:
        """Neither header nor user: a session that ends with the run."""
        self.assertEqual(self.address(), Address("main", "agent:main:openai:UUID", True, ""))
        self.assertEqual(self.address(model="agent:beta").session_key, "agent:beta:openai:UUID")
        self.assertTrue(self.address(user="  ").stateless)

    def test_common_words_are_of_one_agent(self) -> None:
        """C{global} and C{unknown} are bare keys like all others: no agent reads what was said to another."""
        for name in ("global", "unknown", "Global"):
            for agent in ("main", "beta"):
                found = self.key(name, f"openclaw:{agent}")
                self.assertEqual((found.agent_id, found.session_key), (agent, f"agent:{agent}:{name}"))

    def test_key_holder(self) -> None:
        """Names are put under the prefix of a key, its agents are all there are, the first of them its default."""
        who = Principal(id="key:k", method="key", scopes=frozenset(), agents=("beta",), session_prefix="k:")
        for headers, user, wanted in (
            ({}, "Ada", "agent:beta:k:openai-user:ada"),
            ({"x-openclaw-session-key": "My-Thread"}, "", "agent:beta:k:My-Thread"),
            ({"x-openclaw-session-key": "K:My-Thread"}, "", "agent:beta:K:My-Thread"),
            ({"x-openclaw-session-key": "main"}, "", "agent:beta:k:main"),
            ({"x-openclaw-session-key": "agent:beta:other"}, "", "agent:beta:other"),
        ):
            found = self.address(headers, user=user, principal=who)
            self.assertEqual((found.agent_id, found.session_key), ("beta", wanted))
        for headers in ({"x-openclaw-agent-id": "main"}, {"x-openclaw-session-key": "agent:main:k:x"}):
            self.assertRaises(GatewayError, self.address, headers, principal=who)

    def test_s19_user(self) -> None:
        """One session for each user and agent; case and outer blanks do not matter."""
        wanted = Address("main", "agent:main:openai-user:alice x", False, "")
        self.assertEqual(self.address(user=" Alice X "), wanted)
        self.assertEqual(self.address(model="agent:beta", user="u").session_key, "agent:beta:openai-user:u")

    def test_other_api(self) -> None:
        """The Responses API has sessions of its own; only header keys are shared."""
        self.assertEqual(self.address(api="openresponses").session_key, "agent:main:openresponses:UUID")
        self.assertEqual(self.address(user="U", api="openresponses").session_key, "agent:main:openresponses-user:u")
        where = self.address({"x-openclaw-session-key": "t"}, api="openresponses")
        self.assertEqual((where.session_key, where.named), ("agent:main:t", True))

    def test_previous(self) -> None:
        """A session to continue names its agent, like a whole key, and what else is named must be the same."""
        previous = "agent:beta:openresponses:1"
        self.assertEqual(self.address(previous=previous), Address("beta", previous, False, ""))
        self.assertEqual(self.address(model="gpt-4o", previous=previous).agent_id, "beta")
        same = {"x-openclaw-session-key": previous}
        self.assertEqual(self.address(same, previous=previous).session_key, previous)
        mine = self.address(user="u", previous="agent:main:openai-user:u")
        self.assertEqual(mine.session_key, "agent:main:openai-user:u")
        for headers, model, user in (
            ({"x-openclaw-agent-id": "main"}, "openclaw", ""),
            ({}, "openclaw:main", ""),
            ({}, "openclaw", "u"),
            ({"x-openclaw-session-key": "other"}, "openclaw", ""),
        ):
            error = self.assertRaises(GatewayError, self.address, headers, model, user, previous=previous)
            self.assertEqual(error.info.param, "previous_response_id")
        gone = "agent:gone:openresponses:1"
        self.assertIn("Unknown agent", str(self.assertRaises(GatewayError, self.address, previous=gone)))

    def test_t37_user(self) -> None:
        """A user that can be no key is refused by name."""
        for user in ("a\nb", "a\0", "x" * 600):
            error = self.assertRaises(GatewayError, self.address, user=user)
            self.assertEqual(error.info.param, "user")

    def test_s15_header_beats_user(self) -> None:
        """A bare key belongs to the chosen agent; its case is kept."""
        where = self.address({"x-openclaw-session-key": "My-Thread"}, user="u")
        self.assertEqual(where, Address("main", "agent:main:My-Thread", False, "", named=True))
        self.assertEqual(self.key("t", "agent:beta").session_key, "agent:beta:t")
        self.assertEqual(self.key("main").session_key, "agent:main:main")

    def test_d33_whole_key(self) -> None:
        """It names its agent; another one beside it is a contradiction."""
        self.assertEqual(self.key("agent:beta:custom"), Address("beta", "agent:beta:custom", False, "", named=True))
        self.assertEqual(self.key("agent:beta:custom", "openclaw:beta").agent_id, "beta")
        self.refused("agent:beta:custom", "openclaw:main")
        error = self.assertRaises(GatewayError, self.key, "agent:main:x", **{"x-openclaw-agent-id": "beta"})
        self.assertEqual(error.info.param, "x-openclaw-session-key")
        self.assertIn("Unknown agent 'nope'", str(self.refused("agent:nope:x")))

    def test_reserved(self) -> None:
        """The gateway's own namespaces, bare, whole, nested and in any case."""
        for key in (
            "subagent:x",
            "cron:x",
            "acp:x",
            "agent:main:subagent:x",
            "agent:main:cron:y",
            "Agent:Main:ACP:z",
            "agent:main:agent:main:cron:x",
        ):
            self.assertEqual(
                str(self.refused(key)), "`x-openclaw-session-key` cannot use reserved internal session namespaces."
            )

    def test_t37_bad_keys(self) -> None:
        """Control characters, half a key, too long."""
        for key in ("a\tb", "a\x7f", "agent:main", "agent::x", "agent:main:", "x" * 513):
            self.refused(key)

    def test_agent_headers(self) -> None:
        """S12: the header beats the model; the alias comes second; a blank one is none."""
        self.assertEqual(self.address({"x-openclaw-agent-id": "beta"}, "openclaw:main").agent_id, "beta")
        self.assertEqual(self.address({"x-openclaw-agent": "beta"}).agent_id, "beta")
        both = {"x-openclaw-agent-id": "main", "x-openclaw-agent": "beta"}
        self.assertEqual(self.address(both).agent_id, "main")
        self.assertEqual(self.address({"x-openclaw-agent-id": ""}, "openclaw:beta").agent_id, "beta")

    def test_model_header(self) -> None:
        """A ref as it is; a bare id is one of the agent's own provider."""
        self.assertEqual(self.address({"x-openclaw-model": "openai/gpt-x"}).model, "openai/gpt-x")
        self.assertEqual(self.address({"x-openclaw-model": "other"}).model, "scripted/other")
        for header in ("x" * 300, "a\tb"):
            error = self.assertRaises(GatewayError, self.address, {"x-openclaw-model": header})
            self.assertEqual(error.info.param, "x-openclaw-model")
