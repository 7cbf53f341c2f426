# -*- test-case-name: tests.ws.rpc.test_session_patch -*-
"""What C{sessions.patch} may change, and to what (spec 2.10). Pure. Refusals are in the words of the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from unicodedata import category

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.sessions.keys import parse_key
from openclaw_tx.values import SessionEntry, SessionSettings
from openclaw_tx.wire.frames import Natural, Positive
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.rpc.asks import bad

Text = Annotated[str, Meta(min_length=1, max_length=512)] | None | UnsetType
Number = Natural | None | UnsetType


class PatchParams(Params, frozen=True):
    """Params of C{sessions.patch}; null clears, what is left out stays."""

    key: Annotated[str, Meta(min_length=1, max_length=512)]
    agent_id: str = ""
    expected_session_id: str = ""
    """Change nothing if another conversation has begun meanwhile."""
    label: Text = UNSET
    thinking_level: Text = UNSET
    verbose_level: Text = UNSET
    reasoning_level: Text = UNSET
    response_usage: Text = UNSET
    elevated_level: Text = UNSET
    exec_host: Text = UNSET
    exec_security: Text = UNSET
    exec_ask: Text = UNSET
    exec_node: Text = UNSET
    model: Text = UNSET
    spawned_by: Text = UNSET
    send_policy: Text = UNSET
    group_activation: Text = UNSET
    queue_mode: Text = UNSET
    queue_debounce_ms: Number = UNSET
    queue_cap: Positive | UnsetType | None = UNSET
    queue_drop: Text = UNSET
    icon: Annotated[str, Meta(max_length=512)] | UnsetType | None = UNSET
    """A single emoji, or the name of an icon of the Control UI."""
    color: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    """red, blue, green, yellow, purple, orange, pink or cyan."""
    category: Text = UNSET
    """The group it is shown in."""
    pinned: bool | UnsetType = UNSET
    """Show it at the top of lists."""
    unread: bool | UnsetType = UNSET
    """True: it is to be read again; false: it was read."""
    expected_marked_unread_at: Natural | UnsetType | None = UNSET
    """With C{unread: false} alone: only if this is the row's C{markedUnreadAt} still; null = it has none. Otherwise
    nothing changes, which is no error: somebody has marked it since."""


class Words(NamedTuple):
    """The values of a field."""

    allowed: Sequence[str]
    absent: str = ""
    """The one that is stored as absence."""
    quoted: bool = True


WORDS: Mapping[str, Words] = {
    "thinking_level": Words(("off", "minimal", "low", "medium", "high", "xhigh"), "off", quoted=False),
    "verbose_level": Words(("on", "off", "full")),
    "reasoning_level": Words(("on", "off", "stream"), "off"),
    "response_usage": Words(("off", "tokens", "full", "on"), "off"),
    "elevated_level": Words(("on", "off", "ask", "full")),
    "exec_host": Words(("sandbox", "gateway", "node")),
    "exec_security": Words(("deny", "allowlist", "full")),
    "exec_ask": Words(("off", "on-miss", "always")),
    "send_policy": Words(("allow", "deny")),
    "group_activation": Words(("mention", "always")),
    "queue_mode": Words(("collect", "followup", "interrupt", "steer")),
    "queue_drop": Words(("summarize", "old", "new")),
}
"""Fields of which each is one of a few words."""

LOOKS = frozenset({"icon", "color", "category", "pinned", "unread"})
"""Fields that only say how clients show a session. To change them is no use of it: it keeps its place in lists."""

FREE = LOOKS | {"label", "model", "thinking_level"}
"""Fields that C{operator.write} may change: how sessions are told apart, and what answers there."""

COLORS = ("red", "blue", "green", "yellow", "purple", "orange", "pink", "cyan")
ICONS = ("braces", "book", "monitor", "bot", "kanban", "coins")
"""Names of the Control UI's icons."""
JOINER = "\u200d"
"""Joins emojis to one."""
EMOJI = 16
"""Characters of an emoji at most: many are put together of several."""

Change = Callable[[SessionEntry], SessionEntry]
_NOT_SET = ("key", "agent_id", "expected_session_id", "expected_marked_unread_at")


def given(params: PatchParams) -> dict[str, Any]:
    """The fields that are to change."""
    names = (name for name in params.__struct_fields__ if name not in _NOT_SET)
    return {name: value for name in names if (value := getattr(params, name)) is not UNSET}


