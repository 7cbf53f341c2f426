# -*- test-case-name: tests.wire.test_openclaw_sessions -*-
"""Entries of OpenClaw's C{sessions.json} (spec 4.2), both ways. Pure.

Fields that this gateway does not interpret, and those whose value is not of their kind, are kept as they are in
L{SessionEntry.extra}, and come out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from openclaw_tx.values import LastRun, SessionEntry, SessionSettings
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

_LAST_RUN = ("status", "startedAt", "endedAt", "runtimeMs", "lastRunId", "lastRunError")
"""Fields that tell how the run that ended last came out."""

_STATUS: Mapping[str, Literal["done", "failed", "killed", "timeout"]] = {
    "done": "done",
    "failed": "failed",
    "killed": "killed",
    "timeout": "timeout",
    # A restart cut it off; OpenClaw shows such a run as one that failed.
    "interrupted": "failed",
}

_SETTINGS = {field.encode_name: field for field in msgspec.structs.fields(SessionSettings)}


class Imported(NamedTuple):
    """An entry of a file."""

    entry: SessionEntry
    faults: tuple[str, ...]
    """Fields whose value is not of their kind."""


def entry_object(entry: SessionEntry) -> dict[str, Any]:
    """An entry as C{sessions.json} has it; what nobody set is left out."""
    extra = entry.extra
    if entry.last_run is not None and extra:
        extra = {name: value for name, value in extra.items() if name not in _LAST_RUN}
    found: dict[str, Any] = {
        **extra,
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
    if entry.last_run is not None:
        found.update(last_run_fields(entry.last_run))
    return found


def last_run_fields(run: LastRun) -> dict[str, Any]:
    """What an entry of OpenClaw says of the run that ended last; what is not known is left out."""
    fields: dict[str, Any] = {"status": run.status, "lastRunId": run.run_id, "endedAt": run.ended_at_ms}
    if run.started_at_ms:
        fields["startedAt"] = run.started_at_ms
        fields["runtimeMs"] = run.runtime_ms
    if run.error:
        fields["lastRunError"] = run.error
    return fields


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
    last_run = _last_run(extra)
    if last_run is not None:
        extra = {name: given for name, given in extra.items() if name not in _LAST_RUN}
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
        last_run=last_run,
    )
    return Imported(entry, tuple(faults))


def _last_run(fields: Mapping[str, Any]) -> LastRun | None:
    """How a file's last run came out; None = it does not say so, or not in words that are known."""
    said: Any = fields.get("status")
    status = _STATUS.get(said) if isinstance(said, str) else None
    ended = ms_of(fields.get("endedAt"))
    if status is None or not ended:
        return None
    return LastRun(
        run_id=text_of(fields.get("lastRunId")),
        status=status,
        started_at_ms=ms_of(fields.get("startedAt")),
        ended_at_ms=ended,
        error=text_of(fields.get("lastRunError")),
    )


__all__ = ["Imported", "entry_object", "imported", "last_run_fields"]
