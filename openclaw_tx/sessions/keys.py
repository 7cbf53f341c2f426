# -*- test-case-name: tests.sessions.test_keys -*-
"""The rules of session keys (spec 1.1, 4.1): pure functions on strings.

A key is C{agent:<agent id>:<rest>}. What clients send may be shorter; L{canonical_key} makes it whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import InboundMessage

MAX_KEY = 512
"""Longest session key, in characters."""

DEFAULT_ACCOUNT = "default"
"""The account of a channel that has one."""

MAIN_AGENT = "main"
"""The agent of keys that name none (spec 4.1)."""

MAIN = "main"
"""The rest of an agent's main key; C{session.mainKey} is not honoured (decision D19)."""

GLOBAL = "global"
"""The one session of all conversations that name none, where C{session.scope} is global."""

SENTINELS = frozenset({GLOBAL, "unknown"})
"""Keys that name no agent and stay as they are where all conversations are one (C{session.scope}), and in the store."""

HTTP_SCOPE = "per-sender"
"""What C{session.scope} is over HTTP, whatever it is elsewhere: a key means one session of one agent."""

RESERVED = ("subagent:", "cron:", "acp:")
"""Namespaces of the gateway's own sessions; clients may not name one (spec 1.1)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CHANNEL = re.compile("([a-z0-9_-]+):(?:[^:]+:)?(?:dm|direct|group|channel):")
_LEFTOVER = re.compile(f"openai:{_UUID}|(?!.*-user:)(?:[a-z0-9][a-z0-9._:-]*)?openresponses:{_UUID}")
"""Responses are kept, below the prefix of a client that has one."""


class SessionKey(NamedTuple):
    """A whole key, taken apart."""

    agent_id: str
    """Lower-cased."""
    rest: str
    """What follows C{agent:<id>:}, as it stands."""


def parse_key(key: str) -> SessionKey | None:
    """Take a key apart; None for one that does not name its agent."""
    parts = key.strip().split(":", 2)
    if len(parts) < 3 or parts[0].lower() != "agent":
        return None
    agent_id, rest = parts[1].strip().lower(), parts[2]
    return SessionKey(agent_id, rest) if agent_id and rest.strip() else None


def agent_of(key: str) -> str:
    """The agent that a key belongs to: C{main} for a key that does not name one."""
    parsed = parse_key(key)
    return parsed.agent_id if parsed is not None else MAIN_AGENT


def main_key(agent_id: str, prefix: str = "") -> str:
    """The key of an agent's main session; a client whose sessions have a prefix has a main session of its own."""
    return f"agent:{agent_id}:{prefix}{MAIN}"


def in_scope(key: str, agent_id: str, scope: str) -> str:
    """A whole key, or C{global} in place of an agent's main one where all of them are one conversation.

    @param scope: C{session.scope}. Clients whose sessions have a prefix keep a main session of their own.
    """
    return GLOBAL if scope == "global" and key == main_key(agent_id) else key


def canonical_key(key: str, agent_id: str, *, fold_case: bool = True, prefix: str = "", scope: str = "global") -> str:
    """A key as it is stored.

    Blank or C{main} is the agent's main key, a bare key is put under the agent, a whole one stays.

    @param agent_id: the agent that a key without one belongs to.
    @param fold_case: lower-case the rest, as for all keys but the explicit ones of HTTP headers (spec 1.1).
    @param prefix: put before a bare key that does not begin with it (L{Principal.session_prefix}).
    @param scope: C{session.scope}. Where it is not C{global}, L{SENTINELS} are bare keys like all others: one agent
        must not read what was said to another because a client chose a common word (decision D33).
    @raise GatewayError: as L{checked_key}.
    """
    key = checked_key(key)
    if not key or key.lower() == MAIN:
        return main_key(agent_id, prefix)
    if scope == "global" and key.lower() in SENTINELS:
        return key.lower()
    parsed = parse_key(key) or SessionKey(agent_id, key if key.lower().startswith(prefix) else prefix + key)
    rest = parsed.rest.lower() if fold_case else parsed.rest
    return checked_key(f"agent:{parsed.agent_id}:{rest}")


