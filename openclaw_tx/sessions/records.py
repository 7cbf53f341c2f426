# -*- test-case-name: tests.sessions.test_sql -*-
"""Values to columns and back: JSON by msgspec, never pickles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from openclaw_tx.values import (
    Entry,
    LastRun,
    Message,
    RunResult,
    SessionEntry,
    SessionSettings,
    StoredRun,
)
from openclaw_tx.wire.openai_chat_render import encode

_EXTRA, _SETTINGS = 12, 13
"""Columns of an entry's row that are JSON."""

PATCHED = ("updated_at_ms", "label", "extra", "settings", "spawned_by", "pinned_at_ms")
"""Columns of an entry that are written when something is set for its session."""

# What a tool put into its details may be anything; a turn is not lost over it.
_encoder = msgspec.json.Encoder(enc_hook=repr)
_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_messages = msgspec.json.Decoder(tuple[Message, ...])
_result = msgspec.json.Decoder(RunResult)
_events = msgspec.json.Decoder(list[Entry])
_extra = msgspec.json.Decoder(dict[str, Any])
_settings = msgspec.json.Decoder(SessionSettings)
_last_run = msgspec.json.Decoder(LastRun)


def encoded(value: object) -> str:
    """A value as JSON text.

    @raise UnicodeEncodeError: it holds half a surrogate pair.
    """
    return _encoder.encode(value).decode()


def messages_of(bodies: Iterable[str], report: Callable[[str], None]) -> list[Message]:
    """Messages from their JSON texts; one that can not be read is left out and reported."""
    messages: list[Message] = []
    decode = _message.decode
    for body in bodies:
        try:
            messages.append(decode(body))
        except msgspec.MsgspecError as error:
            report(f"A stored message can not be read and was left out: {error}")
    return messages


def clean(run: StoredRun) -> StoredRun:
    """The run in Unicode text: half surrogate pairs become U+FFFD."""
    try:
        _encoder.encode(run)
    except UnicodeEncodeError:
        return msgspec.json.decode(encode(msgspec.to_builtins(run, enc_hook=repr)), type=StoredRun)
    return run


def encoded_clean(value: object) -> str:
    """As L{encoded}; half surrogate pairs, which are no Unicode text, become U+FFFD."""
    try:
        return encoded(value)
    except UnicodeEncodeError:
        return encode(msgspec.to_builtins(value, enc_hook=repr)).decode()


def events_of(bodies: Iterable[str], report: Callable[[str], None]) -> list[Entry]:
    """Events from their JSON texts. What precedes a text that can not be read is left out too: there are no holes."""
    found: list[Entry] = []
    for body in bodies:
        try:
            entries = _events.decode(body)
        except msgspec.MsgspecError as error:
            report(f"Stored events of a run can not be read and were left out: {error}")
            found = []
            continue
        if found and entries and entries[0].seq != found[-1].seq + 1:
            found = []
        found += entries
    return found


def entry_columns(entry: SessionEntry, next_position: int) -> dict[str, Any]:
    """A session's row, without a mark."""
    columns: dict[str, Any] = {name: getattr(entry, name) for name in entry.__struct_fields__}
    columns["extra"] = encoded(entry.extra)
    columns["settings"] = encoded(entry.settings)
    columns["spawned_by"] = entry.settings.spawned_by or None
    columns["pinned_at_ms"] = entry.settings.pinned_at
    columns["last_run"] = encoded_last_run(entry)
    columns["next_position"] = next_position
    columns["mark_position"] = None
    return columns


def encoded_last_run(entry: SessionEntry) -> str:
    """Its column; "" = there is none."""
    return encoded(entry.last_run) if entry.last_run is not None else ""


def entry_of(row: Sequence[Any]) -> SessionEntry:
    """A session from its row, in the order of C{schema.ENTRY_FIELDS}."""
    return SessionEntry(
        key=row[0],
        agent_id=row[1],
        session_id=row[2],
        created_at_ms=row[3],
        updated_at_ms=row[4],
        aborted_last_run=bool(row[5]),
        model_provider=row[6],
        model=row[7],
        input_tokens=row[8],
        output_tokens=row[9],
        total_tokens=row[10],
        label=row[11],
        extra=_extra.decode(row[_EXTRA]),
        settings=_settings.decode(row[_SETTINGS]),
        interacted_at_ms=row[14],
        title=row[15],
        preview=row[16],
        last_run=_last_run.decode(row[17]) if row[17] else None,
    )


def run_columns(run: StoredRun, *, session_id: str | None, owner: str, pending: Sequence[Message]) -> dict[str, Any]:
    """A run's row."""
    return {
        "run_id": run.run_id,
        "session_key": run.session_key,
        "session_id": session_id,
        "agent_id": run.agent_id,
        "owner": owner,
        "status": run.status,
        "surface": run.surface,
        "principal_id": run.principal_id,
        "fingerprint": run.fingerprint,
        "queued_at_ms": run.queued_at_ms,
        "started_at_ms": run.started_at_ms,
        "ended_at_ms": run.ended_at_ms,
        "partial": run.partial,
        "pending": encoded(pending) if pending else None,
        "result": encoded(run.result) if run.result is not None else None,
        "idempotency": run.idempotency or None,
        "run_trigger": run.trigger,
        "channel": run.channel,
        "provider": run.provider,
        "model": run.model,
    }


def pending_of(body: str, report: Callable[[str], None]) -> tuple[Message, ...]:
    """What a run at work was asked, from its column; nothing if that can not be read, which is reported."""
    try:
        return _messages.decode(body)
    except msgspec.MsgspecError as error:
        report(f"What a run was asked can not be read and was left out: {error}")
        return ()


def run_of(row: Sequence[Any], report: Callable[[str], None]) -> StoredRun:
    """A run from its row, in the order of C{schema.RUN_FIELDS}; what it was asked may be left out, as of L{pending_of}:
    else one row would keep all others from being looked at."""
    return StoredRun(
        run_id=row[0],
        session_key=row[1],
        agent_id=row[3],
        status=row[5],
        surface=row[6],
        principal_id=row[7],
        fingerprint=row[8],
        queued_at_ms=row[9],
        started_at_ms=row[10],
        ended_at_ms=row[11],
        partial=row[12],
        pending=pending_of(row[13], report) if row[13] else (),
        result=_result.decode(row[14]) if row[14] else None,
        idempotency=row[15] or "",
        trigger=row[16],
        channel=row[17],
        provider=row[18],
        model=row[19],
    )
