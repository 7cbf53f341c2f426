# -*- test-case-name: tests.tools.test_policy -*-
"""The policy chain narrows and never widens."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_tools import ToolPolicy
from openclaw_tx.tools.policy import GROUPS, NATIVE, PROFILES, Matcher, allowed, by_provider

NAMES = ["read", "write", "apply_patch", "exec", "process", "session_status", "sessions_list", "agents_list", "my_tool"]


def policy(**fields: Any) -> ToolPolicy:
    """A policy as the configuration file would give it."""
    return msgspec.convert(fields, ToolPolicy)


def left(shared: ToolPolicy | None = None, own: ToolPolicy | None = None, ref: str = "openai/gpt-4o") -> list[str]:
    """The names of L{NAMES} that a chain leaves."""
    return allowed(NAMES, shared or policy(), own or policy(), ref)


class StageTests(SynchronousTestCase):
    """Each stage by itself."""

    def test_nothing_configured(self) -> None:
        """Without a policy every tool is in, in order."""
        self.assertEqual(left(), NAMES)

    def test_profiles(self) -> None:
        """What each profile leaves of these tools."""
        self.assertEqual(left(policy(profile="minimal")), ["session_status"])
        self.assertEqual(
            left(policy(profile="coding")),
            ["read", "write", "apply_patch", "exec", "process", "session_status", "sessions_list"],
        )
        self.assertEqual(left(policy(profile="messaging")), ["session_status", "sessions_list"])
        self.assertEqual(left(policy(profile="full")), NAMES)

    def test_also_allow(self) -> None:
        """alsoAllow widens the profile, and alone restricts nothing."""
        self.assertEqual(left(policy(profile="minimal", alsoAllow=["read"])), ["read", "session_status"])
        self.assertEqual(left(policy(alsoAllow=["read"])), NAMES)

    def test_own_profile_replaces(self) -> None:
        """An agent's profile replaces the global one, wider or narrower."""
        self.assertEqual(left(policy(profile="minimal"), policy(profile="full")), NAMES)
        self.assertEqual(left(policy(profile="full"), policy(profile="minimal")), ["session_status"])

    def test_own_also_allow_on_shared_profile(self) -> None:
        """An agent may widen the global profile for itself."""
        self.assertEqual(left(policy(profile="minimal"), policy(alsoAllow=["read"])), ["read", "session_status"])

    def test_allow_and_deny(self) -> None:
        """deny wins over allow."""
        self.assertEqual(left(policy(allow=["read", "exec"], deny=["exec"])), ["read"])
        self.assertEqual(
            left(policy(deny=["group:runtime", "my_*"])), [n for n in NAMES if n not in ("exec", "process", "my_tool")]
        )

    def test_agent_only_narrows(self) -> None:
        """An agent's allow list cannot bring back what the global one took."""
        self.assertEqual(left(policy(allow=["read"]), policy(allow=["read", "exec"])), ["read"])
        self.assertEqual(left(policy(deny=["read"]), policy(allow=["read"])), [])

    def test_by_provider(self) -> None:
        """The entry of the model goes before that of its provider; other models have none."""
        shared = policy(byProvider={"openai": {"deny": ["exec"]}, "OpenAI/GPT-4o": {"allow": ["read"]}})
        self.assertEqual(left(shared), ["read"])
        self.assertEqual(left(shared, ref="openai/other"), [name for name in NAMES if name != "exec"])
        self.assertEqual(left(shared, ref="local/x"), NAMES)

    def test_by_provider_profile(self) -> None:
        """A provider's profile narrows beside the general one; the agent's comes before the global."""
        shared = policy(profile="coding", byProvider={"openai": {"profile": "minimal"}})
        self.assertEqual(left(shared), ["session_status"])
        self.assertEqual(
            left(shared, policy(byProvider={"openai": {"profile": "full", "deny": ["exec"]}})),
            ["read", "write", "apply_patch", "process", "session_status", "sessions_list"],
        )

    def test_model_with_slashes(self) -> None:
        """The provider ends at the first slash."""
        self.assertEqual(by_provider(policy(byProvider={"router": {"deny": ["x"]}}), "router/meta/l").deny, ["x"])


class NameTests(SynchronousTestCase):
    """How names are read."""

    def test_case_and_blanks(self) -> None:
        """Neither matters."""
        self.assertEqual(left(policy(allow=[" READ ", "Group:Runtime"])), ["read", "apply_patch", "exec", "process"])

    def test_aliases(self) -> None:
        """bash is exec, apply-patch is apply_patch."""
        self.assertEqual(left(policy(allow=["bash"])), ["apply_patch", "exec"])
        self.assertEqual(left(policy(allow=["apply-patch"])), ["apply_patch"])

    def test_apply_patch_follows_exec(self) -> None:
        """apply_patch is in with exec, unless it is denied itself."""
        self.assertEqual(left(policy(allow=["exec"], deny=["apply_patch"])), ["exec"])

    def test_plugins(self) -> None:
        """group:plugins is every tool that OpenClaw does not know."""
        self.assertEqual(left(policy(allow=["group:plugins"])), ["my_tool"])

    def test_openclaw_group(self) -> None:
        """group:openclaw has neither files nor commands."""
        self.assertEqual(left(policy(allow=["group:openclaw"])), ["session_status", "sessions_list", "agents_list"])

    def test_groups_hold_native_names(self) -> None:
        """Every name that a group or profile speaks of is one of OpenClaw's."""
        named = {name for names in (*GROUPS.values(), *PROFILES.values()) for name in names if ":" not in name}
        self.assertEqual(named - NATIVE, set())

    def test_unknown_only_fails_closed(self) -> None:
        """An allow list that names no existing tool, or only blanks, leaves nothing (D26)."""
        for entries in (["no_such_tool"], ["group:nonsense"], [""], ["  "]):
            self.assertEqual(left(policy(allow=entries)), [], entries)

    def test_wildcards(self) -> None:
        """Stars match anything, everything else is literal."""
        self.assertEqual(left(policy(allow=["*"])), NAMES)
        self.assertEqual(left(policy(allow=["s*s*t*"])), ["session_status", "sessions_list"])
        self.assertEqual(left(policy(allow=["rea.*"])), [])
        self.assertEqual(left(policy(allow=["re[a]d*"])), [])

    def test_many_stars(self) -> None:
        """A pattern of nothing but stars is no slower than one star."""
        self.assertTrue(Matcher(["*" * 10_000]).matches("x" * 64))

    @given(
        st.lists(st.sampled_from([*NAMES, "*", "group:fs", "s*", "nonsense"])),
        st.lists(st.sampled_from([*NAMES, "group:sessions", "m*", "nonsense"])),
    )
    def test_narrowing(self, allow: list[str], deny: list[str]) -> None:
        """Whatever an agent adds, what it has is part of what there was before, in the same order."""
        shared = policy(allow=allow)
        before = left(shared)
        after = left(shared, policy(allow=deny, deny=deny[:1]))
        self.assertEqual(after, [name for name in before if name in after])
        self.assertEqual(left(policy(allow=allow, deny=["*"])), [])
