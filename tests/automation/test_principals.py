# -*- test-case-name: tests.automation.test_principals -*-
"""As whom a sub-agent's end is told when whoever asked for it is gone."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import in_sessions
from openclaw_tx.automation.principals import stand_in
from openclaw_tx.values import Principal, SessionEntry
from tests.sessions.helpers import live, replace_run


class StandInTests(SynchronousTestCase):
    """L{stand_in}: no more rights and no wider bounds than whoever asked had."""

    def stand_in(self, principal_id: str, child: str, parent: str) -> Principal:
        """For a sub-agent's run."""
        entry = SessionEntry(key=parent, agent_id="main", session_id="s", created_at_ms=0, updated_at_ms=0)
        return stand_in(replace_run(live("r", child), principal_id=principal_id), entry)

    def test_of_a_key(self) -> None:
        """It counts against the key, and stays within its sessions."""
        made = self.stand_in("key:shop", "agent:beta:shop-subagent:1", "agent:main:shop-main")
        self.assertEqual((made.id, made.method, made.session_prefix), ("key:shop", "key", "shop-"))
        self.assertTrue(in_sessions(made, "agent:main:shop-main"))
        self.assertFalse(in_sessions(made, "agent:main:main"))

    def test_of_an_operator(self) -> None:
        """No administrator, and of the one agent."""
        made = self.stand_in("shared-secret", "agent:main:subagent:1", "global")
        self.assertEqual((made.id, made.method, made.session_prefix), ("shared-secret", "local", ""))
        self.assertEqual((made.agents, made.scopes), (("main",), {"operator.read", "operator.write"}))
        self.assertTrue(in_sessions(made, "global"))
