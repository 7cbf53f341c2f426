# -*- test-case-name: tests.wire.test_openclaw_sessions -*-
"""Entries of OpenClaw's C{sessions.json} (spec 4.2), both ways. Pure.

Fields that this gateway does not interpret, and those whose value is not of their kind, are kept as they are in
L{SessionEntry.extra}, and come out again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from openclaw_tx.values import SessionEntry, SessionSettings
from openclaw_tx.wire.openclaw_messages import count_of, ms_of, text_of

_OWN = (
    "sessionId",
    "updatedAt",
    "abortedLastRun",
    "modelProvider",
    "model",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "label",
)
"""Fields that are columns of ours."""

_TIMES = ("createdAt", "sessionStartedAt", "lastInteractionAt")
"""The same, where a file has them: today's release has."""

_SETTINGS = {field.encode_name: field for field in msgspec.structs.fields(SessionSettings)}


class Imported(NamedTuple):
    """An entry of a file."""

    entry: SessionEntry
    faults: tuple[str, ...]
    """Fields whose value is not of their kind."""


def entry_object(entry: SessionEntry) -> dict[str, Any]:
    """An entry as C{sessions.json} has it; what nobody set is left out."""
    found: dict[str, Any] = {
        **entry.extra,
        "sessionId": entry.session_id,
        "updatedAt": entry.updated_at_ms,
        "sessionStartedAt": entry.created_at_ms,
        "abortedLastRun": entry.aborted_last_run,
        **msgspec.to_builtins(entry.settings),
    }
    if entry.interacted_at_ms:
        found["lastInteractionAt"] = entry.interacted_at_ms
    if entry.label:
        found["label"] = entry.label
    if entry.model:
        found["modelProvider"] = entry.model_provider
        found["model"] = entry.model
    if entry.input_tokens or entry.output_tokens or entry.total_tokens:
        found["inputTokens"] = entry.input_tokens
        found["outputTokens"] = entry.output_tokens
        found["totalTokens"] = entry.total_tokens
    return found


def imported(key: str, agent_id: str, value: Any) -> Imported:
    """An entry from C{sessions.json}.

    @param key: the key under which it will be kept.
    @raise ValueError: it is no object, or has no session id.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")
    session_id = text_of(value.get("sessionId")).strip()
    if not session_id:
        raise ValueError("it has no sessionId")
    extra = {name: given for name, given in value.items() if name not in (*_OWN, *_TIMES, "sessionFile")}
    faults: list[str] = []
    settings: dict[str, Any] = {}
    for name, field in _SETTINGS.items():
        if name not in extra:
            continue
        try:
            settings[field.name] = msgspec.convert(extra[name], field.type, strict=True)
            del extra[name]
        except msgspec.ValidationError:
            if extra[name] is None:
                del extra[name]
            else:
                faults.append(f"{name} is not of its kind")
    updated = ms_of(value.get("updatedAt"))
    started = ms_of(value.get("sessionStartedAt")) or ms_of(value.get("createdAt")) or updated
    entry = SessionEntry(
        key=key,
        agent_id=agent_id,
        session_id=session_id,
        created_at_ms=started,
        updated_at_ms=updated,
        aborted_last_run=value.get("abortedLastRun") is True,
        model_provider=text_of(value.get("modelProvider")),
        model=text_of(value.get("model")),
        input_tokens=count_of(value.get("inputTokens")),
        output_tokens=count_of(value.get("outputTokens")),
        total_tokens=count_of(value.get("totalTokens")),
        label=text_of(value.get("label")),
        extra=extra,
        settings=SessionSettings(**settings),
        interacted_at_ms=ms_of(value.get("lastInteractionAt")) or updated,
    )
    return Imported(entry, tuple(faults))


__all__ = ["Imported", "entry_object", "imported"]
