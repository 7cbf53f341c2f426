# -*- test-case-name: tests.auth.test_sight -*-
"""What a principal gets to see, and the bounds of keys in the one authoriser."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ACTIONS, authorise, in_sessions, may
from openclaw_tx.auth.sight import agents_for, approval_target, is_bounded, run_target, sees_run, sees_session
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Approval, Principal, RunRequest, SessionEntry, Target, TextPart, UserMessage
from tests.support.fakes import OWNER, FixedAgents, ScriptedRun


def holder(**rest: Any) -> Principal:
    """Who comes with a key that may read and write."""
    scopes = rest.pop("scopes", ("operator.read", "operator.write"))
    return Principal(id=rest.pop("id", "key:laptop"), method="key", scopes=frozenset(scopes), **rest)


def code(who: Principal, action: str, **target: Any) -> str:
    """The refusal's code, or ""."""
    try:
        authorise(who, action, Target(**target))
    except GatewayError as error:
        return error.info.code
    return ""


class ApprovalTests(SynchronousTestCase):
    """L{approval_target}."""

    def test_target(self) -> None:
        """A question is aimed at by agent, session and owner; what it does not say is not looked at."""
        for agent, key in (("main", "agent:main:laptop:x"), ("", "")):
            asked = Approval(
                id="a",
                command="ls",
                created_at_ms=1,
                expires_at_ms=2,
                agent_id=agent,
                session_key=key,
                owner_id="key:laptop",
            )
            self.assertEqual(
                approval_target(asked), Target(agent_id=agent or None, session_key=key or None, owner_id="key:laptop")
            )


class BoundsTests(SynchronousTestCase):
    """L{authorise} with targets."""

    def test_agents(self) -> None:
        """An agent that is not the key's is unknown, for every action and for administrators' keys too."""
        for scopes in (["operator.read", "operator.write"], ["operator.admin"]):
            who = holder(agents=("main",), scopes=scopes)
            for action, rule in ACTIONS.items():
                if not rule.owned and may(who, action):
                    self.assertEqual(code(who, action, agent_id="main"), "", action)
                    self.assertEqual(code(who, action, agent_id="beta"), "invalid_request", action)

    def test_sessions(self) -> None:
        """A session outside of the prefix is not found, whether it exists or not."""
        who = holder(session_prefix="laptop:")
        for key, expected in (
            ("agent:main:laptop:x", ""),
            ("agent:beta:LAPTOP:x", ""),
            ("agent:main:laptop:", ""),
            ("agent:main:laptop", "session_not_found"),
            ("agent:main:main", "session_not_found"),
            ("agent:main:other:laptop:x", "session_not_found"),
            ("agent:laptop:main", "session_not_found"),
            ("laptop:x", "session_not_found"),
            ("global", "session_not_found"),
            ("", "session_not_found"),
        ):
            self.assertEqual(code(who, "chat.history", session_key=key), expected, key)
            self.assertEqual(in_sessions(who, key), not expected)

    def test_runs(self) -> None:
        """Others' runs are not found, by whoever and in whichever session; its own are, wherever they are."""
        who = holder(session_prefix="laptop:", agents=("main",))
        own = {"owner_id": "key:laptop", "agent_id": "main", "session_key": "agent:main:openai:uuid"}
        for action in ("runs.read", "runs.events", "runs.cancel", "agent.wait"):
            self.assertEqual(code(who, action, **own), "", action)
            for foreign in (
                {"owner_id": "shared-secret"},
                {"owner_id": "key:other", "session_key": "agent:main:laptop:x"},
                {"owner_id": ""},
                {**own, "agent_id": "beta"},
            ):
                self.assertEqual(code(who, action, **{**own, **foreign}), "run_not_found", (action, foreign))

    def test_cancel_of_nobodys_run(self) -> None:
        """A run of unknown owner is not the key's."""
        self.assertEqual(code(holder(), "runs.cancel", session_key="agent:main:x"), "run_not_found")

    def test_admin_key(self) -> None:
        """An administrator's key sees others' runs, within its agents and sessions."""
        who = holder(scopes=["operator.admin"], agents=("main",), session_prefix="team:")
        run = {"owner_id": "shared-secret", "agent_id": "main", "session_key": "agent:main:team:x"}
        self.assertEqual(code(who, "runs.cancel", **run), "")
        self.assertEqual(code(who, "runs.read", **{**run, "agent_id": "beta"}), "run_not_found")
        self.assertEqual(code(who, "runs.read", **{**run, "session_key": "agent:main:x"}), "run_not_found")

    def test_scope_first(self) -> None:
        """Who lacks the scope learns only that."""
        who = holder(scopes=["operator.read"], agents=("main",))
        self.assertEqual(code(who, "agent", agent_id="beta"), "insufficient_scope")

    def test_others_are_as_before(self) -> None:
        """Principals without a key have no bounds; a proxy's user may still only cancel his own runs."""
        user = Principal(id="proxy:ada", method="trusted-proxy", scopes=frozenset({"operator.write"}))
        target = {"owner_id": "shared-secret", "agent_id": "beta", "session_key": "agent:beta:x"}
        self.assertEqual(code(user, "runs.read", **target), "")
        self.assertEqual(code(user, "runs.cancel", **target), "insufficient_scope")
        self.assertEqual(code(OWNER, "runs.cancel", **target), "")

    def test_same_refusal(self) -> None:
        """A foreign run and one that is gone read the same."""
        seen = set()
        for owner in ("shared-secret", "key:other", ""):
            try:
                authorise(holder(), "runs.read", Target(owner_id=owner))
            except GatewayError as error:
                seen.add(error.info)
        self.assertEqual(len(seen), 1)

    @given(st.text(max_size=30), st.sampled_from(["laptop:", "a", "team.b:"]))
    def test_prefix_of_any_key(self, key: str, prefix: str) -> None:
        """Only whole keys with the prefix in the place of the name get in."""
        who = holder(session_prefix=prefix)
        inside = in_sessions(who, f"agent:main:{key}")
        self.assertEqual(inside, key.lower().startswith(prefix))
        self.assertFalse(in_sessions(who, key) and not key.lower().startswith("agent:"))


