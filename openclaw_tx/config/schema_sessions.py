"""Shape of C{session}, C{messages} and C{commands}: how conversations go on, end and wait (spec 3.9, 4)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import FilePath, NonNegativeInt, PositiveInt, Section

QueueMode = Literal["collect", "followup", "interrupt", "steer"]
QueueDrop = Literal["summarize", "old", "new"]


class Reset(Section, frozen=True):
    """When a conversation begins anew by itself. Sessions of API clients never do (docs/sessions.md)."""

    mode: Literal["daily", "idle", "none"] | None = None
    """daily = at an hour of the day; idle = after a pause; none = never. Unset = as session.reset, there daily."""
    at_hour: Annotated[int, Meta(ge=0, le=23)] | None = None
    """Hour of the day of mode daily, in `agents.defaults.userTimezone`. Unset = as session.reset, there 4."""
    idle_minutes: PositiveInt | None = None
    """Pause that ends it, in mode daily as well. Unset = as session.reset, there 60 in mode idle, else none."""


class SendMatch(Section, frozen=True):
    """What a rule of C{session.sendPolicy} is about; all that is given must fit."""

    channel: str = ""
    """Channel of the message, e.g. webchat."""
    chat_type: Literal["", "direct", "group", "channel"] = ""
    """Kind of conversation."""
    key_prefix: str = ""
    """Beginning of the session key, with or without `agent:<id>:`."""


class SendRule(Section, frozen=True):
    """A rule of C{session.sendPolicy}."""

    action: Literal["allow", "deny"]
    """What becomes of what fits."""
    match: SendMatch = field(default_factory=SendMatch)


class SendPolicy(Section, frozen=True):
    """C{session.sendPolicy}: sessions in which agents may answer. A rule that denies wins."""

    default: Literal["allow", "deny"] = "allow"
    """What becomes of sessions that no rule fits."""
    rules: list[SendRule] = []
    """In any order."""


class SessionAgentToAgent(Section, frozen=True):
    """C{session.agentToAgent}."""

    max_ping_pong_turns: Annotated[int, Meta(ge=0, le=5)] = 5
    """How often two agents answer each other after sessions_send."""


class SessionSection(Section, frozen=True):
    """C{session}: keys, storage, new beginnings."""

    store: FilePath = ""
    """Database URL, sqlite:///...; empty = SQLite under the state directory."""
    scope: Literal["per-sender", "global"] = "per-sender"
    """global = all conversations that name no session share one."""
    dm_scope: Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] = "main"
    """Which people on channels share a session: main = all of them and the agent's main one; per-peer = each has one;
    the others = each has one for each channel, or for each account of it."""
    identity_links: dict[str, list[str]] = {}
    """Name -> the ids of one person on channels, `<channel>:<id>` or just `<id>`: that person has one session, but with
    dmScope main."""
    reset: Reset | None = None
    """The general rule; unset = daily at 4."""
    reset_by_type: dict[Literal["direct", "dm", "group", "thread"], Reset] = {}
    """The same for one kind of conversation; dm = direct."""
    reset_by_channel: dict[str, Reset] = {}
    """The same for one channel; it stands alone: neither resetByType nor reset fills what it leaves open."""
    idle_minutes: PositiveInt | None = None
    """Old form of reset with mode idle; counts when neither reset nor resetByType is given."""
    reset_triggers: list[str] = field(default_factory=lambda: ["/new", "/reset"])
    """Messages, or beginnings of them, that start a new conversation."""
    send_policy: SendPolicy = field(default_factory=SendPolicy)
    agent_to_agent: SessionAgentToAgent = field(default_factory=SessionAgentToAgent)


class Queue(Section, frozen=True):
    """C{messages.queue}: messages that come while the agent is at work in their session (chat clients only)."""

    mode: QueueMode = "collect"
    """collect = all of them make one next turn; followup = a turn each; interrupt = the run is aborted for the newest;
    steer = the run gets them between two tools."""
    by_channel: dict[str, QueueMode] = {}
    """The mode for one channel."""
    debounce_ms: NonNegativeInt = 1000
    """Quiet time before what was collected becomes a turn."""
    debounce_ms_by_channel: dict[str, NonNegativeInt] = {}
    """The quiet time for one channel."""
    cap: PositiveInt = 20
    """Messages that may wait in one session."""
    drop: QueueDrop = "summarize"
    """What happens above it: the oldest become a line each in the next turn, the oldest go, or the newest are
    refused."""


class MessagesSection(Section, frozen=True):
    """C{messages}."""

    queue: Queue = field(default_factory=Queue)


class CommandsSection(Section, frozen=True):
    """C{commands}: what a message that begins with / does in the chat path."""

    text: bool = True
    """Understand commands; false = they are plain text."""


__all__ = [
    "CommandsSection",
    "MessagesSection",
    "Queue",
    "QueueDrop",
    "QueueMode",
    "Reset",
    "SendMatch",
    "SendPolicy",
    "SendRule",
    "SessionAgentToAgent",
    "SessionSection",
]
