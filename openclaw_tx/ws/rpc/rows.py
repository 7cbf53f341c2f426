# -*- test-case-name: tests.ws.rpc.test_rows -*-
"""Sessions as lists show them (spec 2.10). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Run, RunEngine
from openclaw_tx.sessions.keys import SENTINELS, conversation_of
from openclaw_tx.values import LastRun, ModelInfo, SessionEntry
from openclaw_tx.wire.openclaw_sessions import entry_object, last_run_fields

STORE = "(database)"
"""What stands for the path of the session store: it is no file a client could read."""

SHOWN = (
    "thinkingLevel",
    "verboseLevel",
    "reasoningLevel",
    "elevatedLevel",
    "responseUsage",
    "sendPolicy",
    "groupActivation",
    "queueMode",
    "spawnedBy",
    "displayName",
    "channel",
    "subject",
    "chatType",
    "systemSent",
    "origin",
    "deliveryContext",
    "lastChannel",
    "lastTo",
    "lastAccountId",
    "icon",
    "color",
    "category",
    "pinnedAt",
    "lastReadAt",
    "markedUnreadAt",
)
"""Fields of an entry of OpenClaw that its row has as well."""


def model_defaults(agents: Agents, models: Models) -> dict[str, Any]:
    """Provider, model and window of the default agent; empty values when it has no usable model."""
    agent = agents.get(agents.default_id)
    try:
        info = models.info(agent.models[0]) if agent is not None and agent.models else None
    except GatewayError:
        info = None
    if info is None:
        return {"modelProvider": None, "model": None, "contextTokens": None}
    return {"modelProvider": info.provider, "model": info.id, "contextTokens": info.context_window}


def at_work(engine: RunEngine) -> Mapping[str, Sequence[Run]]:
    """Runs that have not ended, by their session, oldest first."""
    found: dict[str, list[Run]] = {}
    for run in engine.live():
        if not run.request.stateless:
            found.setdefault(run.request.session_key, []).append(run)
    return found


def session_row(entry: SessionEntry, models: Models, runs: Sequence[Run]) -> dict[str, Any]:
    """A session as C{sessions.list} shows it; what nobody set is left out.

    @param runs: those at work in it.
    """
    row: dict[str, Any] = {
        "key": entry.key,
        "kind": kind_of(entry),
        "agentId": entry.agent_id,
        "updatedAt": entry.updated_at_ms,
        "sessionId": entry.session_id,
        "abortedLastRun": entry.aborted_last_run,
        "inputTokens": entry.input_tokens,
        "outputTokens": entry.output_tokens,
        "totalTokens": entry.total_tokens,
        "createdAt": entry.created_at_ms,
    }
    row["pinned"], row["unread"] = entry.settings.pinned_at > 0, is_unread(entry)
    whole = entry_object(entry)
    row.update((name, whole[name]) for name in SHOWN if name in whole)
    if entry.interacted_at_ms:
        row["lastInteractionAt"] = entry.interacted_at_ms
    if entry.label:
        row["label"] = entry.label
        row.setdefault("displayName", entry.label)
    info = model_of(entry, models)
    if entry.settings.model_override:
        row["providerOverride"] = entry.settings.provider_override
        row["modelOverride"] = entry.settings.model_override
    if info is not None:
        row["modelProvider"], row["model"], row["contextTokens"] = info.provider, info.id, info.context_window
    elif entry.model:
        row["modelProvider"], row["model"] = entry.model_provider, entry.model
    return row | run_fields(entry.last_run, runs)


def run_fields(last: LastRun | None, runs: Sequence[Run]) -> dict[str, Any]:
    """What a row says of runs: of those at work, or how the last one came out. Clients show C{status}: C{queued},
    C{running}, C{done}, C{failed}, C{killed} or C{timeout}; without one, and nothing at work, the session is idle.

    @param last: the one that ended last.
    @param runs: those at work in the session, oldest first.
    """
    fields: dict[str, Any] = {"hasActiveRun": bool(runs), "activeRunIds": [run.request.run_id for run in runs]}
    if not runs:
        return fields | (last_run_fields(last) if last is not None else {})
    fields["status"] = "queued"
    running = next((run for run in runs if run.status == "running"), None)
    if running is not None:
        fields |= {"status": "running", "startedAt": running.started_at_ms}
    return fields


def is_unread(entry: SessionEntry) -> bool:
    """Whether something was said since somebody last read it, or somebody wants it to be read again."""
    settings = entry.settings
    return bool(settings.marked_unread_at) or entry.interacted_at_ms > (settings.last_read_at or entry.created_at_ms)


def kind_of(entry: SessionEntry) -> str:
    """OpenClaw's word for what kind of conversation it is: global, unknown, group or direct."""
    if entry.key in SENTINELS:
        return entry.key
    is_group = conversation_of(entry.key).kind != "direct" or entry.settings.chat_type in ("group", "channel")
    return "group" if is_group else "direct"


def model_ref(entry: SessionEntry) -> str:
    """The ref of the model that was chosen for a session, else of the one it used last; "" = neither."""
    return entry.settings.model_ref or (f"{entry.model_provider}/{entry.model}" if entry.model else "")


def model_of(entry: SessionEntry, models: Models) -> ModelInfo | None:
    """The model that was chosen for a session, else the one it used last, if it is still configured."""
    refs = [entry.settings.model_ref, f"{entry.model_provider}/{entry.model}" if entry.model else ""]
    for ref in filter(None, refs):
        try:
            return models.info(ref)
        except GatewayError:
            continue
    return None


def title(entry: SessionEntry) -> str:
    """What to call a session: what it was named, else what was first said in it; "" = there is nothing."""
    return entry.label or entry.settings.display_name or entry.settings.subject or entry.title


def status_row(entry: SessionEntry, now_ms: int, models: Models, runs: Sequence[Run]) -> dict[str, Any]:
    """A session as C{status} shows it: with its age, and how full its context is."""
    row = session_row(entry, models, runs)
    row["age"] = max(0, now_ms - entry.updated_at_ms)
    row["flags"] = [*(["aborted"] if entry.aborted_last_run else []), f"id:{entry.session_id}"]
    window = row.get("contextTokens")
    if window:
        row["remainingTokens"] = max(0, window - entry.total_tokens)
        row["percentUsed"] = min(100, round(100 * entry.total_tokens / window))
    return row