class SightTests(SynchronousTestCase):
    """Views."""

    def test_agents(self) -> None:
        """The key's agents in the order of the file; others are unknown; nobody's are none."""
        agents: Agents = FixedAgents("main", "beta", "gamma", default="main")
        self.assertIs(agents_for(agents, OWNER), agents)
        self.assertIs(agents_for(agents, holder()), agents)
        seen = agents_for(agents, holder(agents=("gamma", "beta", "gone")))
        self.assertEqual([agent.id for agent in seen.all()], ["beta", "gamma"])
        self.assertEqual(seen.default_id, "gamma")
        self.assertIsNone(seen.get("main"))
        self.assertIsNone(seen.get("gone"))
        beta = seen.get("beta")
        self.assertEqual(beta and beta.id, "beta")
        self.assertEqual(agents_for(agents, holder(agents=("gamma", "main"))).default_id, "main")
        nothing = agents_for(agents, holder(agents=("gone",)))
        self.assertEqual((list(nothing.all()), nothing.default_id), ([], "gone"))

    def test_runs(self) -> None:
        """A run is its starter's and the owner's; to other keys it is not there."""
        message = UserMessage(content=(TextPart(text="hi"),))
        request = RunRequest(run_id="r", agent_id="main", session_key="agent:main:x", messages=(message,))
        run = ScriptedRun(request, holder(), Clock())
        self.assertEqual(run_target(run).owner_id, "key:laptop")
        self.assertTrue(sees_run(holder(), run))
        self.assertTrue(sees_run(OWNER, run))
        self.assertFalse(sees_run(holder(id="key:other"), run))
        self.assertTrue(sees_run(holder(id="key:other", scopes=["operator.admin"]), run))

    def test_sessions(self) -> None:
        """By agent and prefix."""
        entry = SessionEntry(
            key="agent:main:laptop:x", agent_id="main", session_id="s", created_at_ms=0, updated_at_ms=0
        )
        self.assertTrue(sees_session(holder(session_prefix="laptop:"), entry))
        self.assertFalse(sees_session(holder(session_prefix="other:"), entry))
        self.assertFalse(sees_session(holder(agents=("beta",)), entry))
        self.assertTrue(sees_session(OWNER, entry))

    def test_bounded(self) -> None:
        """Whether there may be something to leave out."""
        self.assertEqual(
            [is_bounded(who) for who in (OWNER, holder(), holder(agents=("a",)), holder(session_prefix="p"))],
            [False, False, True, True],
        )
        self.assertFalse(may(holder(scopes=[]), "runs.read"))
