# -*- test-case-name: tests.ws.rpc.test_session_patch -*-
"""What C{sessions.patch} may change, and to what (spec 2.10). Pure. Refusals are in the words of the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.sessions.keys import parse_key
from openclaw_tx.values import SessionEntry, SessionSettings
from openclaw_tx.ws.connect import Params

Text = Annotated[str, Meta(min_length=1, max_length=512)] | None | UnsetType
Number = Annotated[int, Meta(ge=0)] | None | UnsetType


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
    queue_cap: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    queue_drop: Text = UNSET


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

FREE = frozenset({"label", "model", "thinking_level"})
"""Fields that C{operator.write} may change: how sessions are told apart, and what answers there."""

Change = Callable[[SessionEntry], SessionEntry]


def given(params: PatchParams) -> dict[str, Any]:
    """The fields that are to change."""
    names = (name for name in params.__struct_fields__ if name not in ("key", "agent_id", "expected_session_id"))
    return {name: value for name in names if (value := getattr(params, name)) is not UNSET}


def change_of(params: PatchParams, models: Models, agents: Agents) -> Change:
    """What to do to the entry.

    @raise GatewayError: C{invalid_request}: a value that a field can not have; C{model_not_found}. What depends on the
        entry is refused when the change is applied.
    """
    fields = given(params)
    label = fields.pop("label", UNSET)
    parent = fields.pop("spawned_by", UNSET)
    model = fields.pop("model", UNSET)
    info = models.info(model) if isinstance(model, str) else None
    changes = {name: _value(name, value) for name, value in fields.items()}

    def change(entry: SessionEntry) -> SessionEntry:
        if params.expected_session_id and params.expected_session_id != entry.session_id:
            raise GatewayError("invalid_request", "the session has begun anew meanwhile")
        settings = replace(entry.settings, **changes)
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


def _value(name: str, value: Any) -> Any:
    """A field's value as it is stored.

    @raise GatewayError: it can not have it.
    """
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


__all__ = ["FREE", "PatchParams", "change_of", "given"]
