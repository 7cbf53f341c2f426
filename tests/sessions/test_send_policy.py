# -*- test-case-name: tests.sessions.test_send_policy -*-
"""In which sessions agents may answer."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_sessions import SendMatch, SendPolicy, SendRule
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.send_policy import check_send, may_send
from openclaw_tx.values import SessionEntry, SessionSettings
from tests.sessions.helpers import KEY

GROUP = "agent:main:discord:group:7"


def rule(action: Any, **match: Any) -> SendRule:
    """A rule."""
    return SendRule(action=action, match=SendMatch(**match))


def entry(**settings: Any) -> SessionEntry:
    """A session with these settings."""
    return SessionEntry(
        key=KEY,
        agent_id="main",
        session_id="s",
        created_at_ms=0,
        updated_at_ms=0,
        settings=SessionSettings(**settings),
    )


class SendPolicyTests(SynchronousTestCase):
    """L{may_send}."""

    def test_table(self) -> None:
        """Deny wins wherever it stands; then allow; then the default. All of a match must fit."""
        for rules, default, key, channel, expected in (
            ([], "allow", KEY, "webchat", True),
            ([], "deny", KEY, "webchat", False),
            ([rule("deny")], "allow", KEY, "webchat", False),
            ([rule("allow"), rule("deny")], "allow", KEY, "webchat", False),
            ([rule("allow")], "deny", KEY, "webchat", True),
            ([rule("deny", channel="discord")], "allow", KEY, "webchat", True),
            ([rule("deny", channel="Discord")], "allow", GROUP, "webchat", False),
            ([rule("deny", channel="webchat")], "allow", GROUP, "webchat", True),
            ([rule("deny", chat_type="group")], "allow", GROUP, "webchat", False),
            ([rule("deny", chat_type="group")], "allow", KEY, "webchat", True),
            ([rule("deny", chat_type="direct")], "allow", KEY, "webchat", False),
            ([rule("deny", chat_type="channel")], "allow", "agent:main:slack:channel:c", "", False),
            ([rule("deny", key_prefix="agent:main:discord")], "allow", GROUP, "", False),
            ([rule("deny", key_prefix="Discord:")], "allow", GROUP, "", False),
            ([rule("deny", key_prefix="group:")], "allow", GROUP, "", True),
            ([rule("deny", key_prefix="glo")], "allow", "global", "", False),
            ([rule("allow", channel="discord", chat_type="group")], "deny", GROUP, "", True),
            ([rule("allow", channel="discord", chat_type="direct")], "deny", GROUP, "", False),
        ):
            policy = SendPolicy(default=default, rules=rules)
            self.assertEqual(may_send(policy, key, None, channel), expected, (rules, default, key, channel))

    def test_session_decides(self) -> None:
        """What is set for the session comes before every rule."""
        denying, allowing = SendPolicy(default="deny", rules=[rule("deny")]), SendPolicy()
        self.assertTrue(may_send(denying, KEY, entry(send_policy="allow"), ""))
        self.assertFalse(may_send(allowing, KEY, entry(send_policy="deny"), ""))
        self.assertTrue(may_send(allowing, KEY, entry(), ""))

    def test_what_is_known_of_the_session(self) -> None:
        """Its channel and kind come before what the message and the key say."""
        policy = SendPolicy(rules=[rule("deny", channel="discord", chat_type="group")])
        self.assertFalse(may_send(policy, KEY, entry(channel="discord", chat_type="group"), "webchat"))
        self.assertTrue(may_send(policy, KEY, entry(channel="discord"), "webchat"))

    def test_refusal(self) -> None:
        """In OpenClaw's words."""
        error = self.assertRaises(GatewayError, check_send, SendPolicy(default="deny"), KEY, None, "")
        self.assertEqual((error.info.code, error.info.message), ("invalid_request", "send blocked by session policy"))
        check_send(SendPolicy(), KEY, None, "")
