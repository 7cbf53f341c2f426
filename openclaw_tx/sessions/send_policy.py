# -*- test-case-name: tests.sessions.test_send_policy -*-
"""In which sessions agents may answer chat clients (spec 4.5). Pure."""

from __future__ import annotations

from openclaw_tx.config.schema_sessions import SendMatch, SendPolicy
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.keys import conversation_of, parse_key
from openclaw_tx.values import SessionEntry

BLOCKED = "send blocked by session policy"
"""OpenClaw's words."""


def may_send(policy: SendPolicy, key: str, entry: SessionEntry | None, channel: str) -> bool:
    """Whether messages of chat clients are answered in a session.

    What is set for the session decides; else a rule that denies, wherever it stands; else one that allows; else the
    default.

    @param channel: of the message; what is known of the session comes before it.
    """
    settings = entry.settings if entry is not None else None
    if settings is not None and settings.send_policy:
        return settings.send_policy == "allow"
    named = conversation_of(key).channel
    channel = (settings.channel if settings is not None else "") or named or channel
    chat = settings.chat_type if settings is not None else ""
    chat = chat or ("channel" if ":channel:" in key.lower() else "group" if ":group:" in key.lower() else "direct")
    verdicts = {rule.action for rule in policy.rules if _fits(rule.match, key.lower(), channel, chat)}
    if "deny" in verdicts:
        return False
    return "allow" in verdicts or policy.default == "allow"


def check_send(policy: SendPolicy, key: str, entry: SessionEntry | None, channel: str) -> None:
    """
    @raise GatewayError: C{invalid_request}: L{may_send} says no.
    """
    if not may_send(policy, key, entry, channel):
        raise GatewayError("invalid_request", BLOCKED)


def _fits(match: SendMatch, key: str, channel: str, chat: str) -> bool:
    parsed = parse_key(key)
    names = (key, parsed.rest if parsed is not None else key)
    prefix = match.key_prefix.lower()
    return (
        (not match.channel or match.channel.lower() == channel.lower())
        and (not match.chat_type or match.chat_type == chat)
        and any(name.startswith(prefix) for name in names)
    )


__all__ = ["BLOCKED", "check_send", "may_send"]