def change_of(params: PatchParams, models: Models, agents: Agents, now_ms: int) -> Change:
    """What to do to the entry.

    @raise GatewayError: C{invalid_request}: a value that a field can not have; C{model_not_found}. What depends on the
        entry is refused when the change is applied.
    """
    fields = given(params)
    label = fields.pop("label", UNSET)
    if isinstance(label, str) and not label.strip():
        raise bad("sessions.patch", "at /label: must NOT be blank")
    parent = fields.pop("spawned_by", UNSET)
    model = fields.pop("model", UNSET)
    info = models.info(model) if isinstance(model, str) else None
    pinned, unread = fields.pop("pinned", UNSET), fields.pop("unread", UNSET)
    if params.expected_marked_unread_at is not UNSET and given(params) != {"unread": False}:
        raise bad("sessions.patch", "expectedMarkedUnreadAt requires unread=false as the only change")
    changes = {name: _value(name, value) for name, value in fields.items()}

    def change(entry: SessionEntry) -> SessionEntry:
        if params.expected_session_id and params.expected_session_id != entry.session_id:
            raise GatewayError("invalid_request", "the session has begun anew meanwhile")
        marked = params.expected_marked_unread_at
        if marked is not UNSET and entry.settings.marked_unread_at != (marked or 0):
            return entry
        settings = _read(_pinned(entry, replace(entry.settings, **changes), pinned, now_ms), unread, now_ms)
        if parent is not UNSET:
            settings = _spawned(entry, settings, parent)
        if model is not UNSET:
            agent = agents.get(entry.agent_id)
            # The agent's own model needs no override.
            own = info is not None and agent is not None and agent.models[:1] == (info.ref,)
            chosen = info if not own else None
            settings = replace(
                settings,
                provider_override=chosen.provider if chosen is not None else "",
                model_override=chosen.id if chosen is not None else "",
            )
        text = entry.label if label is UNSET else (label or "").strip()
        return replace(entry, settings=settings, label=text)

    return change


def _pinned(entry: SessionEntry, settings: SessionSettings, pinned: bool | UnsetType, now_ms: int) -> SessionSettings:
    """
    @raise GatewayError: lists show children with their parents.
    """
    if pinned is UNSET:
        return settings
    parsed = parse_key(entry.key)
    child = settings.spawned_by or (parsed is not None and parsed.rest.lower().startswith("subagent:"))
    if pinned and child:
        raise GatewayError("invalid_request", "cannot pin a child session; pin its parent session instead")
    return replace(settings, pinned_at=(settings.pinned_at or now_ms) if pinned else 0)


def _read(settings: SessionSettings, unread: bool | UnsetType, now_ms: int) -> SessionSettings:
    if unread is UNSET:
        return settings
    if unread:
        # A mark is another one each time, so that who has read it does not take back a newer one.
        return replace(settings, marked_unread_at=max(now_ms, settings.marked_unread_at + 1))
    return replace(settings, marked_unread_at=0, last_read_at=now_ms)


def _icon(value: str) -> str:
    """
    @raise GatewayError: it is none. Pictures are not taken: clients would show what somebody else has drawn.
    """
    icon = value.strip()
    plain = any(category(char)[0] in "LZC" and char != JOINER for char in icon)
    if icon in ICONS or not icon or (len(icon) <= EMOJI and not plain and not icon.isascii()):
        return icon
    raise GatewayError("invalid_request", f"icon must be a single emoji or a named icon ({', '.join(ICONS)})")


def _value(name: str, value: Any) -> Any:
    """A field's value as it is stored.

    @raise GatewayError: it can not have it.
    """
    if name == "icon":
        return _icon(value or "")
    if name == "color" and value is not None and value.strip().lower() not in ("", *COLORS):
        raise GatewayError("invalid_request", f"color must be one of: {', '.join(COLORS)}")
    if name == "color":
        return (value or "").strip().lower()
    if name == "category" and value is not None:
        if not value.strip():
            raise GatewayError("invalid_request", "invalid category: empty")
        return value.strip()
    words = WORDS.get(name)
    if value is None or words is None:
        return value if value is not None or name in ("queue_debounce_ms", "queue_cap") else ""
    word = value.strip().lower()
    if word not in words.allowed:
        wire_name = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
        choice = "|".join(f'"{each}"' if words.quoted else each for each in words.allowed)
        raise GatewayError("invalid_request", f"invalid {wire_name} (use {choice})")
    return "" if word == words.absent else word


def _spawned(entry: SessionEntry, settings: SessionSettings, parent: str | None) -> SessionSettings:
    """
    @raise GatewayError: who spawned a session is told once, and of sub-agents only.
    """
    held = settings.spawned_by
    if parent is None:
        if held:
            raise GatewayError("invalid_request", "spawnedBy cannot be cleared once set")
        return settings
    parsed = parse_key(entry.key)
    if parsed is None or not parsed.rest.lower().startswith("subagent:"):
        raise GatewayError("invalid_request", "spawnedBy is only supported for subagent:* sessions")
    if held and held != parent:
        raise GatewayError("invalid_request", "spawnedBy cannot be changed once set")
    return replace(settings, spawned_by=parent)


__all__ = ["FREE", "LOOKS", "PatchParams", "change_of", "given"]