def checked_key(key: str, param: str = "sessionKey") -> str:
    """A key without the blanks around it, if it is one that can be kept.

    @param param: the request field it came in, for the error.
    @raise GatewayError: C{invalid_request}: longer than L{MAX_KEY}, with control characters, or beginning with
        C{agent:} without naming an agent and a session.
    """
    key = key.strip()
    if len(key) > MAX_KEY:
        raise GatewayError("invalid_request", f"A session key has at most {MAX_KEY} characters.", param=param)
    if _CONTROL.search(key):
        raise GatewayError("invalid_request", "A session key has no control characters.", param=param)
    if key.lower().startswith("agent:") and parse_key(key) is None:
        raise GatewayError("invalid_request", "A session key reads agent:<agent id>:<name>.", param=param)
    return key


def is_reserved(key: str) -> bool:
    """Whether a key lies in a namespace that only the gateway itself uses, bare or inside C{agent:<id>:}."""
    while (parsed := parse_key(key)) is not None:
        key = parsed.rest
    return key.strip().lower().startswith(RESERVED)


def openai_key(agent_id: str, uuid: str, api: str = "openai", prefix: str = "") -> str:
    """The key of one HTTP request that names no session.

    @param api: C{openai}, or C{openresponses} for the Responses API.
    @param prefix: what comes before it (L{Principal.session_prefix}), where the session is kept.
    """
    return f"agent:{agent_id}:{prefix}{api}:{uuid}"


def openai_user_key(agent_id: str, user: str, prefix: str = "", api: str = "openai") -> str:
    """The key of the OpenAI field C{user}: the same for each spelling of its case (spec 1.1).

    @param prefix: what comes before it (L{Principal.session_prefix}): users of different clients do not meet.
    @param api: as L{openai_key}.
    @raise GatewayError: C{invalid_request}: the name is blank, too long, or has control characters.
    """
    name = user.strip().lower()
    if not name:
        raise GatewayError("invalid_request", "The user is blank.", param="user")
    return checked_key(f"agent:{agent_id}:{prefix}{api}-user:{name}", "user")


def peer_key(
    agent_id: str,
    message: InboundMessage,
    *,
    dm_scope: str,
    links: Mapping[str, Sequence[str]] | None = None,
    scope: str = "per-sender",
) -> str:
    """The key of a conversation on a channel (spec 4.1).

    An account besides C{default} stands in the keys of its groups as well: ids of one service say nothing of another's.

    @param dm_scope: C{session.dmScope}.
    @param links: C{session.identityLinks}: name -> ids of one person, C{<channel>:<id>} or C{<id>}.
    @param scope: C{session.scope}.
    @raise GatewayError: as L{checked_key}.
    """
    channel, account, peer = message.channel, message.account_id.lower(), message.peer.id.strip().lower()
    if message.peer.kind != "dm":
        place = channel if account in ("", DEFAULT_ACCOUNT) else f"{channel}:{account}"
        return checked_key(f"agent:{agent_id}:{place}:{message.peer.kind}:{peer}", "peer.id")
    if dm_scope == "main":
        return in_scope(main_key(agent_id), agent_id, scope)
    known = (peer, f"{channel}:{peer}")
    linked = (name for name, ids in (links or {}).items() if any(one.strip().lower() in known for one in ids))
    peer = next(linked, peer).lower()
    places = {"per-peer": "", "per-channel-peer": f"{channel}:"}
    place = places.get(dm_scope, f"{channel}:{account or DEFAULT_ACCOUNT}:")
    return checked_key(f"agent:{agent_id}:{place}dm:{peer}", "peer.id")


class Conversation(NamedTuple):
    """What a key tells of a conversation."""

    kind: Literal["direct", "group", "thread"]
    channel: str
    """Lower-cased; "" = it names none."""


def conversation_of(key: str) -> Conversation:
    """What kind of conversation a key names (spec 4.1, 4.4): a thread before a group, everything else is direct."""
    parsed = parse_key(key)
    rest = (parsed.rest if parsed is not None else key).lower()
    inside = f":{rest}"
    kind: Literal["direct", "group", "thread"] = "direct"
    if ":thread:" in inside or ":topic:" in inside:
        kind = "thread"
    elif ":group:" in inside or ":channel:" in inside:
        kind = "group"
    named = _CHANNEL.match(rest)
    return Conversation(kind, named.group(1) if named is not None else "")


def is_leftover(key: str) -> bool:
    """Whether a key was made for a single request, so that its session may be dropped some time later (D34)."""
    parsed = parse_key(key)
    return parsed is not None and _LEFTOVER.fullmatch(parsed.rest.lower()) is not None
